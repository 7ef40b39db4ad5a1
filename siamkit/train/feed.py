"""Batches, made ahead of the step that takes them. Each is a pure function of seed and step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import PluginError
from siamkit.host import registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]

AHEAD = 2  # batches in the making while one is trained on


def varied(arrays: NDArray[Any], labels: Rows, plugin: Any, key: tuple[int, ...]) -> NDArray[Any]:
    """(b, …) the plugin's variants of the arrays of a batch.

    Samples of one identity share one of the two generators that a variant draws from, so that
    they may be varied alike: turned or mirrored together, they are an identity never seen.
    """
    out = np.empty_like(arrays)
    for place, array in enumerate(arrays):
        own = np.random.default_rng([*key, 0, place])
        shared = np.random.default_rng([*key, 1, int(labels[place])])
        out[place] = _variant(plugin, array, own, shared)
    return out


def _variant(
    plugin: Any, array: NDArray[Any], own: np.random.Generator, shared: np.random.Generator
) -> NDArray[Any]:
    with registry.calling(plugin, "augment"):
        made: NDArray[Any] = plugin.augment(array, own, shared)
    if made.shape != array.shape or made.dtype != array.dtype:
        raise PluginError(
            f"{registry.describe(plugin)}: augment made {made.dtype} {made.shape} of {array.dtype}"
            f" {array.shape}"
        )
    return made


def ahead(make: Callable[[int], Any], steps: range) -> Iterator[Any]:
    """make(step) of each step in order, a few of them in the making on another thread."""
    with ThreadPoolExecutor(1, "siamkit-feed") as pool:
        waiting = [pool.submit(make, step) for step in steps[:AHEAD]]
        try:
            for place in range(len(steps)):
                batch = waiting.pop(0).result()
                if place + AHEAD < len(steps):
                    waiting.append(pool.submit(make, steps[place + AHEAD]))
                yield batch
        finally:
            for future in waiting:
                future.cancel()
