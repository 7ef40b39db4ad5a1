"""Train the network of `strokes`, which compares two signatures cell by cell, and write it.

    python tools/signature_strokes.py DATA plugins/siamkit_signatures/strokes --work FOLDER

DATA is that of benchmarks/signatures.py; only its training writers are used. FOLDER keeps the
encoder's features of augmented signatures and the trained weights: a killed run goes on with the
features that are there. A hand is a writer's signatures, and forgeries of them, all changed alike;
four in ten are mixed from two writers. The shipped graphs: 17 CPU minutes on one core. Then
`tools/shipped_calibrations.py DATA OUT --only strokes` measures its probabilities. Needs torch.
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, compose, helper
from stroke_network import COARSE, FINE, Strokes
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from signature_trials import Signature, read

from siamkit.sdk.onnx import session
from siamkit.train.export import export_onnx, halve_weights
from siamkit_signatures.augment import augment, mix
from siamkit_signatures.canvas import HEIGHT, WIDTH, fit, fold
from siamkit_signatures.ink import extract_ink
from siamkit_signatures.modality import SHIPPED, Signatures

BLOCKS = "/network/trunk/trunk.1/blocks/blocks."
TAPS = BLOCKS + "2/blocks.2.1/Add_output_0", BLOCKS + "4/blocks.4.2/Add_output_0"
GENUINE, FORGED = 7, 5  # signatures of a hand
CEDAR_SHARE = 2.0  # its writers are drawn so much oftener: there are few
MIXED = 0.4  # share of hands
SEED = 10_000_000
SHARD = 100  # hands a file
BATCH = 6  # hands
PAIRS = 12, 16, 4  # of a hand and a step: of two genuine, with a forgery, with another hand
RATE, DECAY, WARM_UP, AVERAGE, LONGEST_STEP = 3e-3, 0.05, 0.15, 0.99, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--hands", type=int, default=700)
    parser.add_argument("--steps", type=int, default=450)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    trunk = cut_trunk()
    shards = write_hands(options.data, options.work, options.hands, trunk)
    network = train([np.load(path, mmap_mode="r") for path in shards], options.steps)
    torch.save(network.state_dict(), options.work / "strokes.pt")
    options.out.mkdir(exist_ok=True)
    export(network.eval(), trunk, options.out)


def cut_trunk() -> onnx.ModelProto:
    """Return the shipped encoder from its input to the features of TAPS, for one view."""
    encoder = onnx.load(SHIPPED / "encoder.onnx")
    for tap, shape in zip(TAPS, (FINE, COARSE), strict=True):
        encoder.graph.value_info.append(
            helper.make_tensor_value_info(tap, TensorProto.FLOAT, ["n", *shape])
        )
    return onnx.ModelProto.FromString(
        onnx.utils.Extractor(encoder).extract_model(["arrays"], list(TAPS)).SerializeToString()
    )


def write_hands(data: Path, work: Path, hands: int, trunk: onnx.ModelProto) -> list[Path]:
    """Write the features of so many hands, (SHARD, 12, features) float16 a file."""
    paths = [work / f"hands-{start:05}.npy" for start in range(0, hands, SHARD)]
    if all(path.exists() for path in paths):
        return paths
    writers = read_writers(data)
    opened = session(trunk.SerializeToString())
    for number, path in enumerate(paths):
        if path.exists():
            continue
        rows = []
        for hand in range(number * SHARD, (number + 1) * SHARD):
            folded = np.stack([fold(canvas) for canvas in draw_hand(writers, SEED + hand)])
            features = opened.run(list(TAPS), {"arrays": folded})
            rows.append(np.concatenate([part.reshape(len(folded), -1) for part in features], 1))
        with (part := path.with_suffix(".part")).open("wb") as file:
            np.save(file, np.stack(rows).astype(np.float16))
        part.replace(path)
        print(path, flush=True)
    return paths


Writers = dict[tuple[str, int], tuple[list[np.ndarray], list[np.ndarray]]]


def read_writers(data: Path) -> Writers:
    """(set, writer) -> canvases of genuine signatures, and of forgeries, for training."""
    load, writers = Signatures().load, Writers()

    def canvas(signature: Signature) -> np.ndarray:
        return fit(extract_ink(load(data / signature.path).pixels))

    for signature in read(data):
        if not signature.validation:
            sides = writers.setdefault((signature.set, signature.writer), ([], []))
            sides[signature.forged].append(canvas(signature))
    return writers


def draw_hand(writers: Writers, seed: int) -> list[np.ndarray]:
    """Draw GENUINE signatures and FORGED forgeries of a writer, and vary them alike."""
    rng = np.random.default_rng(seed)
    names = sorted(writers)
    weights = np.array([CEDAR_SHARE if name == "CEDAR" else 1.0 for name, _ in names])
    key = names[rng.choice(len(names), p=weights / weights.sum())]

    def draw(name: tuple[str, int]) -> list[np.ndarray]:
        counts = zip(writers[name], (GENUINE, FORGED), strict=True)
        return [side[i] for side, n in counts for i in rng.permutation(len(side))[:n]]

    drawn = draw(key)
    if rng.random() < MIXED:
        same_set = [name for name in names if name[0] == key[0]]
        other = same_set[rng.integers(len(same_set))]
        if other != key:
            others, at = draw(other), rng.random()
            drawn = [mix(left, right, at) for left, right in zip(drawn, others, strict=True)]
    hand = int(rng.integers(1 << 62))
    return [
        augment(canvas, np.random.default_rng((hand, number)), np.random.default_rng(hand))
        for number, canvas in enumerate(drawn)
    ]


def train(shards: list[np.ndarray], steps: int) -> Strokes:
    """Return the average of the weights over the last steps."""
    torch.manual_seed(0)
    rng, network = np.random.default_rng(0), Strokes()
    average = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=WARM_UP)
    places = [(shard, row) for shard in shards for row in range(len(shard))]
    order: list[int] = []
    losses = []
    for step in range(1, steps + 1):
        if len(order) < BATCH:
            order = rng.permutation(len(places)).tolist()
        hands = [places[order.pop()] for _ in range(BATCH)]
        loss = loss_of(network, np.concatenate([shard[row] for shard, row in hands]), rng)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), LONGEST_STEP)
        optimiser.step()
        schedule.step()
        follow(average, network, min(AVERAGE, step / (step + 9)))
        losses.append(loss.item())
        if step % 50 == 0:
            print(f"step {step}: loss {np.mean(losses[-50:]):.4f}", flush=True)
    return average


def loss_of(network: Strokes, features: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Return the cross-entropy of pairs of BATCH hands, both kinds weighing the same."""
    fine, coarse = np.split(features.astype(np.float32), [int(np.prod(FINE))], axis=1)
    cells, keys = network.describe(
        torch.from_numpy(fine).view(-1, *FINE), torch.from_numpy(coarse).view(-1, *COARSE)
    )
    left, right, mated = draw_pairs(rng)
    logits = network.compare(cells[left], keys[left], cells[right], keys[right])
    weights = torch.where(mated > 0, sum(PAIRS[1:]) / PAIRS[0], 1.0)
    costs = F.binary_cross_entropy_with_logits(logits, mated, reduction="none")
    return (costs * weights).sum() / weights.sum()


