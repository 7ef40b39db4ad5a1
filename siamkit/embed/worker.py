"""Embed for another process, often on another machine: what runs in a worker of a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from siamkit import __version__, errors
from siamkit.embed import batches
from siamkit.embed.batches import EmbeddedSource, Job
from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import SiamkitError
from siamkit.host import registry
from siamkit.io.sources import Content, InMemory
from siamkit.models import shipped
from siamkit.protocols import Source
from siamkit.sdk import threads

LogLine: TypeAlias = tuple[str, int, str]  # the logger's name, the level, the message


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model folder for workers: its hash, and where Ray keeps its files."""

    digest: str
    files: Any  # a reference of Ray's to shipped.Files


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a pipeline, by the names that `open_pipeline` takes.

    shipped_encoder, shipped_detector: the folders to open instead, if the worker cannot know them.
    """

    modality: str
    encoder: str | None
    detector: str | None
    shipped_encoder: Shipped | None = None
    shipped_detector: Shipped | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """Versions and a fingerprint that processes must share for vectors to be comparable."""

    siamkit: str  # version
    plugins: tuple[str, ...]  # of the modality and the detector, with their packages
    fingerprint: str  # of the encoder


def describe_installed(pipeline: Pipeline) -> Installed:
    """Return what another process that embeds by this pipeline must have, too."""
    plugins = [pipeline.modality, *([pipeline.detector] if pipeline.detector else [])]
    described = tuple(registry.describe(plugin) for plugin in plugins)
    return Installed(__version__, described, pipeline.encoder.fingerprint)


class Worker:
    """A pipeline in a process of its own. Ray makes an actor of it."""

    def __init__(self, cores: int) -> None:
        """cores: the threads that each pool may have."""
        os.environ["SIAMKIT_THREADS"] = str(cores)
        threads.bound_libraries()
        self._pipeline: Pipeline | None = None

    def wait(self) -> None:
        """Return once the process runs."""

    def open(self, models: Models) -> Installed | SiamkitError:
        """Open the models. Returns an error, rather than raise it, to keep its class."""
        try:
            encoder = _install(models.shipped_encoder) or models.encoder
            detector = _install(models.shipped_detector) or models.detector
            pipeline = open_pipeline(models.modality, encoder=encoder, detector=detector)
        except SiamkitError as error:
            return _portable(error)
        self._pipeline = pipeline
        return describe_installed(pipeline)

    def embed(
        self, contents: Sequence[Content], choose: Chooser
    ) -> tuple[list[EmbeddedSource], list[LogLine]]:
        """Return the outcome of each content, without crops, and what was logged meanwhile."""
        assert self._pipeline is not None
        jobs = [Job(_as_source(content)) for content in contents]
        with _captured_log() as lines:
            embedded = list(batches.embed_batches(self._pipeline, jobs, choose))
        return [_stripped(source) for batch in embedded for source in batch], lines

    def notes(self) -> list[str]:
        """Return the encoder's notes on all that this worker has embedded."""
        return batches.read_notes(self._pipeline) if self._pipeline else []


def _install(folder: Shipped | None) -> str | None:
    if folder is None:
        return None
    import ray

    files = folder.files
    path: Path = shipped.install_files(folder.digest, lambda: ray.get(files))
    return str(path)


def _as_source(content: Content) -> Source:
    """Return a source that reads as this content."""
    if isinstance(content.data, str):
        return content.data
    return InMemory(content.data, content.name)


def _stripped(source: EmbeddedSource) -> EmbeddedSource:
    """Return an outcome without what its receiver has, or does not need."""
    for region in source.regions:
        region.crop = None
    error = None if source.error is None else _portable(source.error)
    return replace(source, job=Job(""), error=error)


def _portable(error: SiamkitError) -> SiamkitError:
    """Return an error of siamkit's own classes, which every process can read."""
    own = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    portable: SiamkitError = own(str(error), hint=error.hint)
    return portable


@contextmanager
def _captured_log() -> Iterator[list[LogLine]]:
    lines: list[LogLine] = []

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append((record.name, record.levelno, record.getMessage()))

    log, handler = logging.getLogger("siamkit"), Capture()
    log.addHandler(handler)
    try:
        yield lines
    finally:
        log.removeHandler(handler)
