"""Resize pictures and maps as torch, Pillow and their processors do, to the bit or to rounding.

Networks are trained with one library's resizing; another's moves their boxes by tenths of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRIP = 1 << 22  # values of a strip that is worked on at once: bounds the memory of panoramas
_BITS = 15  # of the weights of torch's uint8 resize
_MOST_PRECISE = 22  # bits behind the point


def fit(
    size: tuple[int, int],
    shortest: int,
    longest: int,
    *,
    floored: bool = False,
    multiple: int = 1,
) -> tuple[int, int]:
    """Return the height, width that make the shorter side `shortest`, the other at most `longest`.

    size: height, width of the picture. floored: round as torchvision's detectors do, and not as
    transformers. multiple: the sides are rounded up to it, down if it is negative.
    """
    if floored:
        ratio = min(shortest / min(size), longest / max(size))
        height, width = (math.floor(side * ratio) for side in size)
    else:
        height, width = _fit_as_transformers(size, shortest, longest)
    if multiple < 0:
        height, width = (side - side % -multiple for side in (height, width))
    else:
        height, width = (math.ceil(side / multiple) * multiple for side in (height, width))
    return max(1, height), max(1, width)


def _fit_as_transformers(size: tuple[int, int], shortest: int, longest: int) -> tuple[int, int]:
    """Follow get_size_with_aspect_ratio of transformers.image_transforms."""
    least, most = float(min(size)), float(max(size))
    ideal = float(shortest)
    if most / least * shortest > longest:
        ideal = longest * least / most
        shortest = round(ideal)
    if min(size) == shortest:
        return size
    height, width = size
    if width < height:
        return int(ideal * height / width), shortest
    return shortest, int(ideal * width / height)


def torch_uint8(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize (h, w, 3) uint8 like torch's antialiased bilinear filter, to the bit.

    It rounds the weights to 16 bits, resizes across and then down, and rounds after both:
    UpSampleKernelAVXAntialias.h of PyTorch, which is what transformers' processors run.
    """
    height, width, channels = pixels.shape
    if width != size[1]:
        matrix, shift = _weights(width, size[1])
        resized = np.empty((height, size[1], channels), np.uint8)
        step = max(1, STRIP // (width * channels))
        for top in range(0, height, step):
            strip = pixels[top : top + step].transpose(1, 0, 2)
            columns = _apply(matrix, shift, strip.reshape(width, -1))
            resized[top : top + step] = columns.reshape(size[1], -1, channels).transpose(1, 0, 2)
        pixels = resized
    if height != size[0]:
        matrix, shift = _weights(height, size[0])
        flat = pixels.reshape(height, -1)
        resized = np.empty((size[0], flat.shape[1]), np.uint8)
        step = max(1, STRIP // height)
        for left in range(0, flat.shape[1], step):
            resized[:, left : left + step] = _apply(matrix, shift, flat[:, left : left + step])
        pixels = resized.reshape(*size, channels)
    return pixels


def _weights(length: int, target: int) -> tuple[Any, int]:
    """Return a (target, length) sparse matrix of int32 weights, and the bits behind the point."""
    from scipy.sparse import csr_array

    scale = length / target
    support = max(scale, 1.0)
    centres = scale * (np.arange(target) + 0.5)
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), length)
    offsets = np.arange((last - first).max())
    taps = first[:, None] + offsets
    inside = taps < last[:, None]
    inverse = 1 / support
    values = np.clip(1 - np.abs((taps - centres[:, None] + 0.5) * inverse), 0, None) * inside
    values /= values.sum(axis=1, keepdims=True)
    shift = 0
    while shift < _MOST_PRECISE and int(0.5 + values.max() * (1 << (shift + 1))) < 1 << _BITS:
        shift += 1
    weights = (values * (1 << shift) + 0.5).astype(np.int32)
    rows = np.broadcast_to(np.arange(target)[:, None], taps.shape)[inside]
    shape = (target, length)
    return csr_array((weights[inside], (rows, taps[inside])), shape=shape), shift


def _apply(matrix: Any, shift: int, columns: NDArray[np.uint8]) -> NDArray[np.uint8]:
    sums = matrix @ columns.astype(np.int32)
    sums += 1 << (shift - 1)
    sums >>= shift
    levels: NDArray[np.uint8] = np.clip(sums, 0, 255, out=sums).astype(np.uint8)
    return levels


def pillow_uint8(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize (h, w, 3) uint8 with Pillow's bilinear filter."""
    from PIL import Image as pil

    picture = pil.fromarray(pixels).resize(size[::-1], pil.Resampling.BILINEAR)
    return np.asarray(picture)


def bilinear(values: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize (h, w) or (h, w, k) like torch's bilinear filter without antialiasing, in float32.

    Only the values that are needed are converted: a panorama takes no more memory than `size`.
    """
    (top, bottom, down), (left, right, across) = (
        _taps(length, target) for length, target in zip(values.shape[:2], size, strict=True)
    )
    trailing = (1,) * (values.ndim - 2)
    needed, places = np.unique(np.concatenate([top, bottom]), return_inverse=True)
    lines = values[needed]
    start, end = (lines[:, taps].astype(np.float32) for taps in (left, right))
    lines = _between(start, end, across.reshape(-1, *trailing))
    upper, lower = lines[places[: size[0]]], lines[places[size[0] :]]
    return _between(upper, lower, down.reshape(-1, 1, *trailing))


def _between(
    start: NDArray[np.float32], end: NDArray[np.float32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return start + (end - start) * share, in the memory of `end`."""
    end -= start
    end *= share
    end += start
    return end


def enlarge(
    planes: NDArray[np.float32], size: tuple[int, int]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Resize (k, h, w) maps like `bilinear`, a strip at a time: yield rows, and (k, r, width).

    OpenCV resizes across, where it differs from torch by rounding.
    """
    import cv2

    height, width = size
    count = len(planes)
    top, bottom, down = _taps(planes.shape[1], height)
    step = max(1, STRIP // (width * count))
    for first in range(0, height, step):
        rows = slice(first, min(height, first + step))
        upper = planes[:, top[rows]]
        lines = _between(upper, planes[:, bottom[rows]], down[rows, None])
        flat = lines.reshape(-1, planes.shape[2])
        wide = cv2.resize(flat, (width, len(flat)), interpolation=cv2.INTER_LINEAR)
        yield rows, np.asarray(wide.reshape(count, -1, width), np.float32)


def enlarge_whole(planes: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize (k, h, w) maps like `enlarge`, to (k, *size)."""
    whole = np.empty((len(planes), *size), np.float32)
    for rows, strip in enlarge(planes, size):
        whole[:, rows] = strip
    return whole


def _taps(
    length: int, target: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the two neighbours of each of `target` positions, and the weight of the second."""
    scale = float(np.float32(length / target))  # torch rounds it, and the place, to float32
    places = np.maximum((np.arange(target) + 0.5) * scale - 0.5, 0).astype(np.float32)
    first = np.minimum(places.astype(np.int64), length - 1)
    second = np.minimum(first + 1, length - 1)
    return first, second, (places - first).astype(np.float32)


def nearest(plane: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize a (h, w) map like torch's filter `nearest`."""
    rows, columns = (
        np.minimum(
            (np.arange(target, dtype=np.float32) * np.float32(length / target)).astype(np.int64),
            length - 1,
        )
        for length, target in zip(plane.shape, size, strict=True)
    )
    resized: NDArray[Any] = plane[rows[:, None], columns]
    return resized


FILTERS: dict[str, Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[Any]]] = {
    "torch": bilinear,
    "torch-antialias": torch_uint8,
    "pillow": pillow_uint8,
}
