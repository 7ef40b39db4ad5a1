"""Fuse: verify one identity by several galleries at once, a face and a voice for example.

Each gallery's calibration turns its score into a log-likelihood ratio, and the ratios of
independent evidence add up. A gallery without a score drops out: it adds nothing. The sum is
compared with ln(1 / fmr): non-mated comparisons reach a likelihood ratio of 1 / fmr at a rate of at
most fmr (Brümmer and du Preez 2006; the bound is Markov's inequality), however many ratios are
fused, as long as they are independent. Those of two faces of one person are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, NothingFound, Uncalibrated
from siamkit.flows.decide import gallery_basis
from siamkit.flows.verification import Verification
from siamkit.io.presentable import Presentable
from siamkit.io.sources import to_text
from siamkit.protocols import Source
from siamkit.stats.calibration import sigmoid
from siamkit.stats.scoring import fusion_of
from siamkit.store import Gallery, Store, samples
from siamkit.types import Decision

TEXT_SHOWN = 40  # characters of a source that is a text
FMR = 0.001  # the default, unless the calibrations together do not support it


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of one gallery; without a verification it dropped out."""

    gallery: str
    source: str
    verification: Verification | None
    llr: float  # natural log-likelihood ratio of mated to non-mated; 0 if it dropped out
    highest_llr: float = 0.0  # that its calibration could have given
    reason: str = ""  # why it dropped out


@dataclass(frozen=True, slots=True)
class Fused(Presentable):
    """The joint answer of all galleries."""

    decision: Decision
    llr: float  # the sum
    threshold: float  # the sum at or above which they are the same; below its negative, different
    fmr: float  # the false match rate of the threshold
    probability: float  # in (0, 1), for even prior odds
    evidence: tuple[Evidence, ...]

    def __bool__(self) -> bool:
        """True if they are the same."""
        return bool(self.decision)


def gather_evidence(
    store: Store,
    label: str,
    probes: Sequence[tuple[Gallery, Source]],
    pipeline_of: Callable[[Gallery], Pipeline],
    verify: Callable[[Gallery, Source], Verification],
) -> Iterator[Evidence]:
    """Verify the identity `label` by each gallery and its probe.

    verify: compares a source with the identity. Raises BadInput for two galleries of one modality,
    Uncalibrated for a gallery that would answer without a calibration.
    """
    _require_independent([gallery for gallery, _ in probes])
    galleries_of_label = {sample.gallery for sample in samples.of_label(store, label)}
    for gallery, source in probes:
        name = to_text(source) if isinstance(source, Path) else str(source)[:TEXT_SHOWN]
        if gallery.name not in galleries_of_label:
            reason = f"{label} has no sample there"
            yield Evidence(gallery.name, name, None, 0.0, reason=reason)
            continue
        pipeline = pipeline_of(gallery)
        if gallery_basis(gallery, pipeline, fusion_of(pipeline.modality)).calibration is None:
            raise Uncalibrated(
                f"gallery {gallery.name} is not calibrated, so its scores cannot be added up",
                hint=f"`siamkit calibrate {gallery.name}` measures what they mean",
            )
        try:
            verification = verify(gallery, source)
            if objection := verification.verdict.objection:
                yield Evidence(gallery.name, name, None, 0.0, reason=objection.reason)
                continue
            llr, highest_llr = verification.verdict.llr, verification.verdict.highest_llr
            assert llr is not None
            assert highest_llr is not None
            yield Evidence(gallery.name, name, verification, llr, highest_llr)
        except NothingFound as error:
            yield Evidence(gallery.name, name, None, 0.0, reason=str(error))


def _require_independent(galleries: Sequence[Gallery]) -> None:
    by_modality: dict[str, str] = {}
    for gallery in galleries:
        modality = gallery.space.modality
        if other := by_modality.get(modality):
            both = other if other == gallery.name else f"{other} and {gallery.name}"
            raise BadInput(
                f"two probes are of {modality} ({both}): their evidence is not independent, so it"
                " cannot be added up",
                hint="give one probe per modality",
            )
        by_modality[modality] = gallery.name


def fuse(evidence: Sequence[Evidence], fmr: float | None = None) -> Fused:
    """Add up the evidence and decide at a false match rate in (0, 1).

    fmr: None for 0.001, or the lowest rate that the calibrations support together. Raises
    Uncalibrated for a rate that they do not support, NothingFound if all evidence dropped out.
    """
    if all(item.verification is None for item in evidence):
        raise NothingFound("; ".join(f"{item.gallery}: {item.reason}" for item in evidence))
    lowest = math.exp(-sum(item.highest_llr for item in evidence))
    if fmr is not None and fmr < lowest:
        raise Uncalibrated(
            f"these calibrations support a false match rate of {lowest:.2g} together, not {fmr:g}",
            hint="ask for that, add a modality, or calibrate with more identities",
        )
    if fmr is None:
        fmr = max(FMR, math.ceil(lowest * 1000) / 1000)
    if fmr >= 1:
        raise Uncalibrated("these calibrations can never yield a match at any threshold")
    llr, threshold = sum(item.llr for item in evidence), -math.log(fmr)
    decision = Decision.INCONCLUSIVE
    if llr >= threshold:
        decision = Decision.SAME
    elif llr < -threshold:
        decision = Decision.DIFFERENT
    return Fused(decision, llr, threshold, fmr, sigmoid(llr), tuple(evidence))
