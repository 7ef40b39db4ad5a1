"""Detect: the regions that one detector finds in pictures or sounds; no encoder, no gallery."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from siamkit.embed.pipeline import require_finite
from siamkit.errors import BadInput, PluginError, SiamkitError, UnreadableSample
from siamkit.flows.answer_lists import Asked
from siamkit.host import registry
from siamkit.io import sources
from siamkit.io.presentable import Presentable
from siamkit.models import detectors
from siamkit.protocols import Detector, Prompted, ScoreLimited, Source
from siamkit.sdk import prompts
from siamkit.sdk.regions import position
from siamkit.types import Clip, Image, Prompt, Region

DEFAULT_DETECTOR, PROMPTED_DETECTOR = "objects", "segments"  # the latter for a prompt
log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True, eq=False)
class Detected(Presentable):
    """Regions of one picture or sound, or the error that it gave.

    Examples:
        >>> detected = ws.detect(photo, detector="facefinder")
        >>> detected.width, detected.height, len(detected.regions)
        (338, 200, 2)
    """

    source: str  # as it was given
    width: int = 0  # px; 0 for a sound
    height: int = 0
    # Inside the picture, from left to right; of a prompt, best first.
    regions: list[Region] = field(default_factory=list)
    seconds: float = 0.0  # of a sound
    detector: str = ""
    error: SiamkitError | None = None
    asked: Asked | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        """The outcome in short: `<Detected in group.jpg: 3 regions>`."""
        outcome = self.error or f"{len(self.regions):,} region{'s' * (len(self.regions) != 1)}"
        return f"<Detected in {sources.shorten(self.source)}: {outcome}>"


@dataclass(frozen=True, slots=True)
class DetectSettings:
    """Regions to look for, and the way to do it."""

    labels: tuple[str, ...] = ()  # only regions with one of these; () takes all
    min_score: float | None = None  # in [0, 1]; None for the detector's own
    tiles: int | None = None  # px: side of overlapping tiles that are searched, too
    prompt: Prompt | None = None  # marks the one object to find


@dataclass(frozen=True, slots=True, eq=False)
class PreparedDetector:
    """A detector that is ready to search sources with certain settings."""

    detector: Detector[Any]
    settings: DetectSettings
    load: Callable[[Source], Any]
    identity: str  # of the detector: changes whenever it may find other regions

    @property
    def kind(self) -> str:
        """The kind of sources that are searched: "image", "audio", …"""
        return str(self.detector.kind)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that a region may have, as far as the detector states them."""
        return _labels(self.detector)

    def detect(self, source: Source) -> tuple[Detected, Any]:
        """Return the regions of one source, and its decoded medium.

        Raises UnreadableSample, or BadInput for a prompt outside the picture, naming the source;
        PluginError if the detector fails.
        """
        path = Path(source) if isinstance(source, str) else source
        content = sources.read(path)
        try:
            medium = self.load(content.data)
            for note in getattr(medium, "notes", ()):
                log.warning(f"{sources.shorten(content.name)}: {note}")
            regions = self._find(medium)
        except SiamkitError as error:
            raise type(error)(
                f"{sources.shorten(content.name)}: {error}", hint=error.hint
            ) from error
        except MemoryError as error:
            reason = f"{sources.shorten(content.name)}: there is not enough memory for it"
            raise UnreadableSample(reason) from error
        return self._detected(content.name, medium, regions), medium

    def _detected(self, name: str, medium: Any, regions: list[Region]) -> Detected:
        detector = self.detector.name
        if isinstance(medium, Image):
            height, width = medium.pixels.shape[:2]
            return Detected(name, width, height, regions, detector=detector)
        seconds = medium.seconds if isinstance(medium, Clip) else 0.0
        return Detected(name, regions=regions, seconds=seconds, detector=detector)

    def _find(self, medium: Any) -> list[Region]:
        """Return the regions of a medium, inside the picture and with the labels and scores.

        They are in order from left to right, or, where a prompt marks one thing, best first.
        """
        prompt = self.settings.prompt
        if prompt:
            prompts.require_inside(prompt, *medium.pixels.shape[1::-1])
        with registry.calling(self.detector, "find"):
            if prompt:
                assert isinstance(self.detector, Prompted)
                regions = self.detector.find_prompted(medium, prompt)
            else:
                regions = self.detector.find(medium)
            regions = [require_finite(region) for region in regions]
        least, labels = self.settings.min_score or 0.0, self.settings.labels
        wanted = [r for r in regions if r.score >= least and (not labels or r.label in labels)]
        inside = [clipped for region in wanted if (clipped := _clip(region, medium))]
        return inside if prompt else sorted(inside, key=position)


