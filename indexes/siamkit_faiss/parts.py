"""Divide rows into parts by their nearest centroid (k-means), as an inverted file does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np
from numpy.typing import NDArray

from siamkit_faiss.openmp import bound_threads

if TYPE_CHECKING:
    from siamkit.types import Vectors

PROBED = 32  # parts that a row probes, at most
ROWS_PER_PART = 32  # training rows per centroid; more cost more time than they save later


def train_centroids(rows: Vectors, parts: int) -> Vectors:
    """Return (parts, dim) centroids of norm 1 of (n, dim) rows, by spherical k-means.

    In one thread: those of OpenMP spin while they wait, which on a busy machine costs more than
    a second one saves.
    """
    means = faiss.Kmeans(
        rows.shape[1],
        parts,
        niter=6,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=ROWS_PER_PART,
        seed=1,
    )
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        means.train(np.ascontiguousarray(rows))
    finally:
        faiss.omp_set_num_threads(before)
    centroids: Vectors = means.centroids
    return centroids


def training_rows(count: int, parts: int) -> NDArray[np.int64]:
    """Return the numbers of random rows of `count`, enough to train `parts` centroids."""
    rng = np.random.default_rng(0)
    return np.sort(rng.choice(count, min(count, parts * ROWS_PER_PART), replace=False))


def nearest_parts(vectors: Vectors, parts: int) -> NDArray[np.int32]:
    """Return (n, PROBED) parts: those whose centroids are nearest to each row, nearest first."""
    bound_threads()
    count = len(vectors)
    centroids = train_centroids(vectors[training_rows(count, parts)], parts)
    near = np.empty((count, PROBED), np.int32)
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 1  # use matrix products for any number of rows
    try:
        for start in range(0, count, 16_384):
            block = np.ascontiguousarray(vectors[start : start + 16_384])
            _, near[start : start + len(block)] = faiss.knn(
                block, centroids, PROBED, metric=faiss.METRIC_INNER_PRODUCT
            )
    finally:
        faiss.cvar.distance_compute_blas_threshold = before
    return near
