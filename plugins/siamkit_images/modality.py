"""The modality `images`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import MissingWeights
from siamkit.protocols import Reranker, Source
from siamkit.sdk.media import load_image
from siamkit.sdk.model_folder import Card, read_card
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Image, Quality, Region, Threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LITE0, DETAIL, FUSED, TIMM = "efficientnet-lite0", "detail", "fused", "timm"
KEYPOINTS = "keypoints"


class Images:
    """Whole pictures, and which show the same thing: a product, a logo, a plant.

    There is no detector: pictures, or boxes given by the user, are compared as they are.
    """

    name = "images"
    kind = "image"
    purpose = "Find products, logos and other things in pictures."
    detector: str | None = None
    backbone = LITE0
    encoders: Mapping[str, str] = {
        LITE0: "EfficientNet-Lite0, trained on ImageNet (Apache-2.0), as shipped",
        DETAIL: "for crops, such as logos: EfficientNet-Lite0, and MobileNetV2 (MIT), before their"
        " last layers",
        FUSED: "for whole photographs, such as of products: the same two networks",
    }
    # By encoder and detector, for `siamkit find` without a calibration (benchmarks/find_rates.py).
    find_thresholds: Mapping[tuple[str, str], Threshold] = {
        (DETAIL, "proposals"): Threshold(
            0.47, None, "68 photographs without a logo, 14 logos enrolled", fpir=0.05
        )
    }
    origins: Mapping[str, str] = {
        TIMM: "a timm model: its name, a Hugging Face hub name (OWNER/MODEL), or a folder saved"
        " by timm"
    }
    rerankers: Mapping[str, str] = {
        KEYPOINTS: "counts corners that fit one view of a flat thing: a logo, a label, a note"
    }

    def load(self, source: Source) -> Image:
        """Decode a picture file, or its content. Raises UnreadableSample."""
        return load_image(source)

    def crop(self, medium: Image, region: Region) -> Image:
        """Cut out a region's box; without one, return the whole picture. Raises NothingFound."""
        from siamkit.sdk.picture_recipe import cut

        return cut(medium, region)

    def assess(self, medium: Image, region: Region) -> Quality:
        """Refuse a picture of a single colour: the network sees nothing in it."""
        from siamkit.sdk.blank_pictures import assess_shades

        return assess_shades(self.crop(medium, region), "the picture has a single colour")

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[Image]:
        """Open an encoder folder. Raises MissingWeights for None: this plugin ships no weights."""
        from siamkit.sdk.picture_recipe import prepare, read_recipe

        if folder is None:
            raise MissingWeights(
                "images have no encoder of their own", hint="run `siamkit encoders build images`"
            )
        recipe = read_recipe(read_card(folder).preprocessing)
        return OnnxEncoder(folder, lambda image: prepare(image.pixels, recipe))

    def build(self, name: str, folder: Path) -> None:
        """Write an encoder folder from shipped weights. Raises MissingWeights."""
        from siamkit_images import networks

        licence = "Apache-2.0" if name == LITE0 else "Apache-2.0 and MIT"
        card = Card(self.name, name, 0, {}, licence, source=self.encoders[name])
        networks.build(folder, card)

    def add(self, origin: str, model: str, folder: Path) -> None:
        """Write the encoder folder of a third-party timm model, with its own preprocessing.

        Raises BadInput or MissingWeights.
        """
        from siamkit_images.export import export, open_model, read_licence

        network = open_model(model, offline_default=LITE0)
        licence = read_licence(network, model)
        card = Card(self.name, Path(model).name, 0, {}, licence, source=f"{origin}:{model}")
        export(network, folder, card)

    def reranker(self, name: str, encoder: OnnxEncoder[Image]) -> Reranker[Image]:
        """Open the reranker `keypoints`. Raises MissingWeights for another name."""
        if name != KEYPOINTS:
            raise MissingWeights(f"images have no reranker {name!r}", hint=f"use: {KEYPOINTS}")
        from siamkit_images.keypoints import Keypoints

        name, source = encoder.card.name, self.encoders.get(encoder.card.name)
        is_own = source is not None and encoder.card.source.startswith(source)
        return Keypoints(name if is_own else None)

    def array(self, medium: Image) -> NDArray[np.uint8]:
        """Return (224, 224, 3) uint8, the input of a network trained by siamkit."""
        from siamkit.sdk.picture_recipe import TRAINED, prepare, read_recipe

        return prepare(medium.pixels, read_recipe(TRAINED))

    def augment(
        self, array: NDArray[np.uint8], own: np.random.Generator, shared: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return a variant of an array: by `own` cut and lit otherwise, by `shared` mirrored."""
        from siamkit_images.augment import augment

        return augment(array, own, shared)

    def preprocessing(self) -> Mapping[str, Any]:
        """Return every constant that changes an array, for the encoder's card: JSON values."""
        from siamkit.sdk.picture_recipe import TRAINED

        return TRAINED

    def examples(self) -> Sequence[tuple[str, Source]]:
        """Return two pictures each of two drawn things."""
        from siamkit_images.examples import examples

        return examples()
