"""A medium in pieces, and what is left of it without some of them.

Occlusion: what a piece is worth to a score is what the score loses once the piece is hidden
(M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014,
section 4.2). The type of the medium says how it is taken apart, so this knows no modality.
"""

from __future__ import annotations

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

    Hidden: TypeAlias = NDArray[np.bool_]  # (n,) True: this piece is hidden

# What did best in benchmarks/explain.py within some 5 s a pair on two cores.
ACROSS = 10  # pieces along the side of a square picture; as many, in all, of another shape
MOST_ALONG = 40  # pieces along the longer side, of a strip
WINDOW = 2  # pieces along the side of what is hidden at once; windows overlap
AROUND = 2  # pieces on each side whose median stands in for what is hidden
SEGMENT, SEGMENTS = 0.25, 40  # s of a piece of sound; pieces of a clip at most
HUSH = 0.01  # of the clip's level, 40 dB below: no sound at all is like nothing ever recorded
WORDS = 120  # pieces of a text at most; of a longer one, several words are a piece
AT_ONCE = 1 << 26  # bytes of pictures that are held at once
# Scripts that put no blanks between words: each letter is a piece.
UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF),
)  # fmt: skip

Place: TypeAlias = Box | Span | tuple[int, int]  # of a text: first character, last + 1


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A medium taken apart into n pieces, in the order of reading."""

    places: tuple[Place, ...]  # px of the picture, s of the clip, characters of the text
    windows: NDArray[np.bool_]  # (w, n) True: hidden at once; each piece is in one at least
    without: Callable[[Hidden], Any]  # the medium without the pieces that are True in an (n,) mask
    at_once: int = 32  # media that may be held at once

    def contributions(self, score: float, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n,) what hiding each piece takes from the score: the mean over the windows it is in.

        score: of the whole medium; scores: (w,), without each window.
        """
        import numpy as np

        drops = score - scores.astype(np.float64)
        made: NDArray[np.float64] = (self.windows.T @ drops) / self.windows.sum(axis=0)
        return made


def pieces(medium: object) -> Pieces:
    """Take a picture, a sound or a text apart.

    Parts of a picture that look like what is around them anyway (the paper of a drawing) are no
    pieces. Raises BadInput for a medium of another type, and where there is no piece at all.
    """
    if isinstance(medium, Image):
        made = _of_image(medium)
    elif isinstance(medium, Clip):
        made = _of_clip(medium)
    elif isinstance(medium, str):
        made = _of_text(medium)
    else:
        raise BadInput(
            f"a {type(medium).__name__} cannot be taken apart, only pictures, sounds and texts"
        )
    if not made.places:
        raise BadInput(f"there is nothing in it to hide: it is {_EMPTY[type(medium)]}")
    return made


_EMPTY = {Image: "all of one colour", Clip: "silent", str: "empty"}


