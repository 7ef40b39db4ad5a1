"""Calibrate a search of pictures: measure how high pictures score that show nothing enrolled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from siamkit.embed.batches import Job
from siamkit.errors import Uncalibrated
from siamkit.flows.find_places import PictureSearch, Places
from siamkit.flows.labelled_pictures import LabelledPicture
from siamkit.sdk import boxes
from siamkit.stats import per_picture
from siamkit.stats.comparisons import Comparisons
from siamkit.stats.find_calibration import FindCalibration, SightingMap
from siamkit.stats.score_maps import fit_score_map
from siamkit.store import find_calibrations, galleries, samples
from siamkit.types import Box, Fault, Progress, ignore_progress

RIGHT = 0.5  # intersection over union with a labelled box, from which a place is right
FEWEST_RIGHT = 10  # sightings, right and wrong, that a map to probabilities is fitted to
DECIMALS = 6  # of numbers that are kept
SCALE = 10.0**DECIMALS


@dataclass(frozen=True, slots=True)
class HighestScore:
    """A picture that shows nothing enrolled, and the place in it that looks most as if it did."""

    picture: str
    score: float  # as a search scores
    identity: str  # "" where nothing was compared
    box: Box | None


@dataclass(frozen=True, slots=True)
class CalibratedSearch:
    """A calibration, and the pictures without any enrolled thing behind it, worst first."""

    calibration: FindCalibration
    highest: tuple[HighestScore, ...]


@dataclass(slots=True, eq=False)
class _Measured:
    """The scores measured so far."""

    highest: list[HighestScore] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)  # of each identity's best place, labelled
    right: list[bool] = field(default_factory=list)  # is the place where a label says it is?
    identities: list[str] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)


def calibrate_find(
    search: PictureSearch,
    pictures: Iterable[LabelledPicture],
    name: str,
    *,
    fpir: float | None = None,
    report_fault: Callable[[Fault], None],
    progress: Progress = ignore_progress,
) -> CalibratedSearch:
    """Search pictures whose content is known, and save what their scores mean with the gallery.

    name: of the folder or file that lists them. fpir: the false positive rate per picture to decide
    at; None: per_picture.FPIR, or what the pictures support. report_fault: called with each picture
    that cannot be used. An enrolled picture is one of them: its score would say nothing.

    Raises Uncalibrated for too few pictures without an enrolled thing, for a rate that they cannot
    show, and if they score as high as copies.
    """
    live, pictures = search.live, list(pictures)
    enrolled = {sample.digest for sample in samples.of_gallery(live.store, live.gallery)}
    measured = _Measured()
    jobs = (Job(picture.path, picture) for picture in pictures)
    for number, places in enumerate(search.places(jobs)):
        picture: LabelledPicture = places.embedded.job.tag
        if places.error:
            report_fault(Fault(str(places.error), places.embedded.name))
        elif places.embedded.digest in enrolled:
            report_fault(Fault("it is enrolled, so its score says nothing", places.embedded.name))
        else:
            _measure(measured, places, picture, number)
        progress("searching pictures", number + 1, len(pictures))
    without = len(measured.highest)
    per_picture.require_pictures(without, fpir)
    _require_compared(measured.highest)
    measured.highest.sort(key=lambda score: -score.score)
    identities, enrolled_samples = galleries.count(live.store, live.gallery)
    calibration = FindCalibration(
        fingerprint=live.gallery.space.fingerprint,
        setup=search.setup,
        source=f"{name}, {without:,} pictures without an enrolled thing",
        fpir=per_picture.default_rate(without) if fpir is None else fpir,
        identities=identities,
        samples=enrolled_samples,
        highest=tuple(_round_up(score.score) for score in reversed(measured.highest)),
        sightings=_fit_sightings(measured),
    )
    _require_reachable(calibration, measured.highest[0])
    with live.store.write():
        gallery = galleries.get(live.store, live.gallery.name)
        find_calibrations.add(live.store, gallery, calibration)
    return CalibratedSearch(calibration, tuple(measured.highest))


def _measure(measured: _Measured, places: Places, picture: LabelledPicture, number: int) -> None:
    """Note the highest score of a picture without an enrolled thing, and its labelled places."""
    if not picture.things:
        best = places.matches[0].identity if places.matches else ""
        box = places.box(0) if places.matches else None
        name = places.embedded.name
        measured.highest.append(HighestScore(name, places.highest, best, box))
    best_places: dict[str, int] = {}
    for place, match in enumerate(places.matches):  # best first
        best_places.setdefault(match.identity, place)
    for identity, place in best_places.items():
        measured.scores.append(float(places.scores[place]))
        measured.right.append(_is_right(places.box(place), identity, picture))
        measured.identities.append(identity)
        measured.pictures.append(number)


def _is_right(box: Box, identity: str, picture: LabelledPicture) -> bool:
    labelled = [thing.box for thing in picture.things if thing.label == identity]
    if not labelled:
        return False
    overlaps = boxes.iou(np.array([box], np.float32), np.array(labelled, np.float32))
    return bool(overlaps.max() >= RIGHT)


def _fit_sightings(measured: _Measured) -> SightingMap | None:
    """Fit a logistic map to the best place of each identity in each picture.

    None without enough labelled sightings, or if right ones score no higher than wrong ones. The
    prior is the share of right ones among these pictures.
    """
    scores, right = np.array(measured.scores), np.array(measured.right, bool)
    if min(int(right.sum()), int((~right).sum())) < FEWEST_RIGHT:
        return None
    names, identity = np.unique(measured.identities, return_inverse=True)
    # An identity in another picture's place is compared with that picture, not with an identity.
    other = np.where(right, identity, len(names) + np.array(measured.pictures))
    knots, llrs = fit_score_map(Comparisons(scores, right, identity, other), "logistic")
    prior = math.log(right.sum() / (~right).sum())
    if not llrs[-1] > llrs[0]:
        return None
    return SightingMap(
        tuple(np.round(knots, DECIMALS).tolist()),
        tuple(np.round(llrs + prior, DECIMALS).tolist()),
        int(right.sum()),
        int((~right).sum()),
    )


def _round_up(score: float) -> float:
    return math.ceil(score * SCALE) / SCALE


def _require_compared(highest: Sequence[HighestScore]) -> None:
    """Raise Uncalibrated if the detector finds nothing in most pictures: any score would do."""
    compared = sum(bool(score.identity) for score in highest)
    if compared < per_picture.FEWEST:
        raise Uncalibrated(
            f"in {compared:,} of {len(highest):,} pictures there is anything to compare: at least"
            f" {per_picture.FEWEST} are needed",
            hint="take pictures with things of the kind that is enrolled: strangers, for faces",
        )


def _require_reachable(calibration: FindCalibration, worst: HighestScore) -> None:
    """Raise Uncalibrated if no score can reach the threshold: the pictures look like copies."""
    if calibration.threshold().value > 1:
        raise Uncalibrated(
            f"no threshold gives a false positive rate of {calibration.fpir:g} per picture:"
            f" pictures score as high as copies, {worst.picture} as {worst.identity}",
            hint="look whether they show it, and leave those out",
        )
