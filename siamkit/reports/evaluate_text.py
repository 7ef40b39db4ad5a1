"""The figures of an evaluation as lines of text: the command prints them, the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from siamkit.flows.evaluate import Evaluated
    from siamkit.stats.verification import Estimate, GroupRates

NONE = "-"
GROUP_HEAD = ("group", "mated", "non-mated", "FMR", "FNMR")


def compared(results: Sequence[Evaluated]) -> dict[str, list[str]]:
    """By the name of each figure, its value in each result; NONE where one lacks it."""
    rows: dict[str, list[str]] = {}
    for number, found in enumerate(results):
        for name, value in lines(found):
            rows.setdefault(name, [NONE] * len(results))[number] = value
    return rows


def lines(found: Evaluated) -> list[tuple[str, str]]:
    """Every figure's name and value, in the order in which they are read."""
    made, it = found.measured.comparisons, found.measured
    same = int(made.mated.sum())
    rows = [
        ("comparisons, mated", f"{same:,}"),
        ("comparisons, non-mated", f"{len(made) - same:,}"),
        ("identities", f"{made.identities:,}"),
        ("ROC AUC", shown(it.auc)),
        ("EER", shown(it.eer)),
    ]
    rows += [(f"FNMR at FMR {p.target_fmr:g}", shown(p.fnmr)) for p in it.at_fmr]
    rows += [
        (f"FNMR at FMR {fmr:g}", f"{NONE} ({30 / fmr:,.0f} non-mated are needed)")
        for fmr in it.unsupported_fmrs
    ]
    if it.accuracy is not None:
        rows.append(("accuracy, 10 folds", f"{it.accuracy:.4f} ± {it.accuracy_error:.4f}"))
    rows += [(f"minDCF, prior {prior:g}", shown(cost)) for prior, cost in it.min_dcf.items()]
    for point in it.at_thresholds:
        rows.append((f"FMR at {point.name}", f"{shown(point.fmr)}, from {point.threshold:.3f}"))
        rows.append((f"FNMR at {point.name}", shown(point.fnmr)))
    if one := found.identified:
        rows.append(("enrolled, 1:N", f"{one.searches.identities:,} identities"))
        rows += [(f"rank-{rank} hit rate", shown(rate)) for rank, rate in one.hit_rate.items()]
        for at in one.at_fpir:
            rows.append((f"FNIR at FPIR {at.fpir:g}", shown(at.fnir)))
            rows.append((f"DIR at FPIR {at.fpir:g}", shown(at.dir)))
        rows += [
            (f"FNIR at FPIR {fpir:g}", f"{NONE} ({30 / fpir:,.0f} probes are needed)")
            for fpir in one.unsupported_fpirs
        ]
    return rows


def group_row(group: GroupRates) -> tuple[str, int, int, str, str]:
    """What stands below GROUP_HEAD."""
    return group.name, group.mated, group.non_mated, shown(group.fmr), shown(group.fnmr)


def shown(figure: Estimate | None) -> str:
    """A value and its interval."""
    if figure is None:
        return NONE
    return f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"
