"""Classify: which of a gallery's classes is a sample of, and how likely?

The classes are the gallery's identities. One that is enrolled under several labels bears them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import EmbeddedSource
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput, Uncalibrated
from siamkit.flows.decide import Decision, DecisionRule, gallery_basis
from siamkit.flows.query import Answer, answers
from siamkit.store import Gallery, Store, galleries, samples, templates
from siamkit.store.gallery_vectors import load_vectors
from siamkit.store.live_index import LiveIndex
from siamkit.types import Calibration, Quality, Region

if TYPE_CHECKING:
    from siamkit.stats.classify import ClassificationRule
    from siamkit.stats.label_sets import Array, LabelledVectors
    from siamkit.types import Cursor

TAGGED = 0.5  # the probability from which a tag is given
GUESSED = "guessed: the samples are too few to fit them to"


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """One class. Probabilities of classes sum to 1; those of tags are independent of each other."""

    identity: str
    probability: float  # in (0, 1), if the sample is of an enrolled class; 1 if there is one alone
    score: float  # cosine in [-1, 1] to its nearest sample, or by prototypes to its mean


@dataclass(frozen=True, slots=True)
class Classified:
    """One region of a sample and every class, the most likely first."""

    source: str
    region: Region
    quality: Quality | None
    classes: list[ClassMatch]
    tags: bool
    nearest: Answer | None = None  # whether it is of any class, as a query says; None: it is

    @property
    def decision(self) -> Decision:
        """Is it of an enrolled class at all?"""
        return self.nearest.decision if self.nearest else "same"

    @property
    def identity(self) -> str | None:
        """The most likely class, or tag that is given; None: unknown, or it cannot be told."""
        return next(iter(self.identities), None)

    @property
    def identities(self) -> list[str]:
        """The tags that are likelier than not, or the one class; empty: unknown."""
        if self.decision != "same":
            return []
        if not self.tags:
            return [self.classes[0].identity]
        return [match.identity for match in self.classes if match.probability >= TAGGED]


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """A gallery's samples by their classes, at one moment."""

    gallery: Gallery
    cursor: Cursor
    identities: list[tuple[str, int]]  # labels and ids
    names: list[str]  # the labels, sorted
    known: LabelledVectors


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A gallery as it was when it was opened, ready to classify."""

    classes: Classes
    settings: ClassificationRule
    evidence: Callable[[Array], Array]
    basis: str  # where probabilities come from, for people

    @property
    def guessed(self) -> bool:
        """Nothing says how sharp the probabilities should be."""
        return self.basis == GUESSED

    @property
    def gallery(self) -> Gallery:
        return self.classes.gallery

    def classify(
        self,
        live: LiveIndex,
        pipeline: Pipeline,
        probe: Path | str | bytes,
        *,
        rule: DecisionRule | None = None,
        choose: Chooser = region_choosers.all_regions,
    ) -> list[Classified]:
        """Every class of each region of a probe.

        rule: a region that no query would identify by it belongs to no class; None: every region
        belongs to one. Raises NothingFound, EncoderMismatch, Uncalibrated for a rule in a gallery
        that has no threshold, and BadInput for a rule with a reranker.
        """
        import numpy as np

        from siamkit.stats import classify as classification

        if rule:
            rule.refuse("a classification", "reranker")
        galleries.require_space(self.gallery, pipeline.encoder.fingerprint)
        done = batches.embed_one(pipeline, pipeline.read(probe), choose)
        nearest = self._nearest(live, pipeline, done, rule)
        vectors = np.stack([item.vector for item in done.regions if item.vector is not None])
        known = self.classes.known
        likely = classification.probabilities(known, self.settings, self.evidence, vectors)
        scores = classification.class_scores(known, self.settings, vectors)
        return [
            Classified(
                done.name,
                item.region,
                item.quality,
                self._ranked(row, near),
                self.settings.tags,
                answer,
            )
            for item, row, near, answer in zip(done.regions, likely, scores, nearest, strict=True)
        ]

    def _nearest(
        self, live: LiveIndex, pipeline: Pipeline, done: EmbeddedSource, rule: DecisionRule | None
    ) -> Sequence[Answer | None]:
        if rule is None:
            return [None] * len(done.regions)
        found = answers(live, pipeline, done, k=1, rule=rule)
        if found[0].threshold is None:
            raise Uncalibrated(
                f"gallery {self.gallery.name} has no threshold, so nothing can be called unknown",
                hint=f"`siamkit calibrate {self.gallery.name}` measures one; or give --threshold",
            )
        return found

    def _ranked(self, likely: Array, scores: Array) -> list[ClassMatch]:
        found = map(ClassMatch, self.classes.names, likely.tolist(), scores.tolist())
        return sorted(found, key=lambda match: (-match.probability, -match.score, match.identity))


def read_classes(store: Store, gallery: Gallery) -> Classes:
    """Every content's region once, with all the labels it bears. Raises BadInput for none."""
    import numpy as np

    from siamkit.stats.label_sets import LabelledVectors

    with store.read():
        cursor = templates.last_change(store, gallery)
        everybody, identities = (
            load_vectors(store, gallery),
            samples.list_identities(store, gallery),
        )
    if not everybody.names:
        raise BadInput(
            f"gallery {gallery.name} is empty", hint=f"siamkit enrol {gallery.name} FILE --as CLASS"
        )
    places: dict[tuple[bytes, str], int] = {}
    rows = [places.setdefault((s.digest, s.region), len(places)) for s in everybody.samples]
    entries = np.unique(np.stack([rows, everybody.identity], axis=1), axis=0)
    first = np.unique(rows, return_index=True)[1]
    vectors = everybody.vectors if len(first) == len(rows) else everybody.vectors[first]
    known = LabelledVectors(vectors, entries[:, 0], entries[:, 1])
    return Classes(gallery, cursor, identities, everybody.names, known)


