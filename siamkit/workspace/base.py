"""A store, its indexes and its models, opened once and shared by every operation."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from siamkit.embed import batches
from siamkit.embed.batches import EmbedAll
from siamkit.embed.pipeline import DEFAULT, Pipeline, open_pipeline, resolve_detector
from siamkit.errors import MissingWeights, SiamkitError, StoreError
from siamkit.flows.forget import finish_erasing
from siamkit.flows.galleries import find_gallery
from siamkit.io import sources
from siamkit.io.places import expand
from siamkit.protocols import Detector
from siamkit.sdk import forks, threads
from siamkit.store import Gallery, Store, galleries
from siamkit.store.index_servers import has_server
from siamkit.store.live_index import LiveIndex
from siamkit.store.saved_indexes import backend_of
from siamkit.types import Progress

if TYPE_CHECKING:
    from siamkit.flows.classify import Classifier
    from siamkit.stats.classify import ClassificationRule

BATCH = 100  # samples of one call; building for fewer would cost each small call too much
log = logging.getLogger("siamkit")


def default_root() -> Path:
    """Return SIAMKIT_STORE, or else .siamkit in the working directory."""
    return Path(os.environ.get("SIAMKIT_STORE") or ".siamkit")


class OpenStore:
    """A store, its indexes and its models, opened once and shared by every operation."""

    def __init__(self, path: str | Path | None = None) -> None:
        threads.bound_libraries()
        self.root = expand(Path(path) if path is not None else default_root())
        self._store: Store | None = None
        self._renew()
        forks.renew_in_child(self, OpenStore._renew)
        self._pipelines: dict[tuple[str, str | None, str | None], Pipeline] = {}
        self._detectors: dict[str, Detector[Any]] = {}
        self._classifiers: dict[tuple[str, ClassificationRule], Classifier] = {}

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (sources.absolute(self.root),)

    def _renew(self) -> None:
        """Forget the parent's indexes and locks, in the child of a fork."""
        # Locks, so that two threads do not open the same thing twice. Two, since a query opens the
        # models in one thread and the index in another.
        self._opening_models, self._opening = RLock(), RLock()
        self._indexes: dict[tuple[str, str], LiveIndex] = {}

    @property
    def store(self) -> Store:
        """The open store. Raises StoreError if it does not exist yet.

        Examples:
            >>> ws.store.root.name
            'store'
        """
        return self._store or self._open(create=False)

    def init(self) -> bool:
        """Create the store if there is none. True if it was created.

        Examples:
            >>> ws.init()
            False
        """
        with self._opening:
            return self._store is None and self._open(create=True).created

    def _open(self, *, create: bool) -> Store:
        with self._opening:
            if self._store is None:
                store = Store(self.root, create=create)
                finish_erasing(store)
                self._store = store
            return self._store

    def require_store(self) -> None:
        """Raise StoreError if there is no store now; one that was replaced is opened again.

        For a program that runs for long. Without this, it would go on with a deleted file.

        Examples:
            >>> ws.require_store()
        """
        if self._store is not None and not self._store.is_current():
            self.close()
        if self._store is None and not self._has_store():
            hint = "restore a backup there, or `siamkit init` creates an empty one"
            raise StoreError(f"there is no store in {self.root} any more", hint=hint)

    def close(self) -> None:
        """Close the database and the indexes. Models stay open for the next call.

        What other threads are doing goes on, and opens again what it needs.

        Examples:
            >>> ws.close()
        """
        with self._opening:
            store, self._store = self._store, None
            indexes, self._indexes = self._indexes, {}
            self._classifiers.clear()
        if store is not None:
            store.close()
        for live in indexes.values():
            live.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def open_models(self) -> int:
        """The number of encoders and detectors that are open.

        Examples:
            >>> ws.open_models > 0
            True
        """
        return len(self._pipelines) + len(self._detectors)

    def _has_store(self) -> bool:
        return self._store is not None or (self.root / "store.db").exists()

    def _find(self, name: str, modality: str | None = None) -> tuple[Gallery | None, str]:
        return find_gallery(self.store if self._has_store() else None, name, modality)

    def pipeline(
        self, modality: str, *, encoder: str | None = None, detector: str | None = DEFAULT
    ) -> Pipeline:
        """Open a modality's encoder and detector, and keep them open for the next call.

        Examples:
            >>> ws.pipeline("questions").encoder.dim
            384
        """
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

        Examples:
            >>> ws.pipeline_of(ws.gallery("faces")).modality.name
            'faces'
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

    @contextmanager
    def _embedding(
        self,
        workers: int | str | None,
        pipeline: Pipeline,
        names: tuple[str, str | None, str | None],
    ) -> Iterator[EmbedAll]:
        """Yield what embeds: this process, or workers that open a pipeline by its names."""
        if workers is None:
            yield batches.embed_all
            return
        from siamkit.embed.worker import Models
        from siamkit.embed.workers import open_workers

        modality, encoder, detector = names
        models = Models(modality, encoder, resolve_detector(modality, detector))
        with open_workers(workers, pipeline, models) as opened:
            yield opened.embed_all

    def index(self, gallery: Gallery, *, announce: bool = True) -> LiveIndex:
        """Open a gallery's index, kept open and in step with the store.

        announce: log a line if a large one has to be filled from the store first.

        Examples:
            >>> len(ws.index(ws.gallery("questions")))
            5
        """
        key = (gallery.index_key, gallery.index)  # another process may change the backend
        live = self._indexes.get(key)
        if live is None:
            with self._opening:
                live = self._indexes.get(key)
                if live is None:
                    live = LiveIndex(self.store, gallery, announce=announce)
                    self._indexes[key] = live
        return live.of(gallery)

    def _settle_index(self, gallery: str, count: int, progress: Progress) -> None:
        """After `count` samples were enrolled: leave an index behind that no query has to build.

        Fewer than BATCH leave it to the next batch, except on a server, where others look at once.
        """
        try:
            target = galleries.get(self.store, gallery)
            is_batch = count >= BATCH
            if is_batch or has_server(backend_of(target)):
                self.index(target, announce=False).settle(progress, build=is_batch)
        except SiamkitError as error:  # they are enrolled all the same
            log.warning(f"the index of gallery {gallery} is not up to date: {error}")

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
