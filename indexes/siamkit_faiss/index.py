"""One gallery's index: an immutable snapshot plus the changes since."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.sdk.nearest import best_hits, merge_hits, no_hits
from siamkit.types import Cursor, Hits
from siamkit_faiss import saving, structure
from siamkit_faiss.additions import Additions
from siamkit_faiss.openmp import bound_threads
from siamkit_faiss.saving import Opened
from siamkit_faiss.segment import Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Progress, Vectors

SAVE_AFTER = 1_000  # changes, or 5 % of the snapshot if that is more
SCANNED_SHARE = 16  # a search for more candidates than 1/16 of the rows scans them all


class FaissIndex:
    """An index: exact without codes; with them, candidates of measured recall, scored exactly.

    A removed id is masked in the snapshot; an added one is searched separately and exactly.
    `save` folds both into a new snapshot, and extends its codes. `build` makes the codes.
    """

    def __init__(self, key: str, dim: int, folder: Path, opened: Opened | None = None) -> None:
        self._key, self._dim, self._folder = key, dim, folder
        self._opened = opened
        self._additions = Additions(folder, key, dim)

    @property
    def exact(self) -> bool:
        """True if searches find the true nearest."""
        return self._opened is None or self._opened.codes is None

    def __len__(self) -> int:
        return sum(map(len, self._segments()))

    def cursor(self) -> Cursor:
        """Return the last change that the snapshot holds."""
        return self._opened.snapshot.cursor if self._opened else Cursor()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add (n, dim) unit vectors under (n,) ids; an id that is there is replaced."""
        if len(ids):
            self.remove(ids)
            self._additions.add(ids, vectors)

    def remove(self, ids: Ids) -> None:
        """Remove (n,) ids; unknown ones are ignored."""
        self._additions.mask(ids)
        if self._opened and len(ids):
            self._opened.rows.mask(ids)

    def search(self, vectors: Vectors, k: int, *, within: Ids | None = None) -> Hits:
        """Find the k nearest of each of (n, dim) unit vectors, best first; ids are -1 at the end.

        within: (m,) ids to search among, exactly.
        """
        bound_threads()
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        parts = [no_hits(len(vectors))]
        for segment in self._segments():
            if within is not None:
                scores, rows = segment.search_within(vectors, k, within)
            elif self._opened and segment is self._opened.rows:
                scores, rows = self._search_saved(vectors, k)
            else:
                scores, rows = segment.search(vectors, k)
            parts.append(Hits(np.where(rows < 0, -1, segment.ids[rows]), scores))
        return merge_hits(parts, k)

    def due(self) -> bool:
        """Return True if saving now makes the next opening cheaper."""
        if not self._opened:
            return len(self._additions) > 0
        if self._additions.has_file:
            return True
        return self._changed() > max(SAVE_AFTER, len(self._opened.rows.ids) // 20)

    def save(self, cursor: Cursor) -> None:
        """Write a snapshot named after the last change it holds. Raises OSError, RuntimeError."""
        added = self._additions
        self._opened = saving.save(self._folder, self._key, self._dim, cursor, self._opened, added)
        self._additions = Additions(self._folder, self._key, self._dim)
        added.close()

    def wants_build(self) -> bool:
        """Return True if the snapshot is large and has no codes, or has outgrown them."""
        return self._opened is not None and saving.wants_build(self._opened)

    def build(self, progress: Progress) -> None:
        """Make the codes of the snapshot. Raises OSError, RuntimeError."""
        if self._opened:
            self._opened = saving.build(self._opened, progress)

    def describe(self) -> Mapping[str, str | int | float | bool]:
        """Return the structure, size and measured recall."""
        card = self._opened.card if self._opened else None
        codes = card.codes if card else None
        size = (card.rows.bytes if card else 0) + (codes.file.bytes if codes else 0)
        facts = {"nprobe": codes.nprobe, "candidates": codes.candidates} if codes else {}
        scanned = "Flat" if card else "not saved yet"
        return {
            "structure": f"{codes.structure},Refine(Flat)" if codes else scanned,
            "exact": self.exact,
            "recall": codes.recall if codes else 1.0,
            **facts,
            "built": not self.wants_build(),
            "templates": len(self),
            "since_saved": self._changed(),
            "bytes": size,
        }

    def close(self) -> None:
        """Release the mapped snapshot."""
        self._opened = None
        self._additions.close()

    def _segments(self) -> list[Segment]:
        """Return what was saved, and what was added since."""
        saved = [self._opened.rows] if self._opened and len(self._opened.rows.ids) else []
        return [*saved, *self._additions.segments()]

    def _changed(self) -> int:
        return len(self._additions) + (self._opened.rows.masked if self._opened else 0)

    def _search_saved(self, vectors: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Find the k nearest rows of the snapshot: by codes, then exactly among candidates.

        More hits than the parameters were measured with need more candidates, of more lists. Where
        a product of matrices costs less for a batch, all rows are scored.
        """
        assert self._opened
        rows, codes, built = self._opened.rows, self._opened.codes, self._opened.card.codes
        effort = max(1.0, k / structure.K)
        count = math.ceil(built.candidates * effort) if built else 0
        if not (codes and built) or count * SCANNED_SHARE > len(rows.ids):
            return rows.search(vectors, k)
        nprobe = min(codes.index.nlist, math.ceil(built.nprobe * math.sqrt(effort)))
        share = nprobe / codes.index.nlist
        if structure.products_are_cheaper(len(vectors), rows, share, count):
            return rows.search(vectors, k)
        candidates = structure.find_candidates(codes.index, vectors, count, nprobe, rows)
        hits = best_hits(candidates, rows.score(vectors, candidates), k)
        return hits.scores, hits.ids
