"""Rules of saving an index: what was saved is opened again, whole, and deleted by `drop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siamkit.testing.index import (
    check_finds_itself,
    check_k_beyond_size_pads,
    check_ties_to_smaller_id,
    check_within_is_obeyed,
    searchable,
)
from siamkit.testing.index_changes import check_remove_removes
from siamkit.testing.index_fixtures import (
    COUNT,
    K,
    ids,
    ids_found,
    promised_recall,
    queries,
    recall_of,
    score_tolerance,
)
from siamkit.testing.kill import faults_after_kill
from siamkit.testing.outcome import Failure
from siamkit.testing.rows import DIM, cursor, rows
from siamkit.testing.run import needs
from siamkit.testing.subjects import IndexSubject

if TYPE_CHECKING:
    from siamkit.types import Hits


def check_saved_cursor_comes_back(subject: IndexSubject) -> None:
    """After a save, cursor() is the saved one, both here and when opened again."""
    needs(subject, check_save_reopen_equal)
    with searchable(subject) as bench:
        index = bench.filled()
        index.save(cursor(4))
        cursors = [index.cursor(), bench.open().cursor()]
        if cursors != [cursor(4), cursor(4)]:
            fix = "keep the cursor, seq and nonce, in the same file"
            raise Failure(f"{cursor(4)}", f"{cursors}", fix)


def check_save_reopen_equal(subject: IndexSubject) -> None:
    """A saved index answers as before when it is opened again."""
    with searchable(subject) as bench:
        index = bench.filled()
        before: Hits = index.search(queries(), K)
        index.save(cursor(1))
        after: Hits = bench.open().search(queries(), K)
        same_ids = before.ids == after.ids
        error = np.abs(before.scores - after.scores)[same_ids].max(initial=0.0)
        recall = recall_of(before.ids, after.ids)
        if recall < promised_recall(index) or not error <= score_tolerance(index):
            raise Failure(
                "the same hits after save and open",
                f"scores that differ by up to {error:.5f}, or other ids",
                "save ids and vectors as they are",
            )


def check_changes_after_reopening(subject: IndexSubject) -> None:
    """A saved index that is opened again takes additions and removals."""
    needs(subject, check_remove_removes, check_save_reopen_equal)
    with searchable(subject) as bench:
        index = bench.filled()
        index.save(cursor(1))
        index = bench.open()
        index.remove(ids(3))
        index.add(np.array([2, 500], np.int64), rows(2, seed=3))
        nearest = index.search(rows(2, seed=3), 1).ids[:, 0].tolist()
        if ids_found(index) != {2, *range(4, COUNT + 1), 500} or nearest != [2, 500]:
            raise Failure(
                "2 and 500 new, 1 and 3 gone, all others as they were",
                f"{len(ids_found(index))} rows, found {nearest}",
                "apply changes to what was loaded as to what was added",
            )


def check_reopened_searches_equal(subject: IndexSubject) -> None:
    """Opened again and changed, an index obeys `within`, orders ties and pads as before."""
    needs(
        subject,
        check_within_is_obeyed,
        check_ties_to_smaller_id,
        check_k_beyond_size_pads,
        check_changes_after_reopening,
    )
    with searchable(subject) as bench:
        index, row = bench.filled(), np.eye(1, DIM, dtype=np.float32)
        twins = COUNT + np.array([7, 3, 5, 1], np.int64)
        index.add(twins[:3], np.repeat(row, 3, axis=0))
        index.save(cursor(1))
        index = bench.open()
        index.add(twins[3:], row)
        index.remove(ids(1))
        within = np.array([13, 1, twins[0], 3, twins[3]], np.int64)  # one of them is removed
        ties = index.search(row, 4).ids[0].tolist()
        inside = index.search(row, 5, within=within).ids[0].tolist()
        padding = index.search(row, COUNT + 9).ids[0, -6:].tolist()
        fix = "search what was saved and what came since by the same code, and merge the hits"
        for expected, answer in (
            (sorted(twins.tolist()), ties),
            (sorted(twins[[0, 3]].tolist()), inside[:2]),
            ([-1, 3, 13], sorted(inside[2:])),
            ([-1] * 6, padding),
        ):
            if answer != expected:
                raise Failure(f"ids {expected}", f"{answer}", fix)


def check_removals_are_saved(subject: IndexSubject) -> None:
    """Rows removed before a save are gone when it is opened again, even if they were all."""
    needs(subject, check_saved_cursor_comes_back, check_remove_removes)
    with searchable(subject) as bench:
        index = bench.filled()
        index.save(cursor(1))
        for seq, removed, remaining in ((2, ids(5), COUNT - 5), (3, ids(COUNT)[5:], 0)):
            index.remove(removed)
            index.save(cursor(seq))
            opened = bench.open()
            count = len(ids_found(opened))
            if count != remaining or opened.cursor().seq != seq:
                raise Failure(
                    f"{remaining} rows at change {seq}",
                    f"{count} at {opened.cursor().seq}",
                    "save what is there now, even an empty index",
                )


def check_due_is_false_after_save(subject: IndexSubject) -> None:
    """due() is True or False, and False after a save."""
    with searchable(subject) as bench:
        index = bench.filled()
        before = index.due()
        index.save(cursor(1))
        after = index.due()
        if not isinstance(before, bool) or after is not False:
            raise Failure(
                "True or False, then False",
                f"{[before, after]}",
                "compare with the last save: what is due is saved at once, again and again",
            )


def check_close_keeps_saved_files(subject: IndexSubject) -> None:
    """close() raises nothing, and the saved index can be opened again."""
    needs(subject, check_save_reopen_equal)
    with searchable(subject) as bench:
        index = bench.filled()
        index.save(cursor(1))
        index.close()
        if (count := len(ids_found(bench.open()))) != COUNT:
            raise Failure(f"{COUNT} rows after close and open", f"{count}", "delete no saved file")


def check_newest_is_opened(subject: IndexSubject) -> None:
    """open takes the newest saved state that the store knows."""
    needs(subject, check_save_reopen_equal)
    with searchable(subject) as bench:
        index = bench.filled()
        for seq in (9, 10):
            index.save(cursor(seq))
        if (seq := bench.open().cursor().seq) != 10:
            raise Failure("the state at change 10", f"that at {seq}", "compare seq as a number")


def check_drop_deletes(subject: IndexSubject) -> None:
    """drop deletes the saved states of the keys with that prefix, and of no others."""
    needs(subject, check_save_reopen_equal)
    with searchable(subject) as bench:
        bench.backend.drop("g1-", root=bench.root)  # nothing is saved yet
        bench.filled("g1-s1").save(cursor(1))
        bench.filled("g11-s1").save(cursor(1))
        bench.backend.drop("g1-", root=bench.root)
        counts = [len(ids_found(bench.open(key=key))) for key in ("g1-s1", "g11-s1")]
        if counts != [0, COUNT]:
            raise Failure(
                f"no rows of g1-s1, and {COUNT} of g11-s1",
                f"{counts}",
                "compare whole names: prefix 'g1-' is not 'g11-'",
            )


def check_drop_below_keeps_newer(subject: IndexSubject) -> None:
    """drop with `below` deletes only what was saved before that change."""
    needs(subject, check_save_reopen_equal)
    with searchable(subject) as bench:
        bench.filled().save(cursor(5))
        bench.backend.drop("g1-", root=bench.root, below=5)
        after_five = len(ids_found(bench.open()))
        bench.backend.drop("g1-", root=bench.root, below=6)
        after_six = len(ids_found(bench.open()))
        if [after_five, after_six] != [COUNT, 0]:
            raise Failure(
                "the state at 5 kept below 5, and gone below 6",
                f"{after_five}, then {after_six} rows",
                "delete where seq < below",
            )


def check_kill_during_save(subject: IndexSubject) -> None:
    """A process killed while it saves leaves the state before the save or the one after."""
    needs(subject, check_finds_itself, check_save_reopen_equal, check_newest_is_opened)
    for fault in faults_after_kill(subject.plugin):
        raise Failure(
            "a whole state, no older than the last that was saved",
            fault,
            "write to a temporary name, fsync, os.replace",
        )


CHECKS = (
    check_saved_cursor_comes_back,
    check_save_reopen_equal,
    check_changes_after_reopening,
    check_reopened_searches_equal,
    check_removals_are_saved,
    check_due_is_false_after_save,
    check_close_keeps_saved_files,
    check_newest_is_opened,
    check_drop_deletes,
    check_drop_below_keeps_newer,
    check_kill_during_save,
)
