"""Write a localiser as a detector folder, and check its graph against torch."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from siamkit.errors import PluginError
from siamkit.models.detectors import open_detector
from siamkit.sdk.detector_folder import DetectorCard, write_folder
from siamkit.sdk.onnx import session
from siamkit.train.card import PACKAGES
from siamkit.train.export import export_onnx
from siamkit.train.localise.config import MIN_SCORE
from siamkit.train.localise.network import Localiser, Served
from siamkit.train.localise.prepare import Pictures
from siamkit.train.localise.validation import Measured

if TYPE_CHECKING:
    from siamkit.train.localise.run import LocaliserRun

PROBES = 16  # pictures that the graph and torch are compared on
SAME_BOX = 0.01  # px of the network's square, highest difference of a side
SAME_SCORE = 1e-4  # highest difference of a probability


def export_graph(network: Localiser, arrays: NDArray[np.uint8]) -> bytes:
    """Return the ONNX graph of a network: normalised pixels (n, 3, size, size) to y, see Served.

    arrays: (n, size, size, 3); the graph is checked on PROBES of them. Raises PluginError if the
    network cannot be written as ONNX, or answers otherwise than torch.
    """
    served = Served(network).eval().cpu()
    rows = np.unique(np.linspace(0, len(arrays) - 1, PROBES).astype(np.int64))
    probes = network.normalise(torch.from_numpy(np.array(arrays[rows])))
    graph = export_onnx(served, (probes[:2],), {"pixels": {0: "n"}}, ["y"])
    with torch.inference_mode():
        expected = served(probes).numpy()
    answers = session(graph).run(None, {"pixels": probes.numpy()})[0]
    difference = np.abs(answers - expected).max(axis=0)
    box = float(difference[1:5].max()) * arrays.shape[1]
    score = float(np.delete(difference, slice(1, 5)).max())
    if not (box <= SAME_BOX and score <= SAME_SCORE):
        raise PluginError(
            f"the exported graph differs from torch: boxes by {box:.4f} px, scores by {score:.6f}"
        )
    return graph


def detector_card(
    run: LocaliserRun, network: Localiser, step: int, validation: dict[str, Any] | None
) -> DetectorCard:
    """Return the card of a detector: how it is served, and how it was trained.

    It names no picture: a card travels.
    """
    dataset, size = run.prepared.dataset, run.config.size
    return DetectorCard(
        name=run.origin.name,
        plugin="objects",
        family="localiser",
        labels=tuple(dataset.names),
        input={
            "size": [size, size],
            "resize": "stretch",
            "interpolation": "area",
            "channels": "RGB",
            "layout": "NCHW",
            "scale": 1 / 255,
            "mean": list(network.mean),
            "std": list(network.std),
            "pad": 0.0,
        },
        decode={},
        min_score=MIN_SCORE,
        iou=None,
        max_regions=1,
        licence=run.origin.licence,
        source="trained with siamkit; see training",
        training={
            "data": {
                "train": _counts(dataset, dataset.training),
                "validation": _counts(dataset, ~dataset.training),
                "split": "by picture",
                "licence": run.origin.licence,
            },
            "config": asdict(run.config),
            "step": step,
            "versions": {name: version(name) for name in PACKAGES},
            **({"validation": validation} if validation else {}),
        },
    )


def validation_facts(
    measured: Measured, dataset: Pictures, rows: NDArray[np.int64]
) -> dict[str, Any]:
    """Return the rates of a card, JSON values."""
    names = {"hits": measured.hits, "labels": measured.right_labels, "iou": measured.iou}
    rates = {"error": measured.error, **names, "auc": measured.auc}
    return {
        **{name: None if rate is None else round(rate, 4) for name, rate in rates.items()},
        "pictures": len(rows),
        "nothing": int((dataset.labels[rows] < 0).sum()),
        "read": "the step was chosen by these very pictures, so they flatter a little",
    }


def write_detector(folder: Path, graph: bytes, card: DetectorCard) -> None:
    """Write a detector folder. Raises if it cannot be opened."""
    write_folder(folder, graph, card)
    open_detector(str(folder))


def _counts(dataset: Pictures, rows: NDArray[np.bool_]) -> dict[str, int]:
    labels = dataset.labels[rows]
    return {
        **{name: int((labels == number).sum()) for number, name in enumerate(dataset.names)},
        "nothing": int((labels < 0).sum()),
    }
