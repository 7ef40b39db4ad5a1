"""Embed: sources in, rows of a matrix out, for benchmarks and other programs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from siamkit.embed import batches, manifests
from siamkit.embed.batches import EmbedAll, EmbeddedSource, Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput, SiamkitError
from siamkit.io.atomic import replacing, require_writable
from siamkit.io.presentable import Presentable
from siamkit.io.table_read import TextColumns
from siamkit.protocols import Source
from siamkit.sdk import regions
from siamkit.types import Fault, Progress, Quality, Region, Vectors, ignore_progress

PARTIAL = ".partial.npy"
log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True)
class Embedded:
    """Outcome of an embedding run.

    Examples:
        >>> ws.embed("questions", ["How do I log in?"], "rows.npy").rows
        1
    """

    sources: int  # that have been read
    rows: int
    errors: int  # sources that gave no row
    dim: int
    fingerprint: str  # of the encoder


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings(Presentable):
    """Vectors in memory, one for each region of each source; cosines are `a @ b.T`.

    Examples:
        >>> embedded = ws.embed("questions", ["How do I log in?", "How can I log in?"])
        >>> bool(embedded.vectors[0] @ embedded.vectors[1] > 0.8)
        True
    """

    vectors: Vectors  # (n, dim) float32, of norm 1
    regions: tuple[EmbeddedPlace, ...]  # (n,) what each row is of
    errors: Mapping[int, SiamkitError]  # of items that gave no row, by their number from 0
    fingerprint: str  # of the encoder: only vectors of the same one are comparable

    def __repr__(self) -> str:
        """The size in short: `<Embeddings 3 x 512, 1 failed>`."""
        failed = f", {len(self.errors):,} failed" if self.errors else ""
        return f"<Embeddings {' x '.join(map(str, self.vectors.shape))}{failed}>"


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPlace:
    """The source and the region that a vector is of.

    Examples:
        >>> embedded = ws.embed("questions", ["How do I log in?", "When are you open?"])
        >>> [place.item for place in embedded.regions]
        [0, 1]
    """

    source: str
    item: int  # the number of the source in the list, from 0
    region: Region
    quality: Quality | None


def embed_in_memory(
    pipeline: Pipeline,
    items: Iterable[Source],
    choose: Chooser,
    progress: Progress = ignore_progress,
    *,
    total: int = 0,
    embed_all: EmbedAll = batches.embed_all,
) -> Embeddings:
    """Return the vectors of all sources. total, embed_all: see `embed`."""
    rows: list[np.ndarray] = []
    places: list[EmbeddedPlace] = []
    errors: dict[int, SiamkitError] = {}
    jobs = (Job(source, number) for number, source in enumerate(items))
    for batch in embed_all(pipeline, jobs, choose):
        for done in batch:
            number = done.job.tag
            if done.error:
                errors[number] = done.error
            for item in done.regions:
                places.append(EmbeddedPlace(done.name, number, item.region, item.quality))
                rows.append(item.vector.copy())
            progress("embedding", number + 1, total)
    vectors = np.stack(rows) if rows else np.empty((0, pipeline.encoder.dim), np.float32)
    return Embeddings(vectors, tuple(places), errors, pipeline.encoder.fingerprint)


def embed(
    pipeline: Pipeline,
    items: Iterable[Source],
    choose: Chooser,
    output: Path,
    progress: Progress = ignore_progress,
    *,
    total: int = 0,
    embed_all: EmbedAll = batches.embed_all,
) -> Embedded:
    """Write (n, dim) float32 rows of norm 1 to `output`, and one line per row to its `.jsonl` twin.

    A line is {"source", "row", "region", "quality"}, or {"source", "error"} for a source that
    gave no row. Both files appear at the end. A run that is interrupted, or cannot write `output`,
    leaves what it had in `.partial.npy` and `.partial.jsonl`, and an older `output` as it was.
    total: the number of items, for progress; 0 if unknown. embed_all: embeds here, or by workers.

    Raises BadInput if `output` cannot be written there.
    """
    _require_writable(output)
    rows: list[np.ndarray] = []
    lines: list[dict[str, Any]] = []
    errors = count = 0

    jobs = (Job(source) for source in items)
    try:
        for batch in embed_all(pipeline, jobs, choose):
            for done in batch:
                count += 1
                errors += done.error is not None
                _append(done, rows, lines)
            progress("embedding", count, total)
        _write(output, rows, lines, pipeline.encoder.dim)
    except BaseException:  # Ctrl-C too, or an output that can no longer be written
        if lines:
            partial = output.with_suffix(PARTIAL)
            _write(partial, rows, lines, pipeline.encoder.dim)
            log.warning(f"not finished: {len(rows):,} rows so far, in {partial}")
        raise
    encoder = pipeline.encoder
    return Embedded(count, len(rows), errors, encoder.dim, encoder.fingerprint)


def read_sources(
    origin: str, columns: TextColumns | None, stdin: TextIO
) -> tuple[list[Source], list[Fault]]:
    """Read the sources of a list or, with columns, the texts of a table.

    Also returns a fault for each row that cannot be used.
    See siamkit.embed.manifests for the formats. Raises BadInput if none can be.
    """
    columns = columns or TextColumns()
    if not columns.are_named:
        sources, unread = manifests.read_source_list(
            origin, stdin, table=columns.table, encoding=columns.encoding
        )
        return [*sources], unread
    texts, unusable = manifests.read_labelled_texts(origin, stdin, columns)
    faults = [Fault(row.error, row.id or "", row.line) for row in unusable]
    return [text for _, text in texts], faults


def _require_writable(output: Path) -> None:
    if output.suffix != ".npy":
        raise BadInput(f"{output} does not end in .npy", hint="give `--output vectors.npy`")
    for path in (output, output.with_suffix(".jsonl")):
        require_writable(path)


def _append(done: EmbeddedSource, rows: list[np.ndarray], lines: list[dict[str, Any]]) -> None:
    if done.error:
        lines.append({"source": done.name, "error": str(done.error)})
    for item in done.regions:
        lines.append(
            {
                "source": done.name,
                "row": len(rows),
                "region": regions.to_dict(item.region),
                "quality": round(item.quality.score, 4) if item.quality else None,
            }
        )
        rows.append(item.vector.copy())


def _write(
    output: Path, rows: Sequence[np.ndarray], lines: Iterable[dict[str, Any]], dim: int
) -> None:
    matrix = np.stack(rows) if rows else np.empty((0, dim), np.float32)
    with replacing(output) as vectors, replacing(output.with_suffix(".jsonl")) as names:
        np.save(vectors, matrix.astype(np.float32), allow_pickle=False)
        with names.open("w", encoding="utf-8") as text:
            for line in lines:
                text.write(json.dumps(line) + "\n")
