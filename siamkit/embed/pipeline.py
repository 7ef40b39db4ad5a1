"""From a source to its medium, regions, crops and unit vectors. Every plugin call is guarded."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput, MissingWeights, PluginError, SiamkitError, UnreadableSample
from siamkit.host import contract, registry
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.models import built, names
from siamkit.models.detectors import open_detector, pin_detector
from siamkit.protocols import Assesses, Blind, Detector, Encoder, Modality, Streams
from siamkit.sdk import regions
from siamkit.stats import calibration_json
from siamkit.store.galleries import GalleryEncoder
from siamkit.types import Calibration, Quality, Region, Threshold, Vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger("siamkit")
DEFAULT = "default"  # the detector or reranker that the modality itself names
NORM_TOLERANCE = 1e-3  # a row whose norm is further from 1 breaks the contract


@dataclass(frozen=True, slots=True, eq=False)
class DetectedSample:
    """One decoded sample, the regions found in it, and their quality."""

    medium: Any
    regions: list[Region]
    qualities: list[Quality | None]  # one per region; None if the plugin does not assess
    assess: Callable[[Region], Quality | None]  # of a region from elsewhere
    sought: str = ""  # a noun: what the detector finds, where it says so


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """A modality with its detector and an open encoder."""

    modality: Modality[Any]
    detector: Detector[Any] | None
    encoder: Encoder[Any]

    @property
    def calibration(self) -> Calibration | None:
        """Calibration that the modality ships for this encoder, if there is one."""
        shipped: Path | None = getattr(self.modality, "calibration", None)
        if shipped is None:
            return None
        try:
            calibration = calibration_json.read(shipped)
        except BadInput as error:
            raise PluginError(
                f"{registry.describe(self.modality)}: its calibration cannot be used: {error}"
            ) from error
        return calibration if calibration.fingerprint == self.encoder.fingerprint else None

    @property
    def threshold(self) -> Threshold | None:
        """Default threshold: the encoder's own, else that of the shipped calibration."""
        stated: Threshold | None = self.encoder.threshold
        if stated is None and (calibration := self.calibration) is not None:
            from siamkit.stats.calibration import threshold_for_fmr

            return threshold_for_fmr(calibration)
        return stated

    def gallery_encoder(self, name: str | None) -> GalleryEncoder:
        """Return the encoder as a gallery stores it. name: how the gallery finds it again."""
        encoder = self.encoder
        return GalleryEncoder(
            name, encoder.fingerprint, encoder.dim, self.threshold, self.calibration
        )

    def read(self, source: Path | str | bytes) -> Content:
        """Read a file, or take bytes; if samples are texts, a string is the sample itself."""
        if self.modality.kind == "text" and isinstance(source, os.PathLike):
            return sources.read_text_file(source)
        return sources.read(source, text=self.is_text(source))

    def is_text(self, source: Path | str | bytes) -> bool:
        """Return True if the source is the sample itself, a text."""
        return self.modality.kind == "text" and isinstance(source, str)

    def load(self, content: Content) -> Any:
        """Decode. Raises UnreadableSample, naming the sample."""
        with self._guard("load", content):
            medium = self.modality.load(content.data)
        for note in getattr(medium, "notes", ()):
            log.warning(f"{sources.shorten(content.name)}: {note}")
        return medium

    def estimate_bytes(self, content: Content) -> int:
        """Estimate the memory that a sample takes while it is decoded, its content included."""
        size = len(content.data)
        if self.modality.kind == "image" and isinstance(content.data, bytes):
            from siamkit.sdk import media

            return size + media.estimate_bytes(content.data)
        if self.modality.kind == "audio":
            from siamkit.sdk import sound

            return size + sound.estimate_bytes(size)
        return size

    def stream(self, source: Path | bytes, content: Content) -> Iterator[Any]:
        """Decode piece by piece. Raises UnreadableSample, naming the sample."""
        assert isinstance(self.modality, Streams)
        with self._guard("stream", content):
            pieces = iter(self.modality.stream(source))
        while True:
            with self._guard("stream", content):  # not while the caller uses a piece
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def detect(self, content: Content) -> DetectedSample:
        """Decode, detect and assess. Raises UnreadableSample, naming the sample."""
        medium = self.load(content)
        detected = self.find_regions(medium, content)

        def assess(region: Region) -> Quality | None:
            return self.assess(medium, region, content)

        sought = getattr(self.detector, "sought", "")
        return DetectedSample(
            medium, detected, [assess(region) for region in detected], assess, sought
        )

    def find_regions(self, medium: Any, content: Content) -> list[Region]:
        """Find the regions of a medium; without a detector, the whole medium is one."""
        if self.detector is None:
            return [Region()]
        with self._guard("find", content, self.detector):
            detected = self.detector.find(medium)
            return [regions.snap(require_finite(region)) for region in detected]

    def assess(self, medium: Any, region: Region, content: Content) -> Quality | None:
        """Assess a region's quality; None if neither modality nor encoder finds fault with it."""
        quality = None
        if isinstance(self.modality, Assesses):
            with self._guard("assess", content):
                quality = self.modality.assess(medium, region)
                if not 0 <= quality.score <= 1:
                    raise ValueError(f"quality {quality.score} is not in [0, 1]")
        if isinstance(self.encoder, Blind):
            crop = self.crop(medium, region, content)
            with self._guard("assess", content):
                reason = self.encoder.blind_to(crop)
            if reason:
                problems = quality.problems if quality else ()
                return Quality(0.0, (*problems, reason), comparable=False)
        return quality

    def crop(self, medium: Any, region: Region, content: Content) -> Any:
        """Crop a region for the encoder."""
        with self._guard("crop", content):
            return self.modality.crop(medium, region)

    def embed(self, crops: Sequence[Any]) -> tuple[Vectors, NDArray[np.bool_]]:
        """Return (n, dim) float32, and (n,) True where a row is usable: finite and of norm 1.

        Raises PluginError if the result as a whole breaks the encoder's contract.
        """
        import numpy as np

        expected = (len(crops), self.encoder.dim)
        with self._guard("embed"):
            rows = self.encoder.embed(list(crops))
        if getattr(rows, "shape", None) != expected or rows.dtype != np.float32:
            actual = f"{getattr(rows, 'dtype', type(rows).__name__)} {getattr(rows, 'shape', '')}"
            raise PluginError(f"{self._name()}: embed returned {actual}, not float32 {expected}")
        with np.errstate(invalid="ignore"):
            norms = np.linalg.norm(rows, axis=1)
            usable = np.abs(norms - 1) <= NORM_TOLERANCE  # False for NaN and Inf too
        return rows, usable

    def row_error(self, row: NDArray[np.float32]) -> PluginError:
        """Return the error for a row that `embed` marked unusable."""
        import numpy as np

        fault = "NaN or Inf" if not np.isfinite(row).all() else f"norm {np.linalg.norm(row):.4f}"
        return PluginError(
            f"{self._name()}: embed returned a vector with {fault}, not one of norm 1"
        )

    def _name(self) -> str:
        return f"{registry.describe(self.modality)}, encoder {self.encoder.fingerprint}"

    @contextmanager
    def _guard(
        self, step: str, content: Content | None = None, plugin: Any | None = None
    ) -> Iterator[None]:
        """Name the sample in errors that a plugin raises on purpose, the plugin in all others."""
        prefix = f"{sources.shorten(content.name)}: " if content and content.name else ""
        try:
            with registry.calling(plugin or self.modality, step):
                yield
        except SiamkitError as error:
            raise type(error)(f"{prefix}{error}", hint=error.hint) from error
        except MemoryError as error:
            if content is None:
                raise
            raise UnreadableSample(f"{prefix}there is not enough memory for it") from error


