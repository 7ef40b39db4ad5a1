"""Train the network of `instances` that says which pixels a box or a point marks, and write it.

    python tools/mask_network.py DATA plugins/siamkit_segments/masks.onnx --checkpoint masks.pt

DATA/coco holds pictures of COCO 2017 with masks, in COCO's format. The backbone is the one of
`objects`, MobileNetV2 without its last layer, whose finest third stays as it is; the decoder goes
back up to 48 x 48 cells. `--half 0` trains on every second picture, from 0, so that
`benchmarks/masks.py DATA --graph FILE --half 1` measures on pictures it has not seen. The shipped
graph: `--half 0 --steps 430`, then from its checkpoint `--boxes 0.4 --steps 850` on all pictures:
half an hour of one core. Needs torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from mask_samples import Sample, Thing, draw_sample, read_things
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from siamkit.train.export import export_onnx, halve_weights
from siamkit_objects.objects import FOLDER
from siamkit_segments.network import CELLS, SIDE

BATCH, WARM_UP = 16, 50  # windows a step; steps of a rising learning rate
RATES = {"trunk": 3e-4, "rest": 2e-3}  # of AdamW, falling by a cosine
DECAY = 1e-3
LONGEST_STEP = 5.0  # norm of a gradient
OUTSIDE = 0.1  # weight of cells outside of the box
WIDTH = 64  # channels of the decoder
TAPS = ("_token_36", "_token_76", "_token_170", "_token_222")  # tensors at strides 4, 8, 16, 32
PROMPTS = 4  # maps: x and y in [-1, 1], in the box, the spot at the point


class Trunk(nn.Module):
    """MobileNetV2 as it is in the graph of `objects`: features at strides 4, 8, 16 and 32.

    The layers before stride 4 are not trained.
    """

    def __init__(self) -> None:
        super().__init__()
        graph = onnx.load(FOLDER / "detector.onnx").graph
        halves = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
        tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        tensors |= {name: tensors[half] for name, half in halves.items() if half in tensors}
        self.weights = nn.ParameterDict()
        self.steps: list[tuple[str, list[str], str, int, int]] = []  # …, stride, groups
        for node in graph.node:
            if node.op_type not in ("Conv", "Clip", "Add"):
                continue
            used = [name for name in node.input if node.op_type != "Clip" and name in tensors]
            for name in used:
                self.weights[name] = nn.Parameter(torch.tensor(tensors[name], dtype=torch.float32))
            settings = {entry.name: entry for entry in node.attribute}
            stride = settings["strides"].ints[0] if settings else 1
            groups = settings["group"].i if settings else 1
            self.steps.append((node.op_type, list(node.input), node.output[0], stride, groups))
            if node.output[0] == TAPS[-1]:
                break
        self.fixed = 1 + [step[2] for step in self.steps].index(TAPS[0])

    def forward(self, pixels: Tensor, prompt: Tensor) -> list[Tensor]:
        values = {"t0": pixels}
        with torch.no_grad():
            self._run(values, self.steps[: self.fixed])
        values[TAPS[0]] = values[TAPS[0]] + prompt
        self._run(values, self.steps[self.fixed :])
        return [values[name] for name in TAPS]

    def _run(self, values: dict[str, Tensor], steps: list[tuple[str, list[str], str, int, int]]):
        for kind, names, output, stride, groups in steps:
            inputs = [self.weights[n] if n in self.weights else values.get(n) for n in names]
            if kind == "Clip":
                values[output] = inputs[0].clamp(0, 6)
            elif kind == "Add":
                left, right = (
                    part.reshape(1, -1, 1, 1) if part.ndim < 4 else part for part in inputs
                )
                values[output] = left + right
            else:
                before = 0 if stride == 2 else 1  # TensorFlow pads the end first
                if inputs[1].shape[-1] == 3:
                    inputs[0] = F.pad(inputs[0], (before, 1, before, 1))
                bias = inputs[2].flatten() if len(inputs) > 2 else None
                values[output] = F.conv2d(inputs[0], inputs[1], bias, stride, 0, 1, groups)


def block(channels: int, out: int) -> nn.Sequential:
    """Return a separable convolution with two normalisations."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
        nn.Conv2d(out, out, 3, padding=1, groups=out, bias=False),
        nn.Conv2d(out, out, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    )


