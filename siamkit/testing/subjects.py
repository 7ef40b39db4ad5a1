"""A plugin under test, with the parts that its checks share, each made once.

A part that cannot be made fails the one check that is about it; checks that need it do not run.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import open_encoder
from siamkit.errors import IndexUnavailable, MissingWeights
from siamkit.host import registry
from siamkit.models import names
from siamkit.protocols import Detector, Encoder, Index, IndexBackend, Modality, Source
from siamkit.sdk.model_folder import CARD
from siamkit.testing.fresh_process import Report, observe
from siamkit.testing.index_fixtures import COUNT, DIM, KEY, cursor, ids, rows
from siamkit.testing.rule import NotRun, Result, missing, needs_failed
from siamkit.types import Cursor, Region

T = TypeVar("T")
ENOUGH = 2  # identities, and samples of each


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """An encoder with samples to check it on: (identity, decoded medium) pairs."""

    encoder: Encoder[Any]
    samples: Sequence[tuple[str, Any]]


class Subject:
    """A plugin of any kind."""

    kind = "plugin"
    group = ""  # of its entry point
    method = ""  # that tells it from plugins of other kinds
    plugin: Any
    label: str  # names the plugin in results
    folder: Path  # empty at first; each check gets another one

    def __init__(self, plugin: object, label: str = "") -> None:
        self.plugin = plugin
        self.label = label or registry.describe(plugin)
        self.results: dict[str, Result] = {}  # of the checks that have run, by name

    def enter(self, folder: Path) -> None:
        """Begin a check, in an empty folder."""
        self.folder = folder

    def leave(self) -> None:
        """End a check."""

    @cached_property
    def report(self) -> Report:
        """Observations of the plugin in a fresh process, from its import on."""
        return observe(self.plugin, self.kind)

    def build(self, check: str, make: Callable[[], T]) -> T:
        """Make a part that several checks share.

        Raises NotRun if that fails, because it is what `check` is about.
        """
        if check in self.results and self.results[check].state == "failed":
            raise needs_failed(check)
        try:
            return make()
        except NotRun:
            raise
        except MissingWeights as error:
            raise NotRun(missing(error)) from error
        except Exception as error:
            raise needs_failed(check) from error


class EncoderSubject(Subject):
    """An encoder, and media that it takes."""

    kind = "encoder"

    def __init__(self, sampled: Sampled) -> None:
        super().__init__(sampled, f"encoder {getattr(sampled.encoder, 'fingerprint', '?')}")

    @property
    def samples(self) -> Sequence[tuple[str, Any]]:
        """(identity, crop) pairs."""
        samples: Sequence[tuple[str, Any]] = self.plugin.samples
        if not samples:
            raise NotRun("give samples to check it on: Sampled(encoder, [(identity, medium), …])")
        return samples

    @property
    def encoder(self) -> Encoder[Any]:
        encoder: Encoder[Any] = self.plugin.encoder
        return encoder

    @property
    def labels(self) -> list[str]:
        return [label for label, _ in self.samples]

    def crops(self) -> list[Any]:
        """Fresh copies, so that one check cannot spoil another's."""
        return [copy.deepcopy(medium) for _, medium in self.samples]

    def reopened(self) -> Encoder[Any]:
        """The encoder, opened a second time."""
        return self.encoder

    def embedded(self) -> NDArray[np.float32]:
        """A copy of what embed returns for all samples."""
        return np.array(self.encoder.embed(self.crops()))


class ModalitySubject(EncoderSubject):
    """A modality with its default encoder and its own examples."""

    kind = "modality"
    group = "siamkit.modalities"
    method = "load"
    plugin: Modality[Any]

    def __init__(self, modality: Modality[Any]) -> None:
        Subject.__init__(self, modality)

    @cached_property
    def examples(self) -> list[tuple[str, Source]]:
        """(identity, source) pairs."""
        examples = self.build(
            "examples_are_enough",
            lambda: [(label, source) for label, source in self.plugin.examples()],
        )
        if not examples:
            raise needs_failed("examples_are_enough")
        return examples

    @cached_property
    def media(self) -> list[Any]:
        """The decoded examples."""
        return self.build(
            "examples_load", lambda: [self.plugin.load(source) for _, source in self.examples]
        )

    @cached_property
    def regions(self) -> list[list[Region]]:
        """The regions that its detector finds in each medium; none without one that works."""
        if self.plugin.detector is None:
            return [[] for _ in self.media]
        try:
            detector = registry.load("siamkit.regions", self.plugin.detector)
            return [detector.find(medium) for medium in copy.deepcopy(self.media)]
        except Exception:  # the detector's fault is not the modality's
            return [[] for _ in self.media]

    @cached_property
    def samples(self) -> Sequence[tuple[str, Any]]:
        """(identity, whole medium as crop returns it) pairs."""
        media = copy.deepcopy(self.media)
        crops = self.build(
            "crop_keeps_kind", lambda: [self.plugin.crop(medium, Region()) for medium in media]
        )
        if any(type(c) is not type(m) for c, m in zip(crops, media, strict=True)):
            raise needs_failed("crop_keeps_kind")
        return list(zip((label for label, _ in self.examples), crops, strict=True))

    @cached_property
    def encoder(self) -> Encoder[Any]:
        return self.build("encoder_opens", self.reopened)

    def reopened(self) -> Encoder[Any]:
        encoder: Encoder[Any] = open_encoder(self.plugin, None)
        return encoder

    @property
    def encoder_folder(self) -> Path:
        """The folder of the encoder. Raises NotRun if it has none."""
        own_folder = getattr(self.encoder, "folder", None)
        folder = names.resolve(self.plugin, None) or own_folder
        if not isinstance(folder, Path) or not (folder / CARD).exists():
            raise NotRun("its encoder has no folder of siamkit's kind")
        return folder


