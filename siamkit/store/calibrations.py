"""Calibrations of galleries: the threshold, and the meaning of scores, that decisions rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from siamkit.errors import EncoderMismatch
from siamkit.stats.calibration_json import from_json, to_json
from siamkit.store.checked import read_as, scale_checksum
from siamkit.store.database import Store, now
from siamkit.types import Calibration, Threshold


def add(
    store: Store,
    gallery_id: int,
    fingerprint: str,
    threshold: Threshold | None,
    calibration: Calibration | None = None,
) -> None:
    """Record a threshold and a calibration for scores of one encoder.

    The caller holds the write lock. Raises EncoderMismatch for a calibration of another encoder.
    """
    if calibration is not None and calibration.fingerprint != fingerprint:
        raise EncoderMismatch(
            f"the calibration belongs to encoder {calibration.fingerprint}, not {fingerprint}:"
            " it does not apply to these scores",
            hint="calibrate with the encoder of the gallery",
        )
    if threshold is not None:
        model = to_json(calibration) if calibration else None
        value, fmr, source = threshold.value, threshold.fmr, threshold.source
        crc32 = scale_checksum(value, fmr, fingerprint, model)
        store.connection.execute(
            "INSERT INTO calibrations"
            " (gallery_id, threshold, fmr, source, fingerprint, created, model, crc32)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (gallery_id, value, fmr, source, fingerprint, now(), model, crc32),
        )


def read(fields: Sequence[Any]) -> tuple[Threshold | None, Calibration | None]:
    """Read a calibration's threshold, FMR, source, model, checksum and fingerprint.

    None for a gallery that has none. Raises ValueError if it is damaged.
    """
    value, fmr, source, model, crc32, fingerprint = fields
    if value is None:
        return None, None
    threshold = read_as(Threshold, (value, fmr, source, None))
    if not threshold or abs(threshold.value) > 1 or not 0 <= (threshold.fmr or 0) <= 1:
        raise ValueError("its threshold is out of range")
    if crc32 is not None and crc32 != scale_checksum(value, fmr, fingerprint, model):
        raise ValueError("it is not as it was written")
    try:
        return threshold, None if model is None else from_json(str(model))
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
