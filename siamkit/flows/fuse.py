"""Fuse: one identity verified by several galleries at once, a face and a voice say.

Each gallery's calibration makes of its score a log-likelihood ratio, and the ratios of independent
evidence add up. A gallery without a score drops out: it adds nothing. A sum is compared with
ln(1 / fmr): a ratio that strangers reach more often than that would be no likelihood ratio
(Brümmer and du Preez 2006; the bound is Markov's inequality), so it holds however many are fused,
as long as they are independent: two faces of one person are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, NothingFound, Uncalibrated
from siamkit.flows.decide import Decision, gallery_basis
from siamkit.flows.verify import Verification
from siamkit.io.sources import to_text
from siamkit.stats import calibration as calibrated
from siamkit.stats.scoring import fusion_of
from siamkit.store import Gallery, Store, samples

if TYPE_CHECKING:
    from siamkit.protocols import Source

SHOWN = 40  # characters of a text that is a source
FMR = 0.001  # the default, or what the calibrations support together


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one gallery says; without a verification it had nothing to say."""

    gallery: str
    source: str
    verification: Verification | None
    llr: float  # natural log-likelihood ratio of mated to non-mated; 0 if it had nothing to say
    highest: float = 0.0  # ratio that its calibration could have given
    reason: str = ""  # why it had nothing to say


@dataclass(frozen=True, slots=True)
class Fused:
    """The answer of all galleries together."""

    decision: Decision
    llr: float  # the sum
    threshold: float  # from it on they are the same, and below its negative different
    fmr: float  # that it stands for
    probability: float  # in (0, 1), if beforehand both answers were as likely
    evidence: tuple[Evidence, ...]


def ask(
    store: Store,
    label: str,
    asked: Sequence[tuple[Gallery, Source]],
    pipeline_of: Callable[[Gallery], Pipeline],
    verify: Callable[[Gallery, Source], Verification],
) -> Iterator[Evidence]:
    """What each gallery says of its source; one without a score says why it has none.

    verify: whether a source is of the identity. Raises BadInput for two galleries of one modality,
    Uncalibrated for a gallery that would answer without a calibration.
    """
    _require_independent([gallery for gallery, _ in asked])
    owned = {sample.gallery for sample in samples.of_identity(store, label)}
    for gallery, source in asked:
        shown = to_text(source) if isinstance(source, Path) else str(source)[:SHOWN]
        if gallery.name not in owned:
            reason = f"{label} owns nothing there"
            yield Evidence(gallery.name, shown, None, 0.0, reason=reason)
            continue
        _require_calibrated(gallery, pipeline_of(gallery))
        try:
            yield _evidence(gallery, shown, verify(gallery, source))
        except NothingFound as error:
            yield Evidence(gallery.name, shown, None, 0.0, reason=str(error))


def _evidence(gallery: Gallery, source: str, verification: Verification) -> Evidence:
    """What a verification by a calibrated gallery says."""
    llr, highest = verification.verdict.llr, verification.verdict.highest_llr
    assert llr is not None
    assert highest is not None
    return Evidence(gallery.name, source, verification, llr, highest)


def _require_calibrated(gallery: Gallery, pipeline: Pipeline) -> None:
    """Raise Uncalibrated for a gallery whose scores cannot be added to others."""
    if gallery_basis(gallery, pipeline, fusion_of(pipeline.modality)).calibration is None:
        raise Uncalibrated(
            f"gallery {gallery.name} is not calibrated, so its scores cannot be added to others",
            hint=f"`siamkit calibrate {gallery.name}` measures what they mean",
        )


def _require_independent(asked: Sequence[Gallery]) -> None:
    """Raise BadInput for two galleries of one modality: what they say is one evidence, twice."""
    seen: dict[str, str] = {}
    for gallery in asked:
        if other := seen.get(gallery.space.modality):
            both = other if other == gallery.name else f"{other} and {gallery.name}"
            raise BadInput(
                f"{gallery.space.modality} are asked twice, of {both}: that is no independent"
                " evidence, and cannot be added up",
                hint="give one probe a modality",
            )
        seen[gallery.space.modality] = gallery.name


def fuse(found: Sequence[Evidence], fmr: float | None = None) -> Fused:
    """The sum, and what it means at a false match rate; None: 0.001, or what is supported.

    Raises BadInput for an fmr outside (0, 1), Uncalibrated for one that the calibrations do not
    support together, NothingFound if nobody had anything to say.
    """
    if fmr is not None:
        calibrated.require_rate("a false match rate", fmr)
    if not any(one.verification for one in found):
        raise NothingFound("; ".join(f"{one.gallery}: {one.reason}" for one in found))
    lowest = math.exp(-sum(one.highest for one in found))
    if fmr is not None and fmr < lowest:
        raise Uncalibrated(
            f"these calibrations support a false match rate of {lowest:.2g} together, not {fmr:g}",
            hint="ask for that, add a modality, or calibrate with more identities",
        )
    wanted = max(FMR, math.ceil(lowest * 1000) / 1000) if fmr is None else fmr
    if wanted >= 1:
        raise Uncalibrated("these calibrations can say of nobody that they are the same")
    llr, limit = sum(one.llr for one in found), -math.log(wanted)
    decision: Decision = "same" if llr >= limit else "different" if llr < -limit else "can't tell"
    return Fused(decision, llr, limit, wanted, calibrated.sigmoid(llr), tuple(found))
