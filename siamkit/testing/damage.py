"""Rules of opening saved files that the store does not know, or that were damaged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.testing.index import searchable
from siamkit.testing.index_fixtures import COUNT, ROUNDED, Bench, ids, ids_found
from siamkit.testing.outcome import Failure, NotRun
from siamkit.testing.rows import DIM, KEY, cursor, rows
from siamkit.testing.run import needs
from siamkit.testing.saving import check_save_reopen_equal
from siamkit.testing.subjects import IndexSubject
from siamkit.types import Cursor

if TYPE_CHECKING:
    from siamkit.types import Hits

ROT = 8  # bytes changed: among them a whole float of four


def check_unknown_cursor_is_refused(subject: IndexSubject) -> None:
    """A state whose cursor is not `known` is not opened, and a line says so."""
    needs(subject, check_save_reopen_equal)
    with searchable(subject) as bench:
        bench.filled().save(cursor(1))
        index, refused = bench.backend.open(KEY, DIM, root=bench.root, known=lambda _: False)
        if ids_found(index) or index.cursor() != Cursor() or not _has_lines(refused):
            raise Failure(
                "an empty index and a list with a line that says why",
                f"{len(ids_found(index))} rows, {index.cursor()}, {refused}",
                "call known(cursor) before anything is loaded",
            )


def check_damage_is_refused(subject: IndexSubject) -> None:
    """Files that were cut short are refused with a line, and never raise."""
    needs(subject, check_save_reopen_equal)
    with searchable(subject) as bench:
        for path, content in _saved_files(bench).items():
            for size in {min(20, len(content) // 3), len(content) // 2}:
                path.write_bytes(content[:size])
                damage = f"{path.name} cut to {size} of {len(content)} bytes"
                _require_whole_or_refused(bench, damage)
            path.write_bytes(content)


def check_rot_is_refused(subject: IndexSubject) -> None:
    """Changed bytes in a file are refused with a line, unless they do not matter."""
    needs(subject, check_damage_is_refused)
    with searchable(subject) as bench:
        for path, content in _saved_files(bench).items():
            for share in (0.3, 0.5, 0.7):
                rotten, start = bytearray(content), int(share * len(content))
                rotten[start : start + ROT] = bytes(
                    0xFF ^ byte for byte in rotten[start : start + ROT]
                )
                path.write_bytes(rotten)
                damage = f"{path.name} with {ROT} bytes changed from {start} on"
                _require_whole_or_refused(bench, damage)
            path.write_bytes(content)


def _saved_files(bench: Bench) -> Mapping[Path, bytes]:
    """Save an index; returns its files that are not empty. Raises NotRun if there are none."""
    bench.filled().save(cursor(1))
    files = {path: path.read_bytes() for path in bench.root.rglob("*") if path.is_file()}
    if not any(files.values()):
        raise NotRun("it keeps no files")
    return {path: content for path, content in files.items() if content}


def _require_whole_or_refused(bench: Bench, damage: str) -> None:
    """Raise Failure unless all that was saved is opened, or an empty index and a line."""
    fix = "save sizes and checksums, verify them when opening, and begin empty if they are wrong"
    try:
        index, refused = bench.backend.open(KEY, DIM, root=bench.root, known=lambda _: True)
        is_whole = len(index) == COUNT and _all_find_themselves(index.search(rows(COUNT), 1))
    except Exception as error:
        failure = f"{type(error).__name__}, {damage}: {error}"
        raise Failure("no exception", failure, fix) from error
    if not is_whole and (len(index) or not _has_lines(refused)):
        raise Failure(
            "an empty index and a list of lines", f"{len(index)} rows, {refused}, {damage}", fix
        )


def _all_find_themselves(hits: Hits) -> bool:
    same_ids = bool((hits.ids[:, 0] == ids(COUNT)).all())
    return same_ids and bool((np.abs(hits.scores - 1) <= ROUNDED).all())


def _has_lines(refused: object) -> bool:
    """True for a list of texts that is not empty."""
    return isinstance(refused, list) and refused != [] and all(isinstance(s, str) for s in refused)


CHECKS = (
    check_unknown_cursor_is_refused,
    check_damage_is_refused,
    check_rot_is_refused,
)
