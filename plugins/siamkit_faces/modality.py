"""The modality `faces`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import NothingFound
from siamkit.protocols import Source
from siamkit.sdk.extras import require_extra
from siamkit.sdk.media import load_image
from siamkit.sdk.model_folder import read_folder, require_preprocessing, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Image, Quality, Region, Threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHIPPED = Path(__file__).with_name("encoder")
DIM = 128
HINT = "move the gallery to the network that siamkit ships: siamkit reembed NAME --encoder default"
# The 1500 pairs of LFW's own folds are too few to measure a rate of 0.001.
THRESHOLD = Threshold(
    value=0.371,
    fmr=0.001,
    source="LFW folds 1-5, 112 x 112 crops without a detector: 2,174,655 pairs of different people"
    " (2086 people, a random picture of each, mean of 10 draws); FNMR 0.013 on its 1500 same pairs",
)
MIRRORED = "sface-mirrored"
MIRRORED_THRESHOLD = Threshold(
    value=0.372,
    fmr=0.001,
    source="LFW folds 1-5, 112 x 112 crops: 404,550 pairs of 900 different people",
)
MATED = 0.68  # mean cosine of the 1500 same pairs; that of the others is 0.10


class Faces:
    """Human faces. A crop is an upright chip of 112 x 112 px, aligned by five landmarks.

    A region's landmarks, if any, are the five that most detectors give: the centre of the eye on
    the left of the picture, of the eye on its right, the tip of the nose, and the left and right
    corners of the mouth. Without them they are located in the region's box, and without a box in
    the whole picture, which is taken to be all face.
    """

    name = "faces"
    nouns = ("person", "people")
    kind = "image"
    purpose = "Recognise people in photographs."
    calibration = Path(__file__).with_name("calibration.json")
    detector: str | None = "facefinder"
    backbone = "encoder"
    ships_default = True
    encoders: Mapping[str, str] = {MIRRORED: "SFace, run on a face and on its mirror image"}

    def load(self, source: Source) -> Image:
        """Decode a picture file, or its content. Raises UnreadableSample."""
        return load_image(source)

    def crop(self, medium: Image, region: Region) -> Image:
        """Cut the face's 112 x 112 chip, upright. Raises NothingFound for a single colour."""
        from siamkit_faces import chips

        chip = chips.cut_chip(medium.pixels, region)
        if chips.is_blank(chip):
            raise NothingFound("no face is visible there: it has a single colour")
        return Image(chip)

    def assess(self, medium: Image, region: Region) -> Quality:
        """Measure size, sharpness, light and contrast of a face."""
        from siamkit_faces.quality import assess

        return assess(medium.pixels, region)

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[Image]:
        """Open an encoder folder; None: the one in this package. Raises MissingWeights."""
        from siamkit_faces import chips

        opened = OnnxEncoder(folder or SHIPPED, _prepare)
        require_preprocessing(opened.card, opened.folder, chips.constants(), hint=HINT)
        return opened

    def build(self, name: str, folder: Path) -> None:
        """Write the folder of the encoder that sees a face and its mirror image.

        Raises MissingPackage without the package onnx.
        """
        require_extra("train", f"writing the encoder {name}")
        from siamkit_faces.mirrored import with_mirror_image

        card, graph = read_folder(SHIPPED)
        card = replace(card, name=name, threshold=MIRRORED_THRESHOLD, mated=None)
        write_folder(folder, with_mirror_image(graph, DIM), card)

    def examples(self) -> Sequence[tuple[str, Source]]:
        """Return two pictures each of two people; siamkit_faces.examples says who they are."""
        from siamkit_faces.examples import examples

        return examples()


def _prepare(medium: Image) -> NDArray[Any]:
    """Return the graph's input, (3, 112, 112) float32; pictures of another size are scaled."""
    import numpy as np
    from PIL import Image as pil

    from siamkit_facefinder import CHIP_SIDE

    pixels = medium.pixels
    if pixels.shape[:2] != (CHIP_SIDE, CHIP_SIDE):
        size = (CHIP_SIDE, CHIP_SIDE)
        pixels = np.asarray(pil.fromarray(pixels).resize(size, pil.Resampling.BILINEAR))
    return pixels.transpose(2, 0, 1).astype(np.float32)
