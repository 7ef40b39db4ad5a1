"""Scores and texts by a seed, for tests of evaluation and calibration."""

from __future__ import annotations

import random
import string

import numpy as np

from siamkit.stats.comparisons import Comparisons


def comparisons(
    identities: int = 60, per_identity: int = 4, shift: float = 2.5, seed: int = 0
) -> Comparisons:
    """All pairs of samples; equal normal distributions, `shift` deviations apart, as cosines."""
    labels = np.repeat(np.arange(identities), per_identity)
    left, right = np.triu_indices(len(labels), 1)
    a, b = labels[left], labels[right]
    rng = np.random.default_rng(seed)
    scores = 0.1 * (rng.normal(size=len(a)) + shift * (a == b))
    return Comparisons(scores, a == b, a, b)


def texts(identities: int = 40, per_identity: int = 3, seed: int = 0) -> list[tuple[str, str]]:
    """(identity, text): random letters, and the same with a few of them changed."""
    rng = random.Random(seed)
    out = []
    for number in range(identities):
        own = "".join(rng.choices(string.ascii_lowercase, k=60))
        for _ in range(per_identity):
            changed = list(own)
            for _ in range(rng.randrange(1, 12)):
                changed[rng.randrange(60)] = rng.choice(string.ascii_lowercase)
            out.append((f"id{number:03}", "".join(changed)))
    return out
