"""Samples that are about to be added, compared with what a store holds already."""

from __future__ import annotations

from collections.abc import Sequence

from siamkit.store.checked import digest_key
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery
from siamkit.store.identities import find
from siamkit.store.samples import SAME, NewSample


def count_new(store: Store, gallery: Gallery, new: Sequence[NewSample]) -> dict[str, int]:
    """Count the samples that a gallery does not hold, of each identity that it does."""
    holds = "SELECT 1 FROM samples WHERE gallery_id = ? AND identity_id = ? LIMIT 1"
    counts: dict[str, int] = {}
    with store.read() as db:
        for sample in new:
            identity_id = find(db, sample.identity)
            if identity_id and store.fetch_one(holds, gallery.id, identity_id):
                key = digest_key(sample.digest)
                content = gallery.id, identity_id, key, sample.digest, sample.region
                if not store.fetch_one(SAME, *content):
                    counts[sample.identity] = counts.get(sample.identity, 0) + 1
    return counts


def is_owner(store: Store, label: str, besides: Gallery) -> bool:
    """Return True if an identity owns samples in another gallery than this."""
    query = "SELECT 1 FROM samples WHERE identity_id = ? AND gallery_id <> ? LIMIT 1"
    with store.read() as db:
        identity_id = find(db, label)
        return identity_id is not None and bool(store.fetch_one(query, identity_id, besides.id))
