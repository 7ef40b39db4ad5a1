"""Time a step of `siamkit style --optimise` at 256 px beside a plain torch loop of the same losses.

    python benchmarks/style_optimise.py

The plain loop is what one would write: timm's EfficientNet-Lite0, with batch normalisation folded
into its convolutions as in the encoder, hooks on the layers, and Adam; neither loop writes files.
Rounds of the two take turns, each with a fresh picture. Times are of the CPU, with one thread: what
a quiet core takes. The losses of both are printed: they descend alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from siamkit import Workspace
from siamkit.sdk.efficientnet_lite0 import lite0
from siamkit.train.pictures.descent import RATE
from siamkit.train.pictures.events import PaintingStep
from siamkit.train.pictures.objective import JITTER, SHIFTS

SIDE, STEPS, ROUNDS, WARM = 256, 24, 5, 17  # steps before WARM look at the content from new places
STYLE = {"stem": "bn1", "block1_1": "blocks.0.0", "block2_2": "blocks.1.1"}
STYLE |= {"block3_2": "blocks.2.1", "block4_3": "blocks.3.2"}
CONTENT = "block3_2"
STYLE_WEIGHT, TV_WEIGHT = 10.0, 1.0


def main() -> None:
    torch.set_num_threads(1)
    content, style = square(skimage.data.astronaut()), square(skimage.data.immunohistochemistry())
    loops: dict[str, Callable[[], Iterator[float]]] = {
        "siamkit": lambda: siamkit_loop(content, style),
        "plain torch": lambda: plain_loop(content, style),
    }
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    last: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, loop in loops.items():
            for step, loss in enumerate(loop(), 1):
                if step == WARM:
                    began = time.process_time()
                last[name] = loss
            seconds[name].append((time.process_time() - began) / (STEPS - WARM))
    for name, values in seconds.items():
        print(f"{name:12} {median(values) * 1000:5.0f} ms of CPU a step, loss {last[name]:.4f}")
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    print(
        f"siamkit takes {median(ratios):.3f} x the plain loop ({min(ratios):.3f} to"
        f" {max(ratios):.3f} in {ROUNDS} rounds)"
    )


def square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE)))


def siamkit_loop(content: NDArray[np.uint8], style: NDArray[np.uint8]) -> Iterator[float]:
    with Workspace() as ws:
        for event in ws.paint(content, style, encoder="moments", steps=STEPS).events():
            if isinstance(event, PaintingStep):
                yield event.loss


def plain_loop(content: NDArray[np.uint8], style: NDArray[np.uint8]) -> Iterator[float]:
    network = folded()
    maps: dict[str, Tensor] = {}
    modules = dict(network.named_modules())
    for name, place in STYLE.items():
        modules[place].register_forward_hook(
            lambda _module, _inputs, output, name=name: maps.__setitem__(name, output)
        )

    def look(picture: Tensor) -> dict[str, Tensor]:
        planes = network.bn1(network.conv_stem(picture * 2 - 1))
        network.blocks[:4](planes)
        return dict(maps)

    goal, target = (as_planes(pixels) for pixels in (content, style))
    shifts = torch.randint(JITTER, (SHIFTS, 2), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        grams = {name: gram(layer) for name, layer in look(target).items()}
    goals: dict[int, Tensor] = {}
    picture = goal.clone().requires_grad_()
    optimiser = torch.optim.Adam([picture], lr=RATE)
    for step in range(STEPS):
        right, down = shifts[step % SHIFTS].tolist()
        frame = (right, JITTER - right, down, JITTER - down)
        if step % SHIFTS not in goals:
            with torch.no_grad():
                goals[step % SHIFTS] = look(pad(goal, frame, mode="reflect"))[CONTENT]
        optimiser.zero_grad()
        layers, wanted = look(pad(picture, frame, mode="reflect")), goals[step % SHIFTS]
        scale = (wanted - wanted.mean((2, 3), keepdim=True)).square().mean()
        loss = (layers[CONTENT] - wanted).square().mean() / scale
        for name, matrix in grams.items():
            distance = (gram(layers[name]) - matrix).square().sum() / matrix.square().sum()
            loss = loss + STYLE_WEIGHT * distance / len(grams)
        down_, right_ = picture.diff(dim=2), picture.diff(dim=3)
        loss = loss + TV_WEIGHT * (down_.square().mean() + right_.square().mean())
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            picture.clamp_(0, 1)
        yield loss.item()


def folded() -> torch.nn.Module:
    """Return timm's network with batch normalisation folded, and frozen weights."""
    network = lite0().eval().requires_grad_(False)
    pairs = [(network, "conv_stem", "bn1")]
    for block in network.blocks[:4].modules():
        names = [name for name, _ in block.named_children() if name.startswith("conv")]
        pairs += [(block, name, f"bn{number}") for number, name in enumerate(names, 1)]
    for owner, convolution, norm in pairs:
        before = getattr(owner, norm)
        fused = fuse(getattr(owner, convolution), before)
        setattr(owner, convolution, fused)
        setattr(owner, norm, before.act)
    return network


def fuse(convolution: torch.nn.Module, norm: torch.nn.Module) -> torch.nn.Module:
    """Fold a normalisation into a convolution that pads as TensorFlow does, by hand."""
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    convolution.weight = torch.nn.Parameter(
        convolution.weight * gain[:, None, None, None], requires_grad=False
    )
    bias = norm.bias - norm.running_mean * gain
    convolution.bias = torch.nn.Parameter(bias, requires_grad=False)
    return convolution


def as_planes(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def gram(maps: Tensor) -> Tensor:
    rows = maps[0].flatten(1)
    return rows @ rows.T / rows.shape[1]


if __name__ == "__main__":
    main()
