"""The aim of a painted picture: the content of one, the style of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from siamkit.train.pictures import losses
from siamkit.train.pictures.backbone import Backbone
from siamkit.train.pictures.descent import Losses

WHITE = 255.0  # of the encoder's pixels
# Places that a picture is looked at from: layers with strides see a grid of pixels, and patterns of
# that grid would satisfy them instead of strokes. Shifting the picture from step to step, by fewer
# px than JITTER each way, prevents it (A. Mordvintsev, C. Olah and M. Tyka, "Inceptionism", 2015).
JITTER = 8
SHIFTS = 16  # as many are drawn, so that the content has to be looked at only once from each


Shift: TypeAlias = tuple[int, int]  # px to the right and down


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
        self._content = content[0] if content else None
        self._targets: dict[Shift | None, list[Tensor]] = {}
        self._shifts = _draw_shifts()
        self.shift: Shift | None = None  # None looks at the whole picture as it is
        self._grams: list[Tensor] = []
        with torch.no_grad():
            for picture, share in styles[0] if styles else ():
                layers = self._styles(self._layers(picture))
                grams = [share * losses.gram(layer) for layer in layers]
                mixed = self._grams or [torch.zeros_like(gram) for gram in grams]
                self._grams = [sum_ + gram for sum_, gram in zip(mixed, grams, strict=True)]

    def __call__(self, picture: Tensor) -> Losses:
        """Return the losses of (1, height, width, 3) in [0, 1]."""
        layers = self._layers(_move(picture, self.shift))
        none = picture.new_zeros(())
        content = style = none
        if self._content is not None:
            content = losses.content_loss(self._contents(layers), self._content_targets())
        if self._grams:
            style = losses.style_loss(self._styles(layers), self._grams)
        of_content, of_style, of_noise = self._weights
        total = of_content * content + of_style * style
        return Losses(total + of_noise * losses.total_variation(picture), content, style)

    def jitter(self, step: int) -> None:
        """Look at pictures from another place, the same one at the same step."""
        self.shift = self._shifts[step % SHIFTS]

    def _content_targets(self) -> list[Tensor]:
        """Return the content's layers, looked at from the same place."""
        assert self._content is not None
        if self.shift not in self._targets:
            with torch.no_grad():
                moved = _move(self._content, self.shift)
                self._targets[self.shift] = self._contents(self._layers(moved))
        return self._targets[self.shift]

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


def _draw_shifts() -> list[Shift]:
    drawn = torch.randint(JITTER, (SHIFTS, 2), generator=torch.Generator().manual_seed(0))
    return [(right, down) for right, down in drawn.tolist()]


def _move(picture: Tensor, shift: Shift | None) -> Tensor:
    """Return (1, height + JITTER, width + JITTER, 3): the picture moved, its edges mirrored."""
    if shift is None:
        return picture
    right, down = shift
    planes = picture.permute(0, 3, 1, 2)
    moved = pad(planes, (right, JITTER - right, down, JITTER - down), mode="reflect")
    return moved.permute(0, 2, 3, 1)