def draw_pairs(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw PAIRS of each hand of a batch: rows of the left, of the right, and 1 for one hand."""
    size = GENUINE + FORGED
    genuine = np.array([(a, b) for a in range(GENUINE) for b in range(a)])
    forged = np.array([(a, b) for a in range(GENUINE) for b in range(GENUINE, size)])
    rows = []
    for hand in range(BATCH):
        for pairs, count, mated in ((genuine, PAIRS[0], 1), (forged, PAIRS[1], 0)):
            chosen = pairs[rng.permutation(len(pairs))[:count]] + hand * size
            rows += [(a, b, mated) for a, b in chosen.tolist()]
        for _ in range(PAIRS[2]):
            other = (hand + 1 + rng.integers(BATCH - 1)) % BATCH
            a, b = rng.integers(GENUINE, size=2)
            rows.append((hand * size + a, other * size + b, 0))
    left, right, mated = torch.tensor(rows).T
    return left, right, mated.float()


@torch.no_grad()
def follow(average: Strokes, network: Strokes, momentum: float) -> None:
    """Move the average towards the network."""
    pairs = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
    for mean, value in pairs:
        mean.copy_(torch.lerp(value, mean, momentum) if mean.is_floating_point() else value)


class _Part(torch.nn.Module):
    def __init__(self, method: Any, network: Strokes) -> None:
        super().__init__()
        self.method, self.network = method, network
        self.eval()  # the exporter leaves the mode as it was

    def forward(self, *arrays: torch.Tensor) -> Any:
        return self.method(*arrays)


def export(network: Strokes, trunk: onnx.ModelProto, out: Path) -> None:
    """Write describe.onnx, from folded canvases to cells and keys, and compare.onnx."""
    features = [torch.rand(2, *shape) for shape in (FINE, COARSE)]
    cells, keys = network.describe(*features)
    axes = {0: "n"}
    head = onnx.load_model_from_string(
        export_onnx(
            _Part(network.describe, network),
            tuple(features),
            {"fine": axes, "coarse": axes},
            ("cells", "keys"),
        )
    )
    joined = compose.merge_models(
        trunk,
        compose.add_prefix(head, "head/"),
        io_map=[(TAPS[0], "head/fine"), (TAPS[1], "head/coarse")],
    )
    (out / "describe.onnx").write_bytes(halve_weights(joined.SerializeToString()))
    names = "cells", "keys", "others", "other_keys"
    graph = export_onnx(
        _Part(network.compare, network),
        (cells, keys, cells, keys),
        dict.fromkeys(names, axes),
        ("logits",),
    )
    (out / "compare.onnx").write_bytes(halve_weights(graph))
    check(network, out)


def check(network: Strokes, out: Path) -> None:
    """Compare the graphs with the network. Raises SystemExit if they differ."""
    rng = np.random.default_rng(0)
    arrays = rng.integers(0, 255, (2, HEIGHT // 2, WIDTH // 2, 4), dtype=np.uint8)
    features = session(out / "describe.onnx").run(None, {"arrays": arrays})
    cells, keys = (torch.from_numpy(part) for part in features)
    by_network = network.compare(cells[:1], keys[:1], cells[1:], keys[1:]).detach().numpy()
    inputs = zip(("cells", "keys", "others", "other_keys"), (0, 0, 1, 1), strict=True)
    parts = {name: features[k % 2][[at]] for k, (name, at) in enumerate(inputs)}
    (by_graph,) = session(out / "compare.onnx").run(None, parts)
    if not np.allclose(by_network, by_graph, atol=0.02):
        raise SystemExit(f"the graphs differ from the network: {by_graph} {by_network}")


if __name__ == "__main__":
    main()
