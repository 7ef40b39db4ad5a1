"""Calibrations of searches in pictures: per gallery, encoder and setup, the newest alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict

from siamkit.errors import EncoderMismatch
from siamkit.stats.find_calibration import FindCalibration, FindSetup, from_json, to_json
from siamkit.store.checked import find_checksum
from siamkit.store.database import Store, now
from siamkit.store.galleries import Gallery

log = logging.getLogger("siamkit")


def add(store: Store, gallery: Gallery, calibration: FindCalibration) -> None:
    """Record a calibration, in place of the one of the same setup.

    The caller holds the write lock, and has read `gallery` under it. Raises EncoderMismatch for a
    calibration of another encoder.
    """
    fingerprint = gallery.space.fingerprint
    if calibration.fingerprint != fingerprint:
        raise EncoderMismatch(
            f"the calibration belongs to encoder {calibration.fingerprint}, but gallery"
            f" {gallery.name} has {fingerprint}",
            hint="calibrate again",
        )
    model = to_json(calibration)
    store.connection.execute(
        "INSERT OR REPLACE INTO find_calibrations"
        " (gallery_id, fingerprint, setup, model, created, crc32) VALUES (?, ?, ?, ?, ?, ?)",
        (
            gallery.id,
            fingerprint,
            json.dumps(asdict(calibration.setup), sort_keys=True),
            model,
            now(),
            find_checksum(gallery.id, fingerprint, model),
        ),
    )


def of_gallery(store: Store, gallery: Gallery) -> list[FindCalibration]:
    """Return the calibrations for a gallery's encoder, newest first.

    A damaged one is left out, and a line is logged.
    """
    sound = []
    for calibration, fault in _read_all(store, gallery):
        if calibration:
            sound.append(calibration)
        else:
            log.warning(
                f"a calibration of gallery {gallery.name} for pictures cannot be read ({fault}) and"
                f" is ignored; `siamkit calibrate {gallery.name} --find PICTURES` makes a new one"
            )
    return sound


def get(store: Store, gallery: Gallery, setup: FindSetup) -> FindCalibration | None:
    """Return the calibration of one setup; None if there is none."""
    calibrations = of_gallery(store, gallery)
    return next((c for c in calibrations if c.setup == setup), None)


def faults(store: Store, gallery: Gallery) -> list[str]:
    """Return what is wrong with the stored calibrations of a gallery."""
    return [fault for _, fault in _read_all(store, gallery) if fault]


def _read_all(store: Store, gallery: Gallery) -> Iterator[tuple[FindCalibration | None, str]]:
    rows = store.fetch_all(
        "SELECT fingerprint, model, crc32 FROM find_calibrations"
        " WHERE gallery_id = ? AND fingerprint = ? ORDER BY id DESC",
        gallery.id,
        gallery.space.fingerprint,
    )
    for fingerprint, model, crc32 in rows:
        try:
            if not isinstance(model, str) or crc32 != find_checksum(gallery.id, fingerprint, model):
                raise ValueError("it is not as it was written")
            calibration = from_json(model)
            if calibration.fingerprint != fingerprint:
                raise ValueError("it belongs to another encoder")
            yield calibration, ""
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            yield None, f"{type(error).__name__}: {error}"
