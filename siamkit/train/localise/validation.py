"""Measure a localiser on the validation pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from siamkit.train.localise.config import MIN_SCORE
from siamkit.train.localise.losses import iou, losses
from siamkit.train.localise.model import Model

BATCH = 64
HIT = 0.5  # least IoU of a box that counts as right


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Answers of a localiser about m pictures, and the share that is right."""

    boxes: NDArray[np.float32]  # (m, 4) left, top, right, bottom as shares of the sides
    scores: NDArray[np.float32]  # (m,) p * c of the likeliest label
    labels: NDArray[np.int64]  # (m,) the likeliest
    loss: float
    error: float  # share of the pictures that are answered wrongly
    hits: float | None  # None without pictures of that kind
    right_labels: float | None
    iou: float | None
    auc: float | None


def measure(model: Model, rows: NDArray[np.int64], device: str) -> Measured:
    """Answer pictures as they are; see LocaliserEvaluated for the rates."""
    model.whole.eval()
    boxes, presences, labels, total = [], [], [], 0.0
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            batch = model.batch(rows[start : start + BATCH], None)
            answers = model.answer(batch, device)
            loss = losses(answers, batch.labels.to(device), batch.boxes.to(device)).total
            total += float(loss) * len(batch.labels)
            boxes.append(answers.boxes.cpu())
            presences.append(answers.presence.cpu().sigmoid())
            labels.append(answers.labels.cpu().softmax(dim=1))
    likeliest = torch.cat(labels).max(dim=1)
    presence, answered = torch.cat(presences).numpy(), likeliest.indices.numpy()
    scores = presence * likeliest.values.numpy()
    truth, expected = torch.from_numpy(model.dataset.boxes[rows]), model.dataset.labels[rows]
    overlaps = iou(torch.cat(boxes), truth).numpy()
    there = expected >= 0
    reported, right = scores >= MIN_SCORE, answered == expected
    correct = np.where(there, reported & right & (overlaps >= HIT), ~reported)
    return Measured(
        torch.cat(boxes).numpy(),
        scores,
        answered,
        total / len(rows),
        1 - float(correct.mean()),
        _mean(correct[there]),
        _mean(right[there]),
        _mean(overlaps[there]),
        auc(presence, there),
    )


def auc(scores: NDArray[np.float32], there: NDArray[np.bool_]) -> float | None:
    """Return the share of (object, nothing) pairs in the right order; ties count half."""
    if there.all() or not there.any():
        return None
    from scipy.stats import mannwhitneyu

    statistic = mannwhitneyu(scores[there], scores[~there]).statistic
    return float(statistic / (there.sum() * (~there).sum()))


def _mean(values: NDArray[np.bool_] | NDArray[np.float32]) -> float | None:
    return float(np.mean(values)) if len(values) else None
