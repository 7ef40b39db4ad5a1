"""Split a medium into pieces, and hide some of them.

Occlusion: a piece contributes to a score what the score loses when the piece is hidden (M. D.
Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2).
The type of the medium decides how it is split, so this knows no modality.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from siamkit.errors import BadInput
from siamkit.types import Box, Clip, Image, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask: TypeAlias = NDArray[np.bool_]  # (n,) True: this piece is hidden

# The best settings in benchmarks/explain.py that take at most about 5 s per pair on two cores.
ACROSS = 10  # pieces along the side of a square picture; other shapes have as many pieces in all
MOST_ALONG = 40  # pieces along the longer side of a strip
WINDOW = 2  # pieces along the side of a window, which is hidden at once; windows overlap
AROUND = 2  # pieces on each side whose median replaces a hidden piece
SEGMENT, SEGMENTS = 0.25, 40  # s per piece of sound; pieces per clip, at most
HUSH = 0.01  # of the clip's level, or -40 dB: no recording is fully silent
WORDS = 120  # pieces per text, at most; in longer texts a piece is several words
BATCH, BATCH_BYTES = 32, 1 << 26  # media that are held at once, and bytes of their pictures
# Scripts without blanks between words: each letter is a piece.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
)

Place: TypeAlias = Box | Span | tuple[int, int]  # of a text: first character, last + 1


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A medium split into n pieces, in reading order."""

    places: tuple[Place, ...]  # px of the picture, s of the clip, characters of the text
    windows: NDArray[np.bool_]  # (w, n) True: hidden at once; each piece is in at least one window
    hide: Callable[[Mask], Any]  # returns the medium without the pieces of an (n,) mask
    batch: int = BATCH  # media that may be held at once

    def contributions(self, score: float, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (n,) losses of score per piece: the mean over the windows that hide it.

        score: of the whole medium. scores: (w,) without each window.
        """
        import numpy as np

        losses = score - scores.astype(np.float64)
        means: NDArray[np.float64] = (self.windows.T @ losses) / self.windows.sum(axis=0)
        return means


def split(medium: object) -> Pieces:
    """Split a picture, a sound or a text.

    Cells of a picture that look like their surroundings (the paper of a drawing) are left out.
    Raises BadInput for a medium of another type, and if there is no piece at all.
    """
    if isinstance(medium, Image):
        pieces = _split_image(medium)
    elif isinstance(medium, Clip):
        pieces = _split_clip(medium)
    elif isinstance(medium, str):
        pieces = _split_text(medium)
    else:
        raise BadInput(
            f"a {type(medium).__name__} cannot be split; only pictures, sounds and texts can"
        )
    if not pieces.places:
        raise BadInput(f"there is nothing in it to hide: it is {_EMPTY[type(medium)]}")
    return pieces


_EMPTY = {Image: "a single colour", Clip: "silent", str: "empty"}


def _split_image(image: Image) -> Pieces:
    """Split a picture into the cells of a grid; a hidden cell shows the median around it.

    So the ink of a signature becomes paper, and an eye becomes skin. Windows slide one cell at a
    time, across the edges too.
    """
    import numpy as np

    pixels = image.pixels
    height, width = pixels.shape[:2]
    side = max(np.sqrt(height * width) / ACROSS, max(height, width) / MOST_ALONG, 1.0)
    rows, columns = max(1, round(height / side)), max(1, round(width / side))
    ys = np.linspace(0, height, rows + 1).round().astype(int)
    xs = np.linspace(0, width, columns + 1).round().astype(int)
    background = _background(pixels, ys, xs)
    boxes, differs = [], []
    for y, x in np.ndindex(rows, columns):
        box = np.s_[ys[y] : ys[y + 1], xs[x] : xs[x + 1]]
        differs.append(bool((pixels[box] != background[box]).any()))
        boxes += [box] * differs[-1]

    def hide(mask: Mask) -> Image:
        remaining = pixels.copy()
        for piece in np.flatnonzero(mask):
            remaining[boxes[piece]] = background[boxes[piece]]
        return Image(remaining)

    places = tuple(
        (float(across.start), float(down.start), float(across.stop), float(down.stop))
        for down, across in boxes
    )
    windows = np.unique(_windows(rows, columns)[:, differs], axis=0)
    windows = windows[windows.any(axis=1)]
    batch = int(np.clip(BATCH_BYTES // max(pixels.nbytes, 1), 1, BATCH))
    return Pieces(places, windows, hide, batch)


def _windows(rows: int, columns: int) -> NDArray[np.bool_]:
    """Return a (w, rows * columns) mask of every square of WINDOW cells, cut off at the edges."""
    import numpy as np

    windows = np.zeros((rows + WINDOW - 1, columns + WINDOW - 1, rows, columns), dtype=bool)
    for y, x in np.ndindex(windows.shape[:2]):
        windows[y, x, max(0, y - WINDOW + 1) : y + 1, max(0, x - WINDOW + 1) : x + 1] = True
    return windows.reshape(-1, rows * columns)


def _background(
    pixels: NDArray[np.uint8], ys: NDArray[np.int64], xs: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the picture with each cell as the median around it, blended from cell to cell."""
    import numpy as np
    from PIL import Image as pil

    rows, columns = len(ys) - 1, len(xs) - 1
    small = np.empty((rows, columns, 3), dtype=np.uint8)
    step = max(1, int(np.diff(ys).max()) // 8)  # about 40 x 40 pixels suffice for the median
    for y, x in np.ndindex(rows, columns):
        top, bottom = ys[max(0, y - AROUND)], ys[min(rows, y + AROUND + 1)]
        left, right = xs[max(0, x - AROUND)], xs[min(columns, x + AROUND + 1)]
        small[y, x] = np.median(pixels[top:bottom:step, left:right:step], axis=(0, 1))
    size = (pixels.shape[1], pixels.shape[0])
    return np.asarray(pil.fromarray(small).resize(size, pil.Resampling.BILINEAR))


def _split_clip(clip: Clip) -> Pieces:
    """Split a clip into segments of equal length; a hidden segment becomes a hush."""
    import numpy as np

    samples = clip.samples
    if not samples.any():
        return Pieces((), np.zeros((0, 0), dtype=bool), lambda mask: clip)
    count = max(1, min(SEGMENTS, round(clip.seconds / SEGMENT)))
    edges = np.linspace(0, len(samples), count + 1).round().astype(int)
    segment = np.repeat(np.arange(count), np.diff(edges))
    level = HUSH * float(np.sqrt(np.square(samples).mean(dtype=np.float64)))
    hush = np.random.default_rng(0).normal(0, level, len(samples)).astype(np.float32)

    def hide(mask: Mask) -> Clip:
        return Clip(np.where(mask[segment], hush, samples), clip.rate)

    places = tuple((start / clip.rate, stop / clip.rate) for start, stop in pairwise(edges))
    return Pieces(places, np.eye(count, dtype=bool), hide)


def _split_text(text: str) -> Pieces:
    """Split a text into words, or into letters in unspaced scripts; hidden ones are left out."""
    import numpy as np

    words = _words(text)
    size = max(1, -(-len(words) // WORDS))  # words per piece
    runs = [words[first : first + size] for first in range(0, len(words), size)]
    places = tuple((run[0][0], run[-1][1]) for run in runs)

    def hide(mask: Mask) -> str:
        parts, position = [], 0
        for (start, stop), is_hidden in zip(places, mask, strict=True):
            if is_hidden:
                parts.append(text[position:start])
                position = stop
        return " ".join("".join([*parts, text[position:]]).split())

    return Pieces(places, np.eye(len(places), dtype=bool), hide)


def _words(text: str) -> list[tuple[int, int]]:
    """Return (first character, last + 1) of every word with its trailing punctuation and marks."""
    words: list[tuple[int, int]] = []
    is_open = False  # the next letter may continue the last word
    for position, letter in enumerate(text):
        if letter.isspace():
            is_open = False
            continue
        touches = bool(words) and words[-1][1] == position
        unspaced = UNSPACED.match(letter) is not None
        if touches and (unicodedata.category(letter)[0] in "MP" or (is_open and not unspaced)):
            words[-1] = (words[-1][0], position + 1)
        else:
            words.append((position, position + 1))
            is_open = not unspaced
    return words
