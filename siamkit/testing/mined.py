"""Rules of what an index backend may do beside: mine all pairs, and find hard negatives."""

from __future__ import annotations

import numpy as np

from siamkit.protocols import Contrasts, Mines
from siamkit.testing.outcome import Failure, NotRun
from siamkit.testing.place import COUNT, RECALL, K, share
from siamkit.testing.rows import rows
from siamkit.testing.subjects import IndexSubject


def check_mine_equals_brute(seen: IndexSubject) -> None:
    """mine, if there is one, finds every pair of at least that cosine, or the recall it says."""
    if not isinstance(seen.plugin, Mines):
        raise NotRun("it does not mine")
    vectors = rows(COUNT)
    facts, blocks = seen.plugin.mine(vectors, 0.5, memory=10**9)
    found = {p for b in blocks for p in zip(b.left.tolist(), b.right.tolist(), strict=True)}
    wanted = {*map(tuple, np.argwhere(np.triu(vectors @ vectors.T >= 0.5, 1)).tolist())}
    least = 1.0 if facts.get("exact", True) else min(RECALL, float(facts.get("recall", RECALL)))
    if found - wanted or len(found) < least * len(wanted):
        raise Failure(
            f"{least:.0%} of {len(wanted)} pairs",
            f"{len(found - wanted)} others, {len(wanted - found)} missing",
            "each pair once, the smaller row number left, never a row with itself",
        )  # fmt: skip


def check_nearest_keeps_apart(seen: IndexSubject) -> None:
    """nearest, if there is one, gives the best rows of other groups below each row's limit."""
    if not isinstance(seen.plugin, Contrasts):
        raise NotRun("it does not look for hard negatives")
    vectors, groups = rows(COUNT), np.arange(COUNT, dtype=np.int64) // 4
    below = np.linspace(0.2, 0.6, COUNT).astype(np.float32)
    below[::8] = -np.inf  # of which there is nothing to find
    cosines = vectors @ vectors.T
    cosines[(groups == groups[:, None]) | (cosines >= below[:, None])] = -np.inf
    ranked = np.argsort(-cosines, axis=1, kind="stable")[:, :K]
    wanted = np.where(np.isfinite(np.take_along_axis(cosines, ranked, axis=1)), ranked, -1)
    found = [
        seen.plugin.nearest(vectors, K, groups=groups, below=below, recall=RECALL).ids
        for _ in range(2)
    ]
    fix = "leave out the own group and cosines from `below` on; best first; fill up with -1"
    if found[0].shape != wanted.shape or not (found[0] == found[1]).all():
        raise Failure(
            f"ids {wanted.shape}, the same twice", f"{found[0].shape}, or others the next time", fix
        )  # fmt: skip
    taken = found[0] >= 0
    forbidden = ~np.isfinite(np.take_along_axis(cosines, np.where(taken, found[0], 0), axis=1))
    recall = share(found[0], wanted)
    if (wrong := int((forbidden & taken).sum())) or recall < RECALL:
        raise Failure(
            f"the {K} best of other groups below each row's limit",
            f"{wrong} rows of the own group or above it, and {recall:.0%} of what was wanted", fix,
        )  # fmt: skip


CHECKS = (check_mine_equals_brute, check_nearest_keeps_apart)
