"""More identities to learn from: two of a batch exchange parts, and are two others from then on.

Nothing else makes identities where there are few; variants of one are still that one's. An
impostor of such a mixture is one in either part or in both, so one wrong part is enough.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.protocols import Mixes

    Rows = NDArray[np.int64]

SHARE = 0.5  # of the pairs of identities in a batch


def mixed(
    arrays: NDArray[Any],
    labels: Rows,
    impostor: NDArray[np.bool_],
    plugin: Mixes,
    rng: np.random.Generator,
) -> NDArray[Any]:
    """(b, …) arrays of a batch in which some pairs of identities have exchanged parts.

    Rows of an identity stand together, and keep their labels and marks.
    """
    made = arrays.copy()
    starts = np.flatnonzero(np.diff(labels, prepend=-1, append=-1))
    groups = [np.arange(a, b) for a, b in pairwise(starts)]
    for one, other in zip(groups[::2], groups[1::2], strict=False):
        if rng.random() >= SHARE:
            continue
        at = rng.random()
        for mine, theirs in ((one, other), (other, one)):
            rows, left, right = _parts(mine, theirs, impostor, rng)
            for row, a, b in zip(rows, left, right, strict=True):
                made[row] = plugin.mix(arrays[a], arrays[b], at)
    return made


def _parts(
    mine: Rows, theirs: Rows, impostor: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Rows, Rows, Rows]:
    """Rows to make, and whose parts: of an impostor, one part at least is an impostor's."""
    genuine, impostors = mine[~impostor[mine]], mine[impostor[mine]]
    their_impostors = _dealt(theirs[impostor[theirs]], len(impostors), rng)
    left, right = impostors.copy(), _dealt(theirs[~impostor[theirs]], len(impostors), rng)
    if len(their_impostors):
        part = rng.integers(3, size=len(impostors))  # an impostor's: the left, both, the right
        right = np.where(part == 0, right, their_impostors)
        left = np.where(part == 2, _dealt(genuine, len(impostors), rng), left)
    partners = _dealt(theirs[~impostor[theirs]], len(genuine), rng)
    return (
        np.concatenate([genuine, impostors]),
        np.concatenate([genuine, left]),
        np.concatenate([partners, right]),
    )


def _dealt(rows: Rows, count: int, rng: np.random.Generator) -> Rows:
    """So many of the rows in random order, none twice before all have come; [] of none."""
    if not len(rows):
        return rows
    return np.resize(rng.permutation(rows), count)
