"""A gallery as arrays: who owns which vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from siamkit.store import samples, templates
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery
from siamkit.store.samples import Sample

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class GalleryVectors:
    """A gallery at one moment: row i of everything is one sample."""

    ids: Ids  # (n,) template ids, rising
    vectors: Vectors  # (n, dim)
    samples: list[Sample]  # (n,)
    names: list[str]  # (m,) sorted
    identity: Ids  # (n,) whose it is, in 0 … m - 1


def load_vectors(store: Store, gallery: Gallery) -> GalleryVectors:
    """All samples of a gallery with their templates."""
    import numpy as np

    with store.read():
        ids, vectors = templates.load_all(store, gallery)
        owned = {sample.id: sample for sample in samples.of_gallery(store, gallery)}
        of_template = templates.sample_ids(store, gallery)
    listed = [owned[of_template[i]] for i in ids.tolist()]
    names, identity = np.unique(
        np.array([sample.identity for sample in listed], object), return_inverse=True
    )
    return GalleryVectors(ids, vectors, listed, names.tolist(), identity.astype(np.int64))
