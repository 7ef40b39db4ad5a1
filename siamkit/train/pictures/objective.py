"""What a picture is painted towards: the content of one, the style of others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from siamkit.train.pictures import losses
from siamkit.train.pictures.backbone import Backbone
from siamkit.train.pictures.descent import Losses

WHITE = 255.0  # of the encoder's pixels


class PictureObjective:
    """Losses of a picture towards a content and a style, either of which may be absent.

    content: (1, height, width, 3) in [0, 1]. styles: of any size, with their shares, which add up
    to 1: the Gram matrices are mixed.
    """

    def __init__(
        self,
        backbone: Backbone,
        content: tuple[Tensor, Sequence[str]] | None,
        styles: tuple[Sequence[tuple[Tensor, float]], Sequence[str]] | None,
        weights: tuple[float, float, float],  # of content, style and total variation
    ) -> None:
        of_content = content[1] if content else ()
        of_style = styles[1] if styles else ()
        names = list(dict.fromkeys([*of_content, *of_style]))
        device = content[0].device if content else styles[0][0][0].device if styles else "cpu"
        self._network = backbone.network(names).to(device)
        self._content_at = [names.index(name) for name in of_content]
        self._style_at = [names.index(name) for name in of_style]
        self._weights = weights
        self._targets: list[Tensor] = []
        self._grams: list[Tensor] = []
        with torch.no_grad():
            if content:
                self._targets = self._contents(self._layers(content[0]))
            for picture, share in styles[0] if styles else ():
                layers = self._styles(self._layers(picture))
                grams = [share * losses.gram(layer) for layer in layers]
                mixed = self._grams or [torch.zeros_like(gram) for gram in grams]
                self._grams = [sum_ + gram for sum_, gram in zip(mixed, grams, strict=True)]

    def __call__(self, picture: Tensor) -> Losses:
        """Return the losses of (1, height, width, 3) in [0, 1]."""
        layers = self._layers(picture)
        none = picture.new_zeros(())
        content = style = none
        if self._targets:
            content = losses.content_loss(self._contents(layers), self._targets)
        if self._grams:
            style = losses.style_loss(self._styles(layers), self._grams)
        of_content, of_style, of_noise = self._weights
        total = of_content * content + of_style * style
        return Losses(total + of_noise * losses.total_variation(picture), content, style)

    def style_distance(self, picture: Tensor) -> float:
        """Return how far the Gram matrices of a picture are from those of the style."""
        with torch.no_grad():
            return losses.gram_distance(self._styles(self._layers(picture)), self._grams)

    def _layers(self, picture: Tensor) -> list[Tensor]:
        layers: list[Tensor] = self._network(WHITE * picture)
        return layers

    def _contents(self, layers: Sequence[Tensor]) -> list[Tensor]:
        return [layers[place] for place in self._content_at]

    def _styles(self, layers: Sequence[Tensor]) -> list[Tensor]:
        return [layers[place] for place in self._style_at]
