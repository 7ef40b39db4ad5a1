"""Default decision thresholds, and how they were measured: benchmarks/questions.py prints both.

4977 labelled pairs of Quora questions, a mix in which the non-duplicates were picked because they
look alike. A precision of 0.90 is out of reach for cosine alone there: it leaves a recall of 0.12
(float32, at 0.968) or 0.09 (int8, at 0.969). So the thresholds are where F0.5, which counts
precision twice, is highest. Unrelated texts pass far more rarely than the FMR here says.
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
