"""Mix-ups at enrolment: one sample under two labels, one person twice, two people in one label.

Nothing is refused. A sample is compared with what is enrolled, by one search of the index, and with
the samples before it in its batch.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from siamkit.errors import SiamkitError
from siamkit.flows.nearest import search_identities
from siamkit.io.commands import suggest
from siamkit.io.sources import shorten
from siamkit.store import Store, galleries, templates
from siamkit.store.galleries import Gallery
from siamkit.store.samples import NewSample
from siamkit.store.templates import Owner
from siamkit.types import Calibration, Vectors

if TYPE_CHECKING:
    from siamkit.embed.pipeline import Pipeline
    from siamkit.store.live_index import LiveIndex

SAME_FMR = 1e-4  # false match rate at which a sample counts as that of another identity
# Samples of strangers, at most, that may be said to match one of all identities: in a large gallery
# the rate of a single comparison is lower.
FALSE_WARNINGS = 0.01
COPY = 0.9999  # cosine from which two samples are one to the encoder; rounding differs by less
FAR_LLR = -math.log(100)  # evidence of 100 to 1 against the same identity, and stronger
TOPICAL = ("text",)  # kinds whose labels are often topics: their samples need not be alike
CHECKED = 10_000  # samples of one call; `siamkit audit` looks for the same among any number
NEAREST = 2  # identities: the sample's own, and the nearest other one
notes = logging.getLogger("siamkit.notes")


@dataclass(frozen=True, slots=True)
class Mixup:
    """Why a new sample may have the wrong label."""

    kind: Literal["copy", "match", "far"]
    other: str  # the other identity; its own if it is far from all of its samples
    score: float  # cosine to the nearest sample of that identity

    def describe(self, source: str, label: str, sample_id: int, noun: str) -> str:
        """Return a warning that names both identities, and the commands to go on with."""
        name, show = shorten(source), f"`{suggest('show', self.other)}`"
        forget = f"`siamkit forget --sample {sample_id}`"
        if self.kind == "far":
            return (
                f"{name} is unlike every other sample of {label}: best cosine {self.score:.3f}."
                f" Another {noun}: {forget}. To look: {show}"
            )
        like = f"matches {self.other}, cosine {self.score:.3f}"
        if self.kind == "copy":
            like = f"is the same as a sample of {self.other}"
        merge = f"`{suggest('merge', label, self.other)}`"
        several = (
            " Both labels hold, for `siamkit classify --tags`: leave it."
            if self.kind == "copy"
            else ""
        )
        return (
            f"{name}, enrolled as {label}, {like}."
            f" One {noun}: {merge}. A mistake: {forget}.{several} To look: {show}"
        )


class MixupCheck:
    """Looks for mix-ups among the samples of one call."""

    def __init__(self, pipeline: Pipeline, open_index: Callable[[Gallery], LiveIndex]) -> None:
        self._calibration = pipeline.calibration
        is_topical = pipeline.modality.kind in TOPICAL
        self._far_below = -1.0 if is_topical else _far_below(pipeline.calibration)
        self._open_index = open_index
        self._checked = 0
        self._identities = 0  # in the gallery at first, and then at most
        self._failed = False

    def check(
        self, store: Store, gallery: Gallery, samples: Sequence[NewSample], vectors: Vectors
    ) -> list[Mixup | None]:
        """Return what is suspicious about each of n samples that are about to be enrolled."""
        if self._failed or self._checked > CHECKED:
            return [None] * len(samples)
        try:
            enrolled = self._search(store, gallery, samples, vectors)
        except SiamkitError as error:  # enrolment needs no index
            notes.warning(f"not checked for mix-ups: {error}")
            self._failed = True
            return [None] * len(samples)
        self._identities += len({sample.identity for sample in samples})
        same_from = _same_from(self._calibration, self._identities)
        mixups = []
        for row, sample in enumerate(samples):
            nearest = enrolled[row]
            for earlier, score in zip(
                samples, (vectors[:row] @ vectors[row]).tolist(), strict=False
            ):
                nearest = nearest.with_score(earlier.identity == sample.identity, score, earlier)
            mixups.append(nearest.judge(sample.identity, same_from, self._far_below))
        self._checked += len(samples)
        if self._checked > CHECKED:
            notes.warning(
                f"what follows the first {self._checked:,} samples is not checked for mix-ups:"
                f" `siamkit audit {gallery.name}` looks at all"
            )
        return mixups

    def _search(
        self, store: Store, gallery: Gallery, samples: Sequence[NewSample], vectors: Vectors
    ) -> list[_Nearest]:
        """Return the highest scores of n samples to what is enrolled already."""
        if not self._checked:
            self._identities = galleries.count(store, gallery)[0]
            if not self._identities:
                return [_Nearest()] * len(samples)
        live = self._open_index(gallery)
        of_label: dict[str, Vectors] = {}
        scores = []
        for sample, vector, row in zip(
            samples, vectors, search_identities(live, vectors, NEAREST).rows, strict=True
        ):
            label, nearest = sample.identity, _Nearest()
            for score, owner in row:
                nearest = nearest.with_score(owner.identity == label, score, owner)
            if nearest.own is None:  # not among the nearest, if it has a sample at all
                if label not in of_label:
                    of_label[label] = templates.of_label(store, gallery, label)
                if len(of_label[label]):
                    nearest = replace(nearest, own=float((of_label[label] @ vector).max()))
            scores.append(nearest)
        return scores


@dataclass(frozen=True, slots=True)
class _Nearest:
    """The highest scores of a new sample, to its own label and to another one."""

    own: float | None = None  # None if the label has no other sample
    other: float = -1.0
    identity: str = ""  # the other one

    def with_score(self, is_own: bool, score: float, sample: NewSample | Owner) -> _Nearest:
        """Return the same with one more score."""
        if is_own:
            return self if self.own is not None and self.own >= score else replace(self, own=score)
        if score <= self.other:
            return self
        return replace(self, other=score, identity=sample.identity)

    def judge(self, label: str, same_from: float, far_below: float) -> Mixup | None:
        if self.other >= COPY:
            return Mixup("copy", self.identity, self.other)
        if self.other >= same_from:
            return Mixup("match", self.identity, self.other)
        if self.own is not None and self.own < far_below:
            return Mixup("far", label, self.own)
        return None


def _same_from(calibration: Calibration | None, identities: int) -> float:
    """Return the cosine from which two samples count as one identity's; COPY if nothing tells.

    Where the calibration does not reach so low a rate, it is the score of its strongest evidence.
    """
    if calibration is None:
        return COPY
    from siamkit.stats.calibration import compares_strangers, threshold_for_many

    rate = min(SAME_FMR, FALSE_WARNINGS / max(identities, 1))
    if compares_strangers(calibration):
        threshold = threshold_for_many(calibration, rate)
        if threshold.fmr is not None and threshold.fmr <= rate:
            return threshold.value
    return min(calibration.scores[-1], COPY)


def _far_below(calibration: Calibration | None) -> float:
    """Return the cosine below which the evidence against one identity is FAR_LLR; -1 if unknown."""
    if calibration is None:
        return -1.0
    from siamkit.stats.calibration import llr

    scores = np.linspace(-1, 1, 2_001)
    against = scores[llr(calibration, scores) <= FAR_LLR]
    return float(against[-1]) if len(against) else -1.0