def _of_image(image: Image) -> Pieces:
    """Cells of a grid. A hidden one shows the median of what is around it.

    So the ink of a signature becomes paper, and an eye becomes skin. Windows slide a cell at a
    time, over the edges too.
    """
    import numpy as np

    pixels = image.pixels
    height, width = pixels.shape[:2]
    side = max(np.sqrt(height * width) / ACROSS, max(height, width) / MOST_ALONG, 1.0)
    rows, columns = max(1, round(height / side)), max(1, round(width / side))
    ys = np.linspace(0, height, rows + 1).round().astype(int)
    xs = np.linspace(0, width, columns + 1).round().astype(int)
    instead = _around(pixels, ys, xs)
    boxes, seen = [], []
    for y, x in np.ndindex(rows, columns):
        box = np.s_[ys[y] : ys[y + 1], xs[x] : xs[x + 1]]
        seen.append(bool((pixels[box] != instead[box]).any()))
        boxes += [box] * seen[-1]

    def without(hidden: Hidden) -> Image:
        made = pixels.copy()
        for at in np.flatnonzero(hidden):
            made[boxes[at]] = instead[boxes[at]]
        return Image(made)

    places = tuple(
        (float(across.start), float(down.start), float(across.stop), float(down.stop))
        for down, across in boxes
    )
    windows = np.unique(_windows(rows, columns)[:, seen], axis=0)
    windows = windows[windows.any(axis=1)]
    at_once = int(np.clip(AT_ONCE // max(pixels.nbytes, 1), 1, 32))
    return Pieces(places, windows, without, at_once)


def _windows(rows: int, columns: int) -> NDArray[np.bool_]:
    """(w, rows * columns) of every square of WINDOW cells, cut off at the edges."""
    import numpy as np

    made = np.zeros((rows + WINDOW - 1, columns + WINDOW - 1, rows, columns), dtype=bool)
    for y, x in np.ndindex(made.shape[:2]):
        made[y, x, max(0, y - WINDOW + 1) : y + 1, max(0, x - WINDOW + 1) : x + 1] = True
    return made.reshape(-1, rows * columns)


def _around(
    pixels: NDArray[np.uint8], ys: NDArray[np.int64], xs: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """The picture as its cells' surroundings are: medians, without an edge from cell to cell."""
    import numpy as np
    from PIL import Image as pil

    rows, columns = len(ys) - 1, len(xs) - 1
    small = np.empty((rows, columns, 3), dtype=np.uint8)
    every = max(1, int(np.diff(ys).max()) // 8)  # some 40 x 40 pixels tell the median
    for y, x in np.ndindex(rows, columns):
        top, bottom = ys[max(0, y - AROUND)], ys[min(rows, y + AROUND + 1)]
        left, right = xs[max(0, x - AROUND)], xs[min(columns, x + AROUND + 1)]
        small[y, x] = np.median(pixels[top:bottom:every, left:right:every], axis=(0, 1))
    size = (pixels.shape[1], pixels.shape[0])
    return np.asarray(pil.fromarray(small).resize(size, pil.Resampling.BILINEAR))


def _of_clip(clip: Clip) -> Pieces:
    """Segments of equal length. A hidden one is a hush, so that the others stay where they are."""
    import numpy as np

    samples = clip.samples
    if not samples.any():
        return Pieces((), np.zeros((0, 0), dtype=bool), lambda hidden: clip)
    count = max(1, min(SEGMENTS, round(clip.seconds / SEGMENT)))
    edges = np.linspace(0, len(samples), count + 1).round().astype(int)
    segment = np.repeat(np.arange(count), np.diff(edges))
    level = HUSH * float(np.sqrt(np.square(samples).mean(dtype=np.float64)))
    hush = np.random.default_rng(0).normal(0, level, len(samples)).astype(np.float32)

    def without(hidden: Hidden) -> Clip:
        return Clip(np.where(hidden[segment], hush, samples), clip.rate)

    places = tuple((start / clip.rate, stop / clip.rate) for start, stop in pairwise(edges))
    return Pieces(places, np.eye(count, dtype=bool), without)


def _of_text(text: str) -> Pieces:
    """Words, or letters where words have no blanks between. A hidden one is left out."""
    import numpy as np

    words = _words(text)
    run = max(1, -(-len(words) // WORDS))
    starts = range(0, len(words), run)
    places = tuple((words[at][0], words[min(at + run, len(words)) - 1][1]) for at in starts)

    def without(hidden: Hidden) -> str:
        parts, at = [], 0
        for (start, stop), gone in zip(places, hidden, strict=True):
            if gone:
                parts.append(text[at:start])
                at = stop
        return " ".join("".join([*parts, text[at:]]).split())

    return Pieces(places, np.eye(len(places), dtype=bool), without)


def _words(text: str) -> list[tuple[int, int]]:
    """First character and last + 1 of every word, with the punctuation and marks behind it."""
    found: list[tuple[int, int]] = []
    is_open = False  # a letter would go on with the last word
    for at, letter in enumerate(text):
        if letter.isspace():
            is_open = False
            continue
        touches = bool(found) and found[-1][1] == at
        alone = any(low <= ord(letter) <= high for low, high in UNSPACED)
        if touches and (unicodedata.category(letter)[0] in "MP" or (is_open and not alone)):
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
            is_open = not alone
    return found
