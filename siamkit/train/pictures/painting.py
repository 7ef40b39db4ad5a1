"""A picture to paint by gradient descent: what of, in which style, and where to.

Imports no torch until it is painted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, SiamkitError
from siamkit.flows.style import Like, load_like, load_picture
from siamkit.io import sources
from siamkit.io.atomic import require_writable
from siamkit.io.extras import require_extra
from siamkit.io.picture_write import PICTURES
from siamkit.io.sources import to_text
from siamkit.protocols import Modality, Source
from siamkit.sdk import pixels
from siamkit.train.pictures.backbone import Backbone, open_backbone
from siamkit.train.pictures.events import Painted, PaintingEvent, PaintingStep
from siamkit.train.pictures.memory import LEAST_SIDE, require_memory
from siamkit.train.pictures.reconstructions import Subject
from siamkit.train.pictures.settings import SIZE, DescentSettings
from siamkit.types import Image, Progress, ignore_progress

RECONSTRUCTED = 256  # px, at most, unless the user says: there are many pictures
CHECKPOINT = ".checkpoint"  # after the name of the output: a safetensors file


@dataclass(slots=True, eq=False)
class Painting:
    """A picture that is ready to be painted; `run` does, and `events` shows each step.

    Examples:
        >>> painting = ws.paint(photo, "painting.jpg", "out.png")  # doctest: +SKIP
        >>> for event in painting.events(): print(event)           # doctest: +SKIP
        >>> painting.painted.style_distance                        # doctest: +SKIP
        0.21
    """

    name: str  # of the content
    content: Image = field(repr=False)
    styles: Sequence[tuple[Image, float]] = field(repr=False)  # with shares that add up to 1
    backbone: Backbone = field(repr=False)
    settings: DescentSettings
    output: Path | None = None  # the file to write
    frames: Path | None = None  # the folder for pictures of some steps
    preserve_colour: bool = False
    _painted: Painted | None = field(default=None, init=False, repr=False)

    @property
    def content_layers(self) -> tuple[str, ...]:
        return self.settings.content_layers or self.backbone.content_layers

    @property
    def style_layers(self) -> tuple[str, ...]:
        return self.settings.style_layers or self.backbone.style_layers

    @property
    def painted(self) -> Painted:
        """The picture, once it is there. Raises BadInput before."""
        if self._painted is None:
            raise BadInput(f"{self.name} is not painted yet", hint="call `run`")
        return self._painted

    @painted.setter
    def painted(self, painted: Painted) -> None:
        self._painted = painted

    @property
    def checkpoint(self) -> Path | None:
        """The file that an interrupted painting is resumed from; None without an output."""
        return self.output and self.output.with_name(self.output.name + CHECKPOINT)

    def into(
        self, output: Path | None, frames: Path | None = None, *, preserve_colour: bool = False
    ) -> Painting:
        """Say where to, and return itself. Raises BadInput for what cannot be written."""
        if output:
            require_writable(output, PICTURES)
        if frames and frames.exists() and not frames.is_dir():
            raise BadInput(f"{to_text(frames)} is a file", hint="name a folder")
        self.output, self.frames, self.preserve_colour = output, frames, preserve_colour
        return self

    def events(self) -> Iterator[PaintingEvent]:
        """Paint, from the checkpoint if there is one; yield what happens.

        At the end `painted` is there, and the output, if one was named; the checkpoint is deleted.
        Raises BadInput for unknown layers and where the memory does not suffice; SiamkitError if
        the losses are not numbers any more, once the last good picture is in its file.
        """
        require_extra("train", "painting by gradient descent")
        from siamkit.train.pictures.paint import paint

        yield from paint(self)

    def run(self, progress: Progress = ignore_progress) -> Painted:
        """Paint to the end, and return the picture. Raises as `events` does."""
        for event in self.events():
            if isinstance(event, PaintingStep):
                progress("painting", event.step, event.steps)
        return self.painted


def read_settings(values: Mapping[str, Any]) -> DescentSettings:
    """Return settings that differ from the defaults in some values. Raises BadInput."""
    if unknown := values.keys() - {field.name for field in fields(DescentSettings)}:
        raise BadInput(f"there is no setting {min(unknown)!r} of a painting")
    given = {name: value for name, value in values.items() if value is not None}
    return DescentSettings(**given)


def open_painting(
    modality: Modality[Any],
    source: Source,
    likes: Sequence[Like],
    backbone: Backbone,
    settings: DescentSettings,
) -> Painting:
    """Load a content and styles. Raises UnreadableSample or BadInput, naming the picture."""
    if modality.kind != "image":
        raise BadInput(f"{modality.name} are no pictures to paint", hint="take -m styles or images")
    if not likes:
        raise BadInput("there is no style to paint in", hint="name a picture: `--like STYLE.jpg`")
    name, content = load_content(modality, source, settings.size, SIZE)
    total = sum(like.share for like in likes)
    styles = [
        (load_style(modality, like.source, settings.size or SIZE), like.share / total)
        for like in likes
    ]
    painting = Painting(name, content, styles, backbone, settings)
    require_memory(name, backbone, *content.pixels.shape[:2])
    return painting


def open_subject(
    modality: Modality[Any],
    source: Source,
    like: Source | None,
    encoder: str | None,
    settings: Mapping[str, Any],
) -> Subject:
    """Load what is to be reconstructed. Raises as `open_painting` does."""
    chosen = read_settings(settings)
    backbone = open_backbone(modality, encoder)
    name, content = load_content(modality, source, chosen.size, RECONSTRUCTED)
    style = name, content
    if like is not None:
        style_name = sources.name_of_bytes(like) if isinstance(like, bytes) else str(like)
        style = style_name, load_style(modality, like, chosen.size or RECONSTRUCTED)
    require_memory(name, backbone, *content.pixels.shape[:2])
    return Subject((name, content), style, backbone, chosen)


def load_content(
    modality: Modality[Any], source: Source, size: int | None, most: int
) -> tuple[str, Image]:
    """Return the name and the picture of a source, its longer side of `size` px.

    size: None takes its own, or `most` if that is less.
    """
    content = sources.read(Path(source) if isinstance(source, str) else source)
    name = sources.shorten(content.name)
    try:
        image = load_picture(modality, content)
        return name, _resize(image, size or min(most, max(image.pixels.shape[:2])))
    except SiamkitError as error:
        raise type(error)(f"{name}: {error}", hint=error.hint) from error


def load_style(modality: Modality[Any], source: Source, size: int) -> Image:
    """Return a style's picture, its longer side at most `size` px. Raises BadInput for a name."""
    medium = load_like(modality, source)
    if isinstance(medium, str):
        raise BadInput(
            f"{medium} is a named style, which has no picture to take statistics of",
            hint="name a picture, or leave out --optimise",
        )
    try:
        return _resize(medium, min(size, max(medium.pixels.shape[:2])))
    except BadInput as error:
        name = "the style" if isinstance(source, bytes) else sources.shorten(str(source))
        raise BadInput(f"{name}: {error}", hint=error.hint) from error


def _resize(image: Image, size: int) -> Image:
    if max(image.pixels.shape[:2]) != size:
        image = replace(image, pixels=pixels.resize(image.pixels, size))
    height, width = image.pixels.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise BadInput(
            f"{width:,} x {height:,} px are too few to paint",
            hint=f"both sides need {LEAST_SIDE} px or more: give a larger picture, or --size",
        )
    return image
