"""Write a snapshot, build its codes, and open it."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.types import Cursor
from siamkit_faiss import card as cards
from siamkit_faiss import codes, structure
from siamkit_faiss.additions import Additions
from siamkit_faiss.card import Card, CodesCard, Refused
from siamkit_faiss.codes import Encoding, MappedCodes
from siamkit_faiss.files import create_folder, locked, replacing
from siamkit_faiss.openmp import bound_threads
from siamkit_faiss.rows_file import RowsWriter, merge, open_rows
from siamkit_faiss.segment import Segment
from siamkit_faiss.snapshot import Snapshot, check, drop_older, named

if TYPE_CHECKING:
    from siamkit.types import Ids, Progress


@dataclass(frozen=True, slots=True)
class Opened:
    """A snapshot, memory-mapped."""

    snapshot: Snapshot
    card: Card
    rows: Segment
    codes: MappedCodes | None


def read(snapshot: Snapshot, dim: int) -> tuple[Opened, list[str]]:
    """Check a snapshot and open it; also say why its codes were refused. Raises Refused."""
    try:
        card, refused = check(snapshot, dim)
        return _map(snapshot, card), refused
    except (OSError, RuntimeError) as error:  # RuntimeError: FAISS
        raise Refused(f"cannot be read: {str(error)[:200]}") from error


def _map(snapshot: Snapshot, card: Card) -> Opened:
    """Map the files of a snapshot that are as its card says. Raises OSError, RuntimeError."""
    rows = open_rows(snapshot.path, card.layout)
    if card.codes and codes.supported():
        with suppress(FileNotFoundError):  # a purge has deleted them meanwhile
            return Opened(snapshot, card, rows, codes.open_codes(snapshot.codes))
    return Opened(snapshot, card, rows, None)


def save(
    folder: Path, key: str, dim: int, cursor: Cursor, opened: Opened | None, additions: Additions
) -> Opened:
    """Write a snapshot that is complete and durable, or not there at all.

    It holds what is not masked of an older one, and what was added. Raises OSError, RuntimeError.
    """
    create_folder(folder)
    snapshot = named(folder, key, cursor)
    base = opened.rows if opened and len(opened.rows) else None
    spooled = None if base else additions.finish()
    if spooled:
        writer, ids = spooled
    else:
        writer = RowsWriter(snapshot.path, dim)
    with closing(writer):
        if not spooled:
            ids = merge([base or Segment.empty(dim), *additions.segments()], writer)
        card = Card(dim, len(ids), writer.finish(ids))
        snapshot.codes.unlink(missing_ok=True)
        if opened and opened.card.codes and (extended := _extend(opened, ids, writer)):
            with replacing(snapshot.codes) as temporary:
                state = extended.write(temporary)
            card = replace(card, codes=replace(opened.card.codes, file=state))
        cards.write(snapshot.card, card)
        writer.replace(snapshot.path)
    drop_older(folder, key, cursor.seq)
    return _map(snapshot, card)


def _extend(opened: Opened, ids: Ids, writer: RowsWriter) -> Encoding | None:
    """Return the codes of (n,) ids, of which some have codes; None without a structure."""
    old = opened.rows
    if not opened.codes or not structure.wants_codes(2 * len(ids), old.vectors.shape[1]):
        return None
    bound_threads()
    live = old.live_rows()
    numbers = np.full(len(old.ids), -1, np.int64)
    numbers[live] = np.searchsorted(ids, old.ids[live])
    encoding = Encoding.load(opened.codes)
    encoding.renumber(numbers)
    is_new = np.ones(len(ids), bool)
    is_new[numbers[live]] = False
    structure.add(encoding.index, writer.rows(), np.flatnonzero(is_new))
    return encoding


def wants_build(opened: Opened) -> bool:
    """Return True if a snapshot is large and has no codes, or has outgrown them."""
    count, built = len(opened.rows), opened.card.codes
    if not codes.supported() or not structure.wants_codes(count, opened.card.dim):
        return False
    return built is None or count > structure.RETRAIN * built.trained_on


def build(opened: Opened, progress: Progress) -> Opened:
    """Make the codes of a large snapshot; durable on return. Raises OSError, RuntimeError.

    Searches and purges go on meanwhile. A snapshot that another process has replaced stays as it
    is.
    """
    if not structure.wants_codes(len(opened.rows), opened.card.dim) or not codes.supported():
        return opened
    snapshot, rows = opened.snapshot, opened.rows
    chosen = structure.describe(len(rows), opened.card.dim)
    encoding = structure.encode(rows, chosen, progress)
    tuning = structure.tune(rows, encoding.index, progress)
    try:
        with locked(snapshot.path, exclusive=True):
            card = cards.read(snapshot.card)
            erased = open_rows(snapshot.path, card.layout)
            numbers = np.full(card.count, -1, np.int64)
            numbers[erased.live_rows()] = erased.live_rows()
            encoding.renumber(numbers)  # without those that were purged meanwhile
            with replacing(snapshot.codes) as temporary:
                state = encoding.write(temporary)
            built = CodesCard(
                chosen, tuning.recall, tuning.nprobe, tuning.candidates, len(rows), state
            )
            card = replace(card, codes=built)
            cards.write(snapshot.card, card)
    except FileNotFoundError:
        return opened
    return replace(opened, card=card, codes=codes.open_codes(snapshot.codes))