def default_detector(settings: DetectSettings) -> str:
    """Return the detector to search with where none is named."""
    return PROMPTED_DETECTOR if settings.prompt else DEFAULT_DETECTOR


def prepare(detector: Detector[Any], settings: DetectSettings) -> PreparedDetector:
    """Prepare an open detector to search sources.

    Raises BadInput for labels that it does not have, and for tiles or a prompt where it takes
    none.
    """
    _require_labels(detector, settings.labels)
    if settings.prompt is not None:
        _require_prompted(detector, settings)
    elif settings.min_score is not None and isinstance(detector, ScoreLimited):
        detector = detector.with_min_score(settings.min_score)
    identity = f"{registry.describe(detector)} {getattr(detector, 'fingerprint', '')}"
    if settings.tiles is not None:
        from siamkit.embed.tiles import Tiled

        detector = Tiled(detector, settings.tiles)
    return PreparedDetector(detector, settings, _loader(detector), identity)


def _labels(detector: Detector[Any]) -> tuple[str, ...]:
    return tuple(getattr(detector, "labels", ()))


def _require_labels(detector: Detector[Any], labels: Sequence[str]) -> None:
    """Raise BadInput, with the nearest names, for labels that a detector does not give."""
    known = _labels(detector)
    unknown = [label for label in labels if label not in known]
    if not unknown:
        return
    if not known:
        raise BadInput(
            f"detector {detector.name} does not say what its regions are", hint="leave out --label"
        )
    from difflib import get_close_matches

    near = get_close_matches(unknown[0].casefold(), known, n=3, cutoff=0.5)
    names = " or ".join(map(repr, near))
    listed = ", ".join(known)
    raise BadInput(
        f"detector {detector.name} knows no label {unknown[0]!r}",
        hint=f"did you mean {names}?" if near else f"its labels: {listed}",
    )


def _require_prompted(detector: Detector[Any], settings: DetectSettings) -> None:
    prompt = settings.prompt
    if prompt is None or not (prompt.points or prompt.box):
        raise BadInput("a prompt needs a point on the object, or a box")
    if not isinstance(detector, Prompted):
        names = ", ".join(_list_prompted()) or "none is installed"
        raise BadInput(
            f"detector {detector.name} takes no points and no box",
            hint=f"detectors that do: {names}",
        )
    if settings.tiles is not None:
        raise BadInput("a prompt marks one object, and tiles look for others", hint="choose one")


def _list_prompted() -> list[str]:
    """Return the names of the installed detectors that take prompts."""
    plugins = [plugin.name for plugin in registry.installed("siamkit.regions")]
    names = []
    for name in dict.fromkeys([*plugins, *detectors.cached_names()]):
        with suppress(SiamkitError):  # which `siamkit doctor` reports
            if isinstance(detectors.open_detector(name), Prompted):
                names.append(name)
    return names


def _loader(detector: Detector[Any]) -> Callable[[Source], Any]:
    """Return the decoder of a detector's media: for sounds and others, that of a modality."""
    if detector.kind == "image":
        from siamkit.sdk.media import load_image

        return load_image
    modalities = [m for m in registry.load_modalities() if m.kind == detector.kind]
    modalities.sort(key=lambda modality: modality.detector != detector.name)
    if not modalities:
        raise PluginError(f"no modality here reads {detector.kind}, which {detector.name} takes")
    modality = modalities[0]

    def load(source: Source) -> Any:
        with registry.calling(modality, "load"):
            return modality.load(source)

    return load


def _clip(region: Region, medium: Any) -> Region | None:
    """Return a region with the part of its box that is inside the picture; None if none is."""
    if not isinstance(medium, Image) or region.where is None or len(region.where) != 4:
        return region
    from siamkit.sdk import boxes

    height, width = medium.pixels.shape[:2]
    left, top, right, bottom = boxes.clip(region.where, width, height)
    if left >= right or top >= bottom or (region.mask is not None and not region.mask.any()):
        return None
    return replace(region, where=(left, top, right, bottom))
