"""The modality `styles`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import MissingWeights
from siamkit.protocols import Source
from siamkit.sdk.media import load_image
from siamkit.sdk.model_folder import Card, read_card
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Image, Quality, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit_style.renderer import StyleRenderer

MOMENTS = "moments"
TORCHVISION = "torchvision"


class Styles:
    """Styles of pictures: strokes, textures and colours, whatever the pictures show.

    There is no detector: a picture, or a box given by the user, is compared as a whole.
    """

    name = "styles"
    nouns = ("style", "styles")
    kind = "image"
    purpose = "Find pictures painted or drawn in the same style."
    calibration = Path(__file__).with_name("calibration.json")
    detector: str | None = None
    backbone = "efficientnet-lite0"
    encoders: Mapping[str, str] = {
        MOMENTS: "means and deviations of layers of EfficientNet-Lite0 (Apache-2.0), as shipped"
    }
    origins: Mapping[str, str] = {
        TORCHVISION: "a VGG network: vgg19 (of Gatys, Ecker and Bethge, 2016), vgg16, vgg13, vgg11;"
        " vgg19@FILE.pth takes the weights of a file"
    }

    def load(self, source: Source) -> Image:
        """Decode a picture file, or its content. Raises UnreadableSample."""
        return load_image(source)

    def crop(self, medium: Image, region: Region) -> Image:
        """Cut out a region's box; without one, return the whole picture. Raises NothingFound."""
        from siamkit.sdk.picture_recipe import cut

        return cut(medium, region)

    def assess(self, medium: Image, region: Region) -> Quality:
        """Refuse a picture of a single colour: it has no texture to take statistics of."""
        from siamkit.sdk.blank_pictures import assess_shades

        return assess_shades(
            self.crop(medium, region), "the picture has a single colour, and so no style"
        )

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[Image]:
        """Open an encoder folder. Raises MissingWeights for None: `build` writes the default."""
        from siamkit.sdk.picture_recipe import prepare, read_recipe

        if folder is None:
            raise MissingWeights(
                "styles have no encoder of their own", hint="run `siamkit encoders build styles`"
            )
        recipe = read_recipe(read_card(folder).preprocessing)
        return OnnxEncoder(folder, lambda image: prepare(image.pixels, recipe))

    @property
    def named_styles(self) -> Mapping[str, str]:
        """Styles that pictures can be rendered in without an example: name -> description."""
        from siamkit_style.renderer import NAMED_STYLES

        return NAMED_STYLES

    def open_renderer(self, likes: Sequence[tuple[Image | str, float]]) -> StyleRenderer:
        """Open what renders pictures in the mean of some styles. Raises BadInput."""
        from siamkit_style.renderer import open_renderer

        return open_renderer(likes)

    def build(self, name: str, folder: Path) -> None:
        """Write an encoder folder from shipped weights. Raises MissingWeights."""
        from siamkit_style import networks

        card = Card(self.name, name, 0, {}, "Apache-2.0", source=self.encoders[name])
        networks.build(folder, card)

    def add(self, origin: str, model: str, folder: Path) -> None:
        """Write the encoder folder of a VGG network. Raises BadInput or MissingWeights."""
        from siamkit_style.export import export, open_vgg

        network, licence, source = open_vgg(model)
        name = model.partition("@")[0]
        export(network, folder, Card(self.name, name, 0, {}, licence, source=source))

    def array(self, medium: Image) -> NDArray[np.uint8]:
        """Return (224, 224, 3) uint8, the input of a network trained by siamkit."""
        from siamkit.sdk.picture_recipe import TRAINED, prepare, read_recipe

        return prepare(medium.pixels, read_recipe(TRAINED))

    def augment(
        self, array: NDArray[np.uint8], own: np.random.Generator, shared: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return a variant of an array: by `own` another part of it, mirrored or not."""
        from siamkit_style.augment import augment

        return augment(array, own)

    def preprocessing(self) -> Mapping[str, Any]:
        """Return every constant that changes an array, for the encoder's card: JSON values."""
        from siamkit.sdk.picture_recipe import TRAINED

        return TRAINED

    def examples(self) -> Sequence[tuple[str, Source]]:
        """Return two pictures each of two drawn textures."""
        from siamkit_style.examples import examples

        return examples()
