"""A gallery as arrays: its vectors, and the identity of each."""

from __future__ import annotations

from dataclasses import dataclass

from siamkit.store import samples, templates
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery
from siamkit.store.samples import Sample
from siamkit.types import Ids, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class GalleryVectors:
    """A gallery at one moment; row i of every array and list is one sample."""

    ids: Ids  # (n,) template ids, rising
    vectors: Vectors  # (n, dim)
    samples: list[Sample]  # (n,)
    names: list[str]  # (m,) sorted
    identity: Ids  # (n,) index into `names`


def load_vectors(store: Store, gallery: Gallery) -> GalleryVectors:
    """Load all samples of a gallery with their templates."""
    import numpy as np

    with store.read():
        ids, vectors = templates.load_all(store, gallery)
        by_id = {sample.id: sample for sample in samples.of_gallery(store, gallery)}
        sample_ids = templates.sample_ids(store, gallery)
    store.warn_of_damage(gallery.name, sorted(by_id.keys() - set(sample_ids.values())))
    is_owned = np.array([sample_ids[i] in by_id for i in ids.tolist()], np.bool_)
    if not is_owned.all():  # its sample is damaged
        ids, vectors = ids[is_owned], vectors[is_owned]
    ordered = [by_id[sample_ids[template_id]] for template_id in ids.tolist()]
    names, identity = np.unique(
        np.array([sample.identity for sample in ordered], object), return_inverse=True
    )
    return GalleryVectors(ids, vectors, ordered, names.tolist(), identity.astype(np.int64))
