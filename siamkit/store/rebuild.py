"""Build a gallery's index anew from the store."""

from __future__ import annotations

from siamkit.errors import StoreError
from siamkit.store import Gallery, Store
from siamkit.store.live_index import LiveIndex
from siamkit.store.saved_indexes import backend_of, prefix_of
from siamkit.types import Progress, ignore_progress


def rebuild(store: Store, gallery: Gallery, progress: Progress = ignore_progress) -> LiveIndex:
    """Rebuild the index from the store. Raises StoreError if it cannot be saved or built."""
    backend = backend_of(gallery)
    try:
        store.create_index_root()
        backend.drop(prefix_of(store, gallery.id, backend), root=store.index_root)
        live = LiveIndex(store, gallery, save=False, announce=False)
        live.save()
        live.build(progress)
    except (OSError, RuntimeError) as error:
        raise StoreError(f"the index of {gallery.name} cannot be saved: {error}") from error
    return live
