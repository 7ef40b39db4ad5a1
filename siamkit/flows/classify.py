"""Classify: which of a gallery's classes is a sample of, and how likely?

The classes are the gallery's identities. One that is enrolled under several labels bears them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit import batches, choice
from siamkit.choice import Chooser
from siamkit.decisions import Decision, Limits, limits_among
from siamkit.errors import BadInput, Uncalibrated
from siamkit.pipeline import Pipeline
from siamkit.store import Gallery, Store, galleries, samples, templates
from siamkit.types import Calibration, Quality, Region, Threshold

if TYPE_CHECKING:
    from siamkit.classification import Array, Labelled, Rule
    from siamkit.types import Cursor

TAGGED = 0.5  # the probability from which a tag is given


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """One class. Probabilities of classes sum to 1; those of tags are independent of each other."""

    identity: str
    probability: float  # in (0, 1), of this class if the sample is of an enrolled one
    score: float  # cosine in [-1, 1] to its nearest sample, or by prototypes to its mean


@dataclass(frozen=True, slots=True)
class Classified:
    """One region of a sample and every class, the most likely first.

    limits is what decides whether it is of any enrolled class, or None where all are known.
    """

    source: str
    region: Region
    quality: Quality | None
    classes: list[ClassMatch]
    tags: bool
    limits: Limits | None = None

    @property
    def decision(self) -> Decision:
        """Is it of an enrolled class? By the score of the nearest."""
        best = max(match.score for match in self.classes)
        return self.limits.decide(best) if self.limits else "same"

    @property
    def identity(self) -> str | None:
        """The most likely class; None: unknown, or it cannot be told."""
        return self.classes[0].identity if self.decision == "same" else None

    @property
    def identities(self) -> list[str]:
        """The tags that are likelier than not, or the one class; empty: unknown."""
        if not self.tags:
            return [self.identity] if self.identity is not None else []
        given = [match.identity for match in self.classes if match.probability >= TAGGED]
        return given if self.decision == "same" else []


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A gallery as it was when it was opened, ready to classify."""

    gallery: Gallery
    names: list[str]
    known: Labelled
    rule: Rule
    evidence: Callable[[Array], Array]
    basis: str  # where probabilities come from, for people
    guessed: bool  # nothing in the gallery says how sharp they should be
    cursor: Cursor = field(repr=False)

    def classify(
        self,
        pipeline: Pipeline,
        probe: Path | str | bytes,
        *,
        limits: Limits | None = None,
        choose: Chooser = choice.everything,
    ) -> list[Classified]:
        """Every class of each region of a probe. Raises NothingFound, EncoderMismatch."""
        import numpy as np

        from siamkit import classification

        galleries.require_space(self.gallery, pipeline.encoder.fingerprint)
        done = batches.one(pipeline, pipeline.read(probe), choose)
        vectors = np.stack([item.vector for item in done.found if item.vector is not None])
        likely = classification.probabilities(self.known, self.rule, self.evidence, vectors)
        scores = classification.class_scores(self.known, self.rule, vectors)
        return [
            Classified(
                done.name,
                item.region,
                item.quality,
                self._ranked(row, near),
                self.rule.tags,
                limits,
            )
            for item, row, near in zip(done.found, likely, scores, strict=True)
        ]

    def _ranked(self, likely: Array, scores: Array) -> list[ClassMatch]:
        found = map(ClassMatch, self.names, likely.tolist(), scores.tolist())
        return sorted(found, key=lambda match: (-match.probability, -match.score, match.identity))

    def limits(
        self, threshold: Threshold | None, *, fmr: float | None = None, fpir: float | None = None
    ) -> Limits:
        """What decides whether a sample is of any class; as for a query, see there.

        Raises Uncalibrated where there is neither a threshold nor a calibration.
        """
        own = self.gallery.calibration
        by_sample = self.rule.by == "knn" and not (own and own.per == "identity")
        size = self.known.vectors.shape[0] if by_sample else len(self.names)
        who = f"gallery {self.gallery.name}"
        found = limits_among(threshold, own, self.gallery.threshold, who, size, fmr=fmr, fpir=fpir)
        if found is None:
            raise Uncalibrated(
                f"{who} has no threshold, so none can be called unknown",
                hint=f"`siamkit calibrate {self.gallery.name}` measures one; or give --threshold",
            )
        return found


def open_classifier(store: Store, gallery: Gallery, rule: Rule) -> Classifier:
    """Read a gallery, and find out how likely its scores make a class.

    By the log-likelihood ratios of its calibration; for tags, or without one, by the temperature
    that predicts its own samples best, each by the others. Raises BadInput for an empty gallery.
    """
    from siamkit import classification

    if rule.k < 1:
        raise BadInput(f"k is {rule.k}", hint="let 1 neighbour vote at least")
    with store.read():
        cursor = templates.head(store, gallery)
        names, known = _labelled(store, gallery)
    if not names:
        raise BadInput(
            f"gallery {gallery.name} is empty", hint=f"siamkit enrol {gallery.name} FILE --as CLASS"
        )
    own = gallery.calibration
    if own and not rule.tags:
        basis = f"by the calibration: {own.source}"
        return Classifier(gallery, names, known, rule, _calibrated(own), basis, False, cursor)
    fitted = classification.fit(known, rule)
    if fitted:
        temperature, count = fitted
        basis = f"fitted to {count:,} enrolled samples, each left out in turn"
    else:
        temperature = classification.guess(known)
        basis = "a guess: no class has a second sample"
    evidence = classification.scaled(temperature)
    return Classifier(gallery, names, known, rule, evidence, basis, fitted is None, cursor)


def _calibrated(calibration: Calibration) -> Callable[[Array], Array]:
    from siamkit.calibration import llr

    return lambda scores: llr(calibration, scores)


def _labelled(store: Store, gallery: Gallery) -> tuple[list[str], Labelled]:
    """The classes by name, and each content's region once, with all the labels it bears."""
    import numpy as np

    from siamkit.classification import Labelled

    ids, vectors = templates.everything(store, gallery)
    owned = {sample.id: sample for sample in samples.of_gallery(store, gallery)}
    of_template = templates.samples_of(store, gallery)
    listed = [owned[of_template[i]] for i in ids.tolist()]
    names = sorted({sample.identity for sample in listed})
    column = {name: place for place, name in enumerate(names)}
    rows: dict[tuple[bytes, str], int] = {}
    first: list[int] = []
    for place, sample in enumerate(listed):
        if (sample.digest, sample.region) not in rows:
            rows[sample.digest, sample.region] = len(first)
            first.append(place)
    bears = np.zeros((len(first), len(names)), np.bool_)
    for sample in listed:
        bears[rows[sample.digest, sample.region], column[sample.identity]] = True
    return names, Labelled(vectors[first], bears)
