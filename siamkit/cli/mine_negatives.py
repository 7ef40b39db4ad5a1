"""siamkit mine-negatives"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import print_outcome, stderr
from siamkit.cli.progress import steps
from siamkit.io.sources import shorten

if TYPE_CHECKING:
    from siamkit.train.mine import MinedNegatives

SHOWN = 5  # suspects that are named without --json

# The command gets these as `rule`.
RULE = options.bundle(
    "rule",
    "MiningRule",
    click.option(
        "--count",
        type=options.POSITIVE,
        default=3,
        show_default=True,
        help="Negatives of each anchor, at most.",
    ),
    click.option(
        "--margin",
        type=click.FloatRange(-2, 2),
        default=0.0,
        show_default=True,
        metavar="COSINE",
        help="How much farther than a positive a negative must be; below 0, it may be nearer.",
    ),
    click.option(
        "--relative-margin",
        type=click.FloatRange(0, 1),
        default=0.0,
        show_default=True,
        metavar="SHARE",
        help="The same as a share of the positive's cosine; 0.05, for example.",
    ),
    click.option(
        "--ceiling",
        type=options.COSINE,
        default=1.0,
        show_default=True,
        metavar="COSINE",
        help="The highest cosine of a negative.",
    ),
    click.option(
        "--skip",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="N",
        help="Pass over the N nearest negatives of each anchor.",
    ),
)


@click.command(
    "mine-negatives",
    epilog="""\b
Examples:
  siamkit mine-negatives pairs.csv -m questions -o mined.csv
  siamkit train mined.csv -m questions -o run
  siamkit mine-negatives people/ -m faces -o mined.csv --encoder run/encoder --count 5
  siamkit mine-negatives gallery:staff -m faces -o triplets.jsonl --format triplets
  siamkit mine-negatives pairs.csv -m questions -o mined.csv --relative-margin 0.05

\b
DATA is all that `siamkit train` reads. A negative of a sample is one of its nearest neighbours of
another identity, but farther than its positives: nearer ones may be the same, under another name.
They are counted, and the nearest are named; --json lists them, and a --margin below 0 takes them.
The table, .csv, .tsv, .jsonl, .parquet or .db, holds the data and the negatives: `a,b,label`, or
`anchor,positive,negative`. Exit code 1 if some samples could not be used; it is written anyway.
""",
)
@click.argument("data", type=options.ORIGIN)
@click.option("-m", "--modality", required=True, metavar="NAME", help="faces, …")
@options.output("The table to write.", required=True)
@click.option(
    "--format",
    type=click.Choice(["pairs", "triplets"]),
    default="pairs",
    show_default=True,
    help="Rows of two samples and a label, or of an anchor, a positive and a negative.",
)
@RULE
@options.encoder
@options.detector
@options.columns
@options.label_column
@options.table
@options.encoding
@options.workspace
@options.as_json
def mine_negatives(
    ws: sk.Workspace, data: str, id: str | None, as_json: bool, **values: Any
) -> int:
    """Write DATA with hard negatives, as a table to train on."""
    columns: Mapping[str, str] = values.pop("columns")
    values["detector"] = options.default_or_none(values["detector"])
    if id is not None:
        columns = {**columns, "label": id}
    with steps() as progress:
        mined = ws.mine_negatives(data, columns=columns, progress=progress, **values)
    for fault in mined.faults:
        stderr(f"Error: {fault}")
    for note in mined.notes:
        stderr(f"Note: {note}")
    print_outcome(as_json, asdict(mined), *_sentences(mined))
    return 1 if mined.faults else 0


def _sentences(mined: MinedNegatives) -> list[str]:
    missing = f"; {mined.without:,} have none" if mined.without else ""
    lines = [
        f"{mined.negatives:,} hard negatives of {mined.anchors:,} samples, from"
        f" {mined.samples:,} of {mined.identities:,} identities{missing}",
        f"{mined.rows:,} {mined.format} in {mined.output}",
    ]
    if mined.passed_over:
        lines.append(
            f"{mined.passed_over:,} neighbours are nearer than a positive: passed over;"
            f" {mined.suspected:,} pairs are nearer to each other than to their own positives, as"
            " one identity under two names is"
        )
    lines += [
        f"  {suspect.cosine:.3f}  {shorten(suspect.a)} · {shorten(suspect.b)}"
        for suspect in mined.suspects[:SHOWN]
    ]
    if mined.suspected > SHOWN:
        lines.append("  …; --json lists them")
    return lines
