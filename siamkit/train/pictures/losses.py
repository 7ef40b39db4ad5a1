"""Losses of a picture that is painted by gradient descent: content, style and total variation.

L. A. Gatys, A. S. Ecker and M. Bethge, "A Neural Algorithm of Artistic Style", 2015 (arXiv
1508.06576), equations 1 to 5. There, a layer's loss grows with its activations and its size; here
each is divided by that of a picture that shows nothing, so that 0 is a perfect match, 1 no match at
all, and a weight means the same at every layer of every network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

LEAST = 1e-8  # of a scale: below, a layer is blank, and its loss stays finite


def gram(features: Tensor) -> Tensor:
    """Return the Gram matrix of (1, channels, height, width), (channels, channels): eq. 3.

    Divided by the number of places, so that pictures of other sizes can be compared.
    """
    rows = features[0].flatten(1)
    return rows @ rows.T / rows.shape[1]


def content_scale(target: Tensor) -> Tensor:
    """Return the mean square of a layer less its channels' means: the loss of a flat picture."""
    return (target - target.mean((2, 3), keepdim=True)).square().mean().clamp_min(LEAST)


def content_loss(features: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Return the mean over layers of the squared distance of features: eq. 1, normalised."""
    losses = [
        (layer - target).square().mean() / content_scale(target)
        for layer, target in zip(features, targets, strict=True)
    ]
    return torch.stack(losses).mean()


def style_loss(features: Sequence[Tensor], grams: Sequence[Tensor]) -> Tensor:
    """Return the mean over layers of the squared distance of Gram matrices: eq. 4, normalised."""
    losses = [
        (gram(layer) - target).square().sum() / target.square().sum().clamp_min(LEAST)
        for layer, target in zip(features, grams, strict=True)
    ]
    return torch.stack(losses).mean()


def gram_distance(features: Sequence[Tensor], grams: Sequence[Tensor]) -> float:
    """Return the mean over layers of the distance of Gram matrices; 0: the same style.

    Relative to the Gram matrices of the style: 1 is as far as a picture that shows nothing.
    """
    distances = [
        float((gram(layer) - target).norm() / target.norm().clamp_min(LEAST))
        for layer, target in zip(features, grams, strict=True)
    ]
    return sum(distances) / len(distances)


def total_variation(picture: Tensor) -> Tensor:
    """Return the mean squared difference of neighbouring pixels, (1, height, width, 3) in [0, 1].

    A. Mahendran and A. Vedaldi, "Understanding Deep Image Representations by Inverting Them", 2015
    (arXiv 1412.0035).
    """
    down = (picture[:, 1:] - picture[:, :-1]).square().mean() if picture.shape[1] > 1 else 0.0
    across = (
        (picture[:, :, 1:] - picture[:, :, :-1]).square().mean() if picture.shape[2] > 1 else 0.0
    )
    return picture.new_zeros(()) + down + across
