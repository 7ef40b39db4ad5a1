"""siamkit dedupe"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import cut, emit_json, stderr, table, tell
from siamkit.cli.progress import bar, steps
from siamkit.errors import BadInput
from siamkit.io.sources import to_text
from siamkit.types import Fault

if TYPE_CHECKING:
    from siamkit.flows.against import Checked
    from siamkit.flows.decide import DecisionRule
    from siamkit.flows.dedupe import Deduped, Item, Member, Pair
    from siamkit.io.table_read import TextColumns
    from siamkit.types import Progress
    from siamkit.workspace import Workspace

GROUPS_SHOWN = 50
GROUPS = {"group": int, "canonical": bool, "line": int, "id": str, "text": str, "score": float}
PAIRS = {
    "group": int, "left_line": int, "left_id": str, "left": str,
    "right_line": int, "right_id": str, "right": str, "score": float, "probability": float,
}  # fmt: skip
CHECKED = {
    "line": int, "id": str, "text": str, "duplicate": bool, "identity": str, "enrolled": str,
    "score": float, "probability": float,
}  # fmt: skip
THRESHOLD = click.option(
    "--threshold",
    type=options.COSINE,
    metavar="T",
    help="Probability by the reranker, or cosine with --rerank none, at or above which two items"
    " count as the same [default: set for a stated precision].",
)
RERANK = click.option(
    "--rerank",
    metavar="NAME|none",
    callback=lambda context, parameter, value: options.default_or_none(value),
    help="The reranker that decides on near pairs [default: the modality's own].",
)


@click.command(
    epilog="""\b
Examples:
  siamkit dedupe questions.csv --column question
  siamkit dedupe tickets.parquet --column subject -o groups.csv --pairs pairs.csv
  siamkit dedupe help.db --table faq --column title -o help.db     into tables of the same file
  siamkit dedupe new.csv --column question --against faq    is any of these enrolled already?
  siamkit dedupe photos/ -m faces                           who is in there more than once?
  siamkit dedupe vectors.npy --threshold 0.9                vectors from elsewhere

