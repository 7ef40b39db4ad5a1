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
LEFT_OUT_SHOWN = 5
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
REGION = {"region": str}  # one more column, where a detector found regions
PAIR_REGIONS = {"left_region": str, "right_region": str}  # likewise


def show(deduped: sk.Deduped, source: str, outputs: Outputs) -> None:
    """Write the outputs, then print the faults and the groups."""
    _write(deduped, source, outputs)
    print_faults(deduped.faults)
    print_left_out(deduped.left_out)
    if outputs.as_json:
        emit_json(_facts(deduped, source))
    else:
        _print(deduped, list_groups=outputs.output is None)


def item_faults(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    """Return faults as JSON; unlike elsewhere, by the line and name of the item."""
    return [{"line": f.line, "id": f.name, "error": f.reason} for f in faults]


def left_out_facts(left_out: Sequence[Fault]) -> list[dict[str, Any]]:
    """Return as JSON the items about which no comparison tells anything."""
    return [{"line": f.line, "id": f.name, "reason": f.reason} for f in left_out]


def print_left_out(left_out: Sequence[Fault]) -> None:
    """Print the items about which no comparison tells anything, up to LEFT_OUT_SHOWN."""
    print_faults(left_out, title="left out", most=LEFT_OUT_SHOWN)


def describe_false(deduped: sk.Deduped) -> str:
    """Describe how many of the pairs are expected to be false."""
    grouping = deduped.grouping
    pairs = f"{len(grouping.pairs):,} pairs among {grouping.comparisons:,} comparisons"
    expected = grouping.expected_false
    if expected is None:
        return f"{pairs}; how many are false is not known: the threshold has no such rate"
    by = "by the false match rate of the threshold"
    if grouping.rule.reranker:
        by = "by the reranker's probabilities"
    return f"{pairs}; about {expected:.2g} are expected to be false, {by}"


def _write(deduped: sk.Deduped, source: str, outputs: Outputs) -> None:
    from siamkit.io import atomic, table_write

    has_regions = _has_regions(deduped)
    if outputs.output:
        schema = GROUPS | REGION if has_regions else GROUPS
        rows = (_group_row(member)[: len(schema)] for member in deduped.members)
        table_write.write(outputs.output, schema, rows, table=GROUPS_TABLE, raw=outputs.raw)
    if outputs.pairs:
        schema = PAIRS | PAIR_REGIONS if has_regions else PAIRS
        rows = (_pair_row(pair)[: len(schema)] for pair in deduped.pairs())
        table_write.write(outputs.pairs, schema, rows, table=PAIRS_TABLE, raw=outputs.raw)
    if outputs.report:
        from siamkit.reports import dedupe as dedupe_page

        atomic.replace_text(outputs.report, dedupe_page.html(deduped, to_text(Path(source))))


def _has_regions(deduped: sk.Deduped) -> bool:
    return any(item.place for item in deduped.items)


def _group_row(member: Member) -> list[Any]:
    """Return a member by the columns of GROUPS and REGION."""
    item = member.item
    cells = [member.group, member.canonical, item.line, item.id, item.shown, member.score]
    return [*cells, item.place]


def _pair_row(pair: Pair) -> list[Any]:
    """Return a pair by the columns of PAIRS and PAIR_REGIONS."""
    left, right = pair.left, pair.right
    items = (left.line, left.id, left.shown, right.line, right.id, right.shown)
    return [pair.group, *items, pair.score, pair.probability, left.place, right.place]


def _facts(deduped: sk.Deduped, source: str) -> dict[str, Any]:
    grouping = deduped.grouping
    rule, expected = grouping.rule, grouping.expected_false
    schema = GROUPS | REGION if _has_regions(deduped) else GROUPS
    groups: list[dict[str, Any]] = []
    for member in deduped.members:
        if member.canonical:
            groups.append({"group": member.group, "members": []})
        groups[-1]["members"].append(dict(zip(schema, _group_row(member), strict=False)))
    return {
        "source": source,
        "items": len(deduped.items),
        "copies": deduped.copies,
        "threshold": asdict(rule.threshold),
        "reranker": rule.reranker.name if rule.reranker else None,
        "mining": dict(grouping.mining),
        "comparisons": grouping.comparisons,
        "pairs": len(grouping.pairs),
        "objections": grouping.objections,
        "expected_false": None if expected is None else round(expected, 6),
        "groups": groups,
        "left_out": left_out_facts(deduped.left_out),
        "errors": item_faults(deduped.faults),
    }


def _print(deduped: sk.Deduped, *, list_groups: bool) -> None:
    rule, mining = deduped.grouping.rule, deduped.grouping.mining
    score = f"probability by {rule.reranker.name}" if rule.reranker else "cosine"
    where = ""
    if _has_regions(deduped):
        where = f" in {len({item.line for item in deduped.items}):,} files"
    echo(
        f"{len(deduped.items):,} items{where}, {deduped.copies:,} exact copies;"
        f" {len(deduped.members):,} in {deduped.groups:,} groups of duplicates"
        f" (threshold {rule.threshold.value:.3f}, {score})"
    )
    if deduped.left_out:
        echo(f"{len(deduped.left_out):,} left out: no comparison tells anything about them")
    echo(describe_false(deduped))
    if count := deduped.grouping.objections:
        echo(f"{count:,} more are as alike, but differ in what their vectors do not show")
    if not mining["exact"]:
        echo(f"near pairs by approximate search, recall {mining['recall']:.3f} on a sample")
    for member in deduped.members if list_groups else ():
        if member.group > GROUPS_SHOWN:
            echo(f"… and {deduped.groups - GROUPS_SHOWN:,} more groups; -o FILE lists all")
            return
        if member.canonical:
            echo(f"group {member.group}")
        mark, text = "*" if member.canonical else " ", one_line(member.item.shown, 90)
        text += f"  {member.item.place}" if member.item.place else ""
        echo(f"  {mark} {member.score:.3f}  {member.item.id:>6}  {text}")
