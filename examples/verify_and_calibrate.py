"""From a score to a decision with a known error rate: calibrate a gallery, then verify.

The gallery holds 120 questions of 20 kinds (intents.csv): a kind is an identity, a question a
sample. The same lines work with photographs or recordings, where an identity is a person.
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import siamkit as sk

TABLE = Path(__file__).parent / "intents.csv"
PROBE = "What is the weight of the backpack?"

with tempfile.TemporaryDirectory() as folder, sk.Workspace(folder) as ws:
    with TABLE.open(encoding="utf-8", newline="") as file:
        samples = [(row["label"], row["text"]) for row in csv.DictReader(file)]
    enrolled = list(ws.enrol_many("kinds", samples, modality="questions"))
    print(f"{len(enrolled)} questions of {len({label for label, _ in samples})} kinds enrolled")

    calibration = ws.calibrate("kinds", targets=sk.CalibrationTargets(fmr=0.05))
    print(f"{calibration.mated} mated and {calibration.non_mated} non-mated comparisons;", end=" ")
    print(f"the lowest false match rate they support is {calibration.false_matches.rates[-1]:.3f}")

    for kind in ("weight", "price"):
        answer = ws.verify_identity("kinds", kind, PROBE).verdict
        print(f"{PROBE!r} asks for the {kind}? {answer.decision}:", end=" ")
        print(f"score {answer.score:.3f}, probability {answer.probability:.2f}")

    strict = ws.verify_identity("kinds", "weight", PROBE, rule=sk.DecisionRule(fmr=0.02)).verdict
    print(f"at a false match rate of 0.02: {strict.decision} (from {strict.threshold.value:.3f})")

    try:
        ws.verify_identity("kinds", "weight", PROBE, rule=sk.DecisionRule(fmr=1e-6))
    except sk.SiamkitError as error:
        print("refused:", error)
