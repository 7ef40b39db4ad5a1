"""Classify: which of a gallery's classes does a sample belong to, and how likely?

The classes are the gallery's identities. A sample enrolled under several labels has all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import EmbeddedSource, Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput, SiamkitError, Uncalibrated
from siamkit.flows import objections
from siamkit.flows.answer import Answer
from siamkit.flows.decide import DecisionRule, gallery_basis
from siamkit.flows.query import FIRST, open_query
from siamkit.io.presentable import Presentable
from siamkit.io.sources import shorten
from siamkit.protocols import Source
from siamkit.store import Gallery, Store, change_log, galleries, labels
from siamkit.store.gallery_vectors import GalleryVectors, load_vectors
from siamkit.store.live_index import LiveIndex
from siamkit.types import Cursor, Decision, Objection, Quality, Region

if TYPE_CHECKING:
    from siamkit.stats.classify import ClassificationRule
    from siamkit.stats.label_sets import Array, LabelledVectors

Query = Callable[[EmbeddedSource], list[Answer]]

TAGGED = 0.5  # probability at or above which a tag is assigned
GUESSED = "guessed: too few samples to fit them to"


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """One class. Probabilities of classes sum to 1; those of tags are independent of each other.

    Examples:
        >>> ws.classify("questions", "How do I log in?")[0].classes[0].identity
        'sign in'
    """

    identity: str
    probability: float  # in (0, 1), given that the sample is of an enrolled class; 1 for a lone one
    score: float  # cosine in [-1, 1] to its nearest sample, or with prototypes to its mean


@dataclass(frozen=True, slots=True)
class Classified(Presentable):
    """One region of a sample and every class, the most likely first.

    Examples:
        >>> (region,) = ws.classify("questions", "How do I log in?")
        >>> region.identity, len(region.classes)
        ('sign in', 3)
    """

    source: str
    region: Region
    quality: Quality | None
    classes: list[ClassMatch]
    tags: bool
    nearest: Answer | None = None  # decides if it is of any class, as a query does; None: it is

    def __repr__(self) -> str:
        """The verdict in short: `<Classified about alice.jpg: alice>`."""
        verdict = self.identity or self.decision.value
        return f"<Classified about {shorten(self.source)}: {verdict}>"

    @property
    def decision(self) -> Decision:
        """Does it belong to any enrolled class, or is any tag likely?"""
        if self.objection:
            return self.objection.decision
        if self.nearest and self.nearest.decision != Decision.SAME:
            return self.nearest.decision
        return Decision.SAME if self._likely else Decision.DIFFERENT

    @property
    def objection(self) -> Objection | None:
        """Why no score decides: the region is not comparable, or differs from its nearest."""
        return self.nearest.objection if self.nearest else objections.of_quality(self.quality)

    @property
    def identity(self) -> str | None:
        """The most likely class or assigned tag; None if it is unknown or inconclusive."""
        return next(iter(self.identities), None)

    @property
    def identities(self) -> list[str]:
        """The assigned tags, or the one class; empty if it is unknown or inconclusive."""
        return self._likely if self.decision == Decision.SAME else []

    @property
    def _likely(self) -> list[str]:
        if not self.tags:
            return [self.classes[0].identity]
        return [match.identity for match in self.classes if match.probability >= TAGGED]


@dataclass(frozen=True, slots=True)
class ClassifiedSource:
    """The outcome of one of many samples: its regions with their classes, or an error."""

    source: str
    regions: list[Classified] = field(default_factory=list)
    error: SiamkitError | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A gallery as it was when it was opened, ready to classify."""

    gallery: Gallery
    state: tuple[Cursor, list[tuple[str, int]]]  # the last change; labels and ids
    names: list[str]  # the labels, sorted
    vectors: LabelledVectors
    settings: ClassificationRule
    evidence: Callable[[Array], Array]
    basis: str  # where the probabilities come from, for people

    @property
    def guessed(self) -> bool:
        """True if neither samples nor a calibration show how sharp the probabilities should be."""
        return self.basis == GUESSED

    def is_current(self, store: Store, gallery: Gallery) -> bool:
        """True if nothing has been enrolled, forgotten, renamed or calibrated since."""
        return self.gallery == gallery and self.state == _read_state(store, gallery)

    def classify(
        self,
        live: LiveIndex,
        pipeline: Pipeline,
        probe: Source,
        *,
        rule: DecisionRule | None = None,
        choose: Chooser = region_choosers.all_regions,
    ) -> list[Classified]:
        """Rank the classes for each region of a probe.

        rule: a region that a query would not identify by it belongs to no class; None: every region
        belongs to one. Raises NothingFound, EncoderMismatch, Uncalibrated for a rule in a gallery
        without a threshold, and BadInput for a rule with a reranker.
        """
        answer = self._open_query(live, pipeline, rule)
        source = batches.embed_one(pipeline, pipeline.read(probe), choose)
        return self._classify(source, answer)

    def classify_many(
        self,
        live: LiveIndex,
        pipeline: Pipeline,
        probes: Iterable[Source],
        *,
        rule: DecisionRule | None = None,
        choose: Chooser = region_choosers.all_regions,
    ) -> Iterator[ClassifiedSource]:
        """Classify each probe, embedded in batches; yield its regions, or its error, in order."""
        answer = self._open_query(live, pipeline, rule)
        for batch in batches.embed_all(pipeline, map(Job, probes), choose, first=FIRST):
            for source in batch:
                regions = [] if source.error else self._classify(source, answer)
                yield ClassifiedSource(source.name, regions, source.error)

    def _open_query(
        self, live: LiveIndex, pipeline: Pipeline, rule: DecisionRule | None
    ) -> Query | None:
        """Return what decides whether a region belongs to any class; None without a rule."""
        galleries.require_space(self.gallery, pipeline.encoder.fingerprint)
        if rule is None:
            return None
        rule.refuse("a classification", "reranker")
        return open_query(live, pipeline, k=1, rule=rule)

    def _classify(self, source: EmbeddedSource, answer: Query | None) -> list[Classified]:
        import numpy as np

        from siamkit.stats import classify as classification

        answers = self._answers(source, answer)
        probes = np.stack([region.vector for region in source.regions])
        enrolled = self.vectors
        probabilities = classification.probabilities(enrolled, self.settings, self.evidence, probes)
        scores = classification.class_scores(enrolled, self.settings, probes)
        rows = zip(source.regions, probabilities, scores, answers, strict=True)
        return [
            Classified(
                source.name,
                region.region,
                region.quality,
                self._rank(class_probabilities, class_scores),
                self.settings.tags,
                answer,
            )
            for region, class_probabilities, class_scores, answer in rows
        ]

    def _answers(self, source: EmbeddedSource, answer: Query | None) -> Sequence[Answer | None]:
        """Decide by a query whether each region belongs to any class; None without a rule."""
        if answer is None:
            return [None] * len(source.regions)
        answers = answer(source)
        if answers[0].threshold is None:
            raise Uncalibrated(
                f"gallery {self.gallery.name} has no threshold, so nothing can be called unknown",
                hint=f"`siamkit calibrate {self.gallery.name}` measures one; or give `--threshold`",
            )
        return answers

    def _rank(self, probabilities: Array, scores: Array) -> list[ClassMatch]:
        matches = map(ClassMatch, self.names, probabilities.tolist(), scores.tolist())
        return sorted(matches, key=lambda match: (-match.probability, -match.score, match.identity))


