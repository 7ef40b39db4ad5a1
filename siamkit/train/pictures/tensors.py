"""Pictures as tensors: (1, height, width, 3) float32 in [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from siamkit.types import Image

GREY, SPREAD = 0.5, 0.1  # of noise to begin with: mild, so that no pixel is at the end of its range


def to_tensor(image: Image, device: str) -> Tensor:
    """Return the tensor of a picture."""
    return torch.from_numpy(image.pixels.astype(np.float32) / 255)[None].to(device)


def to_image(picture: Tensor) -> Image:
    """Return the picture of a tensor."""
    numbers = picture.detach()[0].clamp(0, 1).mul(255).round()
    return Image(numbers.to(torch.uint8).cpu().numpy())


def noise(shape: torch.Size, device: str) -> Tensor:
    """Draw grey noise, by torch's seed: the same on every device."""
    return (GREY + SPREAD * torch.randn(shape)).clamp(0, 1).to(device)
