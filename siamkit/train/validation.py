"""Measure how well embeddings separate mated from non-mated pairs of validation identities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamkit.stats.metrics import eer
from siamkit.train.device import autocast
from siamkit.train.folder import EMBEDDINGS, replacing

BATCH = 128
MAX_SAMPLES = 4_000  # samples of which every pair is scored: 8 million pairs


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Cosines of all pairs of a set, each pair once."""

    mated: NDArray[np.float32]  # both genuine, of one identity
    impostor: NDArray[np.float32]  # a genuine sample and an impostor of one identity
    non_mated: NDArray[np.float32]  # both genuine, of two identities


def choose_rows(
    labels: NDArray[np.int64], impostor: NDArray[np.bool_], seed: int
) -> NDArray[np.int64]:
    """Return row numbers, all or MAX_SAMPLES of them.

    Of each identity as many are taken as of any other, and as many impostors as genuine samples,
    as far as there are enough.
    """
    if len(labels) <= MAX_SAMPLES:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    groups = 2 * labels[shuffled] + impostor[shuffled]
    order = np.argsort(groups, kind="stable")
    first = np.searchsorted(groups[order], groups[order])
    rank = np.empty(len(labels), np.int64)  # of each row in its group
    rank[order] = np.arange(len(labels)) - first
    return np.sort(shuffled[np.argsort(rank, kind="stable")[:MAX_SAMPLES]])


def embed(
    network: nn.Module, arrays: NDArray[Any], rows: NDArray[np.int64], device: str, precision: str
) -> Tensor:
    """Return (n, dim) float32 unit rows on the CPU, in evaluation mode, without augmentation."""
    was_training = network.training
    network.eval()
    embeddings = []
    with torch.inference_mode(), autocast(device, precision):
        for start in range(0, len(rows), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(arrays[rows[start : start + BATCH]]))
            embeddings.append(normalize(network(batch.to(device)).float(), dim=1).cpu())
    network.train(was_training)
    return torch.cat(embeddings).clone()


def score(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], impostor: NDArray[np.bool_]
) -> Scores:
    """Score every pair of (n, dim) unit rows."""
    cosines = embeddings @ embeddings.T
    same = labels[:, None] == labels
    genuine = ~impostor[:, None] & ~impostor
    upper = np.triu(np.ones_like(same), 1)
    return Scores(
        mated=cosines[same & genuine & upper],
        impostor=cosines[same & (impostor[:, None] ^ impostor) & upper],
        non_mated=cosines[~same & genuine & upper],
    )


def equal_error_rates(scores: Scores) -> tuple[float, float | None]:
    """Return the EER against other identities, and against impostors, None without any."""
    against_others = eer(scores.mated, scores.non_mated)[0]
    if not len(scores.impostor):
        return against_others, None
    return against_others, eer(scores.mated, scores.impostor)[0]


def write(
    run: Path,
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    impostor: NDArray[np.bool_],
    rows: NDArray[np.int64],
) -> None:
    """Save the embeddings that siamkit.train.plot draws, and the rows of the data set they are of.

    `siamkit train watch` shows the hardest triplets of them.
    """
    with replacing(run / EMBEDDINGS) as temporary, temporary.open("wb") as file:
        np.savez(file, embeddings=embeddings, labels=labels, impostor=impostor, rows=rows)
