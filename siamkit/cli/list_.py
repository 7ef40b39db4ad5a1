"""siamkit list"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import join

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import count_of, echo
from siamkit.cli.streaming import stream_json, stream_table

COLUMNS = ["identity", "gallery", "samples", "best_quality"]


@click.command(
    "list",
    epilog="""\b
Examples:
  siamkit list                                every identity, with the galleries it is in
  siamkit list staff --limit 20               the first twenty, by label
  siamkit list staff --limit 20 --after bob   the next ones
  siamkit list staff --search smith           those whose labels contain a text
  siamkit list staff --json                   for a program: an array, one row per line

\b
Rows are printed as they are read, so that a gallery of millions begins at once.
""",
)
@click.argument("gallery", required=False)
@options.limit("identities")
@options.after("LABEL", "List only identities whose labels sort behind LABEL.")
@options.search
@options.workspace
@options.as_json
def list_(
    ws: sk.Workspace,
    gallery: str | None,
    limit: int | None,
    after: str | None,
    search: str,
    as_json: bool,
) -> None:
    """List the identities of the store, or of one GALLERY, by label."""
    first = _FirstHoldings(ws.stream_identities(gallery, after=after or "", search=search), limit)
    rows = (
        {
            "identity": holding.identity,
            "gallery": holding.gallery,
            "samples": holding.samples,
            "best_quality": holding.quality,
        }
        for holding in first
    )
    if as_json:
        stream_json(rows)
        return
    stream_table(rows, COLUMNS)
    if first.are_all:
        _print_total(first.identities, first.samples, None if gallery else len(first.galleries))
        return
    start = ["siamkit", "list", *([gallery] if gallery else []), "--limit", str(limit)]
    start += ["--search", search] if search else []
    start += options.given_store()
    start += [f"--after={first.last}"] if first.last.startswith("-") else ["--after", first.last]
    echo(f"… and more: {join(start)}")
    if not search:
        _print_total(*ws.count(gallery) if gallery else ws.count_all())


class _FirstHoldings:
    """Sums of what the identities hold, counted as they pass."""

    def __init__(self, holdings: Iterator[sk.Holding], limit: int | None) -> None:
        self.holdings, self.limit = holdings, limit
        self.are_all = True  # until there are more identities than `limit`
        self.last = ""  # label
        self.identities, self.samples = 0, 0
        self.galleries: set[str] = set()

    def __iter__(self) -> Iterator[sk.Holding]:
        for holding in self.holdings:
            if holding.identity != self.last:
                if self.identities == self.limit:
                    self.are_all = False
                    return
                self.identities, self.last = self.identities + 1, holding.identity
            self.samples += holding.samples
            self.galleries.add(holding.gallery)
            yield holding


def _print_total(identities: int, samples: int, galleries: int | None = None) -> None:
    total = f"{count_of(identities, 'identity', 'identities')}, {count_of(samples, 'sample')}"
    echo(total + ("" if galleries is None else f", {count_of(galleries, 'gallery', 'galleries')}"))