class DetectorSubject(Subject):
    """A region detector, and media to look at."""

    kind = "detector"
    group = "siamkit.regions"
    method = "find"
    plugin: Detector[Any]

    @cached_property
    def media(self) -> list[Any]:
        """Its own `examples()`, or those of the installed modalities that use it."""
        if examples := getattr(self.plugin, "examples", None):
            return self.build("find_gives_regions", lambda: list(examples()))
        media = [
            medium
            for modality in registry.load_modalities()
            if modality.detector == self.plugin.name and modality.kind == self.plugin.kind
            for medium in _decoded_examples(modality)
        ]
        if not media:
            raise NotRun(
                "nothing to look at: give the detector a method examples() -> list of media"
            )
        return media

    def fresh_media(self) -> list[Any]:
        return copy.deepcopy(self.media)

    @cached_property
    def regions(self) -> list[list[Region]]:
        """The regions of each medium. Raises NotRun if `find` fails."""
        return self.build(
            "find_gives_regions", lambda: [self.plugin.find(m) for m in self.fresh_media()]
        )


def _decoded_examples(modality: Modality[Any]) -> list[Any]:
    try:
        return [modality.load(source) for _, source in modality.examples()]
    except Exception:  # the modality's fault is not the detector's
        return []


class IndexSubject(Subject):
    """An index backend, whose files lie in the folder of the check that runs.

    A `Shared` one saves on the server that its environment variable names, see
    siamkit.sdk.server_address; each check uses keys of its own there, and drops them at its end.
    """

    kind = "index"
    group = "siamkit.indexes"
    method = "open"
    plugin: IndexBackend

    def __init__(self, plugin: IndexBackend) -> None:
        super().__init__(plugin)
        self.owners: list[str] = []  # "1a2b…-" of each store that a check pretends to be

    def enter(self, folder: Path) -> None:
        """Begin a check, in an empty folder, and as another store."""
        super().enter(folder)
        self.owners.append(f"{secrets.token_hex(8)}-")

    def leave(self) -> None:
        """End a check: drop what it has left on a server."""
        owners, self.owners = self.owners, []
        if self.is_shared:
            for owner in owners:
                with suppress(Exception):  # what a check says of `drop`, it has said already
                    self.plugin.drop(owner, root=self.folder)

    @property
    def is_shared(self) -> bool:
        return bool(getattr(self.plugin, "shared", False))

    def key(self, name: str) -> str:
        """Return a key, or the beginning of keys, as the store makes them for this backend."""
        return f"{self.owners[-1]}{name}" if self.is_shared else name

    def load(
        self, key: str = KEY, dim: int = DIM, known: Callable[[Cursor], bool] = lambda _: True
    ) -> tuple[Index, list[str]]:
        """Open the saved index, or an empty one; with a line per refused state.

        Raises NotRun if its server is away.
        """
        try:
            return self.plugin.open(self.key(key), dim, root=self.folder, known=known)
        except IndexUnavailable as error:
            raise NotRun(f"{error} ({error.hint})" if error.hint else str(error)) from error

    def open(self, key: str = KEY, dim: int = DIM) -> Index:
        return self.load(key, dim)[0]

    def drop(self, prefix: str, *, below: int | None = None) -> None:
        """Drop the saved states of the keys that begin with a prefix."""
        self.plugin.drop(self.key(prefix), root=self.folder, below=below)

    def filled(self, key: str = KEY) -> Index:
        """An index that holds the ids 1 … COUNT."""
        index = self.open(key)
        index.add(ids(COUNT), rows(COUNT))
        return index

    def saved(self, seq: int = 1, key: str = KEY) -> Index:
        """A filled index, saved at a change."""
        index = self.filled(key)
        index.save(cursor(seq))
        return index


SUBJECTS: Mapping[str, type[Subject]] = {
    subject.group: subject for subject in (ModalitySubject, DetectorSubject, IndexSubject)
}


def make_subject(plugin: object) -> Subject:
    """Wrap a plugin for its checks, by the methods that it has. Raises TypeError for others."""
    if isinstance(plugin, Subject):
        return plugin
    if isinstance(plugin, Sampled):
        return EncoderSubject(plugin)
    for subject in SUBJECTS.values():
        if hasattr(plugin, subject.method):
            return subject(plugin)
    raise TypeError(
        f"{plugin!r} is not a modality (load, crop, encoder, examples), a detector (find) or an"
        " index backend (open, drop); an encoder comes as Sampled(encoder, [(identity, medium), …])"
    )