\b
A SOURCE of texts is .csv, .tsv, .jsonl, .parquet, a SQLite .db, .txt with one a line, or -.
Exact copies are found first, then near ones. A group holds only items every two of which are the
same (complete linkage), so a chain of likenesses does not fuse what has nothing in common. A run
that is broken off goes on where it stopped. Exit code 1 if some items could not be read; the
others are compared all the same.
"""
)
@click.argument("source")
@options.modality
@options.column
@options.id_column
@options.table
@click.option("--against", metavar="GALLERY", help="Compare with what is enrolled there instead.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE",
    help="Write a row an item of a group: .csv, .jsonl, .parquet or .db.",
)  # fmt: skip
@click.option(
    "--pairs", "pairs_to", type=click.Path(path_type=Path), metavar="FILE",
    help="Write every pair at or above the threshold.",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE.html",
    help="Write a page with the scores' distribution, the threshold and the groups.",
)  # fmt: skip
@options.decision_rule(THRESHOLD, RERANK)
@click.option(
    "--max-memory", type=options.SizeType(), help="8G, say [default: most of what is free]."
)
@options.encoder
@options.detector
@options.store
@options.as_json
def dedupe(
    source: str,
    modality: str | None,
    column: str | None,
    id_column: str | None,
    table_name: str | None,
    against: str | None,
    output: Path | None,
    pairs_to: Path | None,
    report: Path | None,
    rule: DecisionRule,
    max_memory: int | None,
    encoder: str | None,
    detector: str | None,
    store: Path,
    as_json: bool,
) -> int:
    """Which items of SOURCE are the same?

    SOURCE is a table of texts, a folder of files, or a matrix of vectors.
    """
    from siamkit.embed.pipeline import DEFAULT
    from siamkit.io import atomic, table_write
    from siamkit.io.table_read import TextColumns

    if against and (pairs_to or report or modality or encoder or detector or max_memory):
        raise click.UsageError("--against goes with --output, --threshold and --rerank alone.")
    if source.lower().endswith(".npy") and any(
        (modality, column, id_column, table_name, rule.reranker != DEFAULT, encoder, detector)
    ):
        raise click.UsageError("A matrix goes with --threshold, --max-memory and outputs alone.")
    _check_outputs(source, table_name, output, pairs_to, report, bool(against))
    columns = TextColumns(column, id_column, table_name)
    with options.workspace(store) as ws:
        if against:
            return _against(ws, against, source, columns, rule, output, as_json)
        bad: list[Fault] = []
        try:
            with steps() as progress:
                found = _run(
                    ws, source, columns, bad, modality, rule,
                    encoder=encoder, detector=detector,
                    max_memory=max_memory, progress=progress,
                )  # fmt: skip
        except KeyboardInterrupt:
            if not source.lower().endswith(".npy"):
                stderr("\nwhat has been embedded is kept; the same command goes on from there")
            raise
        faults = sorted([*bad, *found.faults], key=lambda fault: fault.line or 0)
        found = replace(found, faults=faults)
        if output:
            table_write.write(
                output, GROUPS, map(_group_row, found.members), table="siamkit_groups"
            )
        if pairs_to:
            table_write.write(pairs_to, PAIRS, map(_pair_row, found.pairs()), table="siamkit_pairs")
        if report:
            from siamkit.reports import dedupe as page

            atomic.replace_text(report, page.html(found, to_text(Path(source))))
    tell(faults)
    if as_json:
        emit_json(_facts(found, source))
    else:
        _print(found, listed=output is None)
    return 1 if faults else 0


def _check_outputs(
    source: str,
    source_table: str | None,
    output: Path | None,
    pairs: Path | None,
    report: Path | None,
    against: bool,
) -> None:
    """Before the work begins: everything can be written, and nothing that is read is replaced."""
    from siamkit.io import table_write
    from siamkit.io.table_record import SQLITE

    tables = [
        (output, CHECKED, "siamkit_checked") if against else (output, GROUPS, "siamkit_groups")
    ]
    tables.append((pairs, PAIRS, "siamkit_pairs"))
    read, taken = Path(source).resolve(), set()
    for path, schema, name in tables:
        if path is None:
            continue
        table_write.check(path, schema, table=name)
        into_database = path.suffix.lower() in SQLITE
        if path.resolve() in taken and not into_database:
            raise click.UsageError("--output and --pairs would write the same file.")
        if path.resolve() == read and (not into_database or source_table == name):
            raise click.UsageError(f"{path} is the source itself: give another name.")
        taken.add(path.resolve())
    options.check_report(report)
    beside = read.with_suffix(".jsonl") if read.suffix == ".npy" else None
    for path in taken | ({report.resolve()} if report else set()):
        if path == beside or (read.is_dir() and path.is_relative_to(read) and path.exists()):
            raise click.UsageError(f"{path} is part of the source: give another name.")


def _run(
    ws: Workspace,
    source: str,
    columns: TextColumns,
    faults: list[Fault],
    modality: str | None,
    rule: DecisionRule,
    *,
    encoder: str | None,
    detector: str | None,
    max_memory: int | None,
    progress: Progress,
) -> Deduped:
    if source.lower().endswith(".npy"):
        return _of_matrix(Path(source), faults, rule, max_memory, progress)
    name = modality or _text_modality()
    if columns.text or columns.id or columns.table:
        options.check_texts(name)
    return ws.dedupe(
        _items(source, columns, name, faults),
        modality=name,
        encoder=encoder,
        detector=options.default_or_none(detector),
        max_memory=max_memory,
        progress=progress,
        rule=rule,
    )


def _of_matrix(
    path: Path,
    faults: list[Fault],
    rule: DecisionRule,
    max_memory: int | None,
    progress: Progress,
) -> Deduped:
    from siamkit.flows.dedupe import Item, of_vectors
    from siamkit.flows.duplicates import MatchRule
    from siamkit.io import npy

    if (threshold := rule.fixed) is None:
        raise BadInput(
            f"{path}: nothing tells from which cosine its rows are the same",
            hint="give it: --threshold 0.9",
        )
    matrix = npy.read(path)
    bad = set(matrix.unusable.tolist())
    faults += [Fault("zero, NaN or Inf", str(row), row + 1) for row in sorted(bad)]
    items = [
        Item(row + 1, str(row), name) for row, name in enumerate(matrix.names) if row not in bad
    ]
    vectors = matrix.vectors
    if bad:
        vectors = vectors[[item.line - 1 for item in items]]
    return of_vectors(
        items, None, vectors, None, MatchRule(threshold), max_memory=max_memory, progress=progress
    )


def _text_modality() -> str:
    """The only installed modality of texts; with several, the user has to name one."""
    from siamkit.models import pick_modality

    names = pick_modality.of_kind("text")
    if len(names) != 1:
        raise click.UsageError(f"Name the modality: -m, one of {', '.join(names) or 'none'}.")
    return names[0]


def _items(source: str, columns: TextColumns, modality: str, faults: list[Fault]) -> Iterator[Item]:
    """What a source lists. Rows that hold no text go to `faults`."""
    from siamkit.embed.manifests import read_jobs
    from siamkit.flows.dedupe import Item
    from siamkit.host import registry
    from siamkit.io import table_read
    from siamkit.io.sources import files_under

    if Path(source).is_dir():
        for number, file in enumerate(files_under(Path(source)), 1):
            yield Item(number, str(number), file)
    elif registry.load("siamkit.modalities", modality).kind == "text":
        for row in table_read.mark_repeated_ids(table_read.read_texts(source, sys.stdin, columns)):
            name = str(row.line) if row.id is None else row.id
            if row.error:
                faults.append(Fault(row.error, name, row.line))
            else:
                yield Item(row.line, name, row.text)
    else:
        for number, job in enumerate(read_jobs(source, sys.stdin), 1):
            assert not isinstance(job.source, bytes)
            yield Item(number, str(number), job.source)


def _against(
    ws: Workspace,
    gallery: str,
    source: str,
    columns: TextColumns,
    rule: DecisionRule,
    output: Path | None,
    as_json: bool,
) -> int:
    from siamkit.io import table_write

    faults: list[Fault] = []
    modality = ws.gallery(gallery).space.modality
    checked: list[Checked] = []
    with bar("comparing", None) as update:
        for result in ws.against(gallery, _items(source, columns, modality, faults), rule=rule):
            checked.append(result)
            update(len(checked))
    faults += [Fault(str(c.error), c.item.id, c.item.line) for c in checked if c.error]
    faults.sort(key=lambda fault: fault.line or 0)
    rows = [_checked_row(c) for c in checked if not c.error]
    if output:
        table_write.write(output, CHECKED, rows, table="siamkit_checked")
    tell(faults)
    if as_json:
        lines = [dict(zip(CHECKED, row, strict=True)) for row in rows]
        emit_json({"source": source, "gallery": gallery, "checked": lines, "errors": _list(faults)})
    else:
        same = [row for row in rows if row[3]]
        click.echo(f"{len(same):,} of {len(rows):,} are in gallery {gallery} already")
        if not output:
            shown = [(r[0], cut(r[2], 60), r[4], cut(r[5], 60), *r[6:]) for r in same]
            table(["line", "new", "identity", "enrolled", "score", "probability"], shown)
    return 1 if faults else 0


def _checked_row(checked: Checked) -> Sequence[Any]:
    item, match = checked.item, checked.match
    found = (match.identity, match.source, match.score, match.probability) if match else [None] * 4
    return (item.line, item.id, item.shown, checked.duplicate, *found)


def _group_row(member: Member) -> Sequence[Any]:
    item = member.item
    return member.group, member.canonical, item.line, item.id, item.shown, member.score


def _pair_row(pair: Pair) -> Sequence[Any]:
    a, b = pair.left, pair.right
    sides = (a.line, a.id, a.shown, b.line, b.id, b.shown)
    return pair.group, *sides, pair.score, pair.probability


def _list(faults: list[Fault]) -> list[dict[str, Any]]:
    return [{"line": f.line, "id": f.name, "error": f.reason} for f in faults]


def _facts(found: Deduped, source: str) -> dict[str, Any]:
    rule = found.found.rule
    groups: list[dict[str, Any]] = []
    for member in found.members:
        if member.canonical:
            groups.append({"group": member.group, "members": []})
        groups[-1]["members"].append(dict(zip(GROUPS, _group_row(member), strict=True)))
    return {
        "source": source,
        "items": len(found.items),
        "copies": found.copies,
        "threshold": asdict(rule.threshold),
        "reranker": rule.reranker.name if rule.reranker else None,
        "mining": dict(found.found.mining),
        "pairs": len(found.found.pairs),
        "groups": groups,
        "errors": _list(found.faults),
    }


def _print(found: Deduped, *, listed: bool) -> None:
    rule = found.found.rule
    what = f"probability by {rule.reranker.name}" if rule.reranker else "cosine"
    click.echo(
        f"{len(found.items):,} items, {found.copies:,} exact copies;"
        f" {len(found.members):,} in {found.groups:,} groups of duplicates"
        f" (threshold {rule.threshold.value:.3f}, {what})"
    )
    mining = found.found.mining
    if not mining["exact"]:
        click.echo(f"near pairs by approximate search, recall {mining['recall']:.3f} on a sample")
    if not listed:
        return
    for member in found.members:
        if member.group > GROUPS_SHOWN:
            click.echo(f"… and {found.groups - GROUPS_SHOWN:,} groups more: -o FILE has them all")
            return
        if member.canonical:
            click.echo(f"group {member.group}")
        mark = "*" if member.canonical else " "
        click.echo(
            f"  {mark} {member.score:.3f}  {member.item.id:>6}  {cut(member.item.shown, 90)}"
        )
