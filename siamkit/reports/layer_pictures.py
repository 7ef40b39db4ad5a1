"""Small pictures of what a layer sees and responds to, embedded in a page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from siamkit.reports.previews import data_address

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.flows.layer_runs import Pixels
    from siamkit.flows.layer_survey import Map, Place

SIDE = 128  # px: the longer side of a picture on the page, at most
SHARP = 64  # px: pictures up to this side are kept as they are, and shown in whole pixels
DIM = 0.45  # brightness of what a channel does not respond to
STRONG = 0.5  # of a channel's range in a picture, from which it counts as responding
WHOLE = 0.6  # share of the picture that a field covers, from which it is not cut out
HEAT = ((0.0, (60, 20, 90)), (0.5, (230, 90, 40)), (1.0, (255, 235, 120)))  # colour-blind safe
OVER = 0.8  # opacity of the strongest heat over a picture


def embed(pixels: Pixels, alt: str) -> str:
    """Embed a picture, made smaller if it is large; tiny ones keep their pixels."""
    from PIL import Image as pil

    from siamkit.reports.html import escaped

    picture, target = pil.fromarray(pixels), io.BytesIO()
    is_sharp = max(picture.size) <= SHARP
    if is_sharp:
        picture.save(target, "PNG", optimize=True)
    else:
        picture.thumbnail((SIDE, SIDE))
        picture.save(target, "JPEG", quality=80)
    address = data_address("image/png" if is_sharp else "image/jpeg", target.getvalue())
    kind = " class=sharp" if is_sharp else ""
    return f'<img{kind} alt="{escaped(alt)}" src="{address}">'


def cut_out(place: Place) -> tuple[Pixels, bool]:
    """Return what a channel sees at a place, and True; of nearly all of a picture, what it lights.

    Then the picture is dimmed where the channel responds less than half as strongly, and the flag
    is False.
    """
    left, top, right, bottom = (round(edge) for edge in place.field)
    height, width = place.picture.shape[:2]
    if (right - left) * (bottom - top) >= WHOLE * height * width:
        return light_up(place), False
    return np.ascontiguousarray(place.picture[top:bottom, left:right]), True


def light_up(place: Place) -> Pixels:
    """Dim a picture where a channel responds less than half as strongly as at a place."""
    picture, low = place.picture, float(place.response.min())
    share = _stretch((place.response - low) / max(place.value - low, 1e-9), picture, smooth=True)
    lit = np.clip((share - STRONG) * 8 + 0.5, 0, 1)[..., None]  # a soft edge
    pixels: Pixels = (picture * (DIM + (1 - DIM) * lit)).astype(np.uint8)
    return pixels


def heat(picture: Pixels, response: Map) -> Pixels:
    """Lay a channel's response over a grey picture, in the blocks that the layer has."""
    low, high = float(response.min()), float(response.max())
    strength = _stretch((response - low) / max(high - low, 1e-9), picture, smooth=False)
    grey = picture.mean(axis=2, keepdims=True).repeat(3, axis=2)
    at = [position for position, _ in HEAT]
    colours = np.stack(
        [np.interp(strength, at, [colour[n] for _, colour in HEAT]) for n in range(3)], axis=2
    )
    opacity = OVER * strength[..., None]
    pixels: Pixels = (grey * (1 - opacity) + colours * opacity).astype(np.uint8)
    return pixels


def _stretch(share: Map, picture: Pixels, *, smooth: bool) -> NDArray[np.float32]:
    """Return a map at the size of its picture: (height, width)."""
    from PIL import Image as pil

    kind = pil.Resampling.BILINEAR if smooth else pil.Resampling.NEAREST
    size = picture.shape[1], picture.shape[0]
    return np.asarray(pil.fromarray(share.astype(np.float32)).resize(size, kind))
