"""Erase rows from snapshots in place: their vectors, and their codes.

At any moment a killed process leaves files that a reader may open, and that a repeated purge
finishes: the card first marks the blocks that change, see checksums, then rows and codes are
overwritten, then the rows are marked as erased, and the card gets the new checksums.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit_faiss import card as cards
from siamkit_faiss import rows_file
from siamkit_faiss.card import Card, Refused
from siamkit_faiss.files import delete_abandoned, locked
from siamkit_faiss.rows_file import open_rows
from siamkit_faiss.snapshot import Snapshot, all_of, may_hold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.types import Ids
    from siamkit_faiss.codes import Slots


def purge(folder: Path, prefix: str, ids: Ids, seq: int) -> None:
    """Erase ids from all snapshots of keys that begin with a prefix. Raises OSError.

    A snapshot that is damaged, so that nothing shows what it holds, is deleted. Raises
    BlockingIOError while one is being written that may hold the ids.
    """
    for snapshot in all_of(folder, prefix):
        if snapshot.cursor.seq >= seq:  # it was saved without them
            continue
        if any(part.exists() and not part.is_file() for part in (snapshot.path, snapshot.card)):
            snapshot.delete()
            continue
        with suppress(FileNotFoundError), locked(snapshot.path, exclusive=True):
            try:
                _purge_one(snapshot, ids, seq)
            except Refused:
                snapshot.delete()
        if not snapshot.path.exists():  # left by a killed writer, or deleted meanwhile
            snapshot.delete()
    if any(may_hold(path, seq) for path in delete_abandoned(folder, prefix)):
        raise BlockingIOError("another process is writing an index")


def _purge_one(snapshot: Snapshot, ids: Ids, seq: int) -> None:
    """Erase ids from a snapshot whose lock is held. Raises Refused, OSError."""
    card = cards.read(snapshot.card)
    if snapshot.path.stat().st_size != card.rows.bytes:
        raise Refused("is damaged")
    card = _with_sound_codes(snapshot, card)
    segment = open_rows(snapshot.path, card.layout)
    was_killed = bool(card.rows.changing() or (card.codes and card.codes.file.changing()))
    rows = segment.numbers_of(ids) if was_killed else segment.find(ids)
    if len(rows):
        card = _erase(snapshot, card, rows, some_are_erased=was_killed)
    elif was_killed:
        card = _renewed(snapshot, card)
    if len(rows) or was_killed or card.purged < seq:
        cards.write(snapshot.card, replace(card, purged=max(card.purged, seq)))


def _with_sound_codes(snapshot: Snapshot, card: Card) -> Card:
    """Delete codes that are not those of the card; return the card without them."""
    built = card.codes
    with suppress(OSError):
        if built and snapshot.codes.stat().st_size == built.file.bytes:
            return card
    snapshot.codes.unlink(missing_ok=True)
    return replace(card, codes=None)


def _erase(
    snapshot: Snapshot, card: Card, rows: NDArray[np.int64], *, some_are_erased: bool
) -> Card:
    """Overwrite rows and their codes; return the card with their new checksums."""
    blocks = rows_file.blocks_to_erase(card.layout, rows)
    if not card.rows.holds(snapshot.path, blocks):
        raise Refused("is damaged")
    slots = _find_codes(snapshot, card, rows)
    if slots and len(slots.places) < len(rows) and not some_are_erased:
        slots = None  # damaged: which codes are those of the rows is not known
    marked = replace(card, rows=card.rows.without(blocks), codes=None)
    if card.codes and slots:
        changing = card.codes.file.without(slots.blocks_to_erase())
        marked = replace(marked, codes=replace(card.codes, file=changing))
    cards.write(snapshot.card, marked)
    if slots:
        from siamkit_faiss import codes  # and with it FAISS, which rows alone do without

        codes.erase(snapshot.codes, slots)
    else:
        snapshot.codes.unlink(missing_ok=True)
    rows_file.erase(snapshot.path, card.layout, rows)
    return _renewed(snapshot, marked)


def _find_codes(snapshot: Snapshot, card: Card, rows: NDArray[np.int64]) -> Slots | None:
    """Look up the codes of rows; None if there are none, or they are damaged."""
    if not card.codes:
        return None
    from siamkit_faiss import codes

    with suppress(OSError, IndexError, ValueError):
        slots = codes.find(snapshot.codes, rows, card.count)
        if card.codes.file.holds(snapshot.codes, slots.blocks_to_erase()):
            return slots
    return None


def _renewed(snapshot: Snapshot, card: Card) -> Card:
    """Return a card with the checksums of all blocks that were changing."""
    built = card.codes
    if built:
        built = replace(built, file=built.file.renewed(snapshot.codes))
    return replace(card, rows=card.rows.renewed(snapshot.path), codes=built)
