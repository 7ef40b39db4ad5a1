"""Mine hard negatives of a data set, and write it with them as a table to train on.

Nothing is trained, and torch is not loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, NothingFound
from siamkit.io.sources import shorten
from siamkit.store import Store
from siamkit.train import mine_table
from siamkit.train.mine_samples import Samples, samples_of_data, samples_of_gallery
from siamkit.train.mine_table import Format
from siamkit.train.neighbours import ceilings, nearest_wrong
from siamkit.train.pairs import Rows
from siamkit.train.read_data import GALLERY, Layout, read_data
from siamkit.types import Progress, ignore_progress

MOST_SUSPECTS = 1_000  # that are named, the nearest first; all are counted
ANY = 2.0  # above every cosine


@dataclass(frozen=True, slots=True)
class MiningRule:
    """Chooses the negatives among an anchor's wrong neighbours: the nearest that are far enough.

    Far enough is below the cosine of siamkit.train.neighbours.ceilings, which is one to a positive
    of the anchor, by the larger margin, and below `ceiling`. A margin below 0 lets nearer ones in.

    Examples:
        >>> rule = sk.MiningRule()  # doctest: +SKIP
    """

    count: int = 3  # negatives of an anchor, at most
    margin: float = 0.0  # in the cosine
    relative_margin: float = 0.0  # share of the cosine to the positive; Moreira et al. 2024: 5 %
    ceiling: float = 1.0  # highest cosine of a negative
    skip: int = 0  # of the negatives of an anchor, how many to pass over, the nearest first

    def __post_init__(self) -> None:
        if self.count < 1 or self.skip < 0:
            raise BadInput(f"count = {self.count}, skip = {self.skip}: from 1, and from 0")
        if not (-2 <= self.margin <= 2 and -1 <= self.ceiling <= 1):
            raise BadInput(f"margin = {self.margin}, ceiling = {self.ceiling}: these are cosines")
        if not 0 <= self.relative_margin <= 1:
            raise BadInput(f"relative_margin = {self.relative_margin}: it is a share in [0, 1]")

    def limits(self, positives: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n,) cosines below which negatives are taken, by those to positives.

        -inf, of a row without a positive, stays -inf.
        """
        is_anchor = np.isfinite(positives)
        cosines = np.where(is_anchor, positives, 0)
        limits = cosines - np.maximum(self.margin, self.relative_margin * np.abs(cosines))
        return np.where(is_anchor, np.minimum(limits, self.ceiling), -np.inf).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Suspect:
    """Two samples of different identities, nearer to each other than to their own positives.

    Examples:
        >>> mined = ws.mine_negatives("photos", "hard.csv", modality="faces")  # doctest: +SKIP
        >>> mined.suspects  # doctest: +SKIP
    """

    a: str
    b: str
    label_a: str
    label_b: str
    cosine: float


