"""A small model of the features of a pair: an average of networks plus trees, in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from siamkit.types import Vectors

CLIP = 4.0  # standard deviations: larger deviations tell nothing more


def axes_features(axes: NDArray[np.float32], left: Vectors, right: Vectors) -> NDArray[np.float32]:
    """Return (n, 2 k): products and distances of two (n, 384) vectors along axes (384, k)."""
    a, b = left @ axes, right @ axes
    return np.concatenate([a * b, np.abs(a - b)], axis=1)


def logit(
    model: Mapping[str, NDArray[Any]], lexical: NDArray[np.float32], along: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return (n,) uncalibrated log-odds. lexical: (n, k) features; along: see axes_features."""
    inputs = np.concatenate([lexical, along], axis=1)
    scaled = np.clip((inputs - model["mean"]) * model["scale"], -CLIP, CLIP)
    total = np.zeros(len(inputs), dtype=np.float32)
    for k in range(len(model["hidden bias"])):
        hidden = scaled @ model["hidden weights"][k].astype(np.float32) + model["hidden bias"][k]
        total += np.maximum(hidden, 0) @ model["out weights"][k] + model["out bias"][k]
    total /= len(model["hidden bias"])
    return total + _trees(model, lexical)


def _trees(model: Mapping[str, NDArray[Any]], lexical: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (n,) sum of all trees. A leaf is its own child: all rows walk to equal depth."""
    count = len(lexical)
    start = model["tree feature"].astype(np.int64) * count  # of each node's column in `flat`
    limit, value = model["tree threshold"], model["tree value"]
    children = model["tree children"].astype(np.int64).ravel()
    flat, rows = np.ascontiguousarray(lexical.T).ravel(), np.arange(count)
    total = np.full(count, model["tree base"][0], dtype=np.float32)
    for root in model["tree roots"]:
        at = np.full(count, root, dtype=np.int64)
        for _ in range(int(model["tree depth"][0])):
            right = flat.take(start.take(at) + rows) > limit.take(at)
            at = children.take(2 * at + right)
        total += value.take(at)
    return total


def probability(
    logits: NDArray[np.float32], calibration: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return (n,) probabilities. calibration: slope and offset (Platt 1999, section 2)."""
    scaled = np.clip(logits * calibration[0] + calibration[1], -30, 30)
    probabilities: NDArray[np.float32] = (1 / (1 + np.exp(-scaled))).astype(np.float32)
    return probabilities
