"""Example faces, cut from two pictures that scikit-image ships: nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siamkit.sdk.media import encode_png
from siamkit.sdk.packaged import packaged_file

if TYPE_CHECKING:
    from PIL import Image as PILImage

# Loose crops around the faces: left, top, right, bottom in px.
COLLINS = (120, 0, 330, 250)
CAMERAMAN = (140, 60, 310, 250)


def examples() -> list[tuple[str, bytes]]:
    """Return (name, PNG file) of two people: a crop each, and the same mirrored and smaller.

    "collins" is the astronaut Eileen Collins, photographed by NASA (public domain);
    "cameraman" is a photographer seen from the side, by Lav Varshney (CC0). Both files of a person
    come from one photograph: they show that the parts work together, not how well faces are told
    apart. Raises MissingWeights without scikit-image.
    """
    people = (("collins", "astronaut.png", COLLINS), ("cameraman", "camera.png", CAMERAMAN))
    samples = []
    for name, file, box in people:
        crop = _open_picture(file).crop(box)
        samples += [(name, encode_png(crop)), (name, encode_png(_variant(crop)))]
    return samples


def _variant(picture: PILImage.Image) -> PILImage.Image:
    from PIL import Image, ImageOps

    size = (round(picture.width * 0.8), round(picture.height * 0.8))
    return ImageOps.mirror(picture).resize(size, Image.Resampling.BICUBIC)


def _open_picture(name: str) -> PILImage.Image:
    from PIL import Image

    path = packaged_file("skimage", f"data/{name}", hint="run `pip install scikit-image`")
    return Image.open(path).convert("RGB")
