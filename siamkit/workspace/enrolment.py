"""Enrol sources."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from siamkit.embed.pipeline import DEFAULT
from siamkit.embed.region_choosers import Chooser, only_usable
from siamkit.errors import BadInput
from siamkit.flows.answer_lists import Batch
from siamkit.host import registry
from siamkit.io.places import expand, expand_text
from siamkit.protocols import Source
from siamkit.sdk.inputs import is_batch, take_all, take_or_refuse
from siamkit.store import Gallery, Store
from siamkit.types import Input, Kind, Progress, Prompt, Vectors, ignore_progress
from siamkit.workspace.galleries import GalleryMethods

if TYPE_CHECKING:
    from siamkit.flows.enrol import EnrolResult
    from siamkit.io.table_read import TextColumns


class EnrolmentMethods(GalleryMethods):
    """Enrol sources."""

    @overload
    def enrol(  # type: ignore[overload-overlap]  # a text is a sequence of texts
        self,
        gallery: str,
        label: str,
        source: Input,
        *,
        modality: str | None = ...,
        choose: Chooser = ...,
        detector: str | None = ...,
        prompt: Prompt | None = ...,
    ) -> EnrolResult: ...
    @overload
    def enrol(
        self,
        gallery: str,
        label: str,
        source: Sequence[Input],
        *,
        modality: str | None = ...,
        choose: Chooser = ...,
        detector: str | None = ...,
        prompt: Prompt | None = ...,
    ) -> Batch[EnrolResult]: ...
    def enrol(
        self,
        gallery: str,
        label: str,
        source: Input | Sequence[Input],
        *,
        modality: str | None = None,
        choose: Chooser = only_usable,
        detector: str | None = DEFAULT,
        prompt: Prompt | None = None,
    ) -> EnrolResult | Batch[EnrolResult]:
        """Enrol one source, or a list of them, under a label; they are durable on return.

        source: a path, bytes, a picture or sound in memory, or, where samples are texts, the text.
        Of a list, a source that cannot be enrolled has an `error` in its result.
        modality: needed for a new gallery, unless it is named after one.
        choose: picks the regions to enrol (see siamkit.region_choosers); the default takes the
        one usable region. detector: another one for this call; DEFAULT takes the gallery's own,
        None whole samples. prompt: marks the one object to enrol, which is cut out; its mask is
        stored. With `detector=None` a box is taken as it is.

        Raises UnreadableSample, NothingFound, SeveralFound or LowQuality for a single source that
        cannot be enrolled, EncoderMismatch if the gallery was filled by another encoder.

        Examples:
            >>> ws.enrol("faces", "cameraman", "cameraman-1.png").status
            'enrolled'
            >>> texts = ["When do you close?", "When are you open?"]
            >>> [result.status for result in ws.enrol("questions", "hours", texts)]
            ['enrolled', 'already']
        """
        kind = registry.load("siamkit.modalities", self.modality_of(gallery, modality)).kind
        sources = take_all(source, "source", kind)
        results = self.enrol_many(
            gallery,
            ((label, each) for each in sources),
            modality=modality,
            choose=choose,
            detector=detector,
            prompt=prompt,
        )
        if is_batch(source):
            return Batch(results, key="results", about={"gallery": gallery})
        (result,) = results
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
        workers: int | str | None = None,
        build: bool = True,
        progress: Progress = ignore_progress,
    ) -> Iterator[EnrolResult]:
        """Enrol (label, source) pairs; yield one result per source, once it is durable.

        label: None labels a text with itself. detector, prompt: see `enrol`.
        A source that fails is reported in its result and does not end the others.
        look_again: detect regions again in content that is already enrolled under its label, to
        enrol others of it; by default it is skipped.
        workers: embed in so many processes of this machine, or on the Ray cluster of this address,
        such as ray://HOST:10001: see the page "Embedding on many machines". This process alone
        writes. Raises BadInput for neither, or with a prompt; MissingPackage without Ray;
        SiamkitError if no cluster answers, or it lacks what this process has.
        build: after the last result of a batch of 100 or more, build what makes searches fast, if
        the gallery has outgrown what there is, so that no query waits; progress: of that. If it is
        interrupted, nothing that was yielded is lost: see `build_index`.

        Examples:
            >>> items = [("sign in", "I forgot my password"), ("hours", "Are you open on Sundays?")]
            >>> [result.status for result in ws.enrol_many("questions", items)]
            ['enrolled', 'enrolled']
            >>> results = ws.enrol_many("questions", items, workers=2)  # doctest: +SKIP
        """
        from siamkit.flows.enrol import enrol

        existing, modality = self._find(gallery, modality)
        if existing:
            pipeline = self.pipeline_of(existing, detector=detector)
        else:
            pipeline = self.pipeline(modality, detector=detector)
        encoder, own_detector = (
            (existing.encoder, existing.detector) if existing else (None, DEFAULT)
        )
        names = (modality, encoder, own_detector if detector == DEFAULT else detector)
        if prompt is not None:
            if workers is not None:
                raise BadInput("workers follow no prompt", hint="leave `--workers` out")
            from siamkit.embed.prompting import follow

            pipeline, choose = follow(pipeline, prompt, choose, cut_out=detector is not None)

        def create() -> tuple[Store, Gallery]:
            created = self.gallery(gallery, modality=modality)
            return self.store, created

        target = (self.store, existing) if existing else None
        pairs = _take_pairs(items, pipeline.modality.kind)
        enrolled = 0
        with self._embedding(workers, pipeline, names) as embed_all:
            for result in enrol(
                target,
                create,
                pipeline,
                pairs,
                choose,
                look_again=look_again,
                open_index=self.index,
                embed_all=embed_all,
            ):
                enrolled += result.status != "failed"
                yield result
        if build and enrolled:
            self._settle_index(gallery, enrolled, progress)

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

        Examples:
            >>> columns = sk.TextColumns(text="text", id="label")
            >>> pairs, failed = ws.read_labelled("questions.csv", columns)
            >>> pairs[0]
            ('sign in', 'How do I log in?')
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

        Examples:
            >>> ws.record(5, "alice", "voices")  # doctest: +SKIP
        """
        from siamkit.flows.enrol import record

        return record(seconds, label, modality, expand(Path(folder)), started)

    def add_templates(
        self,
        gallery: str,
        labels: Sequence[str],
        vectors: Vectors,
        *,
        progress: Progress = ignore_progress,
    ) -> Iterator[int]:
        """Enrol (n, dim) vectors embedded elsewhere; yield how many are durable so far.

        progress: of building the index at the end, see `enrol_many`.

        Examples:
            >>> vectors = ws.embed("questions", ["Do you ship abroad?"]).vectors
            >>> list(ws.add_templates("questions", ["shipping"], vectors))
            [1]
        """
        from siamkit.flows.enrol import add_templates

        yield from add_templates(self.store, self.gallery(gallery), labels, vectors)
        if len(labels):
            self._settle_index(gallery, len(labels), progress)


def _take_pairs(
    items: Iterable[tuple[str | None, Input]], kind: Kind
) -> Iterator[tuple[str | None, Source]]:
    """Yield (label, source) pairs; an item that is not a pair is left as it is, to be reported."""
    for number, item in enumerate(items):
        try:
            label, source = item
        except (TypeError, ValueError):
            yield item  # type: ignore[misc]
        else:
            yield label, take_or_refuse(source, f"items[{number}]", kind)
