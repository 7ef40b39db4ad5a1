"""The Python API: one store, its galleries and every operation on them.

The command line uses nothing else.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Unpack

from siamkit.embed.pipeline import DEFAULT, Pipeline, open_pipeline, resolve_detector
from siamkit.embed.region_choosers import Chooser, all_regions, largest_region, only_usable
from siamkit.errors import BadInput, MissingWeights, StoreError
from siamkit.flows import detectors as detector_folders
from siamkit.flows import encoders as encoder_folders
from siamkit.flows.decide import DEFAULT_RULE, DecisionRule, gallery_basis
from siamkit.flows.forget import delete_gallery, finish_erasing, forget
from siamkit.flows.galleries import find_gallery, get_of_modality, imply_modality
from siamkit.flows.query import Answer, query
from siamkit.flows.verify import Claim, Verification, verify_claim, verify_pair
from siamkit.host import registry
from siamkit.io import sources
from siamkit.io.places import expand, expand_text
from siamkit.models import names, pick_modality
from siamkit.protocols import Detector, Source
from siamkit.sdk import forks, threads
from siamkit.stats.scoring import Fusion, mated_cosine_of
from siamkit.store import Gallery, Store, galleries, labels, merges, samples
from siamkit.store.galleries import DEFAULT_INDEX, GalleryExists
from siamkit.store.labels import Holding
from siamkit.store.live_index import LiveIndex, rebuild
from siamkit.store.merges import Merger
from siamkit.store.samples import Sample
from siamkit.store.saved_indexes import change, load_backend
from siamkit.types import (
    Calibration,
    Fault,
    Progress,
    Prompt,
    Threshold,
    Vectors,
    ignore_progress,
)

if TYPE_CHECKING:
    from siamkit.flows.against import GalleryLookup
    from siamkit.flows.audit import Finding
    from siamkit.flows.backup import Backup
    from siamkit.flows.calibrate_find import CalibratedSearch
    from siamkit.flows.classify import Classified, Classifier
    from siamkit.flows.dedupe import Deduped
    from siamkit.flows.dedupe_items import Item
    from siamkit.flows.detect import Detected, PreparedDetector
    from siamkit.flows.doctor import Checkup
    from siamkit.flows.embed import Embedded
    from siamkit.flows.enrol import EnrolResult
    from siamkit.flows.evaluate import Evaluation, EvaluationSettings
    from siamkit.flows.explain import Explanation
    from siamkit.flows.find import SearchedPicture
    from siamkit.flows.find_places import PictureSearch
    from siamkit.flows.fuse import Fused
    from siamkit.flows.import_ import Imported
    from siamkit.flows.reembed import Reembedded
    from siamkit.flows.timeline import Timeline
    from siamkit.host.registry import Plugin
    from siamkit.io.table_read import TextColumns
    from siamkit.reports.find import FindFiles
    from siamkit.reports.region_files import RegionFiles
    from siamkit.stats.calibration_fit import CalibrationTargets
    from siamkit.stats.classify import ClassificationMethod, ClassificationRule
    from siamkit.stats.drift import Drift
    from siamkit.testing.rule import Result
    from siamkit.train.config import TrainConfig
    from siamkit.train.localise.config import LocaliserConfig
    from siamkit.train.localise.run import LocaliserDetails, LocaliserRun
    from siamkit.train.mine import MinedNegatives, MiningRule
    from siamkit.train.mine_table import Format as MinedFormat
    from siamkit.train.run import RunDetails, TrainingRun
    from siamkit.train.series.folds import FoldsRun
    from siamkit.train.series.sweep import SweepRun

log = logging.getLogger("siamkit")


def default_root() -> Path:
    """Return SIAMKIT_STORE, or else .siamkit in the working directory."""
    return Path(os.environ.get("SIAMKIT_STORE") or ".siamkit")


class Workspace:
    """A store and every operation on it; models and indexes stay open between calls.

    Examples:
        >>> ws = Workspace("people")                                      # doctest: +SKIP
        >>> ws.enrol("faces", "alice", "alice.jpg")                       # doctest: +SKIP
        >>> ws.query("faces", "probe.jpg", k=5)[0].identity               # doctest: +SKIP
        'alice'

    path: the store's directory; None takes SIAMKIT_STORE, or else .siamkit in the working
    directory. It is created on the first enrolment, or by `init`.

    Methods raise subclasses of siamkit.SiamkitError, which name the input and the way out. A
    generator (`enrol_many`, `add_templates`, `against`) does its work as it is iterated.

    Threads may share a workspace, and a forked child may go on with its parent's. A pickled one
    opens the same path again.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        threads.bound_libraries()
        self.root = expand(Path(path) if path is not None else default_root())
        self._store: Store | None = None
        self._renew()
        forks.renew_in_child(self, Workspace._renew)
        self._pipelines: dict[tuple[str, str | None, str | None], Pipeline] = {}
        self._detectors: dict[str, Detector[Any]] = {}
        self._classifiers: dict[tuple[str, ClassificationRule], Classifier] = {}

    def __reduce__(self) -> tuple[type[Workspace], tuple[Path]]:
        return Workspace, (sources.absolute(self.root),)

    def _renew(self) -> None:
        """Forget the parent's indexes and locks, in the child of a fork."""
        # Locks, so that two threads do not open the same thing twice. Two, since a query opens the
        # models in one thread and the index in another.
        self._opening_models, self._opening = RLock(), RLock()
        self._indexes: dict[tuple[str, str], LiveIndex] = {}

    @property
    def store(self) -> Store:
        """The open store. Raises StoreError if it does not exist yet."""
        return self._store or self._open(create=False)

    def init(self) -> bool:
        """Create the store if there is none. True if it was created."""
        with self._opening:
            return self._store is None and self._open(create=True).created

    def _open(self, *, create: bool) -> Store:
        with self._opening:
            if self._store is None:
                store = Store(self.root, create=create)
                finish_erasing(store)
                self._store = store
            return self._store

    def close(self) -> None:
        """Close the database and the indexes. Models stay open for the next call.

        What other threads are doing goes on, and opens again what it needs.
        """
        with self._opening:
            store, self._store = self._store, None
            indexes, self._indexes = self._indexes, {}
            self._classifiers.clear()
        if store is not None:
            store.close()
        for live in indexes.values():
            live.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- galleries ---

    def create_gallery(
        self,
        name: str,
        modality: str | None = None,
        *,
        encoder: str | None = None,
        detector: str | None = DEFAULT,
        index: str | None = None,
    ) -> Gallery:
        """Create a gallery, and the store if there is none.

        modality: None takes the one that has this encoder, or else the one named like the gallery.
        encoder: a name, an encoder folder, another model as ORIGIN:MODEL ('timm:resnet50'), or
        None for the modality's own.
        detector: a name, DEFAULT for the modality's own, or None to embed whole samples.
        index: the name of an index backend, or None for the default, FAISS.

        Raises StoreError if the name is taken, BadInput for a bad name, an unknown modality or
        index, MissingWeights if the encoder is not here and cannot be fetched.
        """
        galleries.require_name(name)  # before a store is created for it
        index = index or DEFAULT_INDEX
        load_backend(index)
        if self._has_store() and galleries.exists(self.store, name):  # before an encoder is built
            raise GalleryExists(f"gallery {name!r} already exists")
        modality = modality or imply_modality(name, encoder)
        encoder = names.pin_encoder(registry.load("siamkit.modalities", modality), encoder)
        detector = resolve_detector(modality, detector)
        pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
        gallery_encoder = pipeline.gallery_encoder(encoder)  # may raise
        self.init()
        return galleries.create(
            self.store, name, modality, gallery_encoder, detector=detector, index=index
        )

    def gallery(self, name: str, *, modality: str | None = None) -> Gallery:
        """Open a gallery by name, or create it with a modality's own encoder and detector.

        A gallery named after a modality needs no `modality` to be created.
        Raises StoreError for an unknown gallery, BadInput if it holds another modality.
        """
        existing, modality = self._find(name, modality)
        if existing is not None:
            return existing
        try:
            return self.create_gallery(name, modality)
        except GalleryExists:  # another process was first
            return get_of_modality(self.store, name, modality)

    def galleries(self) -> list[Gallery]:
        """List the galleries of the store, by name."""
        return galleries.list_all(self.store)

    def count(self, gallery: str) -> tuple[int, int]:
        """Count the identities and the samples of a gallery."""
        return galleries.count(self.store, galleries.get(self.store, gallery))

    def delete_gallery(self, name: str) -> None:
        """Delete a gallery with all its samples, and identities that have no other samples."""
        delete_gallery(self.store, galleries.get(self.store, name))

    def modality_of(self, gallery: str, modality: str | None = None) -> str:
        """Name the modality of a gallery; of a new one, `modality`, or the one named like it.

        Raises StoreError if there is neither, BadInput if the gallery holds another modality.
        """
        return self._find(gallery, modality)[1]

    def _has_store(self) -> bool:
        return self._store is not None or (self.root / "store.db").exists()

    def _find(self, name: str, modality: str | None = None) -> tuple[Gallery | None, str]:
        return find_gallery(self.store if self._has_store() else None, name, modality)

    def pipeline(
        self, modality: str, *, encoder: str | None = None, detector: str | None = DEFAULT
    ) -> Pipeline:
        """Open a modality's encoder and detector, and keep them open for the next call."""
        key = (modality, encoder, resolve_detector(modality, detector))
        if key not in self._pipelines:
            with self._opening_models:
                if key not in self._pipelines:
                    opened = open_pipeline(modality, encoder=encoder, detector=key[2])
                    self._pipelines[key] = opened
        return self._pipelines[key]

    def pipeline_of(self, gallery: Gallery, *, detector: str | None = DEFAULT) -> Pipeline:
        """Open a gallery's encoder and detector, and keep them open for the next call.

        detector: another one for this call; None embeds whole samples.
        """
        detector = gallery.detector if detector == DEFAULT else detector
        modality, encoder = gallery.space.modality, gallery.encoder
        try:
            return self.pipeline(modality, encoder=encoder, detector=detector)
        except MissingWeights as error:
            if encoder is None:
                raise
            move = f"`siamkit reembed {gallery.name} --encoder default` moves to that of {modality}"
            hint = f"{error.hint}; {move}" if error.hint else move
            raise MissingWeights(f"gallery {gallery.name!r}: {error}", hint=hint) from error

    def index(self, gallery: Gallery) -> LiveIndex:
        """Open a gallery's index, kept open and in step with the store."""
        key = (gallery.index_key, gallery.index)  # another process may change the backend
        live = self._indexes.get(key)
        if live is None:
            with self._opening:
                live = self._indexes.get(key)
                if live is None:
                    live = self._indexes[key] = LiveIndex(self.store, gallery)
        return live.of(gallery)

    def _open_gallery(
        self, name: str, detector: str | None = DEFAULT
    ) -> tuple[LiveIndex, Pipeline]:
        """Open index and models at the same time: each mostly waits for the disk.

        numpy comes first: two threads importing parts of it at once can break it.
        """
        import numpy  # noqa: F401

        gallery = galleries.get(self.store, name)
        if (gallery.index_key, gallery.index) in self._indexes:
            return self.index(gallery), self.pipeline_of(gallery, detector=detector)
        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(self.pipeline_of, gallery, detector=detector)
            return self.index(gallery), opening.result()

    # --- enrolment and embedding ---

    def enrol(
        self,
        gallery: str,
        label: str,
        source: Source,
        *,
        modality: str | None = None,
        choose: Chooser = only_usable,
        detector: str | None = DEFAULT,
        prompt: Prompt | None = None,
    ) -> EnrolResult:
        """Enrol one source under a label; it is durable on return.

        source: a file's path, its content as bytes, or, where samples are texts, the text.
        modality: needed for a new gallery, unless it is named after one.
        choose: picks the regions to enrol (see siamkit.region_choosers); the default takes the
        one usable region. detector: another one for this call; DEFAULT takes the gallery's own,
        None whole samples. prompt: marks the one object to enrol, which is cut out; its mask is
        stored. With `detector=None` a box is taken as it is.

        Raises UnreadableSample, NothingFound, SeveralFound or LowQuality for a source that cannot
        be enrolled, EncoderMismatch if the gallery was filled by another encoder.
        """
        (result,) = self.enrol_many(
            gallery,
            [(label, source)],
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
        items: Iterable[tuple[str | None, Source]],
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
        yield from enrol(target, create, pipeline, items, choose, look_again=look_again)

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
        items: Iterable[Source],
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
        return embed(pipeline, items, choose, expand(Path(output)), progress)

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

    # --- detection ---

    def detect(
        self,
        source: Source,
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
        """
        prepared = self._prepare_detector(detector, labels, min_score, tiles, prompt)
        return prepared.detect(source)[0]

    def detect_many(
        self,
        sources: Iterable[Source],
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

        sources: files, their content as bytes, or folders, whose files are taken. output: files to
        write; an interrupted run of the same sources with the same output goes on where it stopped.
        The others are those of `detect`; a prompt goes with one source.
        """
        from siamkit.flows.detect_many import detect_many

        prepared = self._prepare_detector(detector, labels, min_score, tiles, prompt)
        yield from detect_many(prepared, sources, output, progress)

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

    # --- answers ---

    def query(
        self,
        gallery: str,
        probe: Source,
        *,
        k: int = 5,
        rule: DecisionRule = DEFAULT_RULE,
        fusion: Fusion | None = None,
        choose: Chooser = all_regions,
        detector: str | None = DEFAULT,
    ) -> list[Answer]:
        """Find the k nearest identities to each region of a probe, best first.

        rule: a threshold or error rate to decide by, such as `DecisionRule(fpir=0.01)`, instead of
        the gallery's own. detector: another one for this call; None compares whole samples.
        """
        live, pipeline = self._open_gallery(gallery, detector)
        return query(live, pipeline, probe, k=k, rule=rule, fusion=fusion, choose=choose)

    def find(
        self,
        gallery: str,
        source: Source,
        *,
        detector: str | None = DEFAULT,
        tiles: int | None = None,
        rule: DecisionRule = DEFAULT_RULE,
    ) -> SearchedPicture:
        """Find every place in a picture that shows something enrolled; see `find_many`.

        Raises the error of a picture that cannot be searched.
        """
        from siamkit.flows.find import find

        search = self._open_search(gallery, detector, tiles, rule.reranker)
        (picture,) = find(search, [source], rule)
        if picture.error:
            raise picture.error
        return picture

    def find_many(
        self,
        gallery: str,
        sources: Iterable[Source],
        *,
        detector: str | None = DEFAULT,
        tiles: int | None = None,
        rule: DecisionRule = DEFAULT_RULE,
        output: FindFiles | None = None,
        progress: Progress = ignore_progress,
    ) -> Generator[SearchedPicture, None, None]:
        """Search pictures for everything that is enrolled; yield one result per source, in order.

        sources: files, their content as bytes, or folders, whose files are taken. One that fails is
        reported in its result and does not end the others. output: files to write; if the iteration
        is stopped and closed, they hold what is done.
        detector: a name; DEFAULT takes the gallery's own, or `proposals` if it has none; None
        compares whole pictures alone. tiles: px of the side of overlapping tiles, in which the
        detector looks too. rule: a threshold, or an FPIR per picture, instead of the calibrated
        one; its reranker judges the best places. See siamkit.flows.find.
        """
        from siamkit.flows.find_many import find_many

        search = self._open_search(gallery, detector, tiles, rule.reranker)
        yield from find_many(search, sources, rule, output, progress)

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

    def classify(
        self,
        gallery: str,
        probe: Source,
        *,
        by: ClassificationMethod = "knn",
        k: int = 5,
        tags: bool = False,
        rule: DecisionRule | None = None,
        choose: Chooser = all_regions,
        detector: str | None = DEFAULT,
    ) -> list[Classified]:
        """Find the classes of each region of a probe, the most likely first.

        The classes are the gallery's identities. by: the `k` nearest samples vote, or each class is
        represented by its mean. tags: a sample may have several labels. rule: a region that a query
        would not identify by it belongs to no class, `DecisionRule()` being the gallery's own
        threshold; None: every region belongs to one. detector: another one for this call.
        """
        opened = self.classifier(gallery, by=by, k=k, tags=tags)
        live = self.index(opened.gallery)
        pipeline = self.pipeline_of(opened.gallery, detector=detector)
        return opened.classify(live, pipeline, probe, rule=rule, choose=choose)

    def classifier(
        self, gallery: str, *, by: ClassificationMethod = "knn", k: int = 5, tags: bool = False
    ) -> Classifier:
        """Open the classifier that `classify` uses; it names the source of its probabilities.

        It is kept until something is enrolled, forgotten, renamed or calibrated.
        """
        from siamkit.flows.classify import open_classifier
        from siamkit.stats.classify import ClassificationRule

        target = galleries.get(self.store, gallery)
        pipeline = self.pipeline_of(target)
        rule = ClassificationRule(by, k, tags, mated_cosine_of(pipeline.encoder))
        opened = self._classifiers.get((target.index_key, rule))
        if opened is None or not opened.is_current(self.store, target):
            opened = open_classifier(self.store, target, pipeline, rule)
            self._classifiers[target.index_key, rule] = opened
        return opened

    def timeline(
        self,
        recording: str | Path,
        gallery: str | None = None,
        *,
        modality: str | None = None,
        speakers: int | None = None,
        rule: DecisionRule = DEFAULT_RULE,
        fusion: Fusion | None = None,
        progress: Progress = ignore_progress,
    ) -> Timeline:
        """Find who speaks when in a recording: the enrolled by name, others by number.

        modality: without a gallery; None: the one that tells speakers apart. speakers: how many
        there are; None to estimate it. See siamkit.flows.timeline.
        """
        from siamkit.flows.timeline import default_modality, timeline

        live, pipeline = (
            self._open_gallery(gallery)
            if gallery
            else (None, self.pipeline(modality or default_modality()))
        )
        return timeline(
            live,
            pipeline,
            expand(Path(recording)),
            speakers=speakers,
            rule=rule,
            fusion=fusion,
            progress=progress,
        )

    def count_speakers(self, gallery: str, recording: str | Path) -> int:
        """Count who speaks in a recording; 1 for a modality that cannot tell speakers apart."""
        from siamkit.flows.diarise import count_speakers

        pipeline = self.pipeline_of(self.gallery(gallery))
        return count_speakers(pipeline, expand(Path(recording)))

    def cut_speaker(
        self,
        timeline: str | Path,
        speaker: int,
        *,
        modality: str | None = None,
        folder: str | Path = ".",
    ) -> Path:
        """Save what a numbered speaker of a timeline in JSON says to RECORDING-speaker-N.wav.

        See siamkit.flows.cut_speaker.
        """
        from siamkit.flows.cut_speaker import cut_speaker
        from siamkit.flows.timeline import default_modality

        pipeline = self.pipeline(modality or default_modality())
        return cut_speaker(pipeline, expand(Path(timeline)), speaker, expand(Path(folder)))

    def verify(
        self,
        gallery_or_modality: str | Pipeline,
        a: Source,
        b: Source,
        *,
        rule: DecisionRule = DEFAULT_RULE,
        choose: Chooser = largest_region,
        detector: str | None = DEFAULT,
    ) -> Verification:
        """Verify whether two sources are the same, as a gallery or a modality decides.

        gallery_or_modality: a name; or `pipeline(...)`, for a modality with other models.
        rule: a threshold, false match rate or reranker to decide by instead. choose: the region of
        `b` to compare. detector: another than that of a gallery or modality named.
        """
        pipeline, target = self._open_named(gallery_or_modality, detector)
        basis = gallery_basis(target, pipeline, None) if target else None
        return verify_pair(pipeline, a, b, rule=rule, basis=basis, choose=choose)

    def _open_named(
        self, gallery_or_modality: str | Pipeline, detector: str | None
    ) -> tuple[Pipeline, Gallery | None]:
        """Open the models of a gallery, which is returned too, or else those of a modality.

        Raises EncoderMismatch if the gallery was filled by another encoder.
        """
        if not isinstance(gallery_or_modality, str):
            return gallery_or_modality, None
        gallery, modality = self._find(gallery_or_modality)
        if gallery is None:
            return self.pipeline(modality, detector=detector), None
        pipeline = self.pipeline_of(gallery, detector=detector)
        galleries.require_space(gallery, pipeline.encoder.fingerprint)
        return pipeline, gallery

    def explain(
        self,
        gallery_or_modality: str | Pipeline,
        a: Source,
        b: Source,
        *,
        choose: Chooser = largest_region,
        detector: str | None = DEFAULT,
        progress: Progress = ignore_progress,
    ) -> Explanation:
        """Find the parts of two sources that make them alike, and those that make them different.

        gallery_or_modality, detector: see `verify`. choose: picks the region of `b` to compare.
        """
        from siamkit.flows.explain import explain

        pipeline, _ = self._open_named(gallery_or_modality, detector)
        return explain(pipeline, a, b, choose=choose, progress=progress)

    def verify_identity(
        self,
        gallery: str,
        label: str,
        probe: Source,
        *,
        rule: DecisionRule = DEFAULT_RULE,
        fusion: Fusion | None = None,
        choose: Chooser = largest_region,
        detector: str | None = DEFAULT,
    ) -> Verification:
        """Verify whether the chosen region of a source belongs to the identity `label`.

        rule: a threshold or false match rate to decide by, instead of the gallery's own. detector:
        another one for this call.
        """
        target = galleries.get(self.store, gallery)
        claim = Claim(target, label, probe)
        pipeline = self.pipeline_of(target, detector=detector)
        open_index = functools.partial(self.index, target)
        return verify_claim(
            self.store, pipeline, claim, open_index, rule=rule, fusion=fusion, choose=choose
        )

    def verify_fused(
        self, label: str, probes: Iterable[tuple[str, Source]], *, rule: DecisionRule = DEFAULT_RULE
    ) -> Fused:
        """Verify an identity with one (gallery, source) pair of each modality, fused.

        A gallery in which the identity owns nothing drops out, and so does a source without a
        region. rule: may set a false match rate. Raises BadInput for two galleries of one modality,
        Uncalibrated for a gallery without a calibration, NothingFound if all drop out.
        """
        from siamkit.flows import fuse

        rule.refuse("a fused verification", "threshold", "fpir", "reranker")

        def verify(gallery: Gallery, source: Source) -> Verification:
            return self.verify_identity(gallery.name, label, source)

        pairs = [(galleries.get(self.store, name), source) for name, source in probes]
        evidence = fuse.gather_evidence(self.store, label, pairs, self.pipeline_of, verify)
        return fuse.fuse(list(evidence), rule.fmr)

    def dedupe(
        self,
        items: Iterable[Item | str | Path],
        *,
        modality: str,
        encoder: str | None = None,
        detector: str | None = DEFAULT,
        rule: DecisionRule = DEFAULT_RULE,
        max_memory: int | None = None,
        progress: Progress = ignore_progress,
    ) -> Deduped:
        """Find the duplicates among many texts or files. See siamkit.flows.dedupe.

        rule: by default the cosine decides, by the encoder's threshold; or by the one at which one
        false pair is expected among all, where the encoder's calibration tells. With
        expected_false, that many are expected; fmr is the rate of a single pair. max_memory: bytes
        that this process may use in all; None for most of what is free.
        """
        from siamkit.flows.dedupe import dedupe
        from siamkit.flows.dedupe_items import Item
        from siamkit.flows.grouping import open_match_rule

        pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
        numbered = (
            item if isinstance(item, Item) else Item(number, str(number), item)
            for number, item in enumerate(items, 1)
        )
        match_rule = open_match_rule(pipeline, rule)
        return dedupe(pipeline, numbered, match_rule, max_memory=max_memory, progress=progress)

    @staticmethod
    def dedupe_matrix(
        path: str | Path,
        threshold: float,
        *,
        max_memory: int | None = None,
        progress: Progress = ignore_progress,
    ) -> Deduped:
        """Find the duplicates among the rows of an (n, dim) .npy matrix of floats.

        threshold: the cosine at or above which two rows count as the same.
        """
        from siamkit.flows.dedupe import dedupe_matrix
        from siamkit.flows.grouping import MatchRule

        rule = MatchRule(Threshold(threshold))
        matrix = expand(Path(path))
        return dedupe_matrix(matrix, rule, max_memory=max_memory, progress=progress)

    @staticmethod
    def list_items(
        source: str | Path, modality: str, columns: TextColumns, faults: list[Fault]
    ) -> Iterator[Item]:
        """Yield the items to dedupe of a table of texts, a folder, or a list of files.

        source: '-' is standard input. faults: rows without a usable text are appended.
        """
        from siamkit.flows.list_items import list_items

        return list_items(expand_text(str(source)), sys.stdin, columns, modality, faults)

    def against(
        self, gallery: str, items: Iterable[Item], *, rule: DecisionRule = DEFAULT_RULE
    ) -> Iterator[GalleryLookup]:
        """Find the items, or regions of them, that are already enrolled. See siamkit.flows.against.

        rule: by default the cosine decides, by the threshold of a query in a gallery of this size.
        expected_false: among all items.
        """
        from siamkit.flows.against import against

        live, pipeline = self._open_gallery(gallery)
        yield from against(live, pipeline, items, rule)

    # --- measuring and training ---

    def audit(self, gallery: str, *, progress: Progress = ignore_progress) -> list[Finding]:
        """Find what is probably wrong in a gallery, worst first. See siamkit.flows.audit."""
        from siamkit.flows.audit import audit

        return audit(self.index(galleries.get(self.store, gallery)), progress=progress)

    def drift(self, gallery: str) -> Drift:
        """Compare the scores of recent queries with calibration. See siamkit.stats.drift."""
        from siamkit.flows.audit import drift

        return drift(self.store, galleries.get(self.store, gallery))

    def evaluate(
        self,
        source: str | Path | None = None,
        *,
        modality: str | None = None,
        gallery: str | None = None,
        encoders: Sequence[str | None] = (None,),
        detector: str | None = DEFAULT,
        settings: EvaluationSettings | None = None,
        progress: Progress = ignore_progress,
    ) -> list[Evaluation]:
        """Measure how often an encoder is wrong; return one result per configuration.

        source: a table of trials, a folder per identity, or, without modality and gallery, trials
        with a column score. gallery: evaluates its encoder, without a source on pairs of its own
        samples. encoders: each is measured. settings: what else to measure; None for cosines alone.
        """
        from siamkit.flows import evaluate

        settings = settings or evaluate.EvaluationSettings()
        fixed = DecisionRule(threshold=settings.threshold).fixed if gallery or modality else None
        if gallery is not None:
            target = galleries.get(self.store, gallery)
            pipeline = self.pipeline_of(target)
            limit = fixed or gallery_basis(target, pipeline, None).default
            systems = [evaluate.System(target.name, pipeline, limit)]
            if source is None:
                return evaluate.evaluate_gallery(self.store, target, systems[0], settings, progress)
        elif source is None:
            raise BadInput(
                "nothing to evaluate", hint="give a table of trials, a folder, or a gallery"
            )
        elif modality is None:
            return [evaluate.evaluate_table(expand(Path(source)), settings)]
        else:
            systems = []
            for encoder in encoders:
                pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
                limit = fixed or pipeline.threshold
                systems.append(evaluate.System(encoder or modality, pipeline, limit))
        return evaluate.evaluate_systems(systems, expand(Path(source)), settings, progress)

    def calibrate(
        self,
        gallery: str,
        trials: str | Path | None = None,
        *,
        table: str | None = None,
        encoding: str | None = None,
        targets: CalibrationTargets | None = None,
        normalise: bool | None = None,
        report_fault: Callable[[Fault], None] = lambda fault: log.warning(f"left out: {fault}"),
        progress: Progress = ignore_progress,
    ) -> Calibration:
        """Measure what a gallery's scores mean; later decisions use the result.

        trials: a table of labelled pairs or a folder per identity; None for the gallery's own
        samples, each against each identity. table: of a database, or a sheet. encoding: of a table
        that is not UTF-8. targets: the error rates to decide at. normalise: decide by adaptive
        S-norm; None: if the modality prefers it and the gallery is large enough. report_fault:
        called with each trial and sample that cannot be used. See
        siamkit.stats.calibration_fit.fit_calibration.
        """
        from siamkit.flows import calibrate
        from siamkit.stats.calibration_fit import DEFAULT_TARGETS

        target = galleries.get(self.store, gallery)
        pipeline = self.pipeline_of(target)
        galleries.require_space(target, pipeline.encoder.fingerprint)
        self.store.require_writable()
        targets = targets or DEFAULT_TARGETS
        if trials is None:
            calibration = calibrate.calibrate_by_gallery(
                self.store, target, pipeline, targets, progress, normalise=normalise
            )
        elif normalise:
            raise BadInput(
                "S-norm is relative to who is enrolled, and the samples of trials are not",
                hint="calibrate by the gallery itself, or without S-norm",
            )
        else:
            from siamkit.flows.read_trials import read_trials

            path, is_text = expand(Path(trials)), pipeline.modality.kind == "text"
            pairs = read_trials(path, text=is_text, table=table, encoding=encoding)
            calibration = calibrate.calibrate_by_file(
                target, pipeline, pairs, path.name, targets, report_fault, progress
            )
        calibrate.save_calibration(self.store, target, calibration)
        return calibration

    def calibrate_find(
        self,
        gallery: str,
        pictures: str | Path,
        *,
        detector: str | None = DEFAULT,
        tiles: int | None = None,
        fpir: float | None = None,
        reranker: str | None = None,
        report_fault: Callable[[Fault], None] = lambda fault: log.warning(f"left out: {fault}"),
        progress: Progress = ignore_progress,
    ) -> CalibratedSearch:
        """Measure what the scores of `find` mean in a gallery; later searches use the result.

        pictures: a folder of pictures without anything enrolled, or a COCO JSON whose categories
        are identities. detector, tiles, reranker: of the searches that it is for, see `find_many`.
        fpir: the share of pictures without anything enrolled that may get a box, at most; None for
        0.05, or what the pictures support. report_fault: called with each picture that cannot be
        used. Raises Uncalibrated for too few pictures.
        """
        from siamkit.flows.calibrate_find import calibrate_find
        from siamkit.flows.labelled_pictures import read_pictures

        self.store.require_writable()
        search = self._open_search(gallery, detector, tiles, reranker)
        path, enrolled = expand(Path(pictures)), [h.identity for h in self.identities(gallery)]
        labelled = read_pictures(path, enrolled, report_fault)
        return calibrate_find(
            search,
            labelled,
            path.name,
            fpir=fpir,
            report_fault=report_fault,
            progress=progress,
        )

    def train(
        self,
        examples: str | Path | None,
        run: str | Path,
        *,
        modality: str | None = None,
        config: TrainConfig | Mapping[str, Any] | None = None,
        resume: bool = False,
        progress: Progress = ignore_progress,
        **details: Unpack[RunDetails],
    ) -> TrainingRun:
        """Prepare labelled examples in the folder `run`, and return the run; its `events` trains.

        examples: a folder with one folder per identity, a table (path,label, pairs a,b,label, or
        triplets), a folder saved by Hugging Face datasets, or 'gallery:NAME'. run: a new folder,
        or with `resume` one where a run was begun; then examples and modality may be None.
        config: settings; a mapping changes the defaults, or those of the resumed run.
        details: detector, licence, name, and what a table holds in which column, see
        siamkit.train.run.RunDetails.

        Raises BadInput for examples or settings that cannot be used, PluginError for a modality
        that cannot be trained. Needs torch.

        Examples:
            >>> run = ws.train("people", "run", modality="faces", config={"steps": 500})
            ...                                                          # doctest: +SKIP
            >>> for event in run.events(): print(event)                  # doctest: +SKIP
            >>> run.result().eer                                         # doctest: +SKIP
        """
        from siamkit.train.start import start_run

        return start_run(
            expand(Path(run)),
            _origin_changes(examples, modality, details),
            config or {},
            lambda: self.store,
            resume=resume,
            progress=progress,
        )

    def train_sweep(
        self,
        examples: str | Path | None,
        folder: str | Path,
        *,
        sweep: Mapping[str, Sequence[Any]] | None = None,
        seeds: int | None = None,
        modality: str | None = None,
        config: TrainConfig | Mapping[str, Any] | None = None,
        resume: bool = False,
        progress: Progress = ignore_progress,
        **details: Unpack[RunDetails],
    ) -> SweepRun:
        """Prepare examples in `folder` for runs with every combination of some settings' values.

        sweep: the values of each setting; none: the seeds alone are compared. seeds: how many runs
        of each combination, from config's seed upwards; default: one. The examples are loaded once;
        each trial is a run folder of its own in `folder`/trials. The others are the arguments of
        `train`.

        Raises BadInput as `train` does, and for values that a setting cannot take. Needs torch.

        Examples:
            >>> sweep = ws.train_sweep("people", "sweep", modality="faces",
            ...                        sweep={"margin": [0.1, 0.2]}, seeds=3)  # doctest: +SKIP
            >>> for trial, event in sweep.events(): print(trial.name, event)  # doctest: +SKIP
            >>> sweep.result().verdict.text                              # doctest: +SKIP
        """
        from siamkit.train.series.sweep import start_sweep

        return start_sweep(
            expand(Path(folder)),
            _origin_changes(examples, modality, details),
            config or {},
            sweep,
            seeds,
            lambda: self.store,
            resume=resume,
            progress=progress,
        )

    def train_folds(
        self,
        examples: str | Path | None,
        folder: str | Path,
        *,
        folds: int | None = None,
        modality: str | None = None,
        config: TrainConfig | Mapping[str, Any] | None = None,
        resume: bool = False,
        progress: Progress = ignore_progress,
        **details: Unpack[RunDetails],
    ) -> FoldsRun:
        """Prepare examples in `folder` for a cross-validation, which measures on all identities.

        folds: how many runs, each validating on another part of the identities, from 2 to half of
        these; None with `resume`. An encoder is then trained on all identities, for the median of
        the best steps. The others are the arguments of `train`; config's validation is not used.

        Raises BadInput as `train` does, and for more folds than there can be. Needs torch.

        Examples:
            >>> run = ws.train_folds("people", "run", modality="faces", folds=5)  # doctest: +SKIP
            >>> for trial, event in run.events(): print(trial.name, event)        # doctest: +SKIP
            >>> run.result().rates["error"]                                       # doctest: +SKIP
        """
        from siamkit.train.series.folds import start_folds

        return start_folds(
            expand(Path(folder)),
            _origin_changes(examples, modality, details),
            config or {},
            folds,
            lambda: self.store,
            resume=resume,
            progress=progress,
        )

    def mine_negatives(
        self,
        data: str | Path,
        output: str | Path,
        *,
        modality: str,
        rule: MiningRule | None = None,
        format: MinedFormat = "pairs",
        encoder: str | None = None,
        detector: str | None = DEFAULT,
        columns: Mapping[str, str] | None = None,
        table: str | None = None,
        encoding: str | None = None,
        progress: Progress = ignore_progress,
    ) -> MinedNegatives:
        """Write a table of training data with hard negatives, which `train` reads as it is.

        data, columns, table, encoding: as for `train`. Samples are compared by an encoder, the
        modality's own by default, and those of 'gallery:NAME' by the templates that it has.
        format: 'pairs' (a, b, label 1 or 0) or 'triplets' (anchor, positive, negative).
        See siamkit.train.mine. No torch is needed.

        Raises BadInput for data or an output that cannot be used, NothingFound if no sample can be
        embedded or no neighbour is far enough, StoreError if there is no such gallery.
        """
        from siamkit.train.mine import MiningRule, mine_negatives
        from siamkit.train.read_data import GALLERY, Layout

        origin = expand_text(str(data))
        if origin.startswith(GALLERY) and (encoder is not None or columns):
            raise BadInput(
                f"{origin} has vectors of its own encoder",
                hint="leave out `--encoder` and `--column`, or give a folder or a table",
            )
        return mine_negatives(
            origin,
            expand(Path(output)),
            lambda: self.pipeline(modality, encoder=encoder, detector=detector),
            lambda: self.store,
            modality=modality,
            rule=rule or MiningRule(),
            layout=Layout(table, encoding, columns or {}),
            format=format,
            progress=progress,
        )

    def train_localiser(
        self,
        pictures: str | Path | None,
        run: str | Path,
        *,
        config: LocaliserConfig | Mapping[str, Any] | None = None,
        resume: bool = False,
        progress: Progress = ignore_progress,
        **details: Unpack[LocaliserDetails],
    ) -> LocaliserRun:
        """Prepare pictures with boxes in the folder `run`, and return the run; its `events` trains.

        pictures: a COCO .json, a folder of VOC's XML or for YOLO, or a table with the columns
        image, label, left, top, right, bottom; see siamkit.io.boxes_read. Of several objects in a
        picture the largest is learnt; a picture without any shows nothing. run: a new folder, or
        with `resume` one where a run was begun; then pictures may be None.
        config: settings; a mapping changes the defaults, or those of the resumed run.
        details: licence and name, see siamkit.train.localise.run.LocaliserDetails.

        Raises BadInput for pictures or settings that cannot be used. Needs torch.

        Examples:
            >>> run = ws.train_localiser("boxes.csv", "run", config={"steps": 500})
            ...                                                          # doctest: +SKIP
            >>> for event in run.events(): print(event)                  # doctest: +SKIP
            >>> run.result().detector                                    # doctest: +SKIP
        """
        from siamkit.train.localise.run import start_localiser

        changes: dict[str, Any] = dict(details)
        if pictures is not None:
            changes["origin"] = expand_text(str(pictures))
        return start_localiser(
            expand(Path(run)), changes, config or {}, resume=resume, progress=progress
        )

    # --- identities and samples ---

    def identities(self, gallery: str | None = None) -> list[Holding]:
        """List the identities of the store, or of one gallery, one item per gallery they are in."""
        only = galleries.get(self.store, gallery) if gallery else None
        return labels.holdings(self.store, only)

    def identity(self, label: str) -> list[Sample]:
        """List the samples of an identity, in every gallery. Raises StoreError if it has none."""
        return samples.of_label(self.store, label)

    def rename(self, old: str, new: str) -> str:
        """Give an identity another label; return it as stored (NFC, no outer blanks).

        Raises StoreError if `old` does not exist, or `new` does: `merge` makes two identities one.
        """
        labels.rename(self.store, old, new)
        return labels.normalise_label(new)

    def merge(self, old: str, new: str) -> Merger:
        """Give all samples of `old`, in every gallery, to `new`; `undo_merge` takes it back.

        It happens in one transaction, whole or not at all. What both have, the same content and
        region, stays once. Raises StoreError if an identity does not exist.

        Examples:
            >>> ws.merge("A. Smith", "Alice Smith").samples           # doctest: +SKIP
            3
        """
        return merges.merge(self.store, old, new)

    def undo_merge(self, old: str | None = None) -> Merger:
        """Give the samples of the identity merged last, or of `old`, back to it.

        Samples forgotten since stay forgotten. Raises StoreError if there is no merger to undo.
        """
        return merges.undo(self.store, old)

    def forget(self, label: str, *, gallery: str | None = None) -> int:
        """Delete an identity, everywhere or from one gallery; return the number of its samples.

        Vectors, label and sources leave SQLite, the index and freed disk pages.
        Raises StoreError if there is nothing to delete.
        """
        enrolled = labels.sample_ids(self.store, label)
        doomed = [sample_id for sample_id, name in enrolled if gallery in (None, name)]
        if not doomed:
            raise StoreError(f"{label!r} has no sample in gallery {gallery!r}")
        deleted = forget(self.store, doomed)
        if not deleted:
            raise StoreError(f"{label!r} was deleted meanwhile, by another thread or process")
        return deleted

    def forget_sample(self, sample_id: int) -> None:
        """Delete one sample, and its identity if it has no other. Raises StoreError if absent."""
        samples.require(self.store, sample_id)
        forget(self.store, [sample_id])

    # --- moving galleries ---

    def backup(self, file: str | Path, *, progress: Progress = ignore_progress) -> Backup:
        """Copy the whole store to a new file, as of now, while others go on using it.

        To restore it, put it into a new folder as `store.db`. Raises BadInput if the file exists.
        """
        from siamkit.flows.backup import back_up

        return back_up(self.store, expand(Path(file)), progress)

    def export(self, gallery: str, folder: str | Path) -> int:
        """Write a gallery to a new folder of open formats; return the number of samples.

        The folder holds gallery.json, samples.jsonl (one line per sample) and templates.npy,
        (n, dim) float32. Raises BadInput if the folder exists.
        """
        from siamkit.flows.export import export_gallery

        return export_gallery(self.store, galleries.get(self.store, gallery), expand(Path(folder)))

    def import_(
        self,
        folder: str | Path,
        *,
        as_gallery: str | None = None,
        merge: bool = False,
        media: str | Path | None = None,
        encoder: str | None = None,
        confirm: Callable[[Mapping[str, int]], None] = lambda gains: None,
    ) -> Imported:
        """Read an exported folder into a new gallery, whole or not at all.

        The store is created if there is none. See docs/security.md for what is believed.
        as_gallery: None takes the name that was exported. merge: add to a gallery that exists,
        which keeps its settings. confirm: called before that with the new samples of each identity
        that the gallery knows; it may raise. media: a folder with the samples' files; without it,
        none of them is ever read. encoder: needed if the export's own is not installed.

        Raises BadInput, before anything is stored, for a damaged folder; StoreError for a gallery
        that exists, EncoderMismatch if it holds vectors of another encoder.
        """
        from siamkit.flows import import_ as importing
        from siamkit.flows.read_export import read_export

        exported = importing.with_encoder(read_export(expand(Path(folder))), encoder)
        exported = importing.with_media(exported, expand(Path(media)) if media else None)
        name = as_gallery or exported.name
        galleries.require_name(name)  # before a store is created for it
        if self._has_store() and galleries.exists(self.store, name):
            target = importing.require_mergeable(self.store, exported, name, merge=merge)
            confirm(importing.find_gains(self.store, target, exported))
        self.init()
        return importing.import_gallery(self.store, exported, name, merge=merge)

    def reembed(
        self,
        gallery: str,
        *,
        encoder: str | None = None,
        drop_missing: bool = False,
        progress: Progress = ignore_progress,
    ) -> Reembedded:
        """Recompute every template of a gallery from the enrolled sources, all or nothing.

        encoder: a name, a folder, or ORIGIN:MODEL; None takes the gallery's own, DEFAULT that of
        its modality.
        drop_missing: drop samples whose source is gone; by default they raise BadInput.
        """
        from siamkit.flows.reembed import reembed

        target = galleries.get(self.store, gallery)
        plugin = registry.load("siamkit.modalities", target.space.modality)
        wanted = None if encoder == DEFAULT else encoder or target.encoder
        encoder = names.pin_encoder(plugin, wanted)
        pipeline = self.pipeline(plugin.name, encoder=encoder, detector=target.detector)
        return reembed(
            self.store, target, pipeline, encoder, drop_missing=drop_missing, progress=progress
        )

    def index_stats(self, gallery: str) -> Mapping[str, str | int | float | bool]:
        """Describe a gallery's index: its backend as `index`, and what the backend reports.

        FAISS tells structure, exact, recall, templates, since_saved, bytes.
        """
        opened = galleries.get(self.store, gallery)
        return {"index": opened.index, **self.index(opened).index.describe()}

    def rebuild_index(
        self, gallery: str, *, index: str | None = None
    ) -> Mapping[str, str | int | float | bool]:
        """Rebuild a gallery's index from the store, and describe it as `index_stats` does.

        index: another backend, which the gallery uses from now on.
        """
        with self._opening:  # one thread at a time: each deletes what is saved
            target = galleries.get(self.store, gallery)
            if live := self._indexes.pop((target.index_key, target.index), None):
                live.close()
            if index is not None and index != target.index:
                target = change(self.store, target, index)
            rebuilt = rebuild(self.store, target).index
            description = {"index": target.index, **rebuilt.describe()}
            rebuilt.close()
            return description

    # --- encoders, detectors, plugins, and the installation ---

    encoders = staticmethod(encoder_folders.list_encoders)
    build_encoders = staticmethod(encoder_folders.build_encoders)
    add_encoder = staticmethod(encoder_folders.add_encoder)
    encoder_path = staticmethod(encoder_folders.encoder_path)
    detectors = staticmethod(detector_folders.list_detectors)
    build_detectors = staticmethod(detector_folders.build_detectors)
    add_detector = staticmethod(detector_folders.add_detector)
    detector_path = staticmethod(detector_folders.detector_path)

    @staticmethod
    def kind(modality: str) -> str:
        """Name the kind of a modality's samples: "image", "audio", "text", or a plugin's word."""
        return str(registry.load("siamkit.modalities", modality).kind)

    @staticmethod
    def modalities(kind: str) -> list[str]:
        """List the installed modalities of a kind; one that fails to import is left out."""
        return pick_modality.of_kind(kind)

    @staticmethod
    def plugins() -> list[Plugin]:
        """List every installed plugin with its package. Imports none of them."""
        return list(registry.all_installed())

    @staticmethod
    def check_plugin(name: str) -> Iterator[tuple[str, Result]]:
        """Run the conformance kit on an installed plugin; yield (group, result) per check."""
        from siamkit.testing import check_installed

        yield from check_installed(name)

    @staticmethod
    def new_plugin(name: str, kind: str, folder: str | Path) -> list[Path]:
        """Write a package with a new plugin into a new folder; return its files.

        kind: "image", "audio", "text" or "vector" for a modality, or "detector". Raises BadInput
        for a bad name or folder.
        """
        from siamkit.scaffold import write

        return write(name, kind, expand(Path(folder)))

    def doctor(self) -> Iterator[Checkup]:
        """Check the installation, the plugins, the encoders, and the store with its indexes."""
        from siamkit.flows.doctor import examine

        yield from examine(self.root)


def _origin_changes(
    examples: str | Path | None, modality: str | None, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a run's origin that are given."""
    arguments = {"origin": examples and expand_text(str(examples)), "modality": modality}
    return {**details, **{name: value for name, value in arguments.items() if value is not None}}
