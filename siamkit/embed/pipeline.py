"""Source -> medium -> regions -> crops -> unit vectors, with every plugin call guarded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput, MissingWeights, PluginError, SiamkitError
from siamkit.host import contract, registry
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.models import built, names
from siamkit.protocols import Assesses
from siamkit.stats import calibration_json
from siamkit.store.galleries import GalleryEncoder
from siamkit.types import Calibration, Quality, Region, Threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.types import Vectors

log = logging.getLogger("siamkit")
DEFAULT = "default"  # the detector or reranker that the modality itself names
NORM_TOLERANCE = 1e-3  # a row whose length is further from 1 breaks the contract


@dataclass(frozen=True, slots=True, eq=False)
class DetectedSample:
    """One decoded sample, what was found in it, and how fit each region is."""

    medium: Any
    regions: list[Region]
    qualities: list[Quality | None]  # one a region; None if the plugin does not assess
    assess: Callable[[Region], Quality | None]  # for a region that the caller brings


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """A modality with its detector and an open encoder."""

    modality: Any
    detector: Any | None
    encoder: Any

    @property
    def calibration(self) -> Calibration | None:
        """What the modality's own calibration says of this encoder, if it ships one."""
        shipped: Path | None = getattr(self.modality, "calibration", None)
        if shipped is None:
            return None
        try:
            found = calibration_json.read(shipped)
        except BadInput as error:
            raise PluginError(
                f"{registry.describe(self.modality)}: its calibration cannot be used: {error}"
            ) from error
        return found if found.fingerprint == self.encoder.fingerprint else None

    @property
    def threshold(self) -> Threshold | None:
        """The default threshold: what the encoder states, or else the calibration's."""
        stated: Threshold | None = self.encoder.threshold
        if stated is None and (calibration := self.calibration) is not None:
            from siamkit.stats.calibration import threshold_for_fmr

            return threshold_for_fmr(calibration)
        return stated

    def gallery_encoder(self, name: str | None) -> GalleryEncoder:
        """Return what a gallery keeps of this encoder. name: how the gallery finds it again."""
        encoder = self.encoder
        return GalleryEncoder(
            name, encoder.fingerprint, encoder.dim, self.threshold, self.calibration
        )

    def read(self, source: Path | str | bytes) -> Content:
        """A file's content, or bytes; where samples are text, a string is the sample itself."""
        return sources.read(source, text=self.is_text(source))

    def is_text(self, source: Path | str | bytes) -> bool:
        return self.modality.kind == "text" and isinstance(source, str)

    def load(self, content: Content) -> Any:
        """Decode. Raises UnreadableSample, naming the sample."""
        with self._guard("load", content):
            return self.modality.load(content.data)

    def stream(self, source: Path, content: Content) -> Iterator[Any]:
        """Decode piece by piece. Raises UnreadableSample, naming the sample."""
        with self._guard("stream", content):
            pieces = iter(self.modality.stream(source))
        while True:
            with self._guard("stream", content):  # not while somebody looks at a piece
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def detect(self, content: Content) -> DetectedSample:
        """Decode, detect and assess. Raises UnreadableSample, naming the sample."""
        medium = self.load(content)
        regions = self.find_regions(medium, content)

        def assess(region: Region) -> Quality | None:
            return self.assess(medium, region, content)

        return DetectedSample(medium, regions, [assess(region) for region in regions], assess)

    def find_regions(self, medium: Any, content: Content) -> list[Region]:
        """What the detector sees; without a detector, the whole."""
        if self.detector is None:
            return [Region()]
        with self._guard("find", content, self.detector):
            return [_sound(region) for region in self.detector.find(medium)]

    def assess(self, medium: Any, region: Region, content: Content) -> Quality | None:
        if not isinstance(self.modality, Assesses):
            return None
        with self._guard("assess", content):
            quality = self.modality.assess(medium, region)
            if not 0 <= quality.score <= 1:
                raise ValueError(f"a quality of {quality.score}, which is not in [0, 1]")
            return quality

    def crop(self, medium: Any, region: Region, content: Content) -> Any:
        with self._guard("crop", content):
            return self.modality.crop(medium, region)

    def embed(self, crops: Sequence[Any]) -> tuple[Vectors, NDArray[np.bool_]]:
        """(n, dim) float32, and (n,) True where a row is usable: finite and of norm 1.

        Raises PluginError where the encoder breaks its contract as a whole.
        """
        import numpy as np

        wanted = (len(crops), self.encoder.dim)
        with self._guard("embed"):
            rows = self.encoder.embed(list(crops))
        if getattr(rows, "shape", None) != wanted or rows.dtype != np.float32:
            got = f"{getattr(rows, 'dtype', type(rows).__name__)} {getattr(rows, 'shape', '')}"
            raise PluginError(f"{self._who()}: embed gave {got}, not float32 {wanted}")
        with np.errstate(invalid="ignore"):
            norms = np.linalg.norm(rows, axis=1)
            good = np.abs(norms - 1) <= NORM_TOLERANCE  # False for NaN and Inf too
        return rows, good

    def row_error(self, row: NDArray[np.float32]) -> PluginError:
        """Why a row that `embed` called unusable is so."""
        import numpy as np

        what = "NaN or Inf" if not np.isfinite(row).all() else f"norm {np.linalg.norm(row):.4f}"
        return PluginError(f"{self._who()}: embed gave a vector with {what}, not one of norm 1")

    def _who(self) -> str:
        return f"{registry.describe(self.modality)}, encoder {self.encoder.fingerprint}"

    @contextmanager
    def _guard(
        self, step: str, content: Content | None = None, plugin: Any | None = None
    ) -> Iterator[None]:
        """Name the sample in what a plugin raises on purpose, the plugin in what it does not."""
        prefix = f"{sources.shorten(content.name)}: " if content and content.name else ""
        try:
            with registry.calling(plugin or self.modality, step):
                yield
        except SiamkitError as error:
            raise type(error)(f"{prefix}{error}", hint=error.hint) from error


