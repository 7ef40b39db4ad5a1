"""Fields that several requests share: samples, decisions, regions and models, and their checks.

Models are named, never located: a detector or an encoder may be a folder on the command line, and a
client opens no path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, TypeAlias

from siamkit.embed import region_choosers
from siamkit.embed.pipeline import DEFAULT
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput, UnknownName
from siamkit.flows.decide import DecisionRule
from siamkit.io.sources import InMemory
from siamkit.serve.failures import RequestError
from siamkit.serve.fields import Field, Upload
from siamkit.store import Gallery, labels, samples
from siamkit.types import Box, Prompt
from siamkit.workspace import Workspace

Sample: TypeAlias = InMemory | str
Edges: TypeAlias = tuple[float, float, float, float]
Files: TypeAlias = Annotated[
    tuple[Upload, ...], Field("Pictures or sounds: parts of a form, or {name, base64} in JSON.")
]
Texts: TypeAlias = Annotated[
    tuple[str, ...], Field("Samples themselves, where the modality's samples are texts.")
]
Modality: TypeAlias = Annotated[str, Field("The name of a modality, such as faces.")]
Detector: TypeAlias = Annotated[
    str | None, Field("The name of another detector for this call; 'none' for whole samples.")
]
Threshold: TypeAlias = Annotated[
    float | None,
    Field("Score from which two count as the same, instead of the gallery's own.", -1, 1),
]
Fmr: TypeAlias = Annotated[
    float | None, Field("Maximum false match rate of one comparison.", above=0, below=1)
]
Fpir: TypeAlias = Annotated[
    float | None, Field("Maximum false positive identification rate.", above=0, below=1)
]
MarkedBox: TypeAlias = Annotated[
    Edges | None, Field("Left, top, right, bottom of the region to take, in px of the picture.")
]


@dataclass(frozen=True, slots=True)
class Samples:
    """Files and texts of one modality."""

    files: Files = ()
    texts: Texts = ()

    def take(self, modality: str, *, least: int = 1, most: int = 0) -> list[Sample]:
        """Return files, then texts, as samples. A text is never taken for a path.

        least, most: how many there must be; most 0: any number. Raises BadInput for texts where
        samples are files, RequestError for another number.
        """
        if self.texts and Workspace.kind(modality) != "text":
            raise BadInput(f"{modality} are not texts", hint="send them as files")
        number = len(self.files) + len(self.texts)
        if number < least or (most and number > most):
            count = f"{least} file or text" if least == 1 else f"{least} files or texts"
            more = "" if least == most else " or more"
            raise RequestError(422, "invalid_request", f"expected {count}{more}; got {number}")
        return [*self.files, *self.texts]


def decision_rule(
    threshold: float | None, fmr: float | None = None, fpir: float | None = None
) -> DecisionRule:
    """Return the rule that a client gave. Raises BadInput for two of them."""
    return DecisionRule(threshold=threshold, fmr=fmr, fpir=fpir)


def choose_regions(largest: bool) -> Chooser:
    """Return the choice of all regions, or of the largest."""
    return region_choosers.largest_region if largest else region_choosers.all_regions


def choose_marked(box: Edges | None) -> Chooser:
    """Return the choice of the region that a box marks; of all without one."""
    choose = region_choosers.all_regions
    return region_choosers.within_box(require_box(box), choose) if box else choose


def require_box(box: Edges) -> Box:
    """Return a box. Raises RequestError if it has no area, or begins outside the picture."""
    left, top, right, bottom = box
    if not (0 <= left < right and 0 <= top < bottom):
        message = "box: expected left, top, right, bottom with left < right and top < bottom"
        raise RequestError(422, "invalid_request", message)
    return box


def mark(
    box: Edges | None,
    points: Sequence[tuple[float, float]] = (),
    not_points: Sequence[tuple[float, float]] = (),
) -> Prompt | None:
    """Return the marks of one object in a picture; None without any."""
    if box is None and not points:
        if not_points:
            raise RequestError(422, "invalid_request", "not_points goes with points or a box")
        return None
    marked = None if box is None else require_box(box)
    return Prompt(tuple(points), tuple(not_points), marked)


def require_gallery(ws: Workspace, name: str) -> Gallery:
    """Return a gallery that exists; none is created. Raises UnknownName."""
    return ws.gallery(name, create=False)


def require_enrolled(ws: Workspace, gallery: str, label: str) -> None:
    """Raise UnknownName unless an identity has a sample in this gallery."""
    require_gallery(ws, gallery)
    if gallery not in [name for _, name in labels.sample_ids(ws.store, label)]:
        raise UnknownName(f"{label!r} has no sample in gallery {gallery!r}")


def require_sample(ws: Workspace, gallery: str, sample_id: int) -> samples.Sample:
    """Return a sample of this gallery. Raises UnknownName for another one's."""
    require_gallery(ws, gallery)
    sample = ws.sample(sample_id)
    if sample.gallery != gallery:
        raise UnknownName(f"no sample {sample_id} in gallery {gallery!r}")
    return sample


def require_modality(name: str) -> str:
    """Return the name of an installed modality. Raises RequestError for another name."""
    names = [p.name for p in Workspace.plugins() if p.group == "siamkit.modalities"]
    _require(name, names, "modality")
    return name


def choose_detector(name: str | None) -> str | None:
    """Return the detector that a client asks for: DEFAULT, a name, or None for whole samples.

    Raises RequestError for a name that is not installed, built or added.
    """
    if name is None or name == "default":
        return DEFAULT
    if name == "none":
        return None
    require_detector(name)
    return name


def require_detector(name: str) -> None:
    """Raise RequestError for a detector that is not installed, built or added."""
    installed = [p.name for p in Workspace.plugins() if p.group == "siamkit.regions"]
    if name not in installed:
        names = [state.name for state in Workspace.detectors()] if is_name(name) else installed
        _require(name, names, "detector")


def require_encoder(modality: str, name: str | None) -> None:
    """Raise RequestError for an encoder that a modality neither builds nor was given."""
    if name is not None:
        states = Workspace.encoders() if is_name(name) else []
        _require(name, [state.name for state in states if state.modality == modality], "encoder")


def is_name(text: str) -> bool:
    """True for the name of a model, False for a path or ORIGIN:MODEL."""
    return all(char.isalnum() or char in "._-" for char in text)


def _require(name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
        message = f"no {what} {name[:60]!r}"
        raise RequestError(422, f"unknown_{what}", message, hint=hint)
