"""The calibration of a search in pictures: what was measured, for which search, and as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from siamkit.io import foreign
from siamkit.stats import per_picture
from siamkit.stats.calibration import sigmoid
from siamkit.types import Threshold

FORMAT = 1  # a change of meaning needs a new number
MOST_PICTURES = 200_000  # in a calibration that is read: so many fit into a file that is


@dataclass(frozen=True, slots=True)
class FindSetup:
    """The regions that are tried, and what judges them: a calibration holds for one setup."""

    detector: str  # its name, with the fingerprint of its folder if it has one
    tiles: int | None = None  # px of a side
    reranker: str | None = None  # decides by its probability

    @property
    def detector_name(self) -> str:
        """The detector without a fingerprint."""
        return self.detector.partition("@")[0]

    @property
    def options(self) -> str:
        """The options of the command line that choose it."""
        tiles = f" --tiles {self.tiles}" if self.tiles else ""
        reranker = f" --rerank {self.reranker}" if self.reranker else ""
        return f"--detector {self.detector_name}{tiles}{reranker}"


@dataclass(frozen=True, slots=True)
class SightingMap:
    """A logistic map from the score of a sighting to the probability that it is right."""

    scores: tuple[float, ...]  # knots, rising
    log_odds: tuple[float, ...]  # natural, rising
    right: int  # sightings that it was fitted to
    wrong: int

    def probability(self, score: float) -> float:
        """Return the probability, in (0, 1), linear in its log odds between knots."""
        import numpy as np

        return sigmoid(float(np.interp(score, self.scores, self.log_odds)))


@dataclass(frozen=True, slots=True)
class FindCalibration:
    """The highest score of pictures without any enrolled thing, in one gallery, by one setup."""

    fingerprint: str  # of the encoder
    setup: FindSetup
    source: str  # the pictures, for people
    fpir: float  # false positive rate per picture that decisions are made at, unless chosen
    identities: int  # enrolled then
    samples: int
    highest: tuple[float, ...]  # of each picture, rising; -1 where nothing was tried
    sightings: SightingMap | None = None  # None without labelled sightings

    def threshold(self, fpir: float | None = None) -> Threshold:
        """Return the threshold for a rate per picture; None: the calibration's own.

        Raises as per_picture.threshold_for_rate does.
        """
        rate = self.fpir if fpir is None else fpir
        value = per_picture.threshold_for_rate(self.highest, rate)
        return Threshold(value, None, self.source, rate)

    @property
    def upper_bound(self) -> float:
        """The rate that its threshold does not exceed, with 95 % confidence."""
        return per_picture.upper_bound(len(self.highest), self.fpir)

    @property
    def lowest_fpir(self) -> float:
        """The lowest rate per picture that its pictures can show."""
        return per_picture.lowest_rate(len(self.highest))

    @property
    def missing(self) -> int:
        """Number of further pictures that would support the usual rate, per_picture.FPIR."""
        return max(0, per_picture.pictures_for(per_picture.FPIR) - len(self.highest))

    def rate_at(self, score: float) -> float:
        """Return the share of pictures without an enrolled thing that have so high a score."""
        return per_picture.rate_at(self.highest, score)


def to_dict(calibration: FindCalibration) -> dict[str, Any]:
    """Return a calibration as JSON values."""
    return {"format": FORMAT, **asdict(calibration)}


def to_json(calibration: FindCalibration) -> str:
    return json.dumps(to_dict(calibration), separators=(",", ":"))


def from_json(text: str) -> FindCalibration:
    """Parse what `to_json` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    return from_dict(foreign.parse_json(text))


def from_dict(value: object) -> FindCalibration:
    """Take what `to_dict` returned. Raises as `from_json` does."""
    data = dict(foreign.require_object(value, "format"))
    if data.pop("format") != FORMAT:
        raise ValueError("written by another version of siamkit")
    data["setup"] = FindSetup(**foreign.require_object(data["setup"]))
    data["highest"] = tuple(data["highest"])
    if (fields := data["sightings"]) is not None:
        fields = dict(foreign.require_object(fields))
        fields |= {name: tuple(fields[name]) for name in ("scores", "log_odds")}
        data["sightings"] = SightingMap(**fields)
    return _check(FindCalibration(**data))


def _check(calibration: FindCalibration) -> FindCalibration:
    """Return the calibration. Raises ValueError or TypeError for values no measurement gives."""
    setup, sightings, highest = calibration.setup, calibration.sightings, calibration.highest
    texts = (calibration.fingerprint, calibration.source, setup.detector)
    optional = (setup.reranker,)
    counts = [calibration.identities, calibration.samples]
    numbers = [calibration.fpir, *highest]
    rising = [highest]
    if setup.tiles is not None:
        counts.append(setup.tiles)
    if sightings:
        counts += [sightings.right, sightings.wrong]
        numbers += [*sightings.scores, *sightings.log_odds]
        rising += [sightings.scores, sightings.log_odds]
    are_texts = all(isinstance(text, str) for text in texts)
    are_texts = are_texts and all(text is None or isinstance(text, str) for text in optional)
    are_counts = all(type(count) is int and count > 0 for count in counts)
    if not (are_texts and are_counts and all(type(n) in (int, float) for n in numbers)):
        raise TypeError("its values are of other types")
    is_sound = (
        per_picture.FEWEST <= len(highest) <= MOST_PICTURES
        and all(map(math.isfinite, numbers))
        and all(-1.01 <= score <= 1.01 for score in highest)  # a cosine or probability, rounded
        and per_picture.lowest_rate(len(highest)) * (1 - 1e-9) <= calibration.fpir < 1
        and all(list(values) == sorted(values) for values in rising)
        and (sightings is None or len(sightings.scores) == len(sightings.log_odds) > 0)
    )
    if not is_sound:
        raise ValueError("its values are inconsistent")
    return calibration
