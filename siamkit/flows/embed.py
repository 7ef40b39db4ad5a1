"""Embed: sources in, rows of a matrix out, for benchmarks and other programs."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.embed import batches
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput
from siamkit.sdk import regions

PARTIAL = ".partial.npy"


@dataclass(frozen=True, slots=True)
class Embedded:
    """How far an embedding run has come."""

    sources: int
    rows: int
    errors: int


def embed(
    pipeline: Pipeline, jobs: Iterable[Job], choose: Chooser, output: Path
) -> Generator[Embedded, None, None]:
    """Write (n, dim) float32 rows of norm 1 to `output` and a line a row to its `.jsonl` twin.

    A line is {"source", "row", "region", "quality"}, or {"source", "error"} for a source that
    gave no row. Both files appear at the end. A run that is broken off leaves what it had in
    `.partial.npy` and `.partial.jsonl`, and an older `output` as it was. Yields after every batch.
    """
    if output.suffix != ".npy":
        raise BadInput(f"{output} does not end in .npy", hint="--output vectors.npy")
    for made in (output, output.with_suffix(".jsonl")):
        if made.is_dir():
            raise BadInput(f"{made} is a directory", hint="--output vectors.npy")
    if not output.parent.is_dir():
        raise BadInput(f"the folder of {output} does not exist", hint=f"mkdir -p {output.parent}")
    rows: list[np.ndarray] = []
    lines: list[dict[str, Any]] = []
    errors = total = 0
    target = output.with_suffix(PARTIAL)
    try:
        for batch in batches.embed_all(pipeline, jobs, choose):
            for done in batch:
                total += 1
                if done.error:
                    errors += 1
                    lines.append({"source": done.name, "error": str(done.error)})
                for item in done.regions:
                    assert item.vector is not None
                    lines.append(
                        {
                            "source": done.name,
                            "row": len(rows),
                            "region": regions.to_dict(item.region),
                            "quality": round(item.quality.score, 4) if item.quality else None,
                        }
                    )
                    rows.append(item.vector.copy())
            yield Embedded(total, len(rows), errors)
        target = output
    finally:
        if lines or target == output:
            _write(target, rows, lines, pipeline.encoder.dim)


def _write(output: Path, rows: list[np.ndarray], lines: list[dict[str, Any]], dim: int) -> None:
    matrix = np.stack(rows) if rows else np.empty((0, dim), np.float32)
    with tempfile.TemporaryDirectory(prefix=f".{output.stem}-", dir=output.parent) as folder:
        made = Path(folder) / output.name
        np.save(made, matrix.astype(np.float32), allow_pickle=False)
        with made.with_suffix(".jsonl").open("w", encoding="utf-8") as text:
            for line in lines:
                text.write(json.dumps(line) + "\n")
        os.replace(made.with_suffix(".jsonl"), output.with_suffix(".jsonl"))
        os.replace(made, output)
