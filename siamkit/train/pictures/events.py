"""Events of a picture that is painted step by step, and what comes of it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from siamkit.io.presentable import Presentable
from siamkit.types import Image

if TYPE_CHECKING:
    from PIL import Image as PILImage


@dataclass(frozen=True, slots=True)
class PaintingStarted:
    """Sent once, before the first step; `step` is above 0 if the painting was resumed."""

    step: int
    steps: int
    encoder: str  # "styles/vgg19"
    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    width: int  # px
    height: int
    device: str


@dataclass(frozen=True, slots=True)
class PaintingStep:
    """Sent after each step, with the losses of the picture before it.

    A loss of 0 is a perfect match, 1 that of a picture which shows nothing.
    """

    step: int  # from 1
    steps: int
    loss: float  # what is descended: the sum of the others by their weights, and the noise
    content: float
    style: float
    seconds: float  # since the start or the resumption


@dataclass(frozen=True, slots=True)
class PaintingSaved:
    """A checkpoint was written: the painting can be resumed after this step."""

    step: int
    path: Path


PaintingEvent: TypeAlias = PaintingStarted | PaintingStep | PaintingSaved


@dataclass(frozen=True, slots=True, eq=False)
class Painted(Presentable):
    """A picture that gradient descent painted.

    Distances are of Gram matrices to those of the style: 0 is the same style, 1 as far as a picture
    that shows nothing.

    Examples:
        >>> painting = ws.paint(photo, "painting.jpg")  # doctest: +SKIP
        >>> painting.run().style_distance               # doctest: +SKIP
        0.21
    """

    source: str  # as it was given
    encoder: str
    steps: int
    width: int  # px
    height: int
    content: float  # losses of the last step
    style: float
    distance_before: float  # of the content to the style
    style_distance: float  # of the picture
    image: Image = field(repr=False)
    output: Path | None = None  # the file that holds it

    def picture(self) -> PILImage.Image:
        """Return the image for Pillow."""
        from PIL import Image as pil

        return pil.fromarray(self.image.pixels)
