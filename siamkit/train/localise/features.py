"""Features of a frozen backbone, computed once for variants of every picture."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamkit.errors import BadInput
from siamkit.io import atomic, foreign
from siamkit.sdk.onnx import session
from siamkit.train.arrays import write_arrays
from siamkit.train.device import pick_device
from siamkit.train.export import export_onnx
from siamkit.train.folder import FEATURES, replacing
from siamkit.train.localise.augment import vary
from siamkit.train.localise.config import LocaliserConfig
from siamkit.train.localise.network import Localiser
from siamkit.train.localise.prepare import NOTHING, Pictures, PreparedPictures
from siamkit.train.threads import map_ahead
from siamkit.types import Progress, ignore_progress

VIEW_BOXES, KEY = "features-boxes.npy", "features.json"
RunBackbone: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
AHEAD = 8  # pictures that are varied while one is computed


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """A picture and where its object is in each view."""

    name: str
    boxes: NDArray[np.float32]  # (1 + views, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Both maps of each view of each picture; view 0 is the picture as it is."""

    rows: NDArray[np.float16]  # (n, 1 + views, length), mapped from the disk
    boxes: NDArray[np.float32]  # (n, 1 + views, 4)
    fine: tuple[int, ...]  # (channels, height, width)
    coarse: tuple[int, ...]

    @property
    def views(self) -> int:
        return len(self.boxes[0]) - 1

    def maps(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the fine and the coarse maps of b pictures, each in one view."""
        flat = torch.from_numpy(self.rows[rows, views]).float()
        fine, coarse = torch.split(flat, [math.prod(self.fine), math.prod(self.coarse)], dim=1)
        return fine.reshape(-1, *self.fine), coarse.reshape(-1, *self.coarse)


def count_views(config: LocaliserConfig, pictures: int) -> int:
    """Return how many variants of each picture are worth computing: no more than are drawn."""
    drawn = math.ceil(config.steps * config.batch / max(1, pictures))
    return min(config.views, drawn) if config.augment else 0


def compute_features(
    folder: Path,
    network: Localiser,
    prepared: PreparedPictures,
    config: LocaliserConfig,
    progress: Progress = ignore_progress,
) -> None:
    """Write the features of all views into the folder of a run, unless they are there already."""
    dataset, key = prepared.dataset, _key(prepared, config)
    if _read_key(folder) == key:
        return
    (folder / KEY).unlink(missing_ok=True)
    views = count_views(config, int(dataset.training.sum()))
    run_backbone = _runner(Flat(network).eval(), dataset.arrays[:1], pick_device(config.device))
    rows = _compute(run_backbone, dataset, views, config.seed, progress)
    written = write_arrays(folder / FEATURES, rows, "siamkit")
    with replacing(folder / VIEW_BOXES) as temporary, temporary.open("wb") as file:
        np.save(file, np.stack([picture.boxes for picture in written]))
    atomic.replace_text(folder / KEY, json.dumps({"key": key}) + "\n")


def open_features(folder: Path, network: Localiser, config: LocaliserConfig) -> Features:
    """Return what `compute_features` wrote, mapped from the disk."""
    rows = np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False)
    boxes = np.load(folder / VIEW_BOXES, allow_pickle=False)
    return Features(rows, boxes, *_shapes(network, config.size))


def _key(prepared: PreparedPictures, config: LocaliserConfig) -> str:
    """Hash all that the features depend on (SHA-256)."""
    views = count_views(config, int(prepared.dataset.training.sum()))
    inputs = [prepared.digest, config.backbone, config.pretrained, config.size, config.seed, views]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def _read_key(folder: Path) -> str:
    try:
        return str(foreign.require_object(foreign.read_json(folder / KEY), "key")["key"])
    except (BadInput, ValueError):
        return ""


def _shapes(network: Localiser, size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    with torch.inference_mode():
        pixels = torch.zeros((1, size, size, 3), dtype=torch.uint8)
        fine, coarse = network.backbone.cpu().eval()(network.normalise(pixels))
    return tuple(fine.shape[1:]), tuple(coarse.shape[1:])


class Flat(nn.Module):
    """Pixels (n, size, size, 3) uint8 to both maps of the backbone in one row each."""

    def __init__(self, network: Localiser) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.network.backbone(self.network.normalise(pixels))
        return torch.cat([feature_map.float().flatten(1) for feature_map in maps], dim=1)


def _runner(backbone: Flat, example: NDArray[np.uint8], device: str) -> RunBackbone:
    """Return a function of (n, size, size, 3) uint8 pixels: (n, length) float32 features.

    On a processor ONNX Runtime needs less than half the time of torch.
    """
    if device == "cpu":
        probe = torch.from_numpy(np.array(example))
        graph = session(export_onnx(backbone, (probe,), {"pixels": {0: "n"}}, ["features"]))
        return lambda pixels: graph.run(None, {"pixels": pixels})[0]
    backbone.to(device)

    def run(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            features: NDArray[np.float32] = (
                backbone(torch.from_numpy(pixels).to(device)).cpu().numpy()
            )
        return features

    return run


def _compute(
    run_backbone: RunBackbone, dataset: Pictures, views: int, seed: int, progress: Progress
) -> Iterator[tuple[Views, NDArray[np.float16]]]:
    """Yield the views of each picture with their features, (1 + views, length).

    A picture for validation is only seen as it is; zeros stand for its other views.
    """
    count = len(dataset.arrays)
    vary_all = partial(_vary_all, dataset, views, seed)
    varied = map_ahead(vary_all, range(count), workers=1, ahead=AHEAD)
    for done, (picture, pixels) in enumerate(varied, 1):
        flat = run_backbone(pixels)
        features = np.zeros((1 + views, flat.shape[1]), np.float16)
        features[: len(flat)] = flat
        progress("computing features", done, count)
        yield picture, features


def _vary_all(
    dataset: Pictures, views: int, seed: int, row: int
) -> tuple[Views, NDArray[np.uint8]]:
    """Return a picture's views and their pixels, (1 or 1 + views, size, size, 3).

    A view depends on the seed, the picture's row and the view's number alone.
    """
    box = dataset.boxes[row]
    pixels, boxes = [np.array(dataset.arrays[row])], np.tile(box, (1 + views, 1))
    has_object = dataset.labels[row] != NOTHING
    for view in range(1, 1 + views if dataset.training[row] else 1):
        rng = np.random.default_rng([seed, row, view])
        variant, moved = vary(pixels[0], box if has_object else None, rng)
        pixels.append(variant)
        boxes[view] = box if moved is None else moved
    return Views(dataset.sources[row], boxes), np.stack(pixels)
