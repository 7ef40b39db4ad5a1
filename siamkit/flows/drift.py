"""Drift: compare a gallery's recent queries with its calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siamkit.errors import Uncalibrated
from siamkit.store import Gallery, Store, observations

if TYPE_CHECKING:
    from siamkit.stats.drift import Drift


def drift(store: Store, gallery: Gallery) -> Drift:
    """Compare recent queries with the calibration. Raises Uncalibrated if there is none."""
    from siamkit.stats.drift import QUERIES, compare

    reference = observations.reference(store, gallery)
    if not reference:
        raise Uncalibrated(
            f"gallery {gallery.name!r} has no calibration to compare its queries with",
            hint=f"run `siamkit calibrate {gallery.name}`",
        )
    return compare(reference, observations.recent(store, gallery, QUERIES))
