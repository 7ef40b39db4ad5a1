"""Features of a frozen backbone, computed once for variants of every picture."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamkit.errors import BadInput
from siamkit.io import atomic, foreign
from siamkit.train.device import pick_device
from siamkit.train.folder import replacing
from siamkit.train.localise.augment import vary
from siamkit.train.localise.config import LocaliserConfig
from siamkit.train.localise.network import Localiser
from siamkit.train.localise.prepare import NOTHING, Pictures, PreparedPictures
from siamkit.train.threads import map_ahead
from siamkit.types import Progress, ignore_progress

FEATURES, VIEW_BOXES, KEY = "features.npy", "features-boxes.npy", "features.json"
BATCH = 32  # pictures that the backbone takes at once
AHEAD = 2  # batches that are varied while one is computed


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
    device = pick_device(config.device)
    views = count_views(config, int(dataset.training.sum()))
    length = sum(math.prod(shape) for shape in _shapes(network, config.size))
    shape = len(dataset.arrays), 1 + views, length
    network.to(device).eval()
    with replacing(folder / FEATURES) as partial, torch.inference_mode():
        features = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
        boxes = _fill(features, network, dataset, config.seed, device, progress)
        features.flush()
    with replacing(folder / VIEW_BOXES) as partial, partial.open("wb") as file:
        np.save(file, boxes)
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


def _fill(
    features: NDArray[np.float16],
    network: Localiser,
    dataset: Pictures,
    seed: int,
    device: str,
    progress: Progress,
) -> NDArray[np.float32]:
    """Compute features, which may exceed the memory, in batches; return the views' boxes."""
    boxes = np.zeros((*features.shape[:2], 4), np.float32)
    places = [
        (row, view)
        for row in range(features.shape[0])
        for view in range(features.shape[1] if dataset.training[row] else 1)
    ]
    batches = [places[start : start + BATCH] for start in range(0, len(places), BATCH)]
    varied = map_ahead(
        lambda batch: list(_variants(dataset, batch, seed)), batches, workers=1, ahead=AHEAD
    )
    done = 0
    for batch, variants in zip(batches, varied, strict=True):
        pixels = torch.from_numpy(np.stack([pixels for pixels, _ in variants])).to(device)
        maps = network.backbone(network.normalise(pixels))
        flat = torch.cat([each.float().flatten(1) for each in maps], dim=1).cpu().numpy()
        for (row, view), values, (_, box) in zip(batch, flat, variants, strict=True):
            features[row, view], boxes[row, view] = values, box
        done += len(batch)
        progress("computing features", done, len(places))
    return boxes


def _variants(
    dataset: Pictures, places: list[tuple[int, int]], seed: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Yield each view with its box. A view depends on the seed, its row and its number alone."""
    for row, view in places:
        pixels, box = np.array(dataset.arrays[row]), dataset.boxes[row]
        if view:
            rng = np.random.default_rng([seed, row, view])
            there = dataset.labels[row] != NOTHING
            pixels, moved = vary(pixels, box if there else None, rng)
            box = box if moved is None else moved
        yield pixels, box