def _read_state(store: Store, gallery: Gallery) -> tuple[Cursor, list[tuple[str, int]]]:
    with store.read():
        return change_log.last_change(store, gallery), labels.of_gallery(store, gallery)


def _label_regions(enrolled: GalleryVectors) -> LabelledVectors:
    """Return each enrolled region once, with all its labels."""
    import numpy as np

    from siamkit.stats.label_sets import LabelledVectors

    row_of: dict[tuple[bytes, str], int] = {}
    rows = [row_of.setdefault((s.digest, s.region), len(row_of)) for s in enrolled.samples]
    entries = np.unique(np.stack([rows, enrolled.identity], axis=1), axis=0)
    first = np.unique(rows, return_index=True)[1]
    vectors = enrolled.vectors if len(first) == len(rows) else enrolled.vectors[first]
    return LabelledVectors(vectors, entries[:, 0], entries[:, 1])


def open_classifier(
    store: Store, gallery: Gallery, pipeline: Pipeline, settings: ClassificationRule
) -> Classifier:
    """Read a gallery, and find how likely its scores make a class.

    That is by the temperature that best predicts its own samples, each from the others; with too
    few samples, by the log-likelihood ratios of a calibration of pairs, the gallery's or the
    encoder's; or else by a guess. Raises BadInput for an unknown method, or an
    empty gallery.
    """
    from siamkit.stats import classify as classification

    if settings.method not in classification.METHODS:
        raise BadInput(
            f"there is no method {settings.method!r}",
            hint=f"use {' or '.join(classification.METHODS)}",
        )
    if settings.k < 1:
        raise BadInput(f"k must be at least 1, not {settings.k}")
    with store.read():
        state = _read_state(store, gallery)
        enrolled = load_vectors(store, gallery)
    if not enrolled.names:
        raise BadInput(
            f"gallery {gallery.name} is empty",
            hint=f"run `siamkit enrol {gallery.name} FILE --as CLASS`",
        )
    vectors = _label_regions(enrolled)
    calibration = None
    if not settings.tags:  # a calibration compares pairs, and knows nothing of tags
        calibration = gallery_basis(gallery, pipeline, None).calibration
    if fitted := classification.fit_temperature(vectors, settings):
        temperature, count = fitted
        evidence = classification.evidence_at(temperature)
        basis = f"fitted to {count:,} enrolled samples, each left out in turn"
    elif calibration:
        from siamkit.stats.calibration import llr

        evidence = functools.partial(llr, calibration)
        basis = f"by the calibration: {calibration.source}"
    else:
        evidence = classification.evidence_at(classification.guess_temperature(vectors))
        basis = GUESSED
    return Classifier(gallery, state, enrolled.names, vectors, settings, evidence, basis)
