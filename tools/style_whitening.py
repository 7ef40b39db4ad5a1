"""Fit the matrix that the encoder `moments` of `styles` ends with, and write it.

    python tools/style_whitening.py DATA MODELS [--cache FOLDER]

DATA and MODELS: as benchmarks/style_pictures.py takes them. Its part `fit` is drawn: photographs of
COCO in drawn styles, in filters, and in 8 styles of a network. FOLDER keeps the statistics between
runs. Writes plugins/siamkit_style/whitening.safetensors.

The matrix whitens the differences within styles, and keeps the leading axes of the styles' means:
K. Mikolajczyk and J. Matas, "Improving Descriptors for Fast Tree Matching by Optimal Linear
Projection", ICCV 2007. Every picture takes part as another camera shows it, and a painted
photograph also in its own colours, so that strokes count more than a palette.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from style_pictures import keep_colours, photographs, sets, vary

from siamkit.sdk.graph_writer import GraphWriter, Port
from siamkit.sdk.onnx import session
from siamkit_style.networks import WHITENING, append_statistics
from siamkit_style.statistics import SIDE

DIM = 96  # of the vectors
SHRINKAGE = 0.3  # of the covariance within styles, towards a multiple of the identity
IN_OWN_COLOURS = ("net26", "painted")
BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    cached = options.cache / "statistics.npz" if options.cache else None
    if cached is not None and cached.exists():
        stored = np.load(cached)
        rows, labels = stored["rows"], stored["labels"]
    else:
        rows, labels = compute_statistics(options.data, options.models)
        if cached is not None:
            np.savez(cached, rows=rows, labels=labels)
    mean, matrix = fit(rows.astype(np.float64), labels)
    tensors = {"mean": mean.astype(np.float32), "matrix": matrix.astype(np.float16)}
    save_file(tensors, WHITENING)
    print(f"{len(rows)} pictures of {len(np.unique(labels))} styles: {WHITENING}")


def compute_statistics(data: Path, models: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 512) statistics of the fitted pictures, and (n,) names of their styles."""
    graph = GraphWriter()
    append_statistics(graph, output="statistics")
    pixels = Port("pixels", "uint8", ("n", SIDE, SIDE, 3))
    network = session(graph.model("statistics", [pixels], [Port("statistics", "float32", None)]))
    shown, rows, labels, batch = photographs(data, "fit"), [], [], []
    for name, pictures in sets("fit", data, models).items():
        for style, content, picture in pictures:
            variants = [vary(picture, f"fit/{name}/{style}/{content}")]
            if name in IN_OWN_COLOURS:
                own = keep_colours(picture, shown[content])
                variants.append(vary(own, f"fit/{name}/{style}/{content}"))
            size = (SIDE, SIDE)
            batch += [cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in variants]
            labels += [f"{name}/{style}"] * len(variants)
            if len(batch) >= BATCH:
                rows += network.run(None, {"pixels": np.stack(batch)})
                batch = []
        print(name, flush=True)
    if batch:
        rows += network.run(None, {"pixels": np.stack(batch)})
    return np.concatenate(rows), np.array(labels)


def fit(rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the (k,) mean and the (k, DIM) matrix for (n, k) statistics of named styles."""
    mean = rows.mean(axis=0)
    centred = rows - mean
    names, style = np.unique(labels, return_inverse=True)
    means = np.stack([centred[style == number].mean(axis=0) for number in range(len(names))])
    within = np.cov(centred - means[style], rowvar=False, bias=True)
    within += SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
    whitening = np.linalg.cholesky(np.linalg.inv(within))
    axes = np.linalg.svd((means - means.mean(axis=0)) @ whitening, full_matrices=False)[2]
    return mean, whitening @ axes[:DIM].T


if __name__ == "__main__":
    main()
