"""The features of a frozen backbone: computed once, also for several runs on the same arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from siamkit.io import atomic
from siamkit.train.config import TrainConfig
from siamkit.train.folder import ARRAYS, FEATURES, PARENT, link, replacing
from siamkit.train.folder import FEATURES_KEY as KEY
from siamkit.train.validation import BATCH


def write_features(
    folder: Path, backbone: str, config: TrainConfig, trunk: nn.Module, arrays: NDArray[Any]
) -> None:
    """Write the features of a run's arrays, unless they are there, or a run beside it has them."""
    key = _key(folder, backbone, config)
    if _holds(folder, key, len(arrays)):
        return
    (folder / KEY).unlink(missing_ok=True)
    for sibling in _runs_beside(folder):
        if _holds(sibling, key, len(arrays)):
            link(sibling / FEATURES, folder / FEATURES)
            break
    else:
        _write(folder / FEATURES, trunk, arrays)
    atomic.replace_text(folder / KEY, key + "\n")


def _key(folder: Path, backbone: str, config: TrainConfig) -> str:
    """Return what features depend on, as JSON. Arrays that runs share are one file on the disk."""
    arrays = (folder / ARRAYS).stat()
    parent = folder / PARENT
    digest = hashlib.sha256(parent.read_bytes()).hexdigest() if parent.exists() else None
    seed = None if config.pretrained else config.seed  # of random weights
    versions = [version(name) for name in ("torch", "timm")]
    file = [arrays.st_dev, arrays.st_ino, arrays.st_size, arrays.st_mtime_ns]
    return json.dumps([backbone, config.pretrained, seed, digest, versions, file])


def _holds(folder: Path, key: str, count: int) -> bool:
    """True if a folder has the features of a key, for so many arrays."""
    path = folder / KEY
    if not path.exists() or path.read_text(encoding="utf-8", errors="replace").strip() != key:
        return False
    try:
        return len(np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False)) == count
    except (OSError, ValueError):  # absent or cut off
        return False


def _runs_beside(folder: Path) -> Iterator[Path]:
    """Yield the other runs of the same sweep or cross-validation."""
    for root in (folder.parent, folder.parent.parent):
        if (root / "sweep.json").exists() or (root / "folds.json").exists():
            yield from (path.parent for path in sorted(root.glob(f"*/*/{KEY}")))
            return


def _write(path: Path, trunk: nn.Module, arrays: NDArray[Any]) -> None:
    """Compute features batch by batch: they may exceed the memory."""
    trunk.eval()
    rows_of_all: np.memmap[Any, Any] | None = None
    with replacing(path) as partial, torch.inference_mode():
        for start in range(0, len(arrays), BATCH):
            batch = np.array(arrays[start : start + BATCH])  # a copy: those on disk are read-only
            rows = trunk(torch.from_numpy(batch)).float().numpy()
            if rows_of_all is None:
                shape = (len(arrays), *rows.shape[1:])
                rows_of_all = np.lib.format.open_memmap(partial, "w+", np.float32, shape)
            rows_of_all[start : start + len(rows)] = rows
        if rows_of_all is not None:
            rows_of_all.flush()
