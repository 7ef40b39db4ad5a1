"""The places of a set of pictures that a channel responds to most, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from siamkit.sdk.layers import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.flows.layer_runs import Maps

EDGE = 5  # a fifth of the places on each side, at most, is left out for seeing padding


@dataclass(frozen=True, slots=True)
class StrongPlace:
    """A place where a channel is strong: the number of the picture, and row * columns + column."""

    value: float
    picture: int
    place: int


@dataclass(slots=True, eq=False)
class StrongestPlaces:
    """For each channel of a layer: its strongest place in the pictures where that is strongest.

    Each picture counts once, so that one odd picture does not fill the list.
    """

    layer: Layer
    most: int  # places to hold per channel
    values: NDArray[np.float32] = field(init=False)  # (channels, most), -inf where there is none
    pictures: NDArray[np.int64] = field(init=False)  # (channels, most) their numbers
    places: NDArray[np.int64] = field(init=False)  # (channels, most) row * columns + column
    _count: int = field(init=False, default=0)  # of places seen so far
    _sum: NDArray[np.float64] = field(init=False)  # (channels,)
    _squares: NDArray[np.float64] = field(init=False)  # (channels,)

    def __post_init__(self) -> None:
        shape = (self.layer.channels, self.most)
        self.values = np.full(shape, -np.inf, np.float32)
        self.pictures = np.full(shape, -1, np.int64)
        self.places = np.zeros(shape, np.int64)
        self._sum, self._squares = np.zeros(shape[0]), np.zeros(shape[0])

    def add(self, number: int, maps: Maps, inside: tuple[slice, slice]) -> None:
        """Take in one picture. inside: the rows and columns of which places count."""
        columns = maps.shape[2]
        part = maps[:, inside[0], inside[1]]
        flat = part.reshape(len(maps), -1)
        best = flat.argmax(axis=1)
        highest = flat[np.arange(len(flat)), best]
        self._count += flat.shape[1]
        self._sum += flat.sum(axis=1, dtype=np.float64)
        self._squares += np.einsum("cp,cp->c", flat, flat, dtype=np.float64)
        row, column = np.divmod(best, part.shape[2])
        place = (row + (inside[0].start or 0)) * columns + column + (inside[1].start or 0)
        lowest = self.values.argmin(axis=1)
        channels = np.flatnonzero(highest > self.values[np.arange(len(flat)), lowest])
        at = lowest[channels]
        self.values[channels, at] = highest[channels]
        self.pictures[channels, at] = number
        self.places[channels, at] = place[channels]

    @property
    def mean(self) -> NDArray[np.float64]:
        """(channels,) mean over all places of all pictures."""
        return self._sum / max(self._count, 1)

    @property
    def spread(self) -> NDArray[np.float64]:
        """(channels,) standard deviation over all places of all pictures."""
        return np.sqrt(np.maximum(self._squares / max(self._count, 1) - self.mean**2, 0))

    def stands_out(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """(channels,) how many standard deviations values lie above each channel's mean."""
        spread = self.spread
        is_alive = spread > 1e-6 * (1 + np.abs(self.mean))
        above = values - self.mean
        return np.where(is_alive, above / np.where(is_alive, spread, 1.0), -np.inf)

    @property
    def selectivity(self) -> NDArray[np.float64]:
        """(channels,) how far the strongest places stand out, on average; -inf for a dead one."""
        counts = np.isfinite(self.values)
        total = np.where(counts, self.values, 0).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
        return self.stands_out(total)

    def ranked(self, channel: int) -> list[StrongPlace]:
        """Return the places of a channel, the strongest first, as far as they stand out at all."""
        limit = self.mean[channel] + self.spread[channel]
        order = np.argsort(-self.values[channel], kind="stable")
        return [
            StrongPlace(
                float(self.values[channel, n]),
                int(self.pictures[channel, n]),
                int(self.places[channel, n]),
            )
            for n in order
            if self.pictures[channel, n] >= 0 and self.values[channel, n] > limit
        ]


def inside(layer: Layer, sizes: Sequence[int], lengths: Sequence[int]) -> tuple[slice, slice]:
    """Return the rows and columns of a layer whose places count: those that see little padding.

    Padding is an edge that no picture has; channels that respond to it would show corners alone.
    sizes: rows and columns of the layer; lengths: of the input, of the same axes.
    """
    slices = [slice(0, size) for size in sizes]
    for number, (axis, length) in enumerate(zip(layer.axes, lengths, strict=True)):
        size = sizes[number]
        starts = axis.offset + axis.stride * np.arange(size)
        before = min(int((starts < 0).sum()), size // EDGE)
        after = min(int((starts + axis.field > length).sum()), size // EDGE)
        slices[number] = slice(before, size - after)
    return slices[0], slices[1]


def pick_channels(
    scores: NDArray[np.float64], count: int, pictures: NDArray[np.int64] | None = None
) -> list[int]:
    """Return the channels of the highest scores that differ in what they respond to.

    pictures: (channels, most) the pictures where each is strongest; a channel of which more than
    half are those of one that is already picked is left out, unless too few remain.
    """
    ranked = [int(n) for n in np.argsort(-scores, kind="stable") if np.isfinite(scores[n])]
    picked: list[int] = []
    for channel in ranked:
        if len(picked) == count:
            return picked
        if pictures is None or not any(_alike(pictures[channel], pictures[n]) for n in picked):
            picked.append(channel)
    return [*picked, *(n for n in ranked if n not in picked)][:count]


def _alike(left: NDArray[np.int64], right: NDArray[np.int64]) -> bool:
    shared = np.intersect1d(left[left >= 0], right)
    return len(shared) > len(left) / 2


def split_networks(layers: Sequence[Layer]) -> list[Sequence[Layer]]:
    """Return the layers of each network of an encoder that joins the outputs of several.

    A network begins where places are as fine again as those of the first layer, and see less than
    half as much as those of the layer before.
    """
    first = layers[0]
    starts = [
        number
        for number, (before, layer) in enumerate(pairwise(layers), 1)
        if len(layer.axes) == len(first.axes)
        and all(step <= least for step, least in zip(layer.stride, first.stride, strict=True))
        and 2 * layer.field[0] < before.field[0]
    ]
    return [layers[start:stop] for start, stop in pairwise([0, *starts, len(layers)])]


def pick_layers(layers: Sequence[Layer], count: int) -> list[Layer]:
    """Return layers of each network, from early to late: first the last of each resolution."""
    networks = split_networks(layers)
    if 2 * len(networks) > count:  # an early and a late layer of each would be too many
        networks = [layers]
    share, more = divmod(count, len(networks))
    shares = [share + (number < more) for number in range(len(networks))]
    picked = [_pick_spread(part, size) for part, size in zip(networks, shares, strict=True)]
    return [layer for part in picked for layer in part]


def _pick_spread(layers: Sequence[Layer], count: int) -> list[Layer]:
    """Return layers from early to late: the last of each resolution, then those that fill gaps."""
    last = {layer.stride: number for number, layer in enumerate(layers)}
    picked = sorted(last.values())
    if len(picked) > count:
        picked = [picked[round(n * (len(picked) - 1) / (count - 1))] for n in range(count)]
    while len(picked) < min(count, len(layers)):
        bounds = [-1, *picked]
        gaps = [(right - left, left) for left, right in zip(bounds, picked, strict=False)]
        gap, left = max(gaps)
        if gap < 2:
            break
        picked = sorted([*picked, left + gap // 2])
    return [layers[number] for number in picked]
