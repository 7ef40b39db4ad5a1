"""Find: where in a picture is anything that is enrolled, or is nothing of it there?

A place counts if its score reaches a threshold that holds for whole pictures, in which hundreds of
regions are tried: see siamkit.stats.per_picture.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from siamkit.embed.batches import Job
from siamkit.errors import BadInput, SiamkitError, Uncalibrated
from siamkit.flows.answer_lists import Asked
from siamkit.flows.decide import (
    DEFAULT_RULE,
    DecisionRule,
    gallery_basis,
    identification_limits,
    reranked_limits,
)
from siamkit.flows.find_places import PictureSearch, Places
from siamkit.flows.query import search_size
from siamkit.host import registry
from siamkit.io.presentable import Presentable
from siamkit.io.sources import shorten
from siamkit.protocols import Source
from siamkit.sdk.regions import position
from siamkit.stats.calibration import probability_among
from siamkit.stats.find_calibration import FindCalibration
from siamkit.stats.scoring import fusion_of
from siamkit.store import find_calibrations, galleries
from siamkit.types import Decision, Region, Threshold

log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True, eq=False)
class Sighting(Presentable):
    """A place in a picture, and the enrolled thing that it shows, or would show.

    Examples:
        >>> (sighting,) = ws.find("faces", photo).sightings
        >>> sighting.identity, len(sighting.region.where)
        ('collins', 4)
    """

    identity: str
    region: Region  # its box lies inside the picture
    score: float  # cosine in [-1, 1], or the probability of the reranker that decides
    sample_id: int  # the identity's nearest sample
    source: str  # the file of that sample
    probability: float | None = None  # that the identity is there; None if nothing measured it
    # Share, at most, of the pictures without any enrolled thing that have a score so high.
    fpir: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SearchedPicture(Presentable):
    """The places in one picture that show an enrolled thing, from left to right.

    Examples:
        >>> picture = ws.find("faces", "cameraman-1.png")
        >>> picture.decision.value, picture.identities
        ('absent', ())
    """

    source: str  # as it was given
    width: int = 0  # px
    height: int = 0
    sightings: tuple[Sighting, ...] = ()
    nearest: Sighting | None = None  # the best place that did not reach the threshold
    threshold: Threshold | None = None  # None: nothing is decided
    error: SiamkitError | None = None
    asked: Asked | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        """The outcome in short: `<SearchedPicture shelf.png: present, soup>`."""
        outcome = self.error or ", ".join((self.decision.value, *self.identities))
        return f"<SearchedPicture {shorten(self.source)}: {outcome}>"

    @property
    def decision(self) -> Decision:
        """Is anything enrolled there? Inconclusive without a threshold, or after an error."""
        if self.threshold is None or self.error:
            return Decision.INCONCLUSIVE
        return Decision.PRESENT if self.sightings else Decision.ABSENT

    @property
    def identities(self) -> tuple[str, ...]:
        """The enrolled things that are there, the surest first."""
        surest_first = sorted(self.sightings, key=lambda sighting: -sighting.score)
        return tuple(dict.fromkeys(sighting.identity for sighting in surest_first))


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Meaning of the scores of a search: a threshold, probabilities, false positive rates."""

    threshold: Threshold | None
    probability: Callable[[float, int], float | None]  # of a score, among so many regions
    fpir: Callable[[float], float | None]

    def read(self, places: Places) -> SearchedPicture:
        """Decide on the places of one picture."""
        source, (width, height) = places.embedded.name, places.size
        if places.error:
            return SearchedPicture(source, error=places.error)
        limit = float("inf") if self.threshold is None else self.threshold.value
        count = int((places.scores >= limit).sum())  # scores fall
        best_first = [self._sighting(places, place) for place in range(count)]
        sightings = tuple(sorted(best_first, key=lambda sighting: position(sighting.region)))
        nearest = self._sighting(places, count) if count < len(places.rows) else None
        return SearchedPicture(source, width, height, sightings, nearest, self.threshold)

    def _sighting(self, places: Places, place: int) -> Sighting:
        match, score = places.matches[place], float(places.scores[place])
        probability = self.probability(score, len(places.embedded.regions))
        return Sighting(
            match.identity,
            places.region(place),
            score,
            match.sample_id,
            match.source,
            probability,
            self.fpir(score),
        )


def find(
    search: PictureSearch, sources: Iterable[Source], rule: DecisionRule = DEFAULT_RULE
) -> Iterator[SearchedPicture]:
    """Search pictures for what is enrolled; yield each, in order, with its sightings or its error.

    rule: a threshold, or an FPIR per picture, instead of the calibrated one. Raises Uncalibrated
    for an FPIR without a calibration of such a search, or for one that it cannot show.
    """
    judgement = open_judgement(search, rule)
    for places in search.places(Job(source) for source in sources):
        yield judgement.read(places)


