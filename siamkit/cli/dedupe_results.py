"""Write and print the duplicates that siamkit dedupe found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import siamkit as sk
from siamkit.cli.options import Outputs
from siamkit.cli.output import echo, emit_json, one_line, print_faults, stderr
from siamkit.io.sources import to_text

if TYPE_CHECKING:
    from siamkit.flows.dedupe import Member, Pair
    from siamkit.flows.related_groups import RelatedGroup
    from siamkit.types import Fault

Related: TypeAlias = "Mapping[int, Sequence[RelatedGroup]]"  # by the number of the group
GROUPS_SHOWN = 20
HEADLINE = 76  # characters of a text on the terminal
LEFT_OUT_SHOWN = 5
CONTRADICTIONS_SHOWN = 5
CONTRADICTION = 40  # characters of each of its two texts on the terminal
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


def show(
    deduped: sk.Deduped,
    source: str,
    columns: sk.TextColumns,
    outputs: Outputs,
    limit: int | None,
) -> None:
    """Write the outputs, then print the faults and the groups, `limit` of them at most."""
    related = deduped.related()
    _write(deduped, source, columns, outputs, related)
    print_items(deduped.faults, deduped.left_out, source)
    if outputs.as_json:
        emit_json({"source": source, **deduped.to_dict()})
    else:
        groups_shown = (limit or GROUPS_SHOWN) if outputs.output is None else 0
        _print(deduped, related, groups_shown)
    for path in (outputs.output, outputs.pairs, outputs.report):
        if path:
            stderr(f"saved {path}")


def item_faults(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    """Return faults as JSON; unlike elsewhere, by the line and name of the item."""
    return [{"line": f.line, "id": f.name, "error": f.reason} for f in faults]


def left_out_facts(left_out: Sequence[Fault]) -> list[dict[str, Any]]:
    """Return as JSON the items about which no comparison tells anything."""
    return [{"line": f.line, "id": f.name, "reason": f.reason} for f in left_out]


def print_items(faults: Sequence[Fault], left_out: Sequence[Fault], source: str) -> None:
    """Print the items that failed, and LEFT_OUT_SHOWN of those that no comparison tells about.

    The files of a folder have names, but no lines.
    """
    if Path(source).is_dir():
        faults = [replace(fault, line=None) for fault in faults]
        left_out = [replace(fault, line=None) for fault in left_out]
    print_faults(faults)
    print_faults(left_out, title="left out", most=LEFT_OUT_SHOWN)


def _write(
    deduped: sk.Deduped,
    source: str,
    columns: sk.TextColumns,
    outputs: Outputs,
    related: Related,
) -> None:
    from siamkit.io import atomic, table_write

    has_regions = deduped.has_regions
    if outputs.output:
        schema = GROUPS | REGION if has_regions else GROUPS
        extra, values = _own_columns(deduped, source, columns)
        rows = (
            [*_group_row(m)[: len(schema)], *values.get(m.item.line, [None] * len(extra))]
            for m in deduped.members
        )
        table_write.write(outputs.output, schema | extra, rows, table=GROUPS_TABLE, raw=outputs.raw)
    if outputs.pairs:
        schema = PAIRS | PAIR_REGIONS if has_regions else PAIRS
        rows = (_pair_row(pair)[: len(schema)] for pair in deduped.pairs())
        table_write.write(outputs.pairs, schema, rows, table=PAIRS_TABLE, raw=outputs.raw)
    if outputs.report:
        from siamkit.reports import dedupe as dedupe_page

        page = dedupe_page.html(deduped, to_text(Path(source)), related)
        atomic.replace_text(outputs.report, page)


def _own_columns(
    deduped: sk.Deduped, source: str, columns: sk.TextColumns
) -> tuple[dict[str, type], dict[int, list[Any]]]:
    """Return the source's own columns, and their values by line; none of standard input.

    A name that GROUPS has, too, gets the prefix `source_`.
    """
    from siamkit.io import table_read
    from siamkit.io.table_record import LINES, READABLE

    suffix = Path(source).suffix.lower()
    if not deduped.members or suffix not in READABLE or suffix in LINES:
        return {}, {}
    if not all(isinstance(item.source, str) for item in deduped.items):  # a list of files
        return {}, {}
    lines = {member.item.line for member in deduped.members}
    names, rows = table_read.read_lines(source, columns, lines)
    kinds = {name: _kind([row.get(name) for row in rows.values()]) for name in names}
    schema = {
        f"source_{name}" if name in GROUPS | REGION else name: kind for name, kind in kinds.items()
    }
    values = {
        line: [_as_kind(row.get(name), kind) for name, kind in kinds.items()]
        for line, row in rows.items()
    }
    return schema, values


def _kind(values: Sequence[Any]) -> type:
    """Return the type of a column: that of all its values, or else str."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int} and any(abs(value or 0) >= 2**63 for value in values):
        return str
    return kinds.pop() if len(kinds) == 1 else str


def _as_kind(value: Any, kind: type) -> Any:
    return str(value) if kind is str and value is not None else value


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


def _print(deduped: sk.Deduped, related: Related, shown: int) -> None:
    """Print the outcome, then up to `shown` groups, then where the threshold comes from."""
    from siamkit.reports.dedupe import describe_outcome

    echo(f"{describe_outcome(deduped)}{':' if shown and deduped.groups else ''}")
    if not deduped.is_comparable:
        return
    sizes = Counter(member.group for member in deduped.members)
    for member in deduped.members:
        if member.group > shown:
            break
        if member.canonical:
            echo()
            echo(f"{member.group:>3}  {_headline(member, f'{sizes[member.group]:,} items')}")
            if related_groups := related.get(member.group):
                numbers = ", ".join(str(group.group) for group in related_groups)
                echo(f"     see also {numbers}")
        else:
            echo(f"     {member.score:.3f}  {_headline(member)}")
    if 0 < shown < deduped.groups:
        more = deduped.groups - shown
        echo()
        echo(f"… and {more:,} more; --limit {deduped.groups} or -o FILE lists all")
    if shown:
        echo()
    _print_basis(deduped)


def _headline(member: Member, size: str = "") -> str:
    """Return a text or a file, and then where it stands: its region, its id or its line."""
    item = member.item
    where = item.place if isinstance(item.source, Path) else item.origin
    notes = ", ".join(filter(None, (size, where)))
    return one_line(item.shown, HEADLINE) + (f"  ({notes})" if notes else "")


def _print_basis(deduped: sk.Deduped) -> None:
    from siamkit.reports.dedupe import describe_false

    rule, mining = deduped.grouping.rule, deduped.grouping.mining
    score = f"probability by {rule.reranker.name}" if rule.reranker else "cosine"
    echo(f"Two items count as the same from {score} {rule.threshold.value:.3f} on.")
    echo(f"{describe_false(deduped)}.")
    if deduped.left_out:
        echo(f"{len(deduped.left_out):,} left out: no comparison tells anything about them.")
    if count := len(deduped.grouping.contradictions):
        more = "1 more pair is" if count == 1 else f"{count:,} more pairs are"
        echo(f"{more} as alike, but differ in what their vectors do not show:")
        for left, right, objection in islice(deduped.contradictions(), CONTRADICTIONS_SHOWN):
            texts = " | ".join(one_line(item.shown, CONTRADICTION) for item in (left, right))
            echo(f"     {objection.reason}: {texts}")
    if not mining["exact"]:
        echo(f"Near pairs by approximate search, recall {mining['recall']:.3f} on a sample.")
