"""Rules of an index that `Builds`: a structure made after saving, which no search has to make."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import TYPE_CHECKING, cast

import numpy as np

from siamkit.protocols import Builds
from siamkit.testing.fresh_process import faults_after_kill
from siamkit.testing.index import MANY, finds_itself
from siamkit.testing.index_fixtures import (
    COUNT,
    K,
    cursor,
    ids,
    promised_recall,
    queries,
    recall_of,
    rows,
    score_tolerance,
)
from siamkit.testing.rule import Failure, NotRun, require, rule
from siamkit.testing.saving import newest_is_opened, save_reopen_equal
from siamkit.testing.subjects import IndexSubject
from siamkit.types import ignore_progress

if TYPE_CHECKING:
    from siamkit.protocols import Index
    from siamkit.types import Hits

LAST = np.array([MANY + 1], np.int64)  # an id that is added after the others are saved


@rule("return bool(...), and compare the size of what is saved with that of the structure")
def wants_build_is_bool(subject: IndexSubject) -> None:
    """wants_build(), if there is one, is True or False, and False for an empty index."""
    require(_builder(subject.open()).wants_build() is False, "True for an empty index")
    wants = _builder(_saved(subject)).wants_build()
    require(isinstance(wants, bool), f"{wants!r} for {MANY} rows")


@rule(
    "write to a temporary name, fsync, os.replace; return when the structure can be opened",
    save_reopen_equal,
    wants_build_is_bool,
)
def build_is_durable(subject: IndexSubject) -> None:
    """A built structure is there when the index is opened again, by anyone."""
    _build(_saved(subject))
    opened = subject.open()
    seq, wants = opened.cursor().seq, _builder(opened).wants_build()
    got = f"the state at change {seq} of 1, wants_build() {wants}"
    require(seq == 1 and not wants, got)


@rule("search the structure wider, until its recall is what the index promises", build_is_durable)
def build_answers_as_before(subject: IndexSubject) -> None:
    """An index answers as before when it is built, and so does one that is opened then."""
    index = _saved(subject)
    before = index.search(queries(), K)
    _build(index)
    _require_equal(before, index, "built")
    _require_equal(before, subject.open(), "opened again")


@rule(
    "apply changes to what is built as to what is saved; build changes nothing else",
    build_answers_as_before,
)
def changes_around_build(subject: IndexSubject) -> None:
    """Rows added and removed before and after build, and saved then, are found or gone."""
    index, new = _saved(subject), rows(2, seed=3)
    index.add(LAST, new[:1])
    index.remove(ids(3))
    _build(index)
    index.add(LAST + 1, new[1:])
    index.remove(ids(5))
    for state in ("built and changed", "saved", "opened again"):
        if state == "saved":
            index.save(cursor(2))
        opened = subject.open() if state == "opened again" else index
        nearest = opened.search(new, 1).ids[:, 0].tolist()
        gone = opened.search(rows(MANY)[:5], 1).ids[:, 0]
        is_right = nearest == [*LAST, *(LAST + 1)] and (gone > 5).all()
        got = f"{nearest} for the new ids {LAST[0]} and {LAST[0] + 1}, {gone} for removed ones"
        require(is_right and len(opened) == MANY - 3, f"{got}, {len(opened)} rows, {state}")


@rule("write new files, and leave those that are open", build_answers_as_before)
def build_aside(subject: IndexSubject) -> None:
    """An index that is open answers as before while another one is built, and can be saved."""
    index = _saved(subject)
    before = index.search(queries(), K)
    _build(subject.open())
    _require_equal(before, index, "while another was built")
    index.add(LAST, rows(1, seed=3))
    index.save(cursor(2))
    opened = subject.open()
    nearest = int(opened.search(rows(1, seed=3), 1).ids[0, 0])
    require(nearest == LAST[0], f"{nearest}, not id {LAST[0]}, which was saved then")


@rule("call progress(step, done, total) with done from 0 to total", build_is_durable)
def build_progress_rises(subject: IndexSubject) -> None:
    """build reports progress: of each step, done rises to its total at most."""
    index = _saved(subject)
    wants = _builder(index).wants_build()
    calls: list[tuple[str, int, int]] = []
    _builder(index).build(lambda step, done, total: calls.append((step, done, total)))
    steps = [step for step, _ in groupby(step for step, *_ in calls)]
    rises = all(
        later[1] >= earlier[1] for earlier, later in pairwise(calls) if later[0] == earlier[0]
    )
    is_plain = all(
        isinstance(step, str) and done >= 0 and (done <= total or not total)
        for step, done, total in calls
    )
    is_contiguous = len(set(steps)) == len(steps)
    got = f"{calls[:6]}" if calls else "no call"  # though there was something to build
    require(rises and is_plain and is_contiguous and (bool(calls) or not wants), got)


@rule(
    "write to a temporary name, fsync, os.replace",
    finds_itself,
    newest_is_opened,
    build_is_durable,
)
def kill_during_build(subject: IndexSubject) -> None:
    """A process killed while it builds leaves what was saved, whole."""
    _builder(subject.open())
    for fault in faults_after_kill(subject, "build"):
        raise Failure(fault)


def _saved(subject: IndexSubject) -> Index:
    """An index with MANY rows, saved at change 1, so that it may want a structure."""
    index = subject.open()
    _builder(index)
    index.add(ids(MANY), rows(MANY))
    index.save(cursor(1))
    return index


def _builder(index: Index) -> Builds:
    """The same index. Raises NotRun if it does not build."""
    if not isinstance(index, Builds):
        raise NotRun("it does not build")
    return cast("Builds", index)


def _build(index: Index) -> None:
    _builder(index).build(ignore_progress)


def _require_equal(before: Hits, index: Index, state: str) -> None:
    """Raise Failure unless an index gives the hits of before, or the recall that it promises."""
    after = index.search(queries(), K)
    error = np.abs(before.scores - after.scores)[before.ids == after.ids].max(initial=0.0)
    recall = recall_of(after.ids, before.ids)
    got = f"recall@{K} {recall:.3f} of the hits before, scores off by {error:.4f}, {state}"
    require(recall >= promised_recall(index) and error <= score_tolerance(index), got)
    require(len(index) in (COUNT, MANY), f"{len(index)} rows, {state}")
