"""Count right and false pairs of `siamkit dedupe` on photos of people, by how it decides.

    python benchmarks/dedupe_faces.py DATA [--photos 500]

DATA/faces/lfw has a folder per person. Up to three photos of randomly drawn people are compared;
they are aligned crops, so no detector runs.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

import siamkit as sk

MOST = 3  # photos of a person
RULES = {
    "one pair at FMR 0.001": sk.DecisionRule(fmr=0.001),
    "10 expected false pairs": sk.DecisionRule(expected_false=10),
    "1 expected false pair, the default": sk.DecisionRule(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=500)
    options = parser.parse_args()
    people = sorted((options.data / "faces" / "lfw").iterdir())
    photos: list[Path] = []
    for person in np.random.default_rng(0).permutation(len(people)):
        photos += sorted(people[person].glob("*.jpg"))[:MOST]
    photos = photos[: options.photos]
    counts = Counter(photo.parent for photo in photos)
    mated = sum(count * (count - 1) // 2 for count in counts.values())
    print(f"{len(photos)} photos of {len(counts)} people, {mated} true pairs")
    with sk.Workspace() as ws:
        for name, rule in RULES.items():
            deduped = ws.dedupe(photos, modality="faces", detector=None, rule=rule)
            pairs = [
                {pair.left.source.parent, pair.right.source.parent} for pair in deduped.pairs()
            ]
            false = sum(len(names) > 1 for names in pairs)
            groups = [set() for _ in range(deduped.groups)]
            for member in deduped.members:
                groups[member.group - 1].add(member.item.source.parent)
            mixed = sum(len(names) > 1 for names in groups)
            print(
                f"{name:36} threshold {deduped.grouping.rule.threshold.value:.3f}"
                f"  pairs {len(pairs)}  false {false}  recall {(len(pairs) - false) / mated:.3f}"
                f"  groups {len(groups)}  mixed {mixed}"
            )


if __name__ == "__main__":
    main()
