"""What a check looks at: a plugin, and what all of its checks share, made once.

A part that cannot be made fails the one check that is about it; the others are not run.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from siamkit.embed.pipeline import NORM_TOLERANCE, open_encoder
from siamkit.errors import MissingWeights
from siamkit.host import registry
from siamkit.models import names
from siamkit.sdk.model_folder import CARD
from siamkit.testing.fresh_process import Report, observe
from siamkit.testing.outcome import NotRun, Result, lacking, unavailable
from siamkit.testing.typed import ill_typed
from siamkit.types import Region

T = TypeVar("T")
ENOUGH = 2  # identities, and samples of each


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """An encoder with samples to try it with: (identity, decoded medium) pairs."""

    encoder: Any
    samples: Sequence[tuple[str, Any]]


class Subject:
    """A plugin of any kind."""

    kind = "plugin"

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin
        self.label = registry.describe(plugin)

    @cached_property
    def results(self) -> dict[str, Result]:
        """What came of the checks that were run."""
        return {}

    @cached_property
    def report(self) -> Report:
        """Observations of the plugin in a fresh process, from its import on."""
        return observe(self.plugin, self.kind)

    def needed(self, check: str, make: Callable[[], T]) -> T:
        """What several checks share. Raises NotRun where making it is what another is about."""
        known = self.results.get(check)
        if known and known.state == "failed":
            raise lacking(check)
        try:
            return make()
        except NotRun:
            raise
        except MissingWeights as error:
            raise NotRun(unavailable(error)) from error
        except Exception as error:
            raise lacking(check) from error


class EncoderSubject(Subject):
    """An encoder, and media that it takes."""

    kind = "encoder"

    @property
    def samples(self) -> Sequence[tuple[str, Any]]:
        given: Sequence[tuple[str, Any]] = self.plugin.samples
        if not given:
            raise NotRun("give samples to try it with: Sampled(encoder, [(identity, medium), …])")
        return given

    @property
    def encoder(self) -> Any:
        return self.plugin.encoder

    def __init__(self, plugin: Sampled) -> None:
        self.plugin = plugin
        self.label = f"encoder {getattr(plugin.encoder, 'fingerprint', '?')}"

    @property
    def labels(self) -> list[str]:
        return [label for label, _ in self.samples]

    def crops(self) -> list[Any]:
        """Fresh copies, so that one check cannot spoil another's."""
        return [copy.deepcopy(medium) for _, medium in self.samples]

    def crop(self, number: int) -> Any:
        """One of them."""
        return copy.deepcopy(self.samples[number][1])

    def reopened(self) -> Any:
        """The encoder, opened a second time."""
        return self.encoder

    def embedded(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """A copy of what embed gives, good or bad. Raises NotRun if it gives nothing."""
        return self.needed(
            "embed_shape_and_dtype", lambda: np.array(self.encoder.embed(self.crops()))
        )

    @cached_property
    def vectors(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """All samples' vectors, if they keep to the rules of shape and length."""
        rows = self.embedded()
        if rows.shape != (len(self.labels), self.encoder.dim):
            raise lacking("embed_shape_and_dtype")
        if not np.isfinite(rows).all():
            raise lacking("embed_is_finite")
        if (np.abs(np.linalg.norm(rows, axis=1) - 1) > NORM_TOLERANCE).any():
            raise lacking("embed_is_unit")
        return rows


class ModalitySubject(EncoderSubject):
    """A modality with its default encoder and its own examples."""

    kind = "modality"

    def __init__(self, plugin: Any) -> None:
        Subject.__init__(self, plugin)

    @cached_property
    def examples(self) -> list[tuple[str, Any]]:
        """(identity, source) pairs."""
        found = self.needed(
            "examples_are_enough", lambda: [(label, s) for label, s in self.plugin.examples()]
        )
        if not found:
            raise lacking("examples_are_enough")
        return found

    @cached_property
    def media(self) -> list[Any]:
        return self.needed("examples_load", lambda: [self.plugin.load(s) for _, s in self.examples])

    @cached_property
    def found(self) -> list[list[Region]]:
        """Regions that its detector finds, of every medium; none without one that works."""
        if self.plugin.detector is None:
            return [[] for _ in self.media]
        try:
            detector = registry.load("siamkit.regions", self.plugin.detector)
            return [detector.find(medium) for medium in copy.deepcopy(self.media)]
        except Exception:  # another plugin's fault is not this one's
            return [[] for _ in self.media]

    @cached_property
    def samples(self) -> Sequence[tuple[str, Any]]:
        media = copy.deepcopy(self.media)
        crops = self.needed(
            "crop_keeps_kind", lambda: [self.plugin.crop(medium, Region()) for medium in media]
        )
        if any(type(c) is not type(m) for c, m in zip(crops, media, strict=True)):
            raise lacking("crop_keeps_kind")
        return list(zip((label for label, _ in self.examples), crops, strict=True))

    @cached_property
    def encoder(self) -> Any:
        return self.needed("encoder_opens", lambda: open_encoder(self.plugin, None))

    def reopened(self) -> Any:
        return open_encoder(self.plugin, None)

    @property
    def folder(self) -> Path:
        """Of the encoder. Raises NotRun where it has none."""
        own = getattr(self.encoder, "folder", None)
        folder = names.resolve(self.plugin, None) or own
        if not isinstance(folder, Path) or not (folder / CARD).exists():
            raise NotRun("its encoder has no folder of siamkit's kind")
        return folder


class DetectorSubject(Subject):
    """A region detector, and media to look at."""

    kind = "detector"

    @cached_property
    def media(self) -> list[Any]:
        """Its own `examples()`, or those of the installed modalities that use it."""
        if hasattr(self.plugin, "examples"):
            return self.needed("find_gives_regions", lambda: list(self.plugin.examples()))
        found = [medium for modality in self._users() for medium in self._loaded(modality)]
        if not found:
            raise NotRun(
                "nothing to look at: give the detector a method examples() -> list of media"
            )
        return found

    def fresh(self) -> list[Any]:
        return copy.deepcopy(self.media)

    @cached_property
    def found(self) -> list[list[Region]]:
        """Regions, of every medium."""
        regions = self.needed(
            "find_gives_regions", lambda: [self.plugin.find(medium) for medium in self.fresh()]
        )
        if any(
            not isinstance(each, list)
            or any(not isinstance(r, Region) or ill_typed(r, self.plugin.kind) for r in each)
            for each in regions
        ):
            raise lacking("find_gives_regions")
        return regions

    def _users(self) -> list[Any]:
        return [
            modality
            for modality in registry.load_modalities()
            if modality.detector == self.plugin.name and modality.kind == self.plugin.kind
        ]

    @staticmethod
    def _loaded(modality: Any) -> list[Any]:
        try:
            return [modality.load(source) for _, source in modality.examples()]
        except Exception:  # another plugin's fault is not this one's
            return []


class IndexSubject(Subject):
    """An index backend."""

    kind = "index"


SUBJECTS: Mapping[str, type[Subject]] = {  # by entry point group
    "siamkit.modalities": ModalitySubject,
    "siamkit.regions": DetectorSubject,
    "siamkit.indexes": IndexSubject,
}


def subject(plugin: Any) -> Subject:
    """A plugin as its checks want it. Raises TypeError for what is none."""
    if isinstance(plugin, Subject):
        return plugin
    if isinstance(plugin, Sampled):
        return EncoderSubject(plugin)
    for made, verb in (
        (ModalitySubject, "load"),
        (DetectorSubject, "find"),
        (IndexSubject, "open"),
    ):
        if hasattr(plugin, verb):
            return made(plugin)
    raise TypeError(
        f"{plugin!r} is no modality (load, crop, encoder, examples), detector (find) or index"
        " backend (open, drop); an encoder comes as Sampled(encoder, [(identity, medium), …])"
    )
