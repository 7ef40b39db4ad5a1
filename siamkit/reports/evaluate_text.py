"""The figures of an evaluation as lines of text, for the command and the page alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from siamkit.flows.evaluate import Evaluation
    from siamkit.stats.verification import Estimate, GroupRates

NONE = "-"
GROUP_HEAD = ("group", "mated", "non-mated", "FMR", "FNMR")


def compared(results: Sequence[Evaluation]) -> dict[str, list[str]]:
    """Return the value of each figure in each result, by its name; NONE where a result lacks it."""
    rows: dict[str, list[str]] = {}
    for number, result in enumerate(results):
        for name, value in figures(result):
            rows.setdefault(name, [NONE] * len(results))[number] = value
    return rows


def figures(result: Evaluation) -> list[tuple[str, str]]:
    """Return the name and value of every figure of a result, in reading order."""
    measured, comparisons = result.measured, result.measured.comparisons
    mated = int(comparisons.mated.sum())
    rows = [
        ("comparisons, mated", f"{mated:,}"),
        ("comparisons, non-mated", f"{len(comparisons) - mated:,}"),
        ("identities", f"{comparisons.identities:,}"),
        ("ROC AUC", shown(measured.auc)),
        ("EER", shown(measured.eer)),
    ]
    rows += [(f"FNMR at FMR {p.target_fmr:g}", shown(p.fnmr)) for p in measured.at_fmr]
    rows += [
        (f"FNMR at FMR {fmr:g}", f"{NONE} ({30 / fmr:,.0f} non-mated are needed)")
        for fmr in measured.unsupported_fmrs
    ]
    if measured.accuracy is not None:
        accuracy = f"{measured.accuracy:.4f} ± {measured.accuracy_error:.4f}"
        rows.append(("accuracy, 10 folds", accuracy))
    rows += [(f"minDCF, prior {prior:g}", shown(cost)) for prior, cost in measured.min_dcf.items()]
    for point in measured.at_thresholds:
        rows.append((f"FMR at {point.name}", f"{shown(point.fmr)}, from {point.threshold:.3f}"))
        rows.append((f"FNMR at {point.name}", shown(point.fnmr)))
    if identified := result.identified:
        rows.append(("enrolled, 1:N", f"{identified.searches.identities:,} identities"))
        rates = identified.hit_rate.items()
        rows += [(f"rank-{rank} hit rate", shown(rate)) for rank, rate in rates]
        for at in identified.at_fpir:
            rows.append((f"FNIR at FPIR {at.fpir:g}", shown(at.fnir)))
            rows.append((f"DIR at FPIR {at.fpir:g}", shown(at.dir)))
        rows += [
            (f"FNIR at FPIR {fpir:g}", f"{NONE} ({30 / fpir:,.0f} probes are needed)")
            for fpir in identified.unsupported_fpirs
        ]
    return rows


def group_row(group: GroupRates) -> tuple[str, int, int, str, str]:
    """Return one table row, in the column order of GROUP_HEAD."""
    return group.name, group.mated, group.non_mated, shown(group.fmr), shown(group.fnmr)


def shown(figure: Estimate | None) -> str:
    """Format a value and its interval."""
    if figure is None:
        return NONE
    return f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"
