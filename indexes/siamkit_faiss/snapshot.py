"""Snapshots on disk, named after the last change that they hold: `KEY-SEQ-NONCE`.

    .faiss    the rows, see rows_file; a snapshot is there if this file is
    .codes    compressed codes of large ones, see codes
    .json     the card: structure, sizes, modification times and checksums

A truncated or altered file is refused before it is used: a truncated one, once mapped, would kill
the process with SIGBUS. Up to ALWAYS_COMPARED bytes are compared with their checksums at each
opening, as fast as memory can be read; larger files if their time differs. A flipped bit that
escapes gives a score other than the store's, see siamkit.store.live_index.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from siamkit.types import Cursor
from siamkit_faiss import card as cards
from siamkit_faiss.card import Card, Refused, require_file
from siamkit_faiss.checksums import FileState
from siamkit_faiss.files import delete_abandoned, locked

ROWS, CODES, CARD = ".faiss", ".codes", ".json"
_NAME = re.compile(r"(?P<key>.+)-(?P<seq>\d+)-(?P<nonce>[0-9a-f]{16})\.(faiss|codes|json)")
ALWAYS_COMPARED = 1 << 28  # bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Files that claim to hold all changes up to `cursor`."""

    path: Path  # of the rows
    key: str
    cursor: Cursor

    @property
    def card(self) -> Path:
        """Path of the .json beside it."""
        return self.path.with_suffix(CARD)

    @property
    def codes(self) -> Path:
        """Path of the codes beside it, which a small one does not have."""
        return self.path.with_suffix(CODES)

    def delete(self) -> None:
        """Delete its files, the rows first. Raises OSError."""
        for path in (self.path, self.codes, self.card):
            path.unlink(missing_ok=True)


def named(folder: Path, key: str, cursor: Cursor) -> Snapshot:
    """Return the snapshot that a key has, or may get, at a change."""
    return Snapshot(folder / f"{key}-{cursor.seq}-{cursor.nonce}{ROWS}", key, cursor)


def newest_first(folder: Path, key: str) -> list[Snapshot]:
    """Return the snapshots of a key in a folder, sound or not, newest first."""
    snapshots = [s for s in all_of(folder, key) if s.key == key and s.path.exists()]
    return sorted(snapshots, key=lambda s: s.cursor, reverse=True)


def all_of(folder: Path, prefix: str) -> list[Snapshot]:
    """Return all snapshots of keys that begin with a prefix, also those that lack a file."""
    matches = [(path, _NAME.fullmatch(path.name)) for path in folder.glob(f"{prefix}*")]
    return list(
        {
            Snapshot(
                path.with_suffix(ROWS), match["key"], Cursor(int(match["seq"]), match["nonce"])
            )
            for path, match in matches
            if match
        }
    )


def may_hold(temporary: Path, seq: int) -> bool:
    """Return True if a file that is being written may hold rows that the change `seq` removed."""
    name = temporary.name[1:].rpartition(".")[0]  # see files.Temporary
    if match := _NAME.fullmatch(name):
        return int(match["seq"]) < seq and not name.endswith(CARD)
    return True  # additions that are not saved yet


def drop(folder: Path, prefix: str, below: int | None = None) -> None:
    """Delete the snapshots of keys that begin with a prefix, saved before the change `below`.

    One that was purged counts as saved at the change up to which it was.
    """
    for snapshot in all_of(folder, prefix):
        if below is None or (snapshot.cursor.seq < below and _purged(snapshot) < below):
            snapshot.delete()
    delete_abandoned(folder, prefix)


def drop_older(folder: Path, key: str, seq: int) -> None:
    """Delete the snapshots of a key that one saved at a change replaces.

    Only older ones: two writers that deleted "all but mine" would delete each other's.
    """
    for snapshot in all_of(folder, f"{key}-"):
        if snapshot.cursor.seq < seq:
            snapshot.delete()
    delete_abandoned(folder, f"{key}-")


def _purged(snapshot: Snapshot) -> int:
    with suppress(OSError, Refused):
        if snapshot.path.exists():
            return cards.read(snapshot.card).purged
    return 0


def check(snapshot: Snapshot, dim: int) -> tuple[Card, list[str]]:
    """Return the card of a snapshot whose rows are as they were written.

    Its codes are left out if they are not, and a line says why. Raises Refused, OSError.
    """
    with locked(snapshot.path, exclusive=False):
        recorded = cards.read(snapshot.card)
        if recorded.dim != dim:
            raise Refused(f"holds {recorded.dim}-d vectors, not {dim}-d")
        card = replace(recorded, rows=_check_file(snapshot.path, recorded.rows))
        if card.codes:
            try:
                state = _check_file(snapshot.codes, card.codes.file)
                card = replace(card, codes=replace(card.codes, file=state))
            except (OSError, Refused) as reason:
                return replace(card, codes=None), [f"{snapshot.codes.name} {reason}"]
    if card != recorded:  # a copied store: record that the files are sound, if possible
        with suppress(OSError, Refused), locked(snapshot.path, exclusive=True):
            if cards.read(snapshot.card) == recorded:
                cards.write(snapshot.card, card)
    return card, []


def _check_file(path: Path, recorded: FileState) -> FileState:
    """Return the state of a file whose content is the one recorded. Raises Refused, OSError."""
    require_file(path)
    state = path.stat()
    if state.st_size != recorded.bytes:
        raise Refused(f"has {state.st_size:,} bytes, not the {recorded.bytes:,} written")
    is_unchanged = state.st_mtime_ns == recorded.mtime_ns
    if is_unchanged and state.st_size > ALWAYS_COMPARED:
        return recorded
    if not recorded.is_as_written(path, thorough=not is_unchanged):
        raise Refused("is damaged: its content is not the one recorded")
    return replace(recorded, mtime_ns=state.st_mtime_ns)