def example_setup() -> tuple[str, str, str]:
    """Return the modality, encoder and detector whose search by one example has been measured.

    Raises BadInput if no installed modality states any.
    """
    for modality in registry.load_modalities():
        for encoder, detector in getattr(modality, "find_thresholds", {}):
            return modality.name, encoder, detector
    hint = "install a modality that finds things in pictures"
    raise BadInput("no search by one example has been measured here", hint=hint)


def open_judgement(search: PictureSearch, rule: DecisionRule = DEFAULT_RULE) -> Judgement:
    """Choose how to decide: by the rule, a calibration of such a search, or a default.

    The default is a reranker's own threshold, that of a query where a region is what a query
    compares too, or what the modality has measured; without any, nothing is decided. A line is
    logged where a calibration does not hold. Raises as `find` does.
    """
    rule.refuse("a search of pictures", "fmr", "expected_false")
    store, gallery = search.live.store, search.live.gallery
    calibrations = find_calibrations.of_gallery(store, gallery)
    calibration = next((c for c in calibrations if c.setup == search.setup), None)
    command = f"`siamkit calibrate {gallery.name} --find PICTURES {search.options}`"
    threshold: Threshold | None
    if calibration:
        _warn_if_grown(search, calibration, command)
        threshold = rule.fixed or calibration.threshold(rule.fpir)
        return Judgement(threshold, _probabilities(search, calibration), calibration.rate_at)
    if rule.fpir is not None:
        raise Uncalibrated(
            f"gallery {gallery.name} is not calibrated for pictures searched with"
            f" {search.options}, so no threshold gives an FPIR of {rule.fpir:g}",
            hint=f"run {command}, with pictures that show nothing enrolled",
        )
    threshold = rule.fixed or _default_threshold(search)
    if rule.fixed is None and calibrations:
        used = f"; the default is used: {threshold.source}" if threshold else ""
        log.warning(
            f"gallery {gallery.name} is not calibrated for {search.options}, but for"
            f" {calibrations[0].setup.options}: run {command}{used}"
        )
    return Judgement(threshold, _probabilities(search, None), lambda score: None)


def _warn_if_grown(search: PictureSearch, calibration: FindCalibration, command: str) -> None:
    """Log a line if more is enrolled than when the search was calibrated."""
    gallery = search.live.gallery
    identities, samples = galleries.count(search.live.store, gallery)
    if identities > calibration.identities or samples > calibration.samples:
        log.warning(
            f"gallery {gallery.name} has grown from {calibration.identities:,} identities"
            f" ({calibration.samples:,} samples) to {identities:,} ({samples:,} samples) since it"
            f" was calibrated: false positives may be more frequent than stated. Run {command}"
        )


def _default_threshold(search: PictureSearch) -> Threshold | None:
    """Return the threshold for a search that was not calibrated; None if nothing is known."""
    gallery, pipeline, setup = search.live.gallery, search.pipeline, search.setup
    if search.reranker:
        return reranked_limits(DEFAULT_RULE, search.reranker).same
    if search.compares_as_query:
        fusion = fusion_of(pipeline.modality)
        basis = gallery_basis(gallery, pipeline, fusion)
        size = search_size(search.live, fusion, basis.calibration)
        limits = identification_limits(DEFAULT_RULE, basis, size)
        if limits is None:
            return None
        rate = f"false match rate {limits.same.fmr:g}, " if limits.same.fmr else ""
        if limits.same.fpir:
            rate = f"false positive rate {limits.same.fpir:g} per region, "
        return Threshold(limits.same.value, None, f"as for a query, {rate}{limits.same.source}")
    measured = getattr(pipeline.modality, "find_thresholds", {})
    threshold: Threshold | None = measured.get((gallery.encoder, setup.detector_name))
    return None if setup.tiles else threshold


def _probabilities(
    search: PictureSearch, calibration: FindCalibration | None
) -> Callable[[float, int], float | None]:
    """Return a function of a score, and of the number of regions it is the best of, or one of.

    A reranker's scores are probabilities. Else the calibration's labelled sightings tell, or the
    gallery's calibration where regions are what it compared: the prior of a place is then that
    something enrolled is in the picture as likely as not, in each region and as each identity
    alike.
    """
    if search.reranker:
        return lambda score, regions: score
    if calibration and calibration.sightings:
        sightings = calibration.sightings
        return lambda score, regions: sightings.probability(score)
    fusion = fusion_of(search.pipeline.modality)
    basis = gallery_basis(search.live.gallery, search.pipeline, fusion)
    measured = basis.calibration
    if measured is None or measured.fpir_model is None or not search.compares_as_query:
        return lambda score, regions: None
    size = search_size(search.live, fusion, measured)
    return lambda score, regions: probability_among(measured, score, size * max(1, regions))
