"""Pictures reconstructed from single layers. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.io.presentable import Presentable
from siamkit.train.pictures.backbone import Backbone
from siamkit.train.pictures.settings import DescentSettings
from siamkit.types import Image

if TYPE_CHECKING:
    from PIL import Image as PILImage


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """A picture that has the features, or the Gram matrices, of another in some layers."""

    kind: str  # "content" or "style"
    layers: tuple[str, ...]  # of a style, all up to the last; of a content, one
    loss: float  # 0: a perfect match; 1: that of a picture which shows nothing
    image: Image = field(repr=False)
    output: Path | None = None

    def picture(self) -> PILImage.Image:
        """Return the image for Pillow."""
        from PIL import Image as pil

        return pil.fromarray(self.image.pixels)


@dataclass(frozen=True, slots=True, eq=False)
class Reconstructions(Presentable):
    """What single layers tell of a content and of a style.

    Examples:
        >>> shown = ws.reconstruct(photo, "figure1", like="painting.jpg")  # doctest: +SKIP
        >>> shown.sheet.save("figure1.png")                               # doctest: +SKIP
    """

    content: str  # the name of the picture
    style: str
    encoder: str
    reconstructions: tuple[Reconstruction, ...]  # styles first, each from early to late
    sheet: PILImage.Image = field(repr=False)  # all of them, labelled
    output: Path | None = None  # the file that holds the sheet


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is reconstructed: a content, a style, by which network and how."""

    content: tuple[str, Image]  # with its name
    style: tuple[str, Image]
    backbone: Backbone
    settings: DescentSettings

    def plans(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the kind and the layers of each picture, styles first."""
        contents = self.settings.content_layers or self.backbone.style_layers
        styles = self.settings.style_layers or self.backbone.style_layers
        several = [styles[: number + 1] for number in range(len(styles))]
        return [("style", layers) for layers in several] + [("content", (n,)) for n in contents]

    def key(self) -> str:
        """Return a hash of all that the pictures depend on."""
        facts = [asdict(self.settings), self.plans(), self.backbone.fingerprint]
        digest = hashlib.sha256(json.dumps(facts).encode())
        for _, image in (self.content, self.style):
            digest.update(f"{image.pixels.shape}".encode() + image.pixels.tobytes())
        return digest.hexdigest()
