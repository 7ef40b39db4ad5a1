"""The entry point of group `siamkit.indexes`: open and delete indexes by key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.types import Cursor, Hits, Mined, Progress, ignore_progress
from siamkit_faiss import snapshot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors
    from siamkit_faiss.index import FaissIndex


class Faiss:
    """The FAISS backend. Keeps its files in `ROOT/faiss/`, two or three per snapshot."""

    name = "faiss"

    def open(
        self, key: str, dim: int, *, root: Path, known: Callable[[Cursor], bool]
    ) -> tuple[FaissIndex, list[str]]:
        """Open the newest sound snapshot in the store's history, else an empty index."""
        from siamkit_faiss import saving
        from siamkit_faiss.card import Refused
        from siamkit_faiss.index import FaissIndex

        folder, refused = root / self.name, []
        for saved in snapshot.newest_first(folder, key):
            if not known(saved.cursor):
                refused.append(f"{saved.path.name} is of another history of this store")
                continue
            try:
                opened, without_codes = saving.read(saved, dim)
                return FaissIndex(key, dim, folder, opened), refused + without_codes
            except Refused as reason:
                refused.append(f"{saved.path.name} {reason}")
                if not saved.path.exists():  # another process has replaced it by a newer one
                    return self.open(key, dim, root=root, known=known)
        return FaissIndex(key, dim, folder), refused

    def mine(
        self,
        vectors: Vectors,
        floor: float,
        *,
        memory: int,
        progress: Progress = ignore_progress,
    ) -> tuple[Mapping[str, str | int | float | bool], Iterator[Mined]]:
        """Find all near pairs, see siamkit.protocols.Mines."""
        from siamkit_faiss import mining

        return mining.mine(vectors, floor, memory=memory, progress=progress)

    def nearest(
        self, vectors: Vectors, k: int, *, groups: Ids, below: NDArray[np.float32], recall: float
    ) -> Hits:
        """Find each row's nearest rows of other groups, see siamkit.protocols.Contrasts."""
        from siamkit_faiss import other_groups

        return other_groups.nearest(other_groups.Rows(vectors, groups, below), k, recall=recall)

    def drop(self, prefix: str, *, root: Path, below: int | None = None) -> None:
        """Delete the snapshots of all keys that begin with a prefix, see IndexBackend."""
        snapshot.drop(root / self.name, prefix, below)

    def purge(self, prefix: str, ids: Ids, *, root: Path, seq: int) -> None:
        """Erase templates from all snapshots of keys that begin with a prefix, see Purges."""
        from siamkit_faiss import purge

        purge.purge(root / self.name, prefix, ids, seq)

    def remains(self, prefix: str, *, root: Path) -> str:
        """Return that nothing is left of purged vectors, see Purges."""
        return ""
