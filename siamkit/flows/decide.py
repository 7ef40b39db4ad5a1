"""From a score to a decision: the caller's rule, and the limits that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, Uncalibrated
from siamkit.protocols import Reranker
from siamkit.store import Gallery
from siamkit.types import Calibration, Decision, Threshold

if TYPE_CHECKING:
    from siamkit.stats.scoring import Fusion


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """A threshold to decide by, or the error rate to accept.

    Give at most one of threshold, fmr, fpir and expected_false; without any, the calibration or
    default threshold of the gallery or encoder decides. Raises BadInput for two of them, a value
    out of range, or a rate with a reranker: calibrations are measured on cosines, not on a
    reranker's probabilities.

    Examples:
        >>> sk.DecisionRule(fmr=1e-3)
        DecisionRule(threshold=None, fmr=0.001, fpir=None, reranker=None, expected_false=None)
    """

    threshold: float | None = None  # cosine in [-1, 1]; with a reranker, a probability in [0, 1]
    fmr: float | None = None  # false match rate of one comparison, in (0, 1)
    fpir: float | None = None  # false positive identification rate of one search, in (0, 1)
    reranker: str | None = None  # a name; None for cosines
    expected_false: float | None = None  # false pairs among all of a deduplication, above 0

    def __post_init__(self) -> None:
        rates = {"false match rate": self.fmr, "FPIR": self.fpir}
        rates["number of expected false pairs"] = self.expected_false
        stated = {name: rate for name, rate in rates.items() if rate is not None}
        if len(stated) + (self.threshold is not None) > 1:
            raise BadInput("give only one of threshold, fmr, fpir and expected_false")
        for name, rate in stated.items():
            if self.reranker is not None:
                raise BadInput(
                    f"{name} cannot be combined with a reranker, which decides by probability",
                    hint="leave out `--rerank`, or `--fmr`, `--fpir` and `--expected-false`",
                )
            if not 0 < rate < (1 if self.expected_false is None else float("inf")):
                below = " and less than 1" if self.expected_false is None else ""
                raise BadInput(
                    f"{name} {rate:g} is out of range", hint=f"give one greater than 0{below}"
                )
        if self.threshold is not None and not -1 <= self.threshold <= 1:
            raise BadInput(
                f"threshold {self.threshold:g} is not a cosine or a probability",
                hint="give a cosine from -1 to 1, or a probability from 0 to 1",
            )

    @property
    def fixed(self) -> Threshold | None:
        """The threshold that the caller gave; None if there is none."""
        return None if self.threshold is None else Threshold(self.threshold)

    def refuse(self, verb: str, *names: str) -> None:
        """Raise BadInput if any of these fields is set: `verb` does not support it."""
        for name in names:
            if getattr(self, name) is not None:
                raise BadInput(f"{verb} cannot use {name}", hint=f"leave {name} out")


DEFAULT_RULE = DecisionRule()


@dataclass(frozen=True, slots=True)
class Limits:
    """The score at or above which two are the same, and the one below which they are different."""

    same: Threshold
    different: float  # at most same.value

    def decide(self, score: float) -> Decision:
        """Decide on a score; between the two limits the answer is inconclusive."""
        if score >= self.same.value:
            return Decision.SAME
        return Decision.DIFFERENT if score < self.different else Decision.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Basis:
    """The calibration and default threshold that apply unless the caller gives a threshold."""

    owner: str  # "gallery faces", or "encoder 1f2e", for messages
    calibration: Calibration | None = None
    default: Threshold | None = None


def encoder_basis(pipeline: Pipeline) -> Basis:
    """Return the calibration that the modality ships for its encoder, and its threshold."""
    owner = f"encoder {pipeline.encoder.fingerprint}"
    return Basis(owner, pipeline.calibration, pipeline.threshold)


def gallery_basis(gallery: Gallery, pipeline: Pipeline, fusion: Fusion | None) -> Basis:
    """Return the calibration and default threshold of a gallery for one way of scoring.

    fusion: how a probe is scored against all samples of an identity; None: one sample against one.
    A calibration measured with another fusion does not apply; the encoder's is used instead, if it
    has one.
    """
    owner, calibration = f"gallery {gallery.name}", gallery.calibration
    if calibration is None or calibration.fusion in (None, fusion):
        return Basis(owner, calibration, gallery.threshold)
    if fusion is None and calibration.pairs:
        from siamkit.stats.calibration import threshold_for_fmr

        return Basis(owner, calibration.pairs, threshold_for_fmr(calibration.pairs))
    return Basis(owner, pipeline.calibration, pipeline.threshold or gallery.threshold)


def of_references(basis: Basis, count: int) -> Basis:
    """Return the basis for the mean of so many samples, where a calibration tells them apart."""
    of_means = basis.calibration.of_means if basis.calibration else ()
    fitting = [calibration for least, calibration in of_means if least <= count]
    return replace(basis, calibration=fitting[-1], default=None) if fitting else basis


# Probabilities at which a default answer turns: it is the same from the one, if the threshold is no
# higher, and different below the other, so that no answer contradicts the probability beside it.
LIKELY, UNLIKELY = 0.5, 0.1


def _limits(calibration: Calibration, same: Threshold, shift: float, rule: DecisionRule) -> Limits:
    """Return the limits at a threshold, narrowed to where the probability leaves it open.

    shift: what turns a log-likelihood ratio into log odds.
    """
    from siamkit.stats.calibration import different_below, score_at

    if rule == DecisionRule(reranker=rule.reranker):
        likely = score_at(calibration, math.log(LIKELY / (1 - LIKELY)) - shift)
        if math.isfinite(likely):  # else the calibration is too small to tell
            same = replace(same, value=max(same.value, likely))
    unlikely = score_at(calibration, math.log(UNLIKELY / (1 - UNLIKELY)) - shift)
    below = max(unlikely, different_below(calibration, same.fmr or calibration.fmr))
    return Limits(same, min(below, same.value))


def verification_limits(rule: DecisionRule, basis: Basis, tries: int = 1) -> Limits:
    """Return the limits for a 1:1 comparison: by the rule, else by the default threshold.

    tries: the number of scores of which the best counts. A calibration also gives the score below
    which two are different. Raises Uncalibrated if there is no threshold, or the rate is lower than
    the calibration supports.
    """
    rule.refuse("a comparison of two", "expected_false")
    calibration, default = basis.calibration, basis.default
    if rule.fixed is None and calibration is not None:
        from siamkit.stats.calibration import threshold_for_best, threshold_for_fmr

        if tries > 1 and calibration.fusion is None:
            same = threshold_for_best(calibration, rule.fmr, tries)
            return _limits(calibration, same, -math.log(tries), rule)
        by_default = default if rule.fmr is None else None
        same = by_default or threshold_for_fmr(calibration, rule.fmr)
        return _limits(calibration, same, 0.0, rule)
    if rule.fmr is not None:
        raise Uncalibrated(
            f"{basis.owner} is not calibrated, so it has no threshold for a false match rate",
            hint="calibrate the gallery with `siamkit calibrate`, or give `--threshold`",
        )
    threshold = rule.fixed or default
    if threshold is None:
        raise Uncalibrated(
            f"{basis.owner} has no default threshold", hint="give one: `--threshold 0.8`"
        )
    if threshold.fmr:
        threshold = replace(threshold, fmr=min(threshold.fmr * tries, 1.0))
    return Limits(threshold, threshold.value)


def identification_limits(rule: DecisionRule, basis: Basis, size: int) -> Limits | None:
    """Return the limits for a 1:N search: by FPIR if the calibration has a model of it.

    size: the number of identities or templates that a probe is compared with. Returns None if there
    is no threshold.
    Raises as `verification_limits` does, and Uncalibrated for an FPIR that is not supported.
    """
    rule.refuse("a search", "expected_false")
    calibration = basis.calibration
    fpir_model = calibration.fpir_model if calibration else None
    if rule.fpir is not None and fpir_model is None:
        raise Uncalibrated(
            f"{basis.owner} is not calibrated for identification",
            hint="calibrate the gallery with `siamkit calibrate`, or give `--threshold`",
        )
    by_fpir = rule.threshold is None and rule.fmr is None
    if by_fpir and calibration and fpir_model and size:
        from siamkit.stats.calibration import shift_among
        from siamkit.stats.fpir import threshold_for_fpir

        fpir = calibration.fpir if rule.fpir is None else rule.fpir
        value = threshold_for_fpir(fpir_model, fpir, size)
        same = Threshold(value, None, calibration.source, fpir)
        return _limits(calibration, same, shift_among(calibration, size), rule)
    if by_fpir and calibration is None and basis.default is None:
        return None
    return verification_limits(replace(rule, fpir=None), basis)


def reranked_limits(rule: DecisionRule, reranker: Reranker[Any]) -> Limits:
    """Return the limits on a reranker's probability: by the rule, else its own threshold."""
    if rule.threshold is not None and rule.threshold < 0:
        raise BadInput(
            f"threshold {rule.threshold:g} is not a probability",
            hint=f"{reranker.name} gives probabilities in 0 to 1; --rerank none decides by cosines",
        )
    same = rule.fixed or reranker.threshold
    return Limits(same, same.value)
