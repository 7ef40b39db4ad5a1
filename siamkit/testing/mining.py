"""Rules of an index backend's optional methods: mine all pairs, and find hard negatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siamkit.protocols import Contrasts, Mines
from siamkit.testing.index_fixtures import COUNT, RECALL, K, recall_of, rows
from siamkit.testing.rule import NotRun, require, rule
from siamkit.testing.subjects import IndexSubject

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

FLOOR = 0.5  # cosine of the pairs to mine


@rule("each pair once, the smaller row number left, never a row with itself")
def mine_equals_brute(subject: IndexSubject) -> None:
    """mine, if there is one, finds every pair of at least that cosine, or the recall it states."""
    if not isinstance(subject.plugin, Mines):
        raise NotRun("it does not mine")
    vectors = rows(COUNT)
    facts, blocks = subject.plugin.mine(vectors, FLOOR, memory=10**9)
    mined = {p for b in blocks for p in zip(b.left.tolist(), b.right.tolist(), strict=True)}
    pairs = {*map(tuple, np.argwhere(np.triu(vectors @ vectors.T >= FLOOR, 1)).tolist())}
    recall = 1.0 if facts.get("exact", True) else min(RECALL, float(facts.get("recall", RECALL)))
    others, missing = len(mined - pairs), len(pairs - mined)
    got = f"{others} others, {missing} missing of {len(pairs)} pairs, of which it owes {recall:.0%}"
    require(not others and len(mined) >= recall * len(pairs), got)


@rule("leave out the own group and cosines from `below` on; best first; fill up with -1")
def nearest_leaves_out_own_group(subject: IndexSubject) -> None:
    """nearest, if there is one, gives the best rows of other groups below each row's limit."""
    if not isinstance(subject.plugin, Contrasts):
        raise NotRun("it does not look for hard negatives")
    vectors, groups = rows(COUNT), np.arange(COUNT, dtype=np.int64) // 4
    below = np.linspace(0.2, 0.6, COUNT).astype(np.float32)
    below[::8] = -np.inf  # these rows have nothing to find
    allowed = _allowed_cosines(vectors, groups, below)
    ranked = np.argsort(-allowed, axis=1, kind="stable")[:, :K]
    best = np.where(np.isfinite(np.take_along_axis(allowed, ranked, axis=1)), ranked, -1)
    nearest, repeated = (
        subject.plugin.nearest(vectors, K, groups=groups, below=below, recall=RECALL).ids
        for _ in range(2)
    )
    same_twice = nearest.shape == best.shape and (nearest == repeated).all()
    require(same_twice, f"{nearest.shape}, not {best.shape}, or other ids the next time")
    cosines = np.take_along_axis(allowed, np.where(nearest >= 0, nearest, 0), axis=1)
    forbidden = int((~np.isfinite(cosines) & (nearest >= 0)).sum())
    recall = recall_of(nearest, best)
    got = f"{forbidden} rows of the own group or above the limit, and {recall:.0%} of the {K} best"
    require(not forbidden and recall >= RECALL, got)


def _allowed_cosines(
    vectors: Vectors, groups: Ids, below: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n, n) cosines, -inf within a group and from each row's limit on."""
    cosines = np.asarray(vectors @ vectors.T, np.float32)
    cosines[(groups == groups[:, None]) | (cosines >= below[:, None])] = -np.inf
    return cosines
