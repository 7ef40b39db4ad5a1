"""Embed sources, for other programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sized
from pathlib import Path
from typing import TYPE_CHECKING, overload

from siamkit.embed.pipeline import DEFAULT
from siamkit.embed.region_choosers import Chooser, all_regions
from siamkit.io.places import expand, expand_text
from siamkit.protocols import Source
from siamkit.sdk.inputs import are_several, take_each, take_source
from siamkit.types import Fault, Input, Progress, ignore_progress
from siamkit.workspace.base import OpenStore

if TYPE_CHECKING:
    from siamkit.flows.embed import Embedded, Embeddings
    from siamkit.io.table_read import TextColumns


class EmbeddingMethods(OpenStore):
    """Embed sources, for other programs."""

    @overload
    def embed(
        self,
        modality: str,
        items: Input | Iterable[Input],
        output: None = None,
        *,
        encoder: str | None = ...,
        detector: str | None = ...,
        choose: Chooser = ...,
        progress: Progress = ...,
        workers: int | str | None = ...,
    ) -> Embeddings: ...
    @overload
    def embed(
        self,
        modality: str,
        items: Input | Iterable[Input],
        output: str | Path,
        *,
        encoder: str | None = ...,
        detector: str | None = ...,
        choose: Chooser = ...,
        progress: Progress = ...,
        workers: int | str | None = ...,
    ) -> Embedded: ...
    def embed(
        self,
        modality: str,
        items: Input | Iterable[Input],
        output: str | Path | None = None,
        *,
        encoder: str | None = None,
        detector: str | None = DEFAULT,
        choose: Chooser = all_regions,
        progress: Progress = ignore_progress,
        workers: int | str | None = None,
    ) -> Embeddings | Embedded:
        """Return the (n, dim) float32 vectors of sources, rows of norm 1; or write them.

        items: a sample, or an iterable of them. A single one raises its error; of several, a bad
        one is among the `errors`. output: write an .npy instead, for more than fits into memory;
        beside it, a .jsonl has one line per row: source, row, region and quality, or the error of
        a source that gave no row. No store is needed. workers: see `enrol_many`. See
        siamkit.flows.embed.
        Raises BadInput if `output` cannot be written there.

        Examples:
            >>> embedded = ws.embed("faces", ["collins-1.png", photo])
            >>> embedded.vectors.shape
            (3, 128)
            >>> bool(embedded.vectors[0] @ embedded.vectors[1] > 0.8)
            True
            >>> embedded = ws.embed("faces", [photo], workers="ray://head:10001")  # doctest: +SKIP
        """
        from siamkit.flows.embed import embed, embed_in_memory

        pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
        kind, several = pipeline.modality.kind, are_several(items)
        total = len(items) if isinstance(items, Sized) and several else 0
        if are_several(items):
            sources = take_each(items, "items", kind)
        else:
            sources = iter([take_source(items, "items", kind)])
        with self._embedding(workers, pipeline, (modality, encoder, detector)) as embed_all:
            if output is not None:
                path = expand(Path(output))
                return embed(
                    pipeline, sources, choose, path, progress, total=total, embed_all=embed_all
                )
            embedded = embed_in_memory(
                pipeline, sources, choose, progress, total=total, embed_all=embed_all
            )
        if embedded.errors and not several:
            raise embedded.errors[0]
        return embedded

    @staticmethod
    def read_sources(
        origin: str | Path, columns: TextColumns | None = None
    ) -> tuple[list[Source], list[Fault]]:
        """Read the sources to `embed`, and a fault per unusable row.

        origin: a text file with one path per line, JSON lines with "source" or "text", or '-' for
        either on standard input. columns: if they are named, the origin is a table of texts that
        has them; `encoding` is that of any table which is not UTF-8.
        Raises BadInput, naming each line, for a list of which nothing can be used.

        Examples:
            >>> sources, faults = ws.read_sources("questions.csv", sk.TextColumns(text="text"))
            >>> len(sources)
            5
        """
        from siamkit.flows.embed import read_sources

        return read_sources(expand_text(str(origin)), columns, sys.stdin)
