"""How well the embeddings of identities never trained on tell mated from non-mated pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamkit.stats.metrics import eer
from siamkit.train.device import autocast
from siamkit.train.durable import replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 128
MOST = 4_000  # samples whose every pair is scored: 8 million pairs
EMBEDDINGS = "validation.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Cosines of all pairs of a set, each once."""

    mated: NDArray[np.float32]  # both genuine, of one identity
    impostor: NDArray[np.float32]  # a genuine sample and an impostor of one identity
    non_mated: NDArray[np.float32]  # both genuine, of two identities


def choose_rows(
    labels: NDArray[np.int64], impostor: NDArray[np.bool_], seed: int
) -> NDArray[np.int64]:
    """Row numbers, all or MOST of them: of each identity as many as of any other, if it has them,
    and as many impostors as genuine ones.
    """
    if len(labels) <= MOST:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    groups = 2 * labels[shuffled] + impostor[shuffled]
    order = np.argsort(groups, kind="stable")
    first = np.searchsorted(groups[order], groups[order])
    turn = np.empty(len(labels), np.int64)  # the n-th row of its group
    turn[order] = np.arange(len(labels)) - first
    return np.sort(shuffled[np.argsort(turn, kind="stable")[:MOST]])


def embed(
    network: nn.Module, arrays: NDArray[Any], rows: NDArray[np.int64], device: str, precision: str
) -> Tensor:
    """(n, dim) float32 unit rows on the CPU, in evaluation mode, without augmentation."""
    training = network.training
    network.eval()
    parts = []
    with torch.inference_mode(), autocast(device, precision):
        for start in range(0, len(rows), BATCH):
            part = torch.from_numpy(np.ascontiguousarray(arrays[rows[start : start + BATCH]]))
            parts.append(normalize(network(part.to(device)).float(), dim=1).cpu())
    network.train(training)
    return torch.cat(parts).clone()


def score(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], impostor: NDArray[np.bool_]
) -> Scores:
    """Every pair of (n, dim) unit rows."""
    cosines = embeddings @ embeddings.T
    same = labels[:, None] == labels
    both = ~impostor[:, None] & ~impostor
    upper = np.triu(np.ones_like(same), 1)
    return Scores(
        mated=cosines[same & both & upper],
        impostor=cosines[same & (impostor[:, None] ^ impostor) & upper],
        non_mated=cosines[~same & both & upper],
    )


def errors(scores: Scores) -> tuple[float, float | None]:
    """Equal error rates against other identities, and against impostors if there are."""
    others = eer(scores.mated, scores.non_mated)[0]
    return others, eer(scores.mated, scores.impostor)[0] if len(scores.impostor) else None


def write(
    run: Path,
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    impostor: NDArray[np.bool_],
) -> None:
    """What the histograms and the map of the report are drawn from."""
    with replacing(run / EMBEDDINGS) as aside, aside.open("wb") as file:
        np.savez(file, embeddings=embeddings, labels=labels, impostor=impostor)
