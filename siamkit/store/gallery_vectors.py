"""A gallery as arrays: its vectors, and the identity of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from siamkit.store import samples, templates
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery
from siamkit.store.samples import Sample
from siamkit.types import Ids, Vectors

ROWS_PER_BLOCK = 5_000  # templates and samples in memory at once: about 6 MB at 128 numbers
_OWNERS = f"""
SELECT {samples.COLUMNS}, t.id FROM {samples.TABLES}
JOIN templates t ON t.sample_id = s.id AND t.gallery_id = s.gallery_id
WHERE t.gallery_id = ? AND t.id BETWEEN ? AND ?
"""
_BARE = """
SELECT s.id FROM samples s WHERE s.gallery_id = ? AND NOT EXISTS
  (SELECT 1 FROM templates t WHERE t.sample_id = s.id AND t.gallery_id = s.gallery_id)
"""


@dataclass(frozen=True, slots=True, eq=False)
class GalleryVectors:
    """A gallery at one moment; row i of every array and list is one sample."""

    ids: Ids  # (n,) template ids, rising
    vectors: Vectors  # (n, dim)
    samples: list[Sample]  # (n,)
    names: list[str]  # (m,) sorted
    identity: Ids  # (n,) index into `names`


def stream_vectors(
    store: Store, gallery: Gallery, *, size: int = ROWS_PER_BLOCK
) -> Iterator[tuple[Ids, Vectors, list[Sample]]]:
    """Yield the templates of a gallery with their samples, `size` at a time at most.

    (n,) template ids in rising order, (n, dim) vectors, and n samples; those that are damaged are
    left out, and a line is logged. All are of one moment if the caller has opened a view.
    """
    import numpy as np

    for ids, vectors in templates.blocks(store, gallery, size=size):
        rows = store.fetch_all(_OWNERS, gallery.id, int(ids[0]), int(ids[-1]))
        read = ((row[-1], samples.read_row(store, row[:-1])) for row in rows)
        owners = {template_id: sample for template_id, sample in read if sample}
        is_owned = np.fromiter((i in owners for i in ids.tolist()), np.bool_, len(ids))
        if not is_owned.all():  # its sample is damaged
            ids, vectors = ids[is_owned], vectors[is_owned]
        yield ids, vectors, [owners[i] for i in ids.tolist()]
    store.warn_of_damage(gallery.name, [row[0] for row in store.fetch_all(_BARE, gallery.id)])


def load_vectors(store: Store, gallery: Gallery) -> GalleryVectors:
    """Load all samples of a gallery with their templates."""
    import numpy as np

    ordered: list[Sample] = []
    with store.read():
        held = templates.count(store, gallery)
        ids, vectors = np.empty(held, np.int64), np.empty((held, gallery.space.dim), np.float32)
        for block_ids, block, owners in stream_vectors(store, gallery):
            part = slice(len(ordered), len(ordered) + len(owners))
            ids[part], vectors[part] = block_ids, block
            ordered += owners
    ids, vectors = ids[: len(ordered)], vectors[: len(ordered)]
    names, identity = np.unique(
        np.array([sample.identity for sample in ordered], object), return_inverse=True
    )
    return GalleryVectors(ids, vectors, ordered, names.tolist(), identity.astype(np.int64))
