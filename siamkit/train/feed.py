"""Prepare batches ahead of the step that takes them. Each depends on seed and step alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import PluginError
from siamkit.host import registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.protocols import Trainable
    from siamkit.train.learner import Batch

    Rows = NDArray[np.int64]

AHEAD = 2  # batches prepared while one is trained on


def augment_batch(
    arrays: NDArray[Any], labels: Rows, modality: Trainable[Any], key: tuple[int, ...]
) -> NDArray[Any]:
    """Return the modality's variants of the (b, …) arrays of a batch.

    Samples of one identity share one of the two generators that a variant draws from, so that
    they can be varied alike: turned or mirrored together, they form a new identity.
    """
    variants = np.empty_like(arrays)
    for row, array in enumerate(arrays):
        own = np.random.default_rng([*key, 0, row])
        shared = np.random.default_rng([*key, 1, int(labels[row])])
        variants[row] = _augment(modality, array, own, shared)
    return variants


def _augment(
    modality: Trainable[Any],
    array: NDArray[Any],
    own: np.random.Generator,
    shared: np.random.Generator,
) -> NDArray[Any]:
    with registry.calling(modality, "augment"):
        variant = modality.augment(array, own, shared)
    if variant.shape != array.shape or variant.dtype != array.dtype:
        raise PluginError(
            f"{registry.describe(modality)}: augment made {variant.dtype} {variant.shape} of"
            f" {array.dtype} {array.shape}"
        )
    return variant


def prefetch(make_batch: Callable[[int], Batch], turns: range) -> Iterator[Batch]:
    """Yield make_batch(turn) of each turn in order; another thread makes the next few."""
    with ThreadPoolExecutor(1, "siamkit-feed") as pool:
        waiting = [pool.submit(make_batch, turn) for turn in turns[:AHEAD]]
        try:
            for number in range(len(turns)):
                batch = waiting.pop(0).result()
                if number + AHEAD < len(turns):
                    waiting.append(pool.submit(make_batch, turns[number + AHEAD]))
                yield batch
        finally:
            for future in waiting:
                future.cancel()
