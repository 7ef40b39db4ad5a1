"""Rules of saving an index: what was saved is opened again, whole, and deleted by `drop`."""

from __future__ import annotations

import numpy as np

from siamkit.testing.fresh_process import faults_after_kill
from siamkit.testing.index import (
    finds_itself,
    k_beyond_size_pads,
    remove_removes,
    ties_to_smaller_id,
    within_is_obeyed,
)
from siamkit.testing.index_fixtures import (
    COUNT,
    DIM,
    K,
    cursor,
    ids,
    ids_found,
    promised_recall,
    queries,
    recall_of,
    rows,
    score_tolerance,
)
from siamkit.testing.rule import Failure, require, rule
from siamkit.testing.subjects import IndexSubject


@rule("save ids and vectors as they are", finds_itself)
def save_reopen_equal(subject: IndexSubject) -> None:
    """A saved index answers as before when it is opened again."""
    index = subject.filled()
    before = index.search(queries(), K)
    index.save(cursor(1))
    after = subject.open().search(queries(), K)
    error = np.abs(before.scores - after.scores)[before.ids == after.ids].max(initial=0.0)
    same_ids = recall_of(before.ids, after.ids) >= promised_recall(index)
    got = f"scores that differ by up to {error:.5f}, or other ids"
    require(same_ids and error <= score_tolerance(index), got)


@rule("keep the cursor, seq and nonce, in the same file", save_reopen_equal)
def saved_cursor_comes_back(subject: IndexSubject) -> None:
    """After a save, cursor() is the saved one, both here and when opened again."""
    index = subject.saved(4)
    cursors = [index.cursor(), subject.open().cursor()]
    require(cursors == [cursor(4)] * 2, f"{cursors}, saved at {cursor(4)}")


@rule("apply changes to what was loaded as to what was added", remove_removes, save_reopen_equal)
def changes_after_reopening(subject: IndexSubject) -> None:
    """A saved index that is opened again takes additions and removals."""
    subject.saved()
    index = subject.open()
    index.remove(ids(3))
    index.add(np.array([2, 500], np.int64), rows(2, seed=3))
    nearest = index.search(rows(2, seed=3), 1).ids[:, 0].tolist()
    changed = ids_found(index) == {2, *range(4, COUNT + 1), 500} and nearest == [2, 500]
    got = f"{len(ids_found(index))} rows, found {nearest}; 2 and 500 are new, 1 and 3 are gone"
    require(changed, got)


@rule(
    "search what was saved and what came since by the same code, and merge the hits",
    within_is_obeyed,
    ties_to_smaller_id,
    k_beyond_size_pads,
    changes_after_reopening,
)
def reopened_searches_equal(subject: IndexSubject) -> None:
    """Opened again and changed, an index obeys `within`, orders ties and pads as before."""
    index, row = subject.filled(), np.eye(1, DIM, dtype=np.float32)
    twins = COUNT + np.array([7, 3, 5, 1], np.int64)
    index.add(twins[:3], np.repeat(row, 3, axis=0))
    index.save(cursor(1))
    index = subject.open()
    index.add(twins[3:], row)
    index.remove(ids(1))
    within = np.array([13, 1, twins[0], 3, twins[3]], np.int64)  # one of them is removed
    ties = index.search(row, 4).ids[0].tolist()
    inside = index.search(row, 5, within=within).ids[0].tolist()
    padding = index.search(row, COUNT + 9).ids[0, -6:].tolist()
    for expected, answer in (
        (sorted(twins.tolist()), ties),
        (sorted(twins[[0, 3]].tolist()), inside[:2]),
        ([-1, 3, 13], sorted(inside[2:])),
        ([-1] * 6, padding),
    ):
        require(answer == expected, f"ids {answer}, not {expected}")


@rule("save what is there now, even an empty index", saved_cursor_comes_back, remove_removes)
def removals_are_saved(subject: IndexSubject) -> None:
    """Rows removed before a save are gone when it is opened again, even if they were all."""
    index = subject.saved()
    for seq, removed, remaining in ((2, ids(5), COUNT - 5), (3, ids(COUNT)[5:], 0)):
        index.remove(removed)
        index.save(cursor(seq))
        opened = subject.open()
        count, opened_seq = len(ids_found(opened)), opened.cursor().seq
        got = f"{count} rows at change {opened_seq}, not {remaining} at {seq}"
        require(count == remaining and opened_seq == seq, got)


@rule("compare with the last save: what is due is saved at once, again and again", finds_itself)
def due_is_false_after_save(subject: IndexSubject) -> None:
    """due() is True or False, and False after a save."""
    index = subject.filled()
    before = index.due()
    index.save(cursor(1))
    after = index.due()
    require(isinstance(before, bool) and after is False, f"{before}, then {after}")


@rule("delete no saved file", save_reopen_equal)
def close_keeps_saved_files(subject: IndexSubject) -> None:
    """close() raises nothing, and the saved index can be opened again."""
    subject.saved().close()
    count = len(ids_found(subject.open()))
    require(count == COUNT, f"{count} of {COUNT} rows after close and open")


@rule("compare seq as a number", save_reopen_equal)
def newest_is_opened(subject: IndexSubject) -> None:
    """open takes the newest saved state that the store knows."""
    subject.saved(9).save(cursor(10))
    seq = subject.open().cursor().seq
    require(seq == 10, f"the state at change {seq}, not 10")


@rule("compare whole names: prefix 'g1-' is not 'g11-'", save_reopen_equal)
def drop_deletes(subject: IndexSubject) -> None:
    """drop deletes the saved states of the keys with that prefix, and of no others."""
    subject.drop("g1-")  # nothing is saved yet
    subject.saved(key="g1-s1")
    subject.saved(key="g11-s1")
    subject.drop("g1-")
    counts = [len(ids_found(subject.open(key))) for key in ("g1-s1", "g11-s1")]
    require(counts == [0, COUNT], f"{counts} rows of g1-s1 and g11-s1, not {[0, COUNT]}")


@rule("delete where seq < below", save_reopen_equal)
def drop_below_keeps_newer(subject: IndexSubject) -> None:
    """drop with `below` deletes only what was saved before that change."""
    subject.saved(5)
    counts = []
    for below in (5, 6):
        subject.drop("g1-", below=below)
        counts.append(len(ids_found(subject.open())))
    require(counts == [COUNT, 0], f"{counts} rows of change 5 after below=5 and 6")


@rule(
    "write to a temporary name, fsync, os.replace",
    finds_itself,
    save_reopen_equal,
    newest_is_opened,
)
def kill_during_save(subject: IndexSubject) -> None:
    """A process killed while it saves leaves a whole state, no older than its last save."""
    for fault in faults_after_kill(subject, "save"):
        raise Failure(fault)
