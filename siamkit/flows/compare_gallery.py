"""Compare the templates of a gallery with each other, through its index.

Each sample is searched for once, so 100 000 samples take 100 000 searches and no square matrix.
Vectors are read from the store where they are used, a block at a time: what stays in memory is some
60 bytes per sample, and the pairs of different identities that are alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import StoreError
from siamkit.stats import audit as audit_stats
from siamkit.stats.audit import Cohesion
from siamkit.store import Gallery, Store, samples, templates
from siamkit.store.gallery_vectors import stream_vectors
from siamkit.store.live_index import NEAR_WITHIN, LiveIndex
from siamkit.store.samples import Sample
from siamkit.types import Ids, Progress, Vectors

NEAREST = 32  # templates that each sample is compared with
BATCH = 512  # samples per search
ROWS_PER_BLOCK = 10_000  # vectors of whole identities in memory at once, unless one has more
ALIKE = 0.1  # quantile of the cohesion of identities at which two of them count as one
LEAST_THRESHOLD = 0.5  # cosine, for a gallery without a threshold
COPY = 0.99999  # cosine at or above which two templates are of one file


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """A gallery's n sound samples of m identities; row i of every array is one sample."""

    store: Store
    gallery: Gallery
    ids: Ids  # (n,) template ids, rising
    sample_ids: Ids  # (n,)
    identity: Ids  # (n,) index into `names`
    quality: NDArray[np.float64]  # (n,) NaN if it was not assessed
    names: list[str]  # (m,) sorted

    def read(self, *rows: int) -> list[Sample]:
        """Read samples from the store; none of them if one was forgotten meanwhile."""
        try:
            return [samples.get(self.store, int(self.sample_ids[row])) for row in rows]
        except StoreError:
            return []

    def fetch(self, rows: Ids) -> tuple[Ids, Vectors]:
        """Read templates of some rows: those that are still there, rising, and their vectors."""
        ids, vectors = templates.by_id(self.store, self.gallery, self.ids[rows].tolist())
        return np.searchsorted(self.ids, ids), vectors


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """Pairs of samples of different identities, by the first, then the most similar first."""

    rows: Ids  # (p,)
    near: Ids  # (p,) the row of the other sample
    scores: NDArray[np.float32]  # (p,)


