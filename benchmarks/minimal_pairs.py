"""Measure cosine and the reranker `lexical` on pairs of questions that differ in one detail.

    python benchmarks/minimal_pairs.py [PAIRS]

PAIRS: a CSV with a,b,label,kind; tests/data/minimal_pairs.csv by default. Prints, for each kind,
the area under the ROC curve and the share of right decisions at the default thresholds.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from siamkit.embed.pipeline import open_pipeline
from siamkit.embed.rerankers import open_reranker
from siamkit.stats.metrics import error_rates, roc_auc

PAIRS = Path(__file__).parents[1] / "tests" / "data" / "minimal_pairs.csv"
FIRST_KINDS = {"entity", "negation", "number", "unit", "verb"}  # of the first 330 pairs


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pipeline = open_pipeline("questions", encoder="minilm-l6", detector=None)
    judge = open_reranker(pipeline, "lexical")
    left, right = ([pipeline.modality.load(row[side]) for row in rows] for side in "ab")
    a, b = (pipeline.embed(texts)[0] for texts in (left, right))
    label = np.array([row["label"] == "1" for row in rows])
    kind = np.array([row["kind"] for row in rows])
    threshold = pipeline.threshold
    assert threshold is not None
    systems = [
        (np.einsum("nd,nd->n", a, b), threshold.value),
        (judge.score(left, right, a, b), judge.threshold.value),
    ]
    print(
        f"{'':14}{'pairs':>6}{'cosine AUC':>12}{'accuracy':>10}{'lexical AUC':>13}{'accuracy':>10}"
    )
    is_first = np.isin(kind, list(FIRST_KINDS))
    groups = [("all", kind != ""), ("first kinds", is_first), ("other kinds", ~is_first)]
    groups += [(name, kind == name) for name in dict.fromkeys(kind.tolist())]
    for name, at in groups:
        if not at.any():
            continue
        cells = f"{name:14}{at.sum():6}"
        for (score, limit), width in zip(systems, (12, 13), strict=True):
            right_share = ((score >= limit) == label)[at].mean()
            area = roc_auc(error_rates(score[at & label], score[at & ~label]))
            cells += f"{area:{width}.3f}{right_share:10.3f}"
        print(cells)


if __name__ == "__main__":
    main()
