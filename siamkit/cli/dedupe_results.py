"""Write and print the duplicates that siamkit dedupe found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import siamkit as sk
from siamkit.cli.options import Outputs
from siamkit.cli.output import echo, emit_json, one_line, print_faults
from siamkit.io.sources import to_text

if TYPE_CHECKING:
    from siamkit.flows.dedupe import Member, Pair
    from siamkit.types import Fault

GROUPS_SHOWN = 50
GROUPS_TABLE, PAIRS_TABLE = "siamkit_groups", "siamkit_pairs"  # in a database
GROUPS = {"group": int, "canonical": bool, "line": int, "id": str, "text": str, "score": float}
PAIRS = {
    "group": int,
    "left_line": int,
    "left_id": str,
    "left": str,
    "right_line": int,
    "right_id": str,
    "right": str,
    "score": float,
    "probability": float,
}


def show(deduped: sk.Deduped, source: str, outputs: Outputs) -> None:
    """Write the outputs, then print the faults and the groups."""
    _write(deduped, source, outputs)
    print_faults(deduped.faults)
    if outputs.as_json:
        emit_json(_facts(deduped, source))
    else:
        _print(deduped, list_groups=outputs.output is None)


def item_faults(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    """Return faults as JSON; unlike elsewhere, by the line and name of the item."""
    return [{"line": f.line, "id": f.name, "error": f.reason} for f in faults]


def _write(deduped: sk.Deduped, source: str, outputs: Outputs) -> None:
    from siamkit.io import atomic, table_write

    if outputs.output:
        rows = map(_group_row, deduped.members)
        table_write.write(outputs.output, GROUPS, rows, table=GROUPS_TABLE, raw=outputs.raw)
    if outputs.pairs:
        rows = map(_pair_row, deduped.pairs())
        table_write.write(outputs.pairs, PAIRS, rows, table=PAIRS_TABLE, raw=outputs.raw)
    if outputs.report:
        from siamkit.reports import dedupe as dedupe_page

        atomic.replace_text(outputs.report, dedupe_page.html(deduped, to_text(Path(source))))


def _group_row(member: Member) -> Sequence[Any]:
    item = member.item
    return member.group, member.canonical, item.line, item.id, item.shown, member.score


def _pair_row(pair: Pair) -> Sequence[Any]:
    left, right = pair.left, pair.right
    items = (left.line, left.id, left.shown, right.line, right.id, right.shown)
    return pair.group, *items, pair.score, pair.probability


def _facts(deduped: sk.Deduped, source: str) -> dict[str, Any]:
    grouping = deduped.grouping
    rule = grouping.rule
    groups: list[dict[str, Any]] = []
    for member in deduped.members:
        if member.canonical:
            groups.append({"group": member.group, "members": []})
        groups[-1]["members"].append(dict(zip(GROUPS, _group_row(member), strict=True)))
    return {
        "source": source,
        "items": len(deduped.items),
        "copies": deduped.copies,
        "threshold": asdict(rule.threshold),
        "reranker": rule.reranker.name if rule.reranker else None,
        "mining": dict(grouping.mining),
        "pairs": len(grouping.pairs),
        "groups": groups,
        "errors": item_faults(deduped.faults),
    }


def _print(deduped: sk.Deduped, *, list_groups: bool) -> None:
    rule, mining = deduped.grouping.rule, deduped.grouping.mining
    score = f"probability by {rule.reranker.name}" if rule.reranker else "cosine"
    echo(
        f"{len(deduped.items):,} items, {deduped.copies:,} exact copies;"
        f" {len(deduped.members):,} in {deduped.groups:,} groups of duplicates"
        f" (threshold {rule.threshold.value:.3f}, {score})"
    )
    if not mining["exact"]:
        echo(f"near pairs by approximate search, recall {mining['recall']:.3f} on a sample")
    for member in deduped.members if list_groups else ():
        if member.group > GROUPS_SHOWN:
            echo(f"… and {deduped.groups - GROUPS_SHOWN:,} more groups; -o FILE lists all")
            return
        if member.canonical:
            echo(f"group {member.group}")
        mark, text = "*" if member.canonical else " ", one_line(member.item.shown, 90)
        echo(f"  {mark} {member.score:.3f}  {member.item.id:>6}  {text}")
