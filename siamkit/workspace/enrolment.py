"""Enrol sources, and embed them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.embed.pipeline import DEFAULT
from siamkit.embed.region_choosers import Chooser, all_regions, only_usable
from siamkit.host import registry
from siamkit.io.places import expand, expand_text
from siamkit.protocols import Source
from siamkit.sdk.inputs import take_each, take_or_refuse, take_source
from siamkit.store import Gallery, Store
from siamkit.types import Fault, Input, Kind, Progress, Prompt, Vectors, ignore_progress
from siamkit.workspace.galleries import GalleryMethods

if TYPE_CHECKING:
    from siamkit.flows.embed import Embedded
    from siamkit.flows.enrol import EnrolResult
    from siamkit.io.table_read import TextColumns


class EnrolmentMethods(GalleryMethods):
    """Enrol sources, and embed them."""

    def enrol(
        self,
        gallery: str,
        label: str,
        source: Input,
        *,
        modality: str | None = None,
        choose: Chooser = only_usable,
        detector: str | None = DEFAULT,
        prompt: Prompt | None = None,
    ) -> EnrolResult:
        """Enrol one source under a label; it is durable on return.

        source: a path, bytes, a picture or sound in memory, or, where samples are texts, the text.
        modality: needed for a new gallery, unless it is named after one.
        choose: picks the regions to enrol (see siamkit.region_choosers); the default takes the
        one usable region. detector: another one for this call; DEFAULT takes the gallery's own,
        None whole samples. prompt: marks the one object to enrol, which is cut out; its mask is
        stored. With `detector=None` a box is taken as it is.

        Raises UnreadableSample, NothingFound, SeveralFound or LowQuality for a source that cannot
        be enrolled, EncoderMismatch if the gallery was filled by another encoder.
        """
        kind = registry.load("siamkit.modalities", self.modality_of(gallery, modality)).kind
        (result,) = self.enrol_many(
            gallery,
            [(label, take_source(source, "source", kind))],
            modality=modality,
            choose=choose,
            detector=detector,
            prompt=prompt,
        )
        if result.error:
            raise result.error
        return result

    def enrol_many(
        self,
        gallery: str,
        items: Iterable[tuple[str | None, Input]],
        *,
        modality: str | None = None,
        choose: Chooser = only_usable,
        detector: str | None = DEFAULT,
        prompt: Prompt | None = None,
        look_again: bool = False,
    ) -> Iterator[EnrolResult]:
        """Enrol (label, source) pairs; yield one result per source, once it is durable.

        label: None labels a text with itself. detector, prompt: see `enrol`.
        A source that fails is reported in its result and does not end the others.
        look_again: detect regions again in content that is already enrolled under its label, to
        enrol others of it; by default it is skipped.
        """
        from siamkit.flows.enrol import enrol

        existing, modality = self._find(gallery, modality)
        if existing:
            pipeline = self.pipeline_of(existing, detector=detector)
        else:
            pipeline = self.pipeline(modality, detector=detector)
        if prompt is not None:
            from siamkit.embed.prompting import follow

            pipeline, choose = follow(pipeline, prompt, choose, cut_out=detector is not None)

        def create() -> tuple[Store, Gallery]:
            created = self.gallery(gallery, modality=modality)
            return self.store, created

        target = (self.store, existing) if existing else None
        pairs = _take_pairs(items, pipeline.modality.kind)
        yield from enrol(target, create, pipeline, pairs, choose, look_again=look_again)

    @staticmethod
    def read_labelled(
        origin: str | Path, columns: TextColumns | None = None
    ) -> tuple[list[tuple[str | None, Path | str]], list[EnrolResult]]:
        """Read (label, source) pairs for `enrol_many`, and a failed result per unusable row.

        origin: a folder with one folder per identity, a table with the columns label and path, JSON
        lines ({"label", "path"} or {"label", "text"}), or '-' for JSON lines on standard input.
        columns: if they are named, the origin is a table of texts that has them; `encoding` is that
        of any table which is not UTF-8.

        Raises BadInput, naming each line, for a list of which nothing can be used.
        """
        from siamkit.flows.enrol import read_labelled

        return read_labelled(expand_text(str(origin)), columns, sys.stdin)

    @staticmethod
    def record(
        seconds: float,
        label: str,
        modality: str,
        *,
        folder: str | Path = ".",
        started: Callable[[], None] = lambda: None,
    ) -> Path:
        """Record a voice from the microphone to LABEL-DATE.wav in a folder: 16 kHz, mono.

        started: called once recording begins. Raises BadInput for a modality of another kind, a
        bad label or length, SiamkitError if there is no microphone.
        """
        from siamkit.flows.enrol import record

        return record(seconds, label, modality, expand(Path(folder)), started)

    def add_templates(self, gallery: str, labels: Sequence[str], vectors: Vectors) -> Iterator[int]:
        """Enrol (n, dim) vectors embedded elsewhere; yield how many are durable so far."""
        from siamkit.flows.enrol import add_templates

        yield from add_templates(self.store, self.gallery(gallery), labels, vectors)

    def embed(
        self,
        modality: str,
        items: Iterable[Input],
        output: str | Path,
        *,
        encoder: str | None = None,
        detector: str | None = DEFAULT,
        choose: Chooser = all_regions,
        progress: Progress = ignore_progress,
    ) -> Embedded:
        """Write the vectors of many sources to `output`, an (n, dim) float32 .npy, rows of norm 1.

        Beside it, a .jsonl has one line per row: source, row, region and quality, or the error of
        a source that gave no row. No store is needed. See siamkit.flows.embed.
        Raises BadInput if `output` cannot be written there.
        """
        from siamkit.flows.embed import embed

        pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
        sources = take_each(items, "items", pipeline.modality.kind)
        total = len(items) if isinstance(items, Sized) else 0
        return embed(pipeline, sources, choose, expand(Path(output)), progress, total=total)

    @staticmethod
    def read_sources(
        origin: str | Path, columns: TextColumns | None = None
    ) -> tuple[list[Source], list[Fault]]:
        """Read the sources to `embed`, and a fault per unusable row.

        origin: a text file with one path per line, JSON lines with "source" or "text", or '-' for
        either on standard input. columns: if they are named, the origin is a table of texts that
        has them; `encoding` is that of any table which is not UTF-8.
        Raises BadInput, naming each line, for a list of which nothing can be used.
        """
        from siamkit.flows.embed import read_sources

        return read_sources(expand_text(str(origin)), columns, sys.stdin)


def _take_pairs(
    items: Iterable[tuple[str | None, Input]], kind: Kind
) -> Iterator[tuple[str | None, Source]]:
    """Yield (label, source) pairs; an item that is no pair is left as it is, to be reported."""
    for number, item in enumerate(items):
        try:
            label, source = item
        except (TypeError, ValueError):
            yield item  # type: ignore[misc]
        else:
            yield label, take_or_refuse(source, f"items[{number}]", kind)
