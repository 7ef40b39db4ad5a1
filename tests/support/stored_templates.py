"""All templates of a gallery, as the store has them."""

from __future__ import annotations

import numpy as np

from siamkit.store import Gallery, Store, templates


def load_all(store: Store, gallery: Gallery) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) int64 ids in rising order and (n, dim) float32 vectors."""
    ids, vectors = [np.empty(0, np.int64)], [np.empty((0, gallery.space.dim), np.float32)]
    for block_ids, block in templates.blocks(store, gallery):
        ids.append(block_ids)
        vectors.append(block)
    return np.concatenate(ids), np.concatenate(vectors)
