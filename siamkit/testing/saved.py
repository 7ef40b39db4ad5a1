"""Rules of what an index saves: a cache that may be lost at any time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.testing.index import (
    check_finds_itself,
    check_k_beyond_size_pads,
    check_remove_removes,
    check_ties_to_smaller_id,
    check_within_is_obeyed,
    working,
)
from siamkit.testing.kill import faults_after_kill
from siamkit.testing.outcome import Failure, NotRun
from siamkit.testing.place import COUNT, ROUNDED, K, Place, held, ids, least, queries, share, slack
from siamkit.testing.rows import DIM, KEY, cursor, rows
from siamkit.testing.run import needs
from siamkit.testing.subjects import IndexSubject
from siamkit.types import Cursor

if TYPE_CHECKING:
    from siamkit.types import Hits


ROT = 8  # bytes: a float of four among them, whole


def check_saved_cursor_is_kept(seen: IndexSubject) -> None:
    """After a save, here and when opened again, cursor() is the one that was saved."""
    needs(seen, check_save_reopen_equal)
    with working(seen) as at:
        index = at.filled()
        index.save(cursor(4))
        got = [(c.seq, c.nonce) for c in (index.cursor(), at.open().cursor())]
        wanted = (cursor(4).seq, cursor(4).nonce)
        if got != [wanted, wanted]:
            raise Failure(f"{wanted}", f"{got}", "keep the cursor, seq and nonce, in the same file")


def check_save_reopen_equal(seen: IndexSubject) -> None:
    """What was saved answers as before when it is opened again."""
    with working(seen) as at:
        index = at.filled()
        before: Hits = index.search(queries(), K)
        index.save(cursor(1))
        after: Hits = at.open().search(queries(), K)
        same = before.ids == after.ids
        off = np.abs(before.scores - after.scores)[same].max(initial=0.0)
        kept = share(before.ids, after.ids) >= least(index)
        if not kept or not off <= slack(index):
            raise Failure(
                "the same hits after save and open", f"scores up to {off:.5f} off, or other ids",
                "save ids and vectors as they are",
            )  # fmt: skip


def check_changes_after_reopening(seen: IndexSubject) -> None:
    """A saved index that is opened again takes additions and removals."""
    needs(seen, check_remove_removes, check_save_reopen_equal)
    with working(seen) as at:
        index = at.filled()
        index.save(cursor(1))
        index = at.open()
        index.remove(ids(3))
        index.add(np.array([2, 500], np.int64), rows(2, seed=3))
        found = index.search(rows(2, seed=3), 1).ids[:, 0].tolist()
        if held(index) != {2, *range(4, COUNT + 1), 500} or found != [2, 500]:
            raise Failure(
                "2 and 500 new, 1 and 3 gone, all others as they were",
                f"{len(held(index))} rows, found {found}",
                "apply changes to what was loaded as to what was added",
            )


def check_removals_are_saved(seen: IndexSubject) -> None:
    """What was removed before a save is gone when it is opened again, were it all there was."""
    needs(seen, check_saved_cursor_is_kept, check_remove_removes)
    with working(seen) as at:
        index = at.filled()
        index.save(cursor(1))
        for seq, gone, wanted in ((2, ids(5), COUNT - 5), (3, ids(COUNT)[5:], 0)):
            index.remove(gone)
            index.save(cursor(seq))
            opened = at.open()
            left = len(held(opened))
            if left != wanted or opened.cursor().seq != seq:
                raise Failure(
                    f"{wanted} rows at change {seq}",
                    f"{left} at {opened.cursor().seq}",
                    "save what is there now, were it nothing",
                )


def check_due_is_over_once_saved(seen: IndexSubject) -> None:
    """due() is True or False, and False after a save."""
    with working(seen) as at:
        index = at.filled()
        before = index.due()
        index.save(cursor(1))
        got = [before, index.due()]
        if not isinstance(before, bool) or got[1] is not False:
            raise Failure(
                "True or False, then False", f"{got}",
                "compare with the last save: what is due is saved at once, again and again",
            )  # fmt: skip


def check_close_lets_go(seen: IndexSubject) -> None:
    """close() raises nothing, and what was saved can be opened again."""
    needs(seen, check_save_reopen_equal)
    with working(seen) as at:
        index = at.filled()
        index.save(cursor(1))
        index.close()
        if (count := len(held(at.open()))) != COUNT:
            raise Failure(f"{COUNT} rows after close and open", f"{count}", "delete no saved file")


def check_newest_is_opened(seen: IndexSubject) -> None:
    """Of several saved states, the newest that the store knows is opened."""
    needs(seen, check_save_reopen_equal)
    with working(seen) as at:
        index = at.filled()
        for seq in (9, 10):
            index.save(cursor(seq))
        if (got := at.open().cursor().seq) != 10:
            raise Failure("the state at change 10", f"that at {got}", "compare seq as a number")


def check_unknown_cursor_is_refused(seen: IndexSubject) -> None:
    """A state whose cursor is not `known` is not opened, and a line says so."""
    needs(seen, check_save_reopen_equal)
    with working(seen) as at:
        at.filled().save(cursor(1))
        index, refused = at.backend.open(KEY, DIM, root=at.root, known=lambda _: False)
        if held(index) or index.cursor() != Cursor() or not _lines(refused):
            raise Failure(
                "an empty index and a list with a line of why",
                f"{len(held(index))} rows, {index.cursor()}, {refused}",
                "ask known(cursor) before anything is loaded",
            )


def check_damage_is_refused(seen: IndexSubject) -> None:
    """Files that were cut short are refused with a line, and never raise."""
    needs(seen, check_save_reopen_equal)
    with working(seen) as at:
        for path, content in _saved(at).items():
            for left in {min(20, len(content) // 3), len(content) // 2}:
                path.write_bytes(content[:left])
                _require_sound(at, f"{path.name} cut to {left} of {len(content)} bytes")
            path.write_bytes(content)


def check_rot_is_refused(seen: IndexSubject) -> None:
    """Bytes that have changed in a file are refused with a line, unless they mean nothing."""
    needs(seen, check_damage_is_refused)
    with working(seen) as at:
        for path, content in _saved(at).items():
            for part in (0.3, 0.5, 0.7):
                rotten, spot = bytearray(content), int(part * len(content))
                rotten[spot : spot + ROT] = bytes(0xFF ^ b for b in rotten[spot : spot + ROT])
                path.write_bytes(rotten)
                _require_sound(at, f"{path.name} with {ROT} bytes changed from {spot} on")
            path.write_bytes(content)


def _saved(at: Place) -> Mapping[Path, bytes]:
    """The files of a saved index. Raises NotRun if there are none."""
    at.filled().save(cursor(1))
    files = {path: path.read_bytes() for path in at.root.rglob("*") if path.is_file()}
    if not any(files.values()):
        raise NotRun("it keeps no files")
    return {path: content for path, content in files.items() if content}


def _require_sound(at: Place, damage: str) -> None:
    """Raise Failure unless what is opened is all that was saved, or empty and says why."""
    fix = "keep sizes and sums, look at them at opening, and begin empty where they are wrong"
    try:
        index, refused = at.backend.open(KEY, DIM, root=at.root, known=lambda _: True)
        whole = len(index) == COUNT and _is_whole(index.search(rows(COUNT), 1))
    except Exception as error:
        got = f"{type(error).__name__}, {damage}: {error}"
        raise Failure("no exception", got, fix) from error
    if not whole and (len(index) or not _lines(refused)):
        raise Failure(
            "an empty index and a list of lines", f"{len(index)} rows, {refused}, {damage}", fix
        )


def _is_whole(hits: Hits) -> bool:
    """True if every row has found itself."""
    same = bool((hits.ids[:, 0] == ids(COUNT)).all())
    return same and bool((np.abs(hits.scores - 1) <= ROUNDED).all())


def _lines(refused: Any) -> bool:
    return isinstance(refused, list) and refused != [] and all(isinstance(s, str) for s in refused)


def check_reopened_searches_alike(seen: IndexSubject) -> None:
    """Opened again, and changed since, an index obeys `within`, orders ties and pads as before."""
    needs(
        seen,
        check_within_is_obeyed,
        check_ties_to_smaller_id,
        check_k_beyond_size_pads,
        check_changes_after_reopening,
    )
    with working(seen) as at:
        index, row = at.filled(), np.eye(1, DIM, dtype=np.float32)
        twins = COUNT + np.array([7, 3, 5, 1], np.int64)
        index.add(twins[:3], np.repeat(row, 3, axis=0))
        index.save(cursor(1))
        index = at.open()
        index.add(twins[3:], row)
        index.remove(ids(1))
        within = np.array([13, 1, twins[0], 3, twins[3]], np.int64)  # one of them is removed
        ties = index.search(row, 4).ids[0].tolist()
        inside = index.search(row, 5, within=within).ids[0].tolist()
        last = index.search(row, COUNT + 9).ids[0, -6:].tolist()
        fix = "search what was saved and what came since by the same code, and merge the hits"
        for wanted, got in (
            (sorted(twins.tolist()), ties),
            (sorted(twins[[0, 3]].tolist()), inside[:2]),
            ([-1, 3, 13], sorted(inside[2:])),
            ([-1] * 6, last),
        ):
            if got != wanted:
                raise Failure(f"ids {wanted}", f"{got}", fix)


def check_drop_deletes(seen: IndexSubject) -> None:
    """drop deletes what is saved of the keys with that prefix, and of no others."""
    needs(seen, check_save_reopen_equal)
    with working(seen) as at:
        at.backend.drop("g1-", root=at.root)  # of which nothing is there
        at.filled("g1-s1").save(cursor(1))
        at.filled("g11-s1").save(cursor(1))
        at.backend.drop("g1-", root=at.root)
        left = [len(held(at.open(key=key))) for key in ("g1-s1", "g11-s1")]
        if left != [0, COUNT]:
            raise Failure(
                f"no rows of g1-s1, and {COUNT} of g11-s1", f"{left}",
                "compare whole names: prefix 'g1-' is not 'g11-'",
            )  # fmt: skip


def check_drop_below_keeps_newer(seen: IndexSubject) -> None:
    """drop with `below` deletes only what was saved before that change."""
    needs(seen, check_save_reopen_equal)
    with working(seen) as at:
        at.filled().save(cursor(5))
        at.backend.drop("g1-", root=at.root, below=5)
        kept = len(held(at.open()))
        at.backend.drop("g1-", root=at.root, below=6)
        left = len(held(at.open()))
        if [kept, left] != [COUNT, 0]:
            raise Failure(
                "the state at 5 kept below 5, and gone below 6", f"{kept}, then {left} rows",
                "delete where seq < below",
            )  # fmt: skip


def check_kill_during_save(seen: IndexSubject) -> None:
    """A process that is killed while it saves leaves the state before or the one after."""
    needs(seen, check_finds_itself, check_save_reopen_equal, check_newest_is_opened)
    for fault in faults_after_kill(seen.plugin):
        raise Failure(
            "a whole state, no older than the last that was saved", fault,
            "write to a temporary name, fsync, os.replace",
        )  # fmt: skip


CHECKS = (
    check_saved_cursor_is_kept,
    check_save_reopen_equal,
    check_changes_after_reopening,
    check_reopened_searches_alike,
    check_removals_are_saved,
    check_due_is_over_once_saved,
    check_close_lets_go,
    check_newest_is_opened,
    check_unknown_cursor_is_refused,
    check_damage_is_refused,
    check_rot_is_refused,
    check_drop_deletes,
    check_drop_below_keeps_newer,
    check_kill_during_save,
)
