"""Render pictures in the style of others, or in one of the named styles: whole, or in tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.sdk.pixels import fade
from siamkit.types import Image, Progress, ignore_progress
from siamkit_style.painter import LEAST_SIDE, STRIDE, Affine, Painter

if TYPE_CHECKING:
    from siamkit.sdk.onnx import Session

FOLDER = Path(__file__).parent
# The network has 26 styles, and neither it nor the package that it comes from names them.
NAMED_STYLES: Mapping[str, str] = {
    f"painted-{number}": f"style {number} of the network of 26 styles" for number in range(1, 27)
}
SIDE = 256  # px of the square that a style is predicted from
WHOLE = 1 << 20  # pixels of a picture that is painted at once: at most 400 MB
TILE = 768  # px: the side of a tile, without its margins
MARGIN = 64  # px around a tile: what a pixel depends on reaches 62 px, and 54 for any style
PARTS, PART = 6, 160  # parts along each side, and px of one, that statistics are taken from


class Predictor:
    """Turns pictures into the 100 numbers that the painter of any style takes."""

    @cached_property
    def _session(self) -> Session:
        from siamkit.sdk.onnx import session

        return session(FOLDER / "style_predict.onnx")

    def predict(self, image: Image) -> NDArray[np.float32]:
        """Return the style of a picture, (1, 100), from the square in its middle."""
        from PIL import Image as pil
        from PIL import ImageOps

        square = ImageOps.fit(pil.fromarray(image.pixels), (SIDE, SIDE), pil.Resampling.BICUBIC)
        pixels = np.asarray(square, np.float32)[None] / 255
        style: NDArray[np.float32] = self._session.run(None, {"style_image": pixels})[0]
        return style.reshape(1, -1)


PREDICTOR = Predictor()
ANY = Painter(FOLDER / "paint_any.safetensors")
NAMED = Painter(FOLDER / "paint_26.safetensors")


@dataclass(frozen=True, slots=True, eq=False)
class StyleRenderer:
    """Paints pictures in one style; `open_renderer` opens it."""

    style: NDArray[np.float32]  # (1, 100), or (1, 26) shares of the named styles
    is_named: bool

    def render(
        self, image: Image, strength: float = 1.0, progress: Progress = ignore_progress
    ) -> Image:
        """Return a picture of the same size in this style.

        strength: in [0, 1]; at 0 it has the style of the picture itself. With a named style, the
        picture itself is faded in: those have nothing between them and a photograph.
        """
        painter, style = NAMED if self.is_named else ANY, self.style
        if strength < 1 and not self.is_named:
            style = strength * style + (1 - strength) * PREDICTOR.predict(image)
        modulation = painter.modulation(style)
        height, width = image.pixels.shape[:2]
        if height * width <= WHOLE:
            painted = painter.paint(_pad(image.pixels)[None], modulation)[0][0, :height, :width]
        else:
            statistics = painter.paint(_sample(image.pixels), modulation)[1]
            painted = _paint_tiles(painter, image.pixels, statistics, progress)
        if strength < 1 and self.is_named:
            fade(painted, image.pixels, strength)
        return Image(np.ascontiguousarray(painted))


def open_renderer(likes: Sequence[tuple[Image | str, float]]) -> StyleRenderer:
    """Open the mean of some styles, each with its share, above 0.

    likes: pictures, or names of NAMED_STYLES. Raises BadInput for both at once.
    """
    total = sum(share for _, share in likes)
    names = list(NAMED_STYLES)
    named = [(like, share / total) for like, share in likes if isinstance(like, str)]
    pictures = [(like, share / total) for like, share in likes if isinstance(like, Image)]
    if named and pictures:
        raise BadInput(
            "pictures and named styles cannot be blended: two networks paint them",
            hint="blend pictures with each other, or named styles with each other",
        )
    if named:
        shares = np.zeros((1, len(names)), np.float32)
        for name, share in named:
            shares[0, names.index(name)] += share
        return StyleRenderer(shares, True)
    styles = [share * PREDICTOR.predict(picture) for picture, share in pictures]
    return StyleRenderer(np.sum(styles, axis=0), False)


def _paint_tiles(
    painter: Painter, pixels: NDArray[np.uint8], statistics: Affine, progress: Progress
) -> NDArray[np.uint8]:
    """Paint a large picture tile by tile, all with the same statistics."""
    painted = np.empty_like(pixels)
    height, width = pixels.shape[:2]
    spans = [(row, column) for row in _spans(height) for column in _spans(width)]
    for number, ((top, bottom), (left, right)) in enumerate(spans):
        progress("painting", number, len(spans))
        above, before = min(MARGIN, top), min(MARGIN, left)
        cut = pixels[top - above : bottom + MARGIN, left - before : right + MARGIN]
        tile = painter.paint_tile(_pad(cut)[None], statistics)[0]
        inner = tile[above : above + bottom - top, before : before + right - left]
        painted[top:bottom, left:right] = inner
    progress("painting", len(spans), len(spans))
    return painted


def _spans(length: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each tile along one side: multiples of STRIDE, of similar lengths."""
    count = -(-length // TILE)
    edges = [round(length * number / count / STRIDE) * STRIDE for number in range(count)]
    yield from zip(edges, [*edges[1:], length], strict=True)


def _sample(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (n, side, side, 3): parts at even distances, from edge to edge."""
    height, width = pixels.shape[:2]
    side = min(PART, height, width)
    rows, columns = (np.linspace(0, size - side, PARTS).astype(int) for size in (height, width))
    return np.stack([_pad(pixels[y : y + side, x : x + side]) for y in rows for x in columns])


def _pad(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pixels whose sides the network takes: what is missing mirrors the end."""
    sizes = pixels.shape[:2]
    missing = [max(LEAST_SIDE, -(-size // STRIDE) * STRIDE) - size for size in sizes]
    if not any(missing):
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
