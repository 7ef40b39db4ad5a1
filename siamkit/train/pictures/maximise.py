"""Draw pictures that channels of a layer respond to most, by gradient ascent on the pixels.

A picture is the inverse Fourier transform of its parameters, each scaled by its frequency, in
colours that are uncorrelated in photographs, and is shifted a little in every step: pixels alone
end in noise that no photograph has (C. Olah et al., "Feature visualization", Distill 2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput
from siamkit.sdk.extras import require_extra
from siamkit.types import Progress, ignore_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from siamkit.sdk.layers import Layer

STEPS = 96
RATE = 0.05  # of Adam, on parameters of about 1
FREE = 224  # px of a side that the graph leaves open
SHIFT = 8  # px, at most, and one in sixteen of the side
START = 0.01  # standard deviation of the parameters at the beginning: grey
CONTRAST = 4.0  # of the pixels before they are squashed to 0 to 255
MOST_COLOURS = 4  # elements of an axis of colours, at most
# Rows of RGB: luminance, blue against yellow, and green against magenta, as they vary in ImageNet.
COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


def maximise(
    graph: bytes,
    layer: Layer,
    channels: Sequence[int],
    *,
    steps: int = STEPS,
    seed: int = 0,
    progress: Progress = ignore_progress,
) -> NDArray[np.float32]:
    """Return an input of the graph for each channel, in its layout, with values from 0 to 255.

    Each is where the ascent of its channel's mean response ends. The same seed gives the same
    pictures. Raises BadInput if the graph takes no pictures, or has no gradient; MissingPackage
    without torch.
    """
    require_extra("train", "drawing what maximises a channel")
    import torch

    from siamkit.train.pictures.graph import GraphModule

    module = GraphModule(graph, [layer.unbounded])
    colours, size, is_last = _layout(module.shape)
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    shape = (len(channels), colours, height, width // 2 + 1, 2)
    parameters = (START * torch.randn(shape, generator=generator)).requires_grad_()
    optimiser = torch.optim.Adam([parameters], RATE)
    rows = torch.arange(len(channels))
    for step in range(steps):
        pixels = _shift(_pixels(parameters, size), generator)
        (response,) = module(pixels.permute(0, 2, 3, 1) if is_last else pixels)
        gain = response[rows, torch.as_tensor(list(channels))].flatten(1).mean(dim=1).sum()
        optimiser.zero_grad()
        (-gain).backward()
        optimiser.step()
        progress("drawing channels", step + 1, steps)
    with torch.no_grad():
        pixels = _pixels(parameters, size)
        pictures: NDArray[np.float32] = (pixels.permute(0, 2, 3, 1) if is_last else pixels).numpy()
    return pictures


def _layout(shape: Sequence[int | None]) -> tuple[int, tuple[int, int], bool]:
    """Return the colours and the size of a graph's pictures, and True if colours come last."""
    if len(shape) == 4 and shape[3] is not None and shape[3] <= MOST_COLOURS:
        return shape[3], (shape[1] or FREE, shape[2] or FREE), True
    if len(shape) == 4 and shape[1] is not None and shape[1] <= MOST_COLOURS:
        return shape[1], (shape[2] or FREE, shape[3] or FREE), False
    raise BadInput("only encoders of pictures can be asked for what maximises a channel")


def _pixels(parameters: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (n, colours, height, width) in 0 to 255."""
    import torch

    height, width = size
    down = torch.fft.fftfreq(height)[:, None]
    across = torch.fft.rfftfreq(width)[None, :]
    frequency = torch.sqrt(down**2 + across**2).clamp(min=1 / max(height, width))
    scale = (math.sqrt(height * width) / frequency / max(height, width))[..., None]
    spectrum = torch.view_as_complex((parameters * scale).contiguous())
    planes = torch.fft.irfft2(spectrum, s=size, norm="ortho")
    if planes.shape[1] == 3:
        matrix = torch.tensor(COLOURS)
        planes = torch.einsum("ck,nkhw->nchw", matrix / matrix.norm(dim=0).max(), planes)
    return 255 * torch.sigmoid(CONTRAST * planes / math.sqrt(max(height, width)))


def _shift(pixels: Tensor, generator: Any) -> Tensor:
    """Move the pictures a little, all alike; what leaves on one side comes back on the other."""
    import torch

    room = [min(SHIFT, side // 16) for side in pixels.shape[2:]]
    moves = [int(torch.randint(-r, r + 1, (1,), generator=generator)) for r in room]
    return torch.roll(pixels, moves, dims=(2, 3))