class MaskNet(nn.Module):
    """(n, 3, SIDE, SIDE) RGB of 0-255 and (n, 2, CELLS, CELLS) prompts to masks and qualities."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.prompt = nn.Conv2d(PROMPTS, 24, 3, padding=1)
        nn.init.zeros_(self.prompt.weight)
        nn.init.zeros_(self.prompt.bias)
        self.block32, self.block16 = block(320, WIDTH), block(96 + WIDTH, WIDTH)
        self.block8 = block(32 + WIDTH + PROMPTS, WIDTH)
        self.block4 = block(24 + WIDTH + PROMPTS, WIDTH // 2)
        half = WIDTH // 2
        self.mask = nn.Sequential(
            nn.Conv2d(half, half, 3, padding=1), nn.ReLU(), nn.Conv2d(half, 1, 1)
        )
        self.quality = nn.Sequential(nn.Linear(WIDTH + half + 1, 64), nn.ReLU(), nn.Linear(64, 1))
        at = (torch.arange(CELLS) + 0.5) / CELLS * 2 - 1
        places = torch.stack([at.expand(CELLS, CELLS), at[:, None].expand(CELLS, CELLS)])
        self.register_buffer("places", places[None], persistent=False)

    def forward(self, pixels: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the masks' logits (n, CELLS, CELLS) and those of their IoU (n,)."""
        prompts = torch.cat([self.places.expand(prompts.shape[0], -1, -1, -1), prompts], 1)
        s4, s8, s16, s32 = self.trunk(pixels / 127.5 - 1, self.prompt(prompts))
        deep = self.block32(s32)
        x = self.block16(torch.cat([s16, enlarged(deep, s16)], 1))
        x = self.block8(torch.cat([s8, enlarged(x, s8), F.avg_pool2d(prompts, 2)], 1))
        x = self.block4(torch.cat([s4, enlarged(x, s4), prompts], 1))
        logits = self.mask(x)
        chances = logits.sigmoid()
        size = chances.mean((2, 3))
        inside = (x * chances).mean((2, 3)) / (size + 0.01)
        summary = torch.cat([deep.mean((2, 3)), inside.detach(), size.detach()], 1)
        return logits[:, 0], self.quality(summary)[:, 0]


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class Served(nn.Module):
    """The network as it is written: probabilities instead of logits."""

    def __init__(self, network: MaskNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
        masks, qualities = self.network(windows, prompts)
        return masks.sigmoid(), qualities.sigmoid()


def loss(network: MaskNet, samples: list[Sample]) -> tuple[Tensor, Tensor]:
    """Return the loss of some windows, and (n,) the IoU of their masks."""
    pixels, prompts, targets = (
        torch.from_numpy(np.stack([getattr(sample, part) for sample in samples]))
        for part in ("window", "prompt", "target")
    )
    areas = torch.tensor([sample.area for sample in samples])
    has_box = torch.tensor([sample.has_box for sample in samples])[:, None, None]
    logits, qualities = network(pixels.contiguous(memory_format=torch.channels_last), prompts)
    inside = torch.where(has_box, prompts[:, 0], 1.0)
    weights = OUTSIDE + (1 - OUTSIDE) * inside
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") * weights
    chances = logits.sigmoid() * inside
    common = (chances * targets).sum((1, 2))
    dice = 1 - (2 * common + 1) / (chances.sum((1, 2)) + targets.sum((1, 2)) + 1)
    masks = (chances > 0.5).float()
    common = (masks * targets).sum((1, 2))
    iou = (common / (masks.sum((1, 2)) + areas - common).clamp(min=1)).clamp(0, 1).detach()
    error = entropy.mean((1, 2)) / weights.mean((1, 2)) + dice
    return error.mean() + 2 * F.mse_loss(qualities.sigmoid(), iou), iou


def train(network: MaskNet, things: list[Thing], steps: int, boxes: float) -> None:
    rng = np.random.default_rng(0)
    rest = [p for name, p in network.named_parameters() if not name.startswith("trunk")]
    groups = {"trunk": network.trunk.parameters(), "rest": rest}
    optimiser = torch.optim.AdamW(
        [{"params": groups[name], "lr": rate, "top": rate} for name, rate in RATES.items()],
        weight_decay=DECAY,
    )
    for step in range(steps):
        for group in optimiser.param_groups:
            falling = 0.5 + 0.5 * np.cos(np.pi * step / steps)
            group["lr"] = group["top"] * min(1, (step + 1) / WARM_UP) * falling
        picks = rng.integers(len(things), size=BATCH)
        error, iou = loss(network, [draw_sample(things[pick], boxes, rng) for pick in picks])
        optimiser.zero_grad()
        error.backward()
        nn.utils.clip_grad_norm_(network.parameters(), LONGEST_STEP)
        optimiser.step()
        if step % 25 == 24:
            print(f"step {step + 1}: loss {error:.3f}, IoU {iou.mean():.3f}", flush=True)


def write(network: MaskNet, out: Path) -> None:
    example = torch.rand(2, 3, SIDE, SIDE) * 255, torch.rand(2, 2, CELLS, CELLS)
    axes = {"windows": {0: "n"}, "prompts": {0: "n"}}
    graph = export_onnx(Served(network).eval(), example, axes, ("masks", "qualities"))
    out.write_bytes(halve_weights(graph))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", type=Path, help="file for the weights, for --start")
    parser.add_argument("--start", type=Path, help="weights to start from")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--boxes", type=float, default=0.6, help="share of windows with a box")
    parser.add_argument("--half", type=int, choices=(0, 1), help="every second picture")
    options = parser.parse_args()
    torch.manual_seed(0)
    network = MaskNet().to(memory_format=torch.channels_last)
    if options.start:
        network.load_state_dict(torch.load(options.start))
    things = [
        thing
        for thing in read_things(options.data)
        if options.half is None or thing.picture % 2 == options.half
    ]
    train(network.train(), things, options.steps, options.boxes)
    if options.checkpoint:
        torch.save(network.state_dict(), options.checkpoint)
    write(network.eval(), options.out)


if __name__ == "__main__":
    main()