def open_classifier(
    classes: Classes, pipeline: Pipeline, settings: ClassificationRule
) -> Classifier:
    """Find out how likely the scores of a gallery make a class.

    By the temperature that predicts its own samples best, each by the others; where they are too
    few, by the log-likelihood ratios of a calibration of pairs, the gallery's or the encoder's; or
    else by a guess. Raises BadInput for a method that does not exist.
    """
    from siamkit.stats import classify as classification

    if settings.method not in classification.METHODS:
        raise BadInput(
            f"there is no method {settings.method!r}",
            hint=f"by {' or '.join(classification.METHODS)}",
        )
    if settings.k < 1:
        raise BadInput(f"k is {settings.k}", hint="let 1 neighbour vote at least")
    if fitted := classification.fit_temperature(classes.known, settings):
        temperature, count = fitted
        evidence = classification.evidence_at(temperature)
        source = f"fitted to {count:,} enrolled samples, each left out in turn"
    elif calibration := (
        None if settings.tags else gallery_basis(classes.gallery, pipeline, None).calibration
    ):
        evidence = _calibrated(calibration)
        source = f"by the calibration: {calibration.source}"
    else:
        evidence = classification.evidence_at(classification.guess_temperature(classes.known))
        source = GUESSED
    return Classifier(classes, settings, evidence, source)


class Classifiers:
    """Opened ones, kept from call to call until their gallery changes."""

    def __init__(self) -> None:
        self._classes: dict[str, Classes] = {}
        self._classifiers: dict[tuple[str, ClassificationRule], Classifier] = {}

    def open(
        self, store: Store, gallery: Gallery, pipeline: Pipeline, settings: ClassificationRule
    ) -> Classifier:
        """One that knows all that is enrolled now: see open_classifier."""
        classes = self._read(store, gallery)
        kept = self._classifiers.get((gallery.index_key, settings))
        if kept is None or kept.classes is not classes:
            kept = open_classifier(classes, pipeline, settings)
            self._classifiers[gallery.index_key, settings] = kept
        return kept

    def _read(self, store: Store, gallery: Gallery) -> Classes:
        kept = self._classes.get(gallery.index_key)
        if kept is not None and kept.gallery == gallery:
            with store.read():
                now = (
                    templates.last_change(store, gallery),
                    samples.list_identities(store, gallery),
                )
            if (kept.cursor, kept.identities) == now:
                return kept
        self._classes[gallery.index_key] = made = read_classes(store, gallery)
        return made


def _calibrated(calibration: Calibration) -> Callable[[Array], Array]:
    from siamkit.stats.calibration import llr

    return lambda scores: llr(calibration, scores)
