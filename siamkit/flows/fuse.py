"""Fuse: one identity verified by several galleries at once, a face and a voice say.

Each gallery's calibration makes of its score a log-likelihood ratio, and the ratios of independent
evidence add up. A gallery without a score drops out: it adds nothing. A sum is compared with
ln(1 / fmr): a ratio that strangers reach more often than that would be no likelihood ratio
(Brümmer and du Preez 2006; the bound is Markov's inequality), so it holds however many are fused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from siamkit import calibration as calibrated
from siamkit.decisions import Decision
from siamkit.errors import NothingFound, Uncalibrated
from siamkit.flows.verify import Verification
from siamkit.store import Gallery

FMR = 0.001


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one gallery says; without a verification it had nothing to say."""

    gallery: str
    source: str
    verification: Verification | None
    llr: float  # natural log-likelihood ratio of mated to non-mated; 0 if it had nothing to say
    reason: str = ""  # why it had not


@dataclass(frozen=True, slots=True)
class Fused:
    """The answer of all galleries together."""

    decision: Decision
    llr: float  # the sum
    threshold: float  # from it on they are the same, and below its negative different
    fmr: float  # that it stands for
    probability: float  # in (0, 1), if beforehand both answers were as likely
    evidence: tuple[Evidence, ...]


def evidence(gallery: Gallery, source: str, verification: Verification) -> Evidence:
    """Raises Uncalibrated for a gallery without a calibration."""
    llr = verification.verdict.llr
    if llr is None:
        raise Uncalibrated(
            f"gallery {gallery.name} is not calibrated, so its scores cannot be added to others",
            hint=f"`siamkit calibrate {gallery.name}` measures what they mean",
        )
    return Evidence(gallery.name, source, verification, llr)


def fuse(found: Sequence[Evidence], fmr: float | None = None) -> Fused:
    """Raises BadInput for an fmr outside (0, 1), NothingFound if nobody had anything to say."""
    wanted = FMR if fmr is None else fmr
    calibrated.require_rate("a false match rate", wanted)
    if not any(one.verification for one in found):
        raise NothingFound("; ".join(f"{one.gallery}: {one.reason}" for one in found))
    llr, limit = sum(one.llr for one in found), -math.log(wanted)
    decision: Decision = "same" if llr >= limit else "different" if llr < -limit else "can't tell"
    return Fused(decision, llr, limit, wanted, calibrated.sigmoid(llr), tuple(found))
