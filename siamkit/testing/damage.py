"""Rules of opening saved files that the store does not know, or that were damaged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from siamkit.protocols import Index
from siamkit.testing.index_fixtures import COUNT, ROUNDED, cursor, ids, ids_found, rows
from siamkit.testing.rule import NotRun, attempt, require, rule
from siamkit.testing.saving import save_reopen_equal
from siamkit.testing.subjects import IndexSubject
from siamkit.types import Cursor

ROT = 8  # bytes changed: among them a whole float of four
VERIFY = "save sizes and checksums, verify them when opening, and begin empty if they are wrong"


@rule("call known(cursor) before anything is loaded", save_reopen_equal)
def unknown_cursor_is_refused(subject: IndexSubject) -> None:
    """A state whose cursor is not `known` is not opened, and a line says so."""
    subject.filled().save(cursor(1))
    index, refused = subject.load(known=lambda _: False)
    is_empty = not ids_found(index) and index.cursor() == Cursor()
    got = f"{len(ids_found(index))} rows, {index.cursor()}, {refused}"
    require(is_empty and _has_lines(refused), got)


@rule(VERIFY, save_reopen_equal)
def damage_is_refused(subject: IndexSubject) -> None:
    """Files that were cut short are refused with a line, and never raise."""
    for path, content in _saved_files(subject).items():
        for size in {min(20, len(content) // 3), len(content) // 2}:
            damage = f"{path.name} cut to {size} of {len(content)} bytes"
            _require_whole_or_refused(subject, path, content[:size], damage)
        path.write_bytes(content)


@rule(VERIFY, damage_is_refused)
def rot_is_refused(subject: IndexSubject) -> None:
    """Changed bytes in a file are refused with a line, unless they do not matter."""
    for path, content in _saved_files(subject).items():
        for share in (0.3, 0.5, 0.7):
            start = int(share * len(content))
            rotten = bytes(0xFF ^ byte for byte in content[start : start + ROT])
            changed = content[:start] + rotten + content[start + ROT :]
            damage = f"{path.name} with {ROT} bytes changed from {start} on"
            _require_whole_or_refused(subject, path, changed, damage)
        path.write_bytes(content)


def _saved_files(subject: IndexSubject) -> Mapping[Path, bytes]:
    """Save an index; returns its files that are not empty. Raises NotRun if there are none."""
    subject.filled().save(cursor(1))
    paths = [path for path in subject.folder.rglob("*") if path.is_file()]
    files = {path: content for path in paths if (content := path.read_bytes())}
    if not files:
        raise NotRun("it keeps no files")
    return files


def _require_whole_or_refused(
    subject: IndexSubject, path: Path, content: bytes, damage: str
) -> None:
    """Raise Failure unless all that was saved is opened, or an empty index and a line."""
    path.write_bytes(content)
    with attempt(damage):
        index, refused = subject.load()
        is_whole = len(index) == COUNT and _all_find_themselves(index)
        is_refused = not len(index) and _has_lines(refused)
        require(is_whole or is_refused, f"{len(index)} rows, {refused}, {damage}")


def _all_find_themselves(index: Index) -> bool:
    hits = index.search(rows(COUNT), 1)
    same_ids = (hits.ids[:, 0] == ids(COUNT)).all()
    return bool(same_ids and (np.abs(hits.scores - 1) <= ROUNDED).all())


def _has_lines(refused: object) -> bool:
    """True for a list of texts that is not empty."""
    return isinstance(refused, list) and refused != [] and all(isinstance(s, str) for s in refused)
