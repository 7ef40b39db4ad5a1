"""Default decision thresholds; benchmarks/questions.py measures them.

They were measured on 4977 labelled pairs of Quora questions, whose non-duplicates were picked
because they look alike. Cosine alone cannot reach a useful precision of 0.90 there: recall would be
0.12 (float32, at 0.968) or 0.09 (int8, at 0.969). So each threshold is the one with the highest
F0.5, which weighs precision twice as much as recall. Unrelated texts pass far more rarely than the
FMR stated here.
"""

from __future__ import annotations

from collections.abc import Mapping

from siamkit.types import Threshold

_DATA = "highest F0.5 on 4977 labelled Quora pairs, 1907 of them duplicates"

THRESHOLDS: Mapping[str, Threshold] = {
    "minilm-l6": Threshold(value=0.8235, fmr=0.177, source=f"{_DATA}: precision 0.71, recall 0.69"),
    "minilm-l6-int8": Threshold(
        value=0.812, fmr=0.187, source=f"{_DATA}: precision 0.70, recall 0.71"
    ),
}