def require_finite(region: Region) -> Region:
    """Return a detector's region. Raises ValueError for NaN, Inf, or a score outside [0, 1]."""
    numbers = [region.score, *(region.where or ()), *chain.from_iterable(region.parts)]
    if not all(map(isfinite, numbers)) or not 0 <= region.score <= 1:
        raise ValueError(f"a region has the numbers {numbers}")
    return region


def open_pipeline(modality: str, *, encoder: str | None, detector: str | None) -> Pipeline:
    """Load a modality, an encoder (a name, a folder, or None for its default) and a detector."""
    plugin = registry.load("siamkit.modalities", modality)
    finder = None if detector is None else load_detector(plugin, detector)
    opened = open_encoder(plugin, encoder)
    if fault := contract.encoder_fault(opened):
        raise PluginError(f"{registry.describe(plugin)}: its encoder {fault}")
    return Pipeline(plugin, finder, opened)


def resolve_detector(modality: str, detector: str | None) -> str | None:
    """Replace DEFAULT by the modality's own detector, and a folder by its absolute path.

    None embeds whole samples.
    """
    if detector != DEFAULT:
        return pin_detector(detector)
    return registry.load("siamkit.modalities", modality).detector


def load_detector(plugin: Modality[Any], name: str) -> Detector[Any]:
    """Load a detector for a modality. Raises PluginError if it takes media of another kind."""
    try:
        detector = open_detector(name)
    except PluginError as error:
        if name != plugin.detector:  # the caller has named it
            raise
        raise PluginError(
            f"{registry.describe(plugin)} needs a detector: {error}", hint=error.hint
        ) from error
    if detector.kind != plugin.kind:
        raise PluginError(
            f"detector {name} takes {detector.kind}, but {registry.describe(plugin)} needs one that"
            f" takes {plugin.kind}",
            hint="`siamkit plugins list` shows what each detector takes",
        )
    return detector


def open_encoder(plugin: Modality[Any], encoder: str | None) -> Encoder[Any]:
    """Open an encoder by name or folder, or the default. A damaged one in the cache is rebuilt."""
    folder = names.resolve(plugin, encoder)
    try:
        return _open(plugin, folder)
    except MissingWeights as error:
        name = encoder or built.default_name(plugin)
        if name is None or name not in getattr(plugin, "encoders", {}):  # an added one, a folder
            raise
        log.warning(f"{error}; rebuilding it")
        return _open(plugin, built.build_encoder(plugin, name))


def _open(plugin: Modality[Any], folder: Path | None) -> Encoder[Any]:
    with registry.calling(plugin, "opening its encoder"):
        return plugin.encoder(folder)
