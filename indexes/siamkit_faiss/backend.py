"""The entry point of group `siamkit.indexes`: opens and drops indexes by key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.types import Cursor
from siamkit_faiss import snapshot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.types import Hits, Ids, Mined, Vectors
    from siamkit_faiss.index import FaissIndex


class Faiss:
    """Keeps its files in `ROOT/faiss/`, one pair a snapshot."""

    name = "faiss"

    def open(
        self, key: str, dim: int, *, root: Path, known: Callable[[Cursor], bool]
    ) -> tuple[FaissIndex, list[str]]:
        """The newest sound snapshot that belongs to the store's history, else an empty index."""
        from siamkit_faiss.index import FaissIndex

        folder, refused = root / self.name, []
        for found in snapshot.newest_first(folder, key):
            if not known(found.cursor):
                refused.append(f"{found.path.name} is of another history of this store")
                continue
            try:
                return FaissIndex(key, dim, folder, *snapshot.read(found, dim)), refused
            except snapshot.Refused as reason:
                refused.append(f"{found.path.name} {reason}")
                if not found.path.exists():  # another process has put a newer one in its place
                    return self.open(key, dim, root=root, known=known)
        return FaissIndex(key, dim, folder), refused

    def mine(
        self, vectors: Vectors, floor: float, *, memory: int
    ) -> tuple[Mapping[str, str | int | float | bool], Iterator[Mined]]:
        from siamkit_faiss import mining

        return mining.mine(vectors, floor, memory=memory)

    def nearest(
        self, vectors: Vectors, k: int, *, groups: Ids, below: NDArray[np.float32], recall: float
    ) -> Hits:
        from siamkit_faiss import apart

        return apart.nearest(apart.Rows(vectors, groups, below), k, recall=recall)

    def drop(self, prefix: str, *, root: Path, below: int | None = None) -> None:
        snapshot.drop(root / self.name, prefix, below)
