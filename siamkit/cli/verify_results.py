"""The words of `siamkit verify`: the verdict, a line of detail, and all with -v."""

from __future__ import annotations

from typing import TYPE_CHECKING

import siamkit as sk
from siamkit.cli.output import one_line
from siamkit.io import wording
from siamkit.io.wording import Nouns

if TYPE_CHECKING:
    from siamkit.flows.verification import ComparedSide

NAME = 60  # characters of a file or a text


def sentences(verification: sk.Verification, nouns: Nouns, *, verbose: bool) -> list[str]:
    """Return the lines that describe a verification."""
    verdict = verification.verdict
    lines = [wording.describe_pair(verdict.decision, nouns, verdict.probability)]
    scale, score = verification.decided_by, verification.deciding_score
    if verdict.objection:
        lines.append(f"{verdict.objection.reason} (score {verdict.score:.3f})")
    elif score is not None:
        limits = verdict.threshold, verdict.different_below
        lines.append(wording.describe_score(scale, score, *limits, nouns))
    if max(side.region_count for side in _sides(verification)) > 1:
        lines.append(" with ".join(map(describe_side, _sides(verification))))
    if verification.advice:
        lines.append(verification.advice)
    if verbose:
        lines += _details(verification, scale)
    return lines


def _details(verification: sk.Verification, scale: str) -> list[str]:
    verdict = verification.verdict
    lines = [] if scale == "cosine" else [f"cosine {verdict.score:.6f}"]
    if verdict.llr is not None:
        lines.append(f"log-likelihood ratio {verdict.llr:.3f}, at most {verdict.highest_llr:.3f}")
    lines.append(f"threshold {verdict.threshold.value:.6g}, {verdict.threshold.source}")
    if verdict.different_below is not None:
        lines.append(f"different below {verdict.different_below:.6g}")
    for side in _sides(verification):
        quality = f", quality {side.quality.score:.2f}" if side.quality else ""
        lines.append(f"compared: {describe_side(side)}{quality}")
    return lines


def _sides(verification: sk.Verification) -> tuple[ComparedSide, ComparedSide]:
    return verification.left, verification.right


def describe_side(side: ComparedSide) -> str:
    """Return 'region 2 of 3 in a.jpg (410,80,520,190)', or less where there is less to say."""
    name = one_line(side.source, NAME)
    if side.region is None:
        return f"{name}, {side.samples:,} samples" if side.samples > 1 else name
    if side.region.where is None:
        return name
    place = sk.region_choosers.describe_region(side.region)
    which = "the region" if side.number is None else f"region {side.number} of {side.region_count}"
    return f"{which} in {name} ({place})"


def list_problems(verification: sk.Verification) -> list[str]:
    """Return what may make the answer unreliable."""
    return [
        f"{one_line(side.source, NAME)}: {problem}; the answer may be unreliable"
        for side in _sides(verification)
        for problem in (side.quality.problems if side.quality else ())
    ]