def _sound(region: Region) -> Region:
    """A detector's region, if every number in it is one."""
    numbers = [region.score, *(region.where or ()), *chain.from_iterable(region.parts)]
    if not all(map(isfinite, numbers)) or not 0 <= region.score <= 1:
        raise ValueError(f"a region with the numbers {numbers}")
    return region


def open_pipeline(modality: str, *, encoder: str | None, detector: str | None) -> Pipeline:
    """Load a modality, its encoder (name, folder or None: its default) and a detector, if any."""
    plugin = registry.load("siamkit.modalities", modality)
    finder = None
    if detector is not None:
        finder = _detector(plugin, detector)
        if finder.kind != plugin.kind:
            raise PluginError(
                f"detector {detector} looks at {finder.kind}, but {modality} are {plugin.kind}"
                f" ({registry.describe(plugin)})",
                hint="`siamkit plugins list` shows which detector takes what",
            )
    opened = open_encoder(plugin, encoder)
    if fault := contract.encoder_fault(opened):
        raise PluginError(f"{registry.describe(plugin)}: its encoder {fault}")
    return Pipeline(plugin, finder, opened)


def resolve_detector(modality: str, wanted: str | None) -> str | None:
    """The detector that is meant: a name, or None to embed whole samples. DEFAULT is resolved."""
    if wanted != DEFAULT:
        return wanted
    own: str | None = registry.load("siamkit.modalities", modality).detector
    return own


def _detector(plugin: Any, name: str) -> Any:
    try:
        return registry.load("siamkit.regions", name)
    except PluginError as error:
        if name != plugin.detector:  # somebody else has named it
            raise
        raise PluginError(
            f"{registry.describe(plugin)} needs a detector: {error}", hint=error.hint
        ) from error


def open_encoder(plugin: Any, wanted: str | None) -> Any:
    """Open an encoder; one in the cache that turns out damaged is built again, once."""
    folder = names.resolve(plugin, wanted)
    try:
        return _open(plugin, folder)
    except MissingWeights as error:
        name = wanted or built.default_name(plugin)
        if name is None or name not in getattr(plugin, "encoders", {}):  # an added one, a folder
            raise
        log.warning(f"{error}; building it again")
        return _open(plugin, built.build_encoder(plugin, name))


def _open(plugin: Any, folder: Path | None) -> Any:
    with registry.calling(plugin, "opening its encoder"):
        return plugin.encoder(folder)
