"""Vary the samples of a batch as their modality does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import PluginError
from siamkit.host import registry
from siamkit.protocols import Trainable


def augment_batch(
    arrays: NDArray[Any],
    labels: NDArray[np.int64],
    modality: Trainable[Any],
    key: tuple[int, ...],
) -> NDArray[Any]:
    """Return the modality's variants of the (b, …) arrays of a batch.

    Samples of one identity share one of the two generators that a variant draws from, so that
    they can be varied alike: turned or mirrored together, they form a new identity.
    """
    variants = np.empty_like(arrays)
    for row, array in enumerate(arrays):
        own = np.random.default_rng([*key, 0, row])
        shared = np.random.default_rng([*key, 1, int(labels[row])])
        with registry.calling(modality, "augment"):
            variant = modality.augment(array, own, shared)
        if variant.shape != array.shape or variant.dtype != array.dtype:
            raise PluginError(
                f"{registry.describe(modality)}: augment returned {variant.dtype} {variant.shape}"
                f" for {array.dtype} {array.shape}"
            )
        variants[row] = variant
    return variants
