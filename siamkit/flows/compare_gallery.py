"""Compare the templates of a gallery with each other, through its index.

Each sample is searched for once, so 100 000 samples take 100 000 searches and no square matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from siamkit.stats import audit as audit_stats
from siamkit.stats.audit import Cohesion
from siamkit.store.gallery_vectors import GalleryVectors, load_vectors
from siamkit.store.live_index import LiveIndex
from siamkit.types import Hits, Progress

NEAREST = 32  # templates that each sample is compared with
BATCH = 512  # samples per search
ALIKE = 0.1  # quantile of the cohesion of identities at which two of them count as one
LEAST_THRESHOLD = 0.5  # cosine, for a gallery without a threshold


@dataclass(frozen=True, slots=True, eq=False)
class ComparedGallery:
    """A gallery's n samples of m identities, and the nearest neighbours of each."""

    name: str
    enrolled: GalleryVectors
    cohesion: Cohesion
    hits: Hits  # (n, k): ids are sample numbers in 0 … n - 1, or -1
    threshold: float  # cosine at or above which two samples count as the same
    alike: float  # mean cosine at or above which two identities are as alike as one

    def near_identities(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Map pairs of identities, the smaller first, to their most similar samples.

        Holds pairs with a sample among the other's nearest, at a cosine of at least `alike`.
        """
        identity = self.enrolled.identity
        rows, columns = np.nonzero((self.hits.scores >= self.alike) & (self.hits.ids >= 0))
        near, scores = self.hits.ids[rows, columns], self.hits.scores[rows, columns]
        differs = identity[rows] != identity[near]
        rows, near, scores = rows[differs], near[differs], scores[differs]
        pairs: dict[tuple[int, int], tuple[int, int]] = {}
        for i in np.argsort(-scores, kind="stable").tolist():
            left, right = sorted((int(rows[i]), int(near[i])), key=lambda row: identity[row])
            pairs.setdefault((int(identity[left]), int(identity[right])), (left, right))
        return pairs

    def nearest_strangers(
        self, same_identities: frozenset[tuple[int, int]]
    ) -> Iterator[tuple[int, int, float]]:
        """Yield (sample, nearest sample of another identity, cosine).

        Skips samples that are the only one of their identity. `same_identities` count as one.
        """
        rows = np.flatnonzero(np.isfinite(self.cohesion.nearest))
        hits = Hits(self.hits.ids[rows], self.hits.scores[rows])
        columns = audit_stats.nearest_of_other_identity(
            hits, rows, self.enrolled.identity, same_identities
        )
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if column >= 0:
                other = int(self.hits.ids[row, column])
                yield row, other, float(self.hits.scores[row, column])


def compare_gallery(live: LiveIndex, progress: Progress) -> ComparedGallery | None:
    """Search a gallery for each of its own samples; None if it is empty."""
    enrolled = load_vectors(live.store, live.gallery)
    if not enrolled.samples:
        return None
    cohesion = audit_stats.measure_cohesion(enrolled.vectors, enrolled.identity)
    hits = _search_all(live, enrolled, progress)
    means = cohesion.mean[np.isfinite(cohesion.mean)]
    usual = float(np.quantile(means, ALIKE)) if len(means) >= audit_stats.MIN_VALUES else -1.0
    threshold = live.gallery.threshold
    decides = threshold.value if threshold else max(usual, LEAST_THRESHOLD)
    alike = max(decides, usual)
    return ComparedGallery(live.gallery.name, enrolled, cohesion, hits, decides, alike)


def _search_all(live: LiveIndex, enrolled: GalleryVectors, progress: Progress) -> Hits:
    """Return each sample's nearest as sample numbers; -1 for those enrolled meanwhile."""
    count = len(enrolled.ids)
    k = min(NEAREST, count)
    ids, scores = np.empty((count, k), np.int64), np.empty((count, k), np.float32)
    for start in range(0, count, BATCH):
        part = slice(start, start + BATCH)
        hits = live.search(enrolled.vectors[part], k)
        rows = np.searchsorted(enrolled.ids, hits.ids).clip(0, count - 1)
        is_stored = enrolled.ids[rows] == hits.ids
        ids[part] = np.where(is_stored, rows, -1)
        stored = np.einsum("nd,nkd->nk", enrolled.vectors[part], enrolled.vectors[rows])
        scores[part] = np.where(is_stored, stored, -np.inf)
        progress("comparing samples", min(start + BATCH, count), count)
    return Hits(ids, scores)
