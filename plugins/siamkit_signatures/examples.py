"""Example signatures, drawn by a program: two hands, two variants each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siamkit.sdk.media import encode_png

SIZE = (480, 200)  # px
LETTERS = 7  # loops of a signature
ROUND, JAGGED = 7, 4  # seeds of the two hands


def examples() -> list[tuple[str, bytes]]:
    """Return (name, PNG file) of two invented hands, to show that the parts work together."""
    return [
        (name, _png(hand, variant))
        for name, hand in (("loops", ROUND), ("spikes", JAGGED))
        for variant in (1, 2)
    ]


def _png(hand: int, variant: int) -> bytes:
    from PIL import Image, ImageDraw

    curve = [(float(x), float(y)) for x, y in _curve(hand, variant)]
    picture = Image.new("L", (SIZE[0] * 2, SIZE[1] * 2), 250)
    ImageDraw.Draw(picture).line(curve, fill=30, width=8, joint="curve")
    return encode_png(picture.resize(SIZE, Image.Resampling.BOX))


def _curve(hand: int, variant: int) -> NDArray[np.float64]:
    """Return (n, 2) x, y in px at twice the SIZE: a curve or jagged curve through a hand's knots.

    Each hand has its own random knots; a variant moves them a little.
    """
    from scipy.interpolate import CubicSpline

    rng = np.random.default_rng(hand)
    count = 3 * LETTERS
    x = np.cumsum(rng.normal(1.0, 1.2, count))
    y = np.where(np.arange(count) % 2, 1.0, -1.0) * rng.gamma(3.0, 0.3, count)
    knots = np.stack([(x - x.min()) / np.ptp(x), (y - y.min()) / np.ptp(y)], axis=1)
    knots += np.random.default_rng([hand, variant]).normal(0, 0.012, knots.shape)
    if hand == JAGGED:
        knots = knots[np.argsort(knots[:, 0])]
        knots[:, 1] *= np.linspace(1, 0.15, count)
        curve = knots
    else:
        curve = CubicSpline(np.arange(count), knots)(np.linspace(0, count - 1, 40 * count))
    return np.asarray(curve * [SIZE[0] * 1.5, SIZE[1] * 1.1] + [SIZE[0] * 0.25, SIZE[1] * 0.45])