@dataclass(frozen=True, slots=True)
class MinedNegatives:
    """The outcome of mining.

    Examples:
        >>> ws.mine_negatives("photos", "hard.csv", modality="faces")  # doctest: +SKIP
    """

    output: str
    format: Format
    rows: int  # of the table
    samples: int  # that were compared
    identities: int
    anchors: int  # samples with a positive
    without: int  # anchors of which no neighbour is far enough
    negatives: int  # mined pairs, each once
    passed_over: int  # wrong neighbours that are nearer than positives, of all anchors' nearest
    suspected: int  # pairs of which both samples are nearer to each other than to their positives
    suspects: list[Suspect]  # these, the nearest first, MOST_SUSPECTS at most
    faults: list[str]  # one per sample that could not be used
    notes: list[str]  # oddities of the data


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The wrong neighbours of samples: those to train on, and those that are too near for it."""

    negatives: Rows  # (n, k) nearest first, -1 where there is none
    anchors: NDArray[np.bool_]  # (n,)
    near: Rows  # (m, 2) an anchor, and a neighbour that is nearer than a positive
    near_cosines: NDArray[np.float32]  # (m,)
    mutual: NDArray[np.bool_]  # (m,) True if that holds for both, and the anchor has the lower row


def mine_negatives(
    origin: str,
    output: Path,
    open_pipeline: Callable[[], Pipeline],
    open_store: Callable[[], Store],
    *,
    modality: str,
    rule: MiningRule,
    layout: Layout,
    format: Format = "pairs",
    progress: Progress = ignore_progress,
) -> MinedNegatives:
    """Write a table of the data with hard negatives, for `siamkit train` to read as it is.

    origin: a folder, a table, or gallery:NAME, whose own templates are compared. output: written
    at the end, complete or not at all. See siamkit.train.mine_table for its formats.

    Raises BadInput for data or an output that cannot be used, NothingFound if no sample can be
    embedded or no neighbour is far enough, StoreError if there is no such gallery.
    """
    mine_table.require_output(output, origin)
    if origin.startswith(GALLERY):
        samples = samples_of_gallery(open_store(), origin.removeprefix(GALLERY), modality)
    else:
        pipeline = open_pipeline()
        data = read_data(origin, layout, is_text=pipeline.modality.kind == "text")
        samples = samples_of_data(data, pipeline, progress)
    if len(np.unique(samples.labels)) < 2:
        message = f"{shorten(origin)} holds one identity: it has no negatives"
        raise BadInput(_with_faults(message, samples))
    progress("mining", 0, 1)
    neighbours = find_neighbours(samples, rule)
    progress("mining", 1, 1)
    count = len(mine_table.mined_pairs(neighbours.negatives))
    if not count:
        message = f"no neighbour of {neighbours.anchors.sum():,} anchors is far enough from them"
        raise NothingFound(
            _with_faults(message, samples),
            hint="lower the margin, raise the ceiling, or add samples of other identities",
        )
    rows = mine_table.write(output, format, samples, neighbours.negatives)
    return _sum_up(output, format, rows, count, samples, neighbours)


def _sum_up(
    output: Path, format: Format, rows: int, count: int, samples: Samples, neighbours: Neighbours
) -> MinedNegatives:
    return MinedNegatives(
        output=str(output),
        format=format,
        rows=rows,
        samples=len(samples.examples),
        identities=len(np.unique(samples.labels)),
        anchors=int(neighbours.anchors.sum()),
        without=int((neighbours.anchors & (neighbours.negatives < 0).all(1)).sum()),
        negatives=count,
        passed_over=len(neighbours.near),
        suspected=int(neighbours.mutual.sum()),
        suspects=_suspects(samples, neighbours),
        faults=samples.faults,
        notes=samples.notes,
    )


def find_neighbours(samples: Samples, rule: MiningRule) -> Neighbours:
    """Find the wrong neighbours of each anchor, within its side of the split if one is stated."""
    count, k = len(samples.examples), rule.count
    limits = ceilings(samples.vectors, samples.labels, samples.impostor)
    negatives, nearest = (np.full((count, k), -1, np.int64) for _ in range(2))
    cosines = np.zeros((count, k), np.float32)  # to the nearest
    sides = np.array([example.split or "" for example in samples.examples])
    for side in np.unique(sides):
        rows = np.flatnonzero(sides == side)
        search = partial(
            nearest_wrong, samples.vectors[rows], samples.labels[rows], samples.impostor[rows]
        )
        far = search(below=rule.limits(limits)[rows], k=rule.skip + k).ids[:, rule.skip :]
        negatives[rows] = np.where(far < 0, -1, rows[far])
        hits = search(below=np.where(limits > -np.inf, ANY, limits)[rows], k=k)
        nearest[rows], cosines[rows] = np.where(hits.ids < 0, -1, rows[hits.ids]), hits.scores
    anchor, rank = np.nonzero((nearest >= 0) & (cosines >= limits[:, None]))
    neighbour, near_cosines = nearest[anchor, rank], cosines[anchor, rank]
    is_near = (near_cosines >= limits[neighbour]) & ~samples.impostor[neighbour]
    mutual = is_near & (anchor < neighbour)
    return Neighbours(
        negatives,
        np.isfinite(limits),
        np.stack([anchor, neighbour], 1),
        near_cosines,
        mutual,
    )


def _with_faults(message: str, samples: Samples) -> str:
    """Add to a message how many samples could not be used."""
    if not (faults := samples.faults):
        return message
    total = len(faults) + len(samples.examples)
    return f"{message}; {len(faults):,} of {total:,} samples could not be used: {faults[0]}"


def _suspects(samples: Samples, neighbours: Neighbours) -> list[Suspect]:
    pairs, cosines = neighbours.near[neighbours.mutual], neighbours.near_cosines[neighbours.mutual]
    order = np.argsort(-cosines, kind="stable")[:MOST_SUSPECTS]
    suspects: list[Suspect] = []
    for pair in order:
        a, b = (samples.examples[row] for row in pairs[pair])
        cosine = round(float(cosines[pair]), 4)
        suspects.append(Suspect(a.name, b.name, a.label, b.label, cosine))
    return suspects
