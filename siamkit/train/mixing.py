"""Make new identities to learn from: two of a batch exchange parts and become two others.

Nothing else adds identities where there are few; variants of one still belong to it. An impostor
of such a mixture is one in either part or in both, so one wrong part is enough.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.protocols import Mixes

Rows = NDArray[np.int64]

SHARE = 0.5  # of the pairs of identities in a batch are mixed


def mix_identities(
    arrays: NDArray[Any],
    labels: Rows,
    impostor: NDArray[np.bool_],
    modality: Mixes,
    rng: np.random.Generator,
) -> NDArray[Any]:
    """Return the (b, …) arrays of a batch in which some pairs of identities exchanged parts.

    Rows of one identity must stand together; every row keeps its label and its mark.
    """
    mixed = arrays.copy()
    starts = np.flatnonzero(np.diff(labels, prepend=-1, append=-1))
    identities = [np.arange(start, end) for start, end in pairwise(starts)]
    for first, second in zip(identities[::2], identities[1::2], strict=False):
        if rng.random() >= SHARE:
            continue
        at = rng.random()
        for identity, partner in ((first, second), (second, first)):
            rows, left, right = _choose_parts(identity, partner, impostor, rng)
            for row, a, b in zip(rows, left, right, strict=True):
                mixed[row] = modality.mix(arrays[a], arrays[b], at)
    return mixed


def _choose_parts(
    own: Rows, partner: Rows, impostor: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Rows, Rows, Rows]:
    """Return the rows to replace, and the rows that give their left and their right parts.

    At least one part of an impostor comes from an impostor.
    """
    genuine, impostors = own[~impostor[own]], own[impostor[own]]
    partner_genuine, partner_impostors = partner[~impostor[partner]], partner[impostor[partner]]
    wrong_right = _deal(partner_impostors, len(impostors), rng)
    left, right = impostors.copy(), _deal(partner_genuine, len(impostors), rng)
    if len(wrong_right):
        wrong = rng.integers(3, size=len(impostors))  # 0: the left part, 1: both, 2: the right
        right = np.where(wrong == 0, right, wrong_right)
        left = np.where(wrong == 2, _deal(genuine, len(impostors), rng), left)
    partners = _deal(partner_genuine, len(genuine), rng)
    return (
        np.concatenate([genuine, impostors]),
        np.concatenate([genuine, left]),
        np.concatenate([partners, right]),
    )


def _deal(rows: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Return `count` of the rows in random order, none twice before all have been dealt.

    Without rows, none are returned.
    """
    if not len(rows):
        return rows
    return np.resize(rng.permutation(rows), count)
