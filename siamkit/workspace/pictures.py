"""Detect regions, and find what is enrolled in pictures."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

from siamkit.embed.pipeline import DEFAULT
from siamkit.flows.answer_lists import Asked, Batch, asked
from siamkit.flows.decide import DEFAULT_RULE, DecisionRule
from siamkit.sdk.inputs import is_batch, take_all, take_each, take_source
from siamkit.store import galleries
from siamkit.types import Input, Progress, Prompt, ignore_progress
from siamkit.workspace.installation import InstallationMethods

if TYPE_CHECKING:
    from siamkit.flows.detect import Detected, PreparedDetector
    from siamkit.flows.find import SearchedPicture
    from siamkit.flows.find_places import PictureSearch
    from siamkit.reports.find import FindFiles
    from siamkit.reports.region_files import RegionFiles


class PictureMethods(InstallationMethods):
    """Detect regions, and find what is enrolled in pictures."""

    def detect(
        self,
        source: Input,
        *,
        detector: str | None = None,
        labels: Sequence[str] = (),
        min_score: float | None = None,
        tiles: int | None = None,
        prompt: Prompt | None = None,
    ) -> Detected:
        """Find the regions of one picture or sound. No store is needed.

        detector: a name, or a detector folder; None takes `objects`, or `segments` for a prompt.
        labels: only regions with one of them. min_score: in [0, 1]; None for the detector's own.
        tiles: px; overlapping tiles of that side are searched, too. prompt: marks the one object.
        siamkit.region_formats converts regions for other libraries.

        Raises UnreadableSample, PluginError for an unknown detector, BadInput for labels that it
        does not have, and for tiles or a prompt that it does not take.

        Examples:
            >>> detected = ws.detect(photo, detector="facefinder")
            >>> len(detected.regions)
            2
        """
        prepared = self._prepare_detector(detector, labels, min_score, tiles, prompt)
        detected = prepared.detect(take_source(source, "source", prepared.kind))[0]
        return replace(detected, asked=Asked((source,), prepared.kind))

    def detect_many(
        self,
        sources: Iterable[Input],
        *,
        detector: str | None = None,
        labels: Sequence[str] = (),
        min_score: float | None = None,
        tiles: int | None = None,
        prompt: Prompt | None = None,
        output: RegionFiles | None = None,
        progress: Progress = ignore_progress,
    ) -> Iterator[Detected]:
        """Yield the regions of each source in order; one that cannot be used has an `error`.

        sources: pictures as `query` takes them, or folders, whose files are taken. output: files to
        write; an interrupted run of the same sources with the same output goes on where it stopped.
        The others are those of `detect`; a prompt goes with one source.

        Examples:
            >>> sources = ["group.png", photo]
            >>> [len(d.regions) for d in ws.detect_many(sources, detector="facefinder")]
            [2, 2]
        """
        from siamkit.flows.detect_many import detect_many

        prepared = self._prepare_detector(detector, labels, min_score, tiles, prompt)
        yield from detect_many(
            prepared, take_each(sources, "sources", prepared.kind), output, progress
        )

    def _prepare_detector(
        self,
        detector: str | None,
        labels: Sequence[str],
        min_score: float | None,
        tiles: int | None,
        prompt: Prompt | None,
    ) -> PreparedDetector:
        from siamkit.flows.detect import DetectSettings, default_detector, prepare
        from siamkit.models.detectors import open_detector

        settings = DetectSettings(tuple(labels), min_score, tiles, prompt)
        name = detector or default_detector(settings)
        if name not in self._detectors:
            with self._opening_models:
                if name not in self._detectors:
                    self._detectors[name] = open_detector(name)
        return prepare(self._detectors[name], settings)

    @overload
    def find(  # type: ignore[overload-overlap]  # a path is a sequence of paths
        self,
        gallery: str,
        source: Input,
        *,
        detector: str | None = ...,
        tiles: int | None = ...,
        rule: DecisionRule = ...,
    ) -> SearchedPicture: ...
    @overload
    def find(
        self,
        gallery: str,
        source: Sequence[Input],
        *,
        detector: str | None = ...,
        tiles: int | None = ...,
        rule: DecisionRule = ...,
    ) -> Batch[SearchedPicture]: ...
    def find(
        self,
        gallery: str,
        source: Input | Sequence[Input],
        *,
        detector: str | None = DEFAULT,
        tiles: int | None = None,
        rule: DecisionRule = DEFAULT_RULE,
    ) -> SearchedPicture | Batch[SearchedPicture]:
        """Find every place in a picture that shows something enrolled; see `find_many`.

        source: a picture, or a list of them: then the result has an item for each, and one that
        cannot be searched has an `error`. Raises the error of a single picture.

        Examples:
            >>> picture = ws.find("faces", photo)
            >>> picture.identities, len(picture.sightings)
            (('collins',), 1)
        """
        from siamkit.flows.find import find

        search = self._open_search(gallery, detector, tiles, rule.reranker)
        pictures = source if is_batch(source) else [source]
        answers = find(search, take_all(source, "source", "image"), rule)
        searched = [
            replace(answer, asked=asked(search.pipeline, picture))
            for picture, answer in zip(pictures, answers, strict=True)
        ]
        if is_batch(source):
            threshold = next((each.threshold for each in searched if each.threshold), None)
            about = {"gallery": gallery, "threshold": threshold}
            return Batch(searched, key="pictures", about=about)
        if error := searched[0].error:
            raise error
        return searched[0]

    def find_many(
        self,
        gallery: str,
        sources: Iterable[Input],
        *,
        detector: str | None = DEFAULT,
        tiles: int | None = None,
        rule: DecisionRule = DEFAULT_RULE,
        output: FindFiles | None = None,
        progress: Progress = ignore_progress,
    ) -> Generator[SearchedPicture, None, None]:
        """Search pictures for everything that is enrolled; yield one result per source, in order.

        sources: pictures, or folders, whose files are taken. One that fails is reported in its
        result and does not end the others. output: files to write; if the iteration is stopped and
        closed, they hold what is done.
        detector: a name; DEFAULT takes the gallery's own, or `proposals` if it has none; None
        compares whole pictures alone. tiles: px of the side of overlapping tiles, in which the
        detector looks too. rule: a threshold, or an FPIR per picture, instead of the calibrated
        one; its reranker judges the best places. See siamkit.flows.find.

        Examples:
            >>> pictures = ws.find_many("faces", ["group.png", "cameraman-1.png"])
            >>> [picture.identities for picture in pictures]
            [('collins',), ()]
        """
        from siamkit.flows.find_many import find_many

        search = self._open_search(gallery, detector, tiles, rule.reranker)
        yield from find_many(search, take_each(sources, "sources", "image"), rule, output, progress)

    def _open_search(
        self, gallery: str, detector: str | None, tiles: int | None, reranker: str | None
    ) -> PictureSearch:
        from siamkit.flows.find_places import FALLBACK, open_search, require_pictures

        target = galleries.get(self.store, gallery)
        modality = target.space.modality
        require_pictures(gallery, modality, self.kind(modality))
        if detector == DEFAULT:
            detector = target.detector or FALLBACK
        live, pipeline = self._open_gallery(gallery, detector)
        return open_search(live, pipeline, name=detector, tiles=tiles, reranker=reranker)
