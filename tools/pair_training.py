"""Fitting for tools/pair_scorer.py: networks (torch), trees (scikit-learn), calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from siamkit_questions.judge import CLIP

AXES = 64  # principal axes of the questions' vectors along which two vectors are compared
NETWORKS, HIDDEN, EPOCHS, RATE, DECAY, DROP, DROP_INPUT = 6, 64, 12, 2e-3, 0.1, 0.3, 0.1
BATCH = 128
TREES, LEAVES, DEPTH, TREE_RATE, TREE_DECAY = 150, 12, 5, 0.06, 5.0


def principal_axes(vectors: np.ndarray) -> np.ndarray:
    """Return (384, AXES) float32, the principal axes of (n, 384) vectors, widest first."""
    centred = vectors - vectors.mean(axis=0)
    _, eigenvectors = np.linalg.eigh(centred.T @ centred)
    axes = eigenvectors[:, ::-1][:, :AXES]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(AXES)])
    return axes.astype(np.float16).astype(np.float32)


def fit(
    lexical: np.ndarray, along: np.ndarray, label: np.ndarray, weight: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Fit the arrays that siamkit_questions.judge.logit reads, except `axes` and `calibration`.

    weight: (n, 2), for the networks and for the trees.
    """
    inputs = np.concatenate([lexical, along], axis=1)
    mean = inputs.mean(axis=0).astype(np.float32)
    scale = (1 / (inputs.std(axis=0) + 1e-3)).astype(np.float32)
    scaled = np.clip((inputs - mean) * scale, -CLIP, CLIP).astype(np.float32)
    layers = [_network(scaled, label, weight[:, 0], seed + k) for k in range(NETWORKS)]
    model = {
        "mean": mean,
        "scale": scale,
        "hidden weights": np.stack([layer[0] for layer in layers]).astype(np.float16),
        "hidden bias": np.stack([layer[1] for layer in layers]),
        "out weights": np.stack([layer[2] for layer in layers]),
        "out bias": np.stack([layer[3] for layer in layers]),
    }
    return model | _trees(lexical, label, weight[:, 1], seed)


def _network(
    inputs: np.ndarray, label: np.ndarray, weight: np.ndarray, seed: int
) -> tuple[np.ndarray, ...]:
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Dropout(DROP_INPUT),
        torch.nn.Linear(inputs.shape[1], HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Dropout(DROP),
        torch.nn.Linear(HIDDEN, 1),
    )
    x, y, w = (torch.tensor(part, dtype=torch.float32) for part in (inputs, label, weight))
    steps = len(x) // BATCH
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, EPOCHS * steps + 1)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for step in range(steps):
            part = order[step * BATCH : (step + 1) * BATCH]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                net(x[part])[:, 0], y[part], weight=w[part]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    hidden, out = net[1], net[4]
    arrays = hidden.weight.T, hidden.bias, out.weight[0], out.bias[0]
    return tuple(array.detach().numpy().copy() for array in arrays)


def _trees(
    lexical: np.ndarray, label: np.ndarray, weight: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    boosted = HistGradientBoostingClassifier(
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        max_depth=DEPTH,
        learning_rate=TREE_RATE,
        min_samples_leaf=20,
        l2_regularization=TREE_DECAY,
        early_stopping=False,
        random_state=seed,
    ).fit(lexical, label, sample_weight=weight)
    return flatten([stage[0].nodes for stage in boosted._predictors], boosted)


def flatten(trees: list[Any], boosted: HistGradientBoostingClassifier) -> dict[str, np.ndarray]:
    """Store scikit-learn's trees as flat arrays, in which a leaf is its own child."""
    feature, threshold, children, value, roots = [], [], [], [], []
    for nodes in trees:
        base = len(value)
        roots.append(base)
        for k, node in enumerate(nodes):
            leaf = bool(node["is_leaf"])
            feature.append(0 if leaf else int(node["feature_idx"]))
            threshold.append(0.0 if leaf else float(node["num_threshold"]))
            children.append(
                (base + k, base + k) if leaf else (base + node["left"], base + node["right"])
            )
            value.append(float(node["value"]))
    return {
        "tree feature": np.array(feature, dtype=np.uint8),
        "tree threshold": np.array(threshold, dtype=np.float32),
        "tree children": np.array(children, dtype=np.uint16),
        "tree value": np.array(value, dtype=np.float32),
        "tree roots": np.array(roots, dtype=np.uint16),
        "tree depth": np.array([DEPTH], dtype=np.uint8),
        "tree base": np.array([boosted._baseline_prediction.item()], dtype=np.float32),
    }


def fit_calibration(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return (2,) slope and offset of Platt's sigmoid."""
    model = LogisticRegression(C=1e6).fit(logits[:, None], label)
    return np.array([model.coef_[0, 0], model.intercept_[0]], dtype=np.float32)
