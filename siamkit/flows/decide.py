"""From a score to an answer: the threshold that decides, and the zone where none can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from siamkit.errors import BadInput, Uncalibrated
from siamkit.types import Calibration, Threshold

if TYPE_CHECKING:
    from siamkit.embed.pipeline import Pipeline
    from siamkit.stats.scoring import Fusion
    from siamkit.store import Gallery

Decision: TypeAlias = Literal["same", "different", "can't tell"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Where scores begin to mean the same, and from where down they mean different."""

    same: Threshold
    different: float  # below it; at most same.value

    def decide(self, score: float) -> Decision:
        if score >= self.same.value:
            return "same"
        return "different" if score < self.different else "can't tell"


def given_threshold(value: float | None, *, probability: bool = False) -> Threshold | None:
    """One that the caller chose. Raises BadInput if it is no cosine, or no probability."""
    if value is None:
        return None
    low, what = (0, "a probability") if probability else (-1, "a cosine")
    if not low <= value <= 1:
        raise BadInput(f"threshold {value} is not {what}", hint=f"it lies in {low} to 1")
    return Threshold(value)


def basis(
    gallery: Gallery, pipeline: Pipeline, fusion: Fusion | None
) -> tuple[Calibration | None, Threshold | None]:
    """What a gallery's scores are judged by: its calibration and its default threshold.

    fusion: how a probe is scored against all samples of an identity; None: one sample against one.
    A calibration of scores that were made in another way says nothing of these; then those of the
    encoder count, if it has some.
    """
    own = gallery.calibration
    if own is None or own.fusion in (None, fusion):
        return own, gallery.threshold
    if fusion is None and own.pairs:
        from siamkit.stats.calibration import threshold_for_fmr

        return own.pairs, threshold_for_fmr(own.pairs)
    return pipeline.calibration, pipeline.threshold or gallery.threshold


def limits(
    given: Threshold | None,
    calibration: Calibration | None,
    default: Threshold | None,
    who: str,
    fmr: float | None = None,
    tries: int = 1,
) -> Limits:
    """What decides between two: the caller's threshold, else that for `fmr`, else the default.

    who: whose threshold it would be, for the message. fmr: the false match rate wanted, in (0, 1).
    tries: of how many scores, as the calibration has them, the best counts. Where there is a
    calibration, it says from where down two are different. Raises Uncalibrated if there is nothing
    to decide by, or the rate is not supported.
    """
    if given is None and calibration is not None:
        from siamkit.stats.calibration import different_below, threshold_for_best, threshold_for_fmr

        if tries > 1 and calibration.fusion is None:
            same = threshold_for_best(calibration, fmr, tries)
        else:
            same = default if default and fmr is None else threshold_for_fmr(calibration, fmr)
        below = different_below(calibration, same.fmr or calibration.fmr)
        return Limits(same, min(below, same.value))
    if given is None and fmr is not None:
        raise Uncalibrated(
            f"{who} is not calibrated, so no threshold for a false match rate is known",
            hint="`siamkit calibrate` of the gallery measures one; or give --threshold",
        )
    limit = given or default
    if limit is None:
        raise Uncalibrated(f"{who} has no default threshold", hint="give one: --threshold 0.8")
    if not -1 <= limit.value <= 1:
        raise BadInput(f"threshold {limit.value} is not a cosine", hint="it lies in -1 to 1")
    return Limits(limit, limit.value)


def limits_among(
    given: Threshold | None,
    calibration: Calibration | None,
    default: Threshold | None,
    who: str,
    size: int,
    *,
    fmr: float | None = None,
    fpir: float | None = None,
) -> Limits | None:
    """What decides among so many: by a false positive identification rate, where that is known.

    size: how many identities, or templates, a probe is compared with. None if there is nothing to
    decide by. Raises as `limits` does, and Uncalibrated for an `fpir` that is not known.
    """
    fpir_model = calibration.fpir_model if calibration else None
    if fpir is not None and given is None and fpir_model is None:
        raise Uncalibrated(
            f"{who} is not calibrated for identification",
            hint="`siamkit calibrate` of the gallery measures it; or give --threshold",
        )
    if given is None and fmr is None and calibration and fpir_model and size:
        from siamkit.stats.calibration import different_below, require_rate
        from siamkit.stats.fpir import threshold_for_fpir

        wanted = calibration.fpir if fpir is None else fpir
        require_rate("a false positive identification rate", wanted)
        value = threshold_for_fpir(fpir_model, wanted, size)
        limit = Threshold(value, None, calibration.source, wanted)
        return Limits(limit, min(value, different_below(calibration)))
    if given is None and calibration is None and default is None and fmr is None:
        return None
    return limits(given, calibration, default, who, fmr)