@dataclass(frozen=True, slots=True, eq=False)
class ComparedGallery:
    """A gallery's samples, the cohesion of its identities, and who is like a stranger."""

    name: str
    enrolled: Enrolled
    cohesion: Cohesion
    strangers: Strangers  # among each sample's nearest; of all that are alike enough to matter
    threshold: float  # cosine at or above which two samples count as the same
    alike: float  # mean cosine at or above which two identities are as alike as one

    def near_identities(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Map pairs of identities, the smaller first, to their most similar samples.

        Holds pairs with a sample among the other's nearest, at a cosine of at least `alike`.
        """
        identity, strangers = self.enrolled.identity, self.strangers
        pairs: dict[tuple[int, int], tuple[int, int]] = {}
        alike = np.flatnonzero(strangers.scores >= self.alike)
        for i in alike[np.argsort(-strangers.scores[alike], kind="stable")].tolist():
            rows = int(strangers.rows[i]), int(strangers.near[i])
            left, right = sorted(rows, key=lambda row: identity[row])
            pairs.setdefault((int(identity[left]), int(identity[right])), (left, right))
        return pairs

    def mean_cosines(self, pairs: Ids) -> NDArray[np.floating]:
        """Return (k,) mean cosines between the samples of two identities, for (k, 2) of them."""
        numbers = np.unique(pairs)
        rows, vectors = self.enrolled.fetch(
            np.flatnonzero(np.isin(self.enrolled.identity, numbers))
        )
        identity = np.searchsorted(numbers, self.enrolled.identity[rows])
        local = np.searchsorted(numbers, pairs)
        return audit_stats.mean_cosines(vectors, identity, local, len(numbers))

    def nearest_strangers(
        self, same_identities: frozenset[tuple[int, int]]
    ) -> Iterator[tuple[int, int, float]]:
        """Yield (sample, nearest sample of another identity, cosine), where that is alike enough.

        Skips samples that are the only one of their identity. `same_identities` count as one.
        """
        strangers, is_reported = self.strangers, -1
        columns = strangers.rows.tolist(), strangers.near.tolist(), strangers.scores.tolist()
        for row, near, score in zip(*columns, strict=True):
            first, second = sorted(self.enrolled.identity[[row, near]].tolist())
            if row == is_reported or (first, second) in same_identities:
                continue
            is_reported = row
            if np.isfinite(self.cohesion.nearest[row]):
                yield row, near, score


def compare_gallery(live: LiveIndex, progress: Progress) -> ComparedGallery | None:
    """Search a gallery for each of its own samples; None if it is empty."""
    enrolled = _list_enrolled(live.store, live.gallery)
    if not len(enrolled.ids):
        return None
    cohesion = _measure_cohesion(enrolled)
    means = cohesion.mean[np.isfinite(cohesion.mean)]
    usual = float(np.quantile(means, ALIKE)) if len(means) >= audit_stats.MIN_VALUES else -1.0
    threshold = live.gallery.threshold
    decides = threshold.value if threshold else max(usual, LEAST_THRESHOLD)
    strangers = _find_strangers(live, enrolled, min(decides, COPY), progress)
    return ComparedGallery(
        live.gallery.name, enrolled, cohesion, strangers, decides, max(decides, usual)
    )


def _list_enrolled(store: Store, gallery: Gallery) -> Enrolled:
    numbers: dict[str, int] = {}
    ids, sample_ids, identity = ([np.empty(0, np.int64)] for _ in range(3))
    quality = [np.empty(0)]
    with store.read():
        for block_ids, _, owners in stream_vectors(store, gallery):
            ids.append(block_ids)
            sample_ids.append(np.array([sample.id for sample in owners], np.int64))
            labels = [numbers.setdefault(s.identity, len(numbers)) for s in owners]
            identity.append(np.array(labels, np.int64))
            quality.append(np.array([s.quality for s in owners], np.float64))  # None is NaN
    names = sorted(numbers)
    rank = np.empty(len(names), np.int64)
    rank[[numbers[name] for name in names]] = np.arange(len(names))
    return Enrolled(
        store,
        gallery,
        ids=np.concatenate(ids),
        sample_ids=np.concatenate(sample_ids),
        identity=rank[np.concatenate(identity)],
        quality=np.concatenate(quality),
        names=names,
    )


def _measure_cohesion(enrolled: Enrolled) -> Cohesion:
    """Compare the samples of each identity with each other, some identities at a time."""
    identity, count = enrolled.identity, len(enrolled.ids)
    sizes = np.bincount(identity)
    nearest, partner = np.full(count, np.nan), np.full(count, -1, np.int64)
    mean = np.full(len(sizes), np.nan)
    order = np.argsort(identity, kind="stable")
    order = order[sizes[identity[order]] > 1]
    ends = np.flatnonzero(np.diff(identity[order], append=-1)) + 1  # of each identity's rows
    start = 0
    while start < len(order):
        fitting = ends[(ends > start) & (ends <= start + ROWS_PER_BLOCK)]
        end = int(fitting[-1] if len(fitting) else ends[ends > start][0])
        rows, vectors = enrolled.fetch(order[start:end])
        numbers, local = np.unique(identity[rows], return_inverse=True)
        if len(rows):
            part = audit_stats.measure_cohesion(vectors, local)
            nearest[rows], mean[numbers] = part.nearest, part.mean
            partner[rows] = np.where(part.partner < 0, -1, rows[part.partner])
        start = end
    return Cohesion(nearest, partner, mean)


def _find_strangers(
    live: LiveIndex, enrolled: Enrolled, least: float, progress: Progress
) -> Strangers:
    """Search for each sample; return what is of another identity at a cosine of `least` or more."""
    count, done = len(enrolled.ids), 0
    rows, near = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    scores = [np.empty(0, np.float32)]
    for ids, vectors in templates.blocks(live.store, live.gallery, size=BATCH):
        hits = live.search(vectors, min(NEAREST, count))
        own, known = _rows_of(enrolled, ids)
        other, is_known = _rows_of(enrolled, hits.ids)
        is_known &= known[:, None] & (enrolled.identity[other] != enrolled.identity[own][:, None])
        is_known &= hits.scores >= least - NEAR_WITHIN
        at, columns = np.nonzero(is_known)
        exact = _score(enrolled, vectors[at], other[at, columns])
        is_alike = exact >= least
        rows.append(own[at][is_alike])
        near.append(other[at, columns][is_alike])
        scores.append(exact[is_alike])
        done += len(ids)
        progress("comparing samples", min(done, count), count)
    pairs = Strangers(np.concatenate(rows), np.concatenate(near), np.concatenate(scores))
    order = np.lexsort((pairs.near, -pairs.scores, pairs.rows))
    return Strangers(pairs.rows[order], pairs.near[order], pairs.scores[order])


def _rows_of(enrolled: Enrolled, ids: Ids) -> tuple[Ids, NDArray[np.bool_]]:
    """Return the rows of template ids, and False where there is none, as of one enrolled since."""
    rows = np.searchsorted(enrolled.ids, ids).clip(0, len(enrolled.ids) - 1)
    return rows, enrolled.ids[rows] == ids


def _score(enrolled: Enrolled, vectors: Vectors, near: Ids) -> NDArray[np.float32]:
    """Return the cosine of each vector to the stored template of a row; -inf if that is gone."""
    if not len(near):
        return np.empty(0, np.float32)
    rows, stored = enrolled.fetch(np.unique(near))
    if not len(rows):
        return np.full(len(near), -np.inf, np.float32)
    at = np.searchsorted(rows, near).clip(0, len(rows) - 1)
    exact = np.einsum("nd,nd->n", vectors, stored[at])
    return np.where(rows[at] == near, exact, -np.inf).astype(np.float32)
