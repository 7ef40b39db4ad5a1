"""Rows as they were written: a damaged one is left out, whatever has damaged it.

SQLite notices damage to its own structure, not to the bytes in it. A template must be finite, of
norm 1, of its space's length, and have the checksum that was stored with it. The norm alone would
miss a flipped sign, which leaves the norm as it is, and a vector in another sample's row. What ties
a sample to its identity, its content and its region has a checksum too, and so has a calibration.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from siamkit.types import Ids, Vectors

NORM_TOLERANCE = 1.1e-3  # writers allow 1e-3; the rest is for sums in another order
Record = TypeVar("Record")


# Columns of a sample `s` that `is_tied` compares.
TIES = "s.crc32, s.gallery_id, s.identity_id, s.inline, s.digest, s.region"


def template_checksum(vector: bytes, sample_id: int) -> int:
    """Return the CRC-32 of a vector's bytes, begun with the id of its sample."""
    return zlib.crc32(vector, sample_id)


def sample_checksum(
    gallery_id: int, identity_id: int, inline: bool, digest: bytes, region: str
) -> int:
    """Return the CRC-32 of what ties a sample to its identity, its content and its region."""
    text = f"{gallery_id} {identity_id} {inline:d} {region}"
    return zlib.crc32(digest, zlib.crc32(text.encode("utf-8", "surrogateescape")))


def digest_key(digest: bytes) -> int:
    """Return 15 bits of a digest's CRC-32, which an index holds in place of the digest.

    0 if it is damaged, and not bytes.
    """
    return zlib.crc32(digest) >> 17 if isinstance(digest, bytes) else 0


def scale_checksum(threshold: float, fmr: float | None, fingerprint: str, model: str | None) -> int:
    """Return the CRC-32 of what a calibration decides by."""
    fields = float(threshold), None if fmr is None else float(fmr), fingerprint, model
    return zlib.crc32(repr(fields).encode("utf-8", "backslashreplace"))


def find_checksum(gallery_id: int, fingerprint: str, model: str) -> int:
    """Return the CRC-32 of what a calibration of searches in pictures decides by."""
    text = repr((gallery_id, fingerprint, model))
    return zlib.crc32(text.encode("utf-8", "backslashreplace"))


def is_tied(row: Sequence[Any]) -> bool:
    """Return True if the columns TIES are as they were written; without a checksum, they are."""
    crc32, gallery_id, identity_id, inline, digest, region = row
    return crc32 is None or (
        type(gallery_id) is type(identity_id) is type(inline) is int
        and type(digest) is bytes
        and type(region) is str
        and crc32 == sample_checksum(gallery_id, identity_id, bool(inline), digest, region)
    )


def sound_templates(rows: Sequence[Sequence[Any]], dim: int) -> tuple[Ids, Vectors, list[int]]:
    """Return the keys and (n, dim) vectors of sound rows, and the sample ids of all others.

    rows: (key, vector, checksum, sample id) as stored; without a checksum the norm must do.
    """
    import numpy as np

    size = 4 * dim
    sound = [row for row in rows if _is_as_written(row, size)]
    ids = np.fromiter((row[0] for row in sound), dtype=np.int64, count=len(sound))
    vectors = np.frombuffer(b"".join(row[1] for row in sound), dtype="<f4").reshape(-1, dim)
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        is_unit = np.abs(norms - 1) <= NORM_TOLERANCE  # False for NaN and infinity too
    if len(sound) == len(rows) and is_unit.all():
        return ids, vectors.astype(np.float32, copy=False), []
    sound_ids = {sound[number][3] for number in np.flatnonzero(is_unit).tolist()}
    damaged = [row[3] for row in rows if row[3] not in sound_ids]
    return ids[is_unit], vectors[is_unit].astype(np.float32, copy=False), damaged


def _is_as_written(row: Sequence[Any], size: int) -> bool:
    key, vector, crc32, sample_id = row
    return (
        type(key) is type(sample_id) is int
        and type(vector) is bytes
        and len(vector) == size
        and (crc32 is None or crc32 == template_checksum(vector, sample_id))
    )


def fits(record: type, row: Sequence[Any]) -> bool:
    """Return True if each value of a row has the type of the dataclass's field."""
    return tuple(map(type, row)) in _accepted(record) and all(
        value.isascii() or is_text(value) for value in row if type(value) is str
    )


def is_text(value: str) -> bool:
    """Return True if a stored text was UTF-8; `sqlite_connect.decode` escapes other bytes."""
    return not any("\ud800" <= c <= "\udfff" for c in value)


@cache
def _accepted(record: type) -> frozenset[tuple[type, ...]]:
    """Return the types that a row of this dataclass may have."""
    return frozenset(product(*map(_stored_as, get_type_hints(record).values())))


def _stored_as(hint: Any) -> tuple[type, ...]:
    """Return the types in which SQLite returns a value of this annotation."""
    if get_origin(hint) is Literal:
        return tuple({type(value) for value in get_args(hint)})
    return get_args(hint) or (int if hint is bool else hint,)


def read_as(record: type[Record], row: Sequence[Any]) -> Record | None:
    """Make a dataclass of a row; None if a value has another type than its field."""
    return record(*row) if fits(record, row) else None
