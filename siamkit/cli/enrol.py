"""siamkit enrol"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import emit_line, stderr
from siamkit.cli.progress import bar

if TYPE_CHECKING:
    from siamkit.embed.region_choosers import Chooser
    from siamkit.flows.enrol import Enrolled
    from siamkit.io.table_read import TextRow

QUIET_FROM = 20  # sources; a longer batch names its failures only


@click.command(
    epilog="""\b
Examples:
  siamkit enrol faces alice.jpg --as alice       a gallery named like its modality is made
  siamkit enrol staff alice.jpg --as alice -m faces
  siamkit enrol staff --from people/             people/alice/1.jpg, people/bob.jpg, …
  siamkit enrol staff --from manifest.csv        with the columns label,path
  siamkit enrol staff group.jpg --as bob --box 410,80,520,190
  siamkit enrol voices hello.wav --as alice      a voice, from a few seconds of speech
  siamkit enrol voices --as alice --record 5     the same, from the microphone
  siamkit enrol faq -m questions --text 'How do I sign in?' --as login
  siamkit enrol faq -m questions --from faq.csv --column question --id number
  printf '{"label": "alice", "path": "a.jpg"}' | siamkit enrol staff --from -

\b
With --column, --from is a table of texts (see `siamkit dedupe --help`), and --id names the column
with the labels; a text without one is its own label.

\b
A batch that was broken off goes on where it stopped: content that is enrolled under its label
already is skipped. With --json a line is printed for each source once it is durable. The exit
code is 1 if some sources of a batch failed; the others are enrolled all the same.
"""
)
@click.argument("gallery")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--as", "label", metavar="LABEL", help="Who or what the files show.")
@options.texts
@click.option(
    "--record",
    "seconds",
    type=float,
    metavar="SECONDS",
    help="Record from the microphone; saved as LABEL-DATE.wav in this folder.",
)
@click.option("--from", "origin", metavar="DIR|TABLE|-", help="Many labels: see below.")
@options.column
@options.id_column
@options.table
@options.modality
@click.option("--largest", is_flag=True, help="Of several regions take the largest.")
@click.option(
    "--all-regions", "--all-faces", is_flag=True, help="Take every region, under one label."
)
@click.option(
    "--box", type=options.BoxType(), help="Take the region that this box means, in pixels."
)
@click.option("--any-quality", is_flag=True, help="Enrol what is too small, dark or blurred, too.")
@options.store
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a source.")
def enrol(
    gallery: str,
    files: tuple[Path, ...],
    label: str | None,
    texts: tuple[str, ...],
    seconds: float | None,
    origin: str | None,
    column: str | None,
    id_column: str | None,
    table_name: str | None,
    modality: str | None,
    largest: bool,
    all_regions: bool,
    box: tuple[float, float, float, float] | None,
    any_quality: bool,
    store: Path,
    as_json: bool,
) -> int:
    """Enrol FILES or texts under a label, or many labels at once with --from.

    Each file must show exactly one usable region (one face, say), unless an option says which.
    """
    if bool(files or texts) + bool(origin) + (seconds is not None) != 1:
        raise click.UsageError("Give one of FILES, --text, --record and --from.")
    if (files or seconds is not None) and label is None:
        raise click.UsageError("Say who or what it is: --as LABEL.")
    if origin and label is not None:
        raise click.UsageError("--from brings its own labels; it does not go with --as.")
    if (column or id_column or table_name) and not origin:
        raise click.UsageError("--column, --id and --table go with --from TABLE.")
    if sum([largest, all_regions, box is not None]) > 1:
        raise click.UsageError("--largest, --all-regions and --box exclude each other.")
    from siamkit.embed.manifests import label_of_text, read_labelled, read_labelled_texts
    from siamkit.io.table_read import TextColumns

    tabular = bool(column or id_column or table_name)
    items: Any = [(label, file) for file in files] + [(label or label_of_text(t), t) for t in texts]
    bad: list[TextRow] = []
    if origin and tabular:
        columns = TextColumns(column, id_column, table_name)
        items, bad = read_labelled_texts(origin, sys.stdin, columns)
    elif origin:
        items = read_labelled(origin, sys.stdin)
    recorded: Path | None = None
    counts = {"enrolled": 0, "already": 0, "failed": len(bad)}
    last: Enrolled | None = None
    with options.workspace(store) as ws, bar("enrolling", len(items)) as update:
        if texts or tabular:
            options.check_texts(modality or ws.modality_of(gallery))
        if seconds is not None:
            recorded = _record(seconds, str(label), ws.modality_of(gallery, modality))
            items = [(str(label), recorded)]
        for row in bad:
            _report(_failed(row, str(origin)), as_json=as_json, quiet=True)
        results = ws.enrol_many(
            gallery,
            items,
            modality=modality,
            choose=_chooser(largest, all_regions, box, any_quality),
            look_again=all_regions or box is not None,
        )
        try:
            for last in results:
                counts[last.status] += 1
                _report(last, as_json=as_json, quiet=len(items) >= QUIET_FROM)
                update(sum(counts.values()))
        except KeyboardInterrupt:
            stderr(f"\n{counts['enrolled']:,} enrolled so far; the same command goes on from there")
            raise
        finally:
            if recorded and not counts["enrolled"]:
                recorded.unlink()
                stderr(f"{recorded} is worth nothing so, and was not kept")
    if len(items) + len(bad) != 1 and not as_json:
        click.echo(", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "-")
    if last and last.error and len(items) == 1 and not bad:
        return last.error.exit_code
    return 1 if counts["failed"] else 0


def _record(seconds: float, label: str, modality: str) -> Path:
    from siamkit.io import microphone
    from siamkit.store.samples import checked_label

    options.check_kind(modality, "audio", "--record is for voices")
    checked_label(label)
    path = microphone.record(
        seconds, label, Path(), lambda: stderr(f"recording {seconds:g} s: speak now")
    )
    stderr(f"recorded {path}")
    return path


def _failed(row: TextRow, origin: str) -> Enrolled:
    from siamkit.errors import UnreadableSample
    from siamkit.flows.enrol import Enrolled

    where = f"{origin}, line {row.line}"
    return Enrolled(row.id or "", where, "failed", error=UnreadableSample(f"{where}: {row.error}"))


def _chooser(
    largest: bool, all_regions: bool, box: tuple[float, float, float, float] | None, blind: bool
) -> Chooser:
    from siamkit.embed import region_choosers

    choose = (
        region_choosers.largest_usable
        if largest
        else region_choosers.all_usable
        if all_regions
        else region_choosers.within_box(box)
        if box
        else region_choosers.only_usable
    )
    return region_choosers.ignoring_quality(choose) if blind else choose


def _report(result: Enrolled, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        line: dict[str, Any] = {
            "label": result.label,
            "source": result.source,
            "status": result.status,
            "sample_ids": list(result.sample_ids),
        }
        if result.error:
            line |= {"error": str(result.error), "hint": result.error.hint}
        emit_line(line)
    elif result.error:
        stderr(f"Error: {result.error}" + (f" ({result.error.hint})" if result.error.hint else ""))
    elif not quiet:
        what = "is enrolled already, nothing to do" if result.status == "already" else "enrolled"
        click.echo(f"{result.label}: {result.source} {what}")
