"""Rules of index backends: the answers of brute force, and a cache that may be lost at any time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.protocols import Mines
from siamkit.testing.brute import Brute
from siamkit.testing.killed import saved_when_killed
from siamkit.testing.outcome import Failure, NotRun
from siamkit.testing.rows import DIM, KEY, cursor, rows
from siamkit.testing.subjects import IndexSubject
from siamkit.types import Cursor

if TYPE_CHECKING:
    from siamkit.types import Hits, Ids, Vectors

COUNT, K = 80, 10
RECALL = 0.95  # at K, of an index that does not promise to be exact
EXACT = 1e-4  # of scores: float32 sums in any order


@dataclass(frozen=True, slots=True)
class Place:
    """A folder for a backend's files."""

    backend: Any
    root: Path

    def open(self, known: Callable[[Cursor], bool] = lambda _: True, key: str = KEY) -> Any:
        return self.backend.open(key, DIM, root=self.root, known=known)[0]

    def filled(self, key: str = KEY) -> Any:
        """An index that holds the ids 1 … COUNT."""
        index = self.open(key=key)
        index.add(ids(COUNT), rows(COUNT))
        return index


@contextmanager
def place(seen: IndexSubject) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="siamkit-check-") as root:
        yield Place(seen.plugin, Path(root))


def ids(count: int) -> Ids:
    return np.arange(1, count + 1, dtype=np.int64)


def queries() -> Vectors:
    return rows(25, seed=1)


def held(index: Any) -> set[int]:
    """The ids that an index finds, whatever number it says."""
    if not len(index):
        return set()
    return {i for i in index.search(rows(1, seed=4), 2 * COUNT).ids[0].tolist() if i > 0}


def check_empty_index_answers(seen: IndexSubject) -> None:
    """A new index is empty, at cursor 0, and a search finds nothing."""
    with place(seen) as at:
        index = at.open()
        hits = index.search(queries(), 3)
        if len(index) or index.cursor() != Cursor() or (hits.ids != -1).any():
            raise Failure(
                "no rows, Cursor() and ids of -1",
                f"{len(index)} rows, {index.cursor()}, {hits.ids[0]}",
                "begin empty when nothing is saved",
            )


def check_length_counts(seen: IndexSubject) -> None:
    """len() is how many ids there are."""
    with place(seen) as at:
        if (found := len(at.filled())) != COUNT:
            raise Failure(f"len {COUNT}", str(found), "count what was added and not removed")


def check_hits_have_their_shape(seen: IndexSubject) -> None:
    """search gives ids (n, k) int64 and scores (n, k) float32."""
    with place(seen) as at:
        hits = at.filled().search(queries(), K)
        got = [(str(a.dtype), a.shape) for a in (hits.ids, hits.scores)]
        wanted = [("int64", (25, K)), ("float32", (25, K))]
        if got != wanted:
            raise Failure(f"ids and scores {wanted}", f"{got}", "convert before returning Hits")


def check_finds_itself(seen: IndexSubject) -> None:
    """Every vector's nearest is itself."""
    with place(seen) as at:
        hits = at.filled().search(rows(COUNT), 1)
        if missed := int((hits.ids[:, 0] != ids(COUNT)).sum()):
            raise Failure(
                "each row to find itself first", f"{missed} of {COUNT} did not",
                "rank by cosine, highest first; return ids, not row numbers",
            )  # fmt: skip


def check_equals_brute(seen: IndexSubject) -> None:
    """The k nearest are those of brute force; without `exact`, 95 % of them are."""
    with place(seen) as at:
        index = at.filled()
        found = index.search(queries(), K).ids
        wanted = _brute(at).search(queries(), K).ids
        shares = [
            len({*a} & {*b}) / K for a, b in zip(found.tolist(), wanted.tolist(), strict=True)
        ]
        least = 1.0 if index.exact else RECALL
        if (recall := float(np.mean(shares))) < least:
            raise Failure(
                f"recall@{K} of at least {least}", f"{recall:.3f}",
                "search wider, or set exact = False if 0.95 is all that is promised",
            )  # fmt: skip


def check_best_come_first(seen: IndexSubject) -> None:
    """Scores do not rise along a row of hits."""
    with place(seen) as at:
        if (np.diff(at.filled().search(queries(), K).scores, axis=1) > 0).any():
            raise Failure("scores that fall", "scores that rise", "sort the hits of each query")


def check_scores_are_cosines(seen: IndexSubject) -> None:
    """A score is the cosine of the query and the vector of that id."""
    with place(seen) as at:
        hits = at.filled().search(queries(), K)
        vectors = np.concatenate([np.zeros((1, DIM), np.float32), rows(COUNT)])
        true = np.einsum("nd,nkd->nk", queries(), vectors[np.clip(hits.ids, 0, COUNT)])
        off = np.abs(np.where(hits.ids > 0, hits.scores - true, 0)).max()
        if not off <= EXACT:
            raise Failure(
                "cosines", f"scores that are {off:.3f} off",
                "return the inner product of unit vectors, not a distance",
            )  # fmt: skip


def check_upsert_twice(seen: IndexSubject) -> None:
    """Adding an id again replaces its vector."""
    _needs(seen, check_finds_itself)
    with place(seen) as at:
        index, moved = at.filled(), rows(5, seed=2)
        for _ in range(2):
            index.add(ids(5), moved)
        hits = index.search(moved, 1)
        if (count := len(held(index))) != COUNT or (hits.ids[:, 0] != ids(5)).any():
            raise Failure(
                f"{COUNT} rows, five of them new", f"{count} rows, found {hits.ids[:, 0]}",
                "remove ids that are there before they are added",
            )  # fmt: skip


def check_remove_removes(seen: IndexSubject) -> None:
    """A removed id is found no more."""
    with place(seen) as at:
        index = at.filled()
        index.remove(ids(5))
        if held(index) != {*range(6, COUNT + 1)}:
            raise Failure(
                f"ids 6 to {COUNT}", f"{len(held(index))} ids, from {min(held(index))}",
                "delete them, or mask them out of every search",
            )  # fmt: skip


def check_remove_missing(seen: IndexSubject) -> None:
    """Removing an id that is not there changes nothing."""
    with place(seen) as at:
        index, fix = at.filled(), "ignore ids that are not there: a change may be applied twice"
        try:
            index.remove(np.array([COUNT + 7], np.int64))
        except Exception as error:
            raise Failure("nothing to happen", f"{type(error).__name__}: {error}", fix) from error
        if (count := len(held(index))) != COUNT:
            raise Failure(f"{COUNT} rows", f"{count}", fix)


def check_k_beyond_size_pads(seen: IndexSubject) -> None:
    """Where there are fewer than k, ids are -1 and scores -inf."""
    with place(seen) as at:
        hits = at.filled().search(queries(), COUNT + 3)
        tail = hits.ids[:, COUNT:], hits.scores[:, COUNT:]
        good = hits.ids.shape == (25, COUNT + 3) and (tail[0] == -1).all()
        if not good or not np.isneginf(tail[1]).all():
            raise Failure(
                "(n, k) with -1 and -inf at the end", f"{hits.ids.shape}, {tail[0][:1]}",
                "np.full((n, k), -1) and np.full((n, k), -np.inf), then fill in",
            )  # fmt: skip


def check_within_is_obeyed(seen: IndexSubject) -> None:
    """With `within`, only those ids are found, and all of them."""
    with place(seen) as at:
        some = np.array([3, 5, 8, 13, 999], np.int64)
        found = at.filled().search(queries(), 4, within=some).ids
        if any({*row} != {3, 5, 8, 13} for row in found.tolist()):
            raise Failure(
                "ids 3, 5, 8 and 13 alone", f"{found[0]}",
                "select before the search, not among the k that it found",
            )  # fmt: skip


def check_ties_to_smaller_id(seen: IndexSubject) -> None:
    """Equal scores come smaller id first."""
    with place(seen) as at:
        index, row = at.open(), rows(1)
        index.add(np.array([7, 3, 5], np.int64), np.repeat(row, 3, axis=0))
        if (found := index.search(rows(1, seed=5), 3).ids.tolist()[0]) != [3, 5, 7]:
            raise Failure("ids 3, 5, 7", f"{found}", "np.lexsort((ids, -scores)) among the hits")


def check_input_is_its_callers(seen: IndexSubject) -> None:
    """add and search change nothing that they are given, and add keeps a copy."""
    with place(seen) as at:
        index, given, numbers = at.open(), rows(COUNT), ids(COUNT)
        index.add(numbers, given)
        asked = queries()
        index.search(asked, 3)
        same = np.array_equal(given, rows(COUNT)) and np.array_equal(asked, queries())
        if not same or not np.array_equal(numbers, ids(COUNT)):
            raise Failure("arrays as they were", "changed ones", "work on copies")
        wanted = index.search(queries(), 3).ids
        given[:] = rows(COUNT)[::-1]
        if not np.array_equal(index.search(queries(), 3).ids, wanted):
            raise Failure(
                "answers that do not depend on the caller's array", "other answers",
                "keep a copy: np.array(vectors)",
            )  # fmt: skip


def check_describe_is_plain(seen: IndexSubject) -> None:
    """describe gives "structure" and other values that JSON can hold."""
    with place(seen) as at:
        found = at.filled().describe()
        try:
            plain = "structure" in json.loads(json.dumps(dict(found)))
        except (TypeError, ValueError):
            plain = False
        if not plain:
            raise Failure(
                "a mapping with 'structure', of str, int, float and bool", f"{found!r:.80}",
                "turn numpy's numbers into int() and float()",
            )  # fmt: skip


def check_saved_cursor_is_kept(seen: IndexSubject) -> None:
    """After a save, here and when opened again, cursor() is the one that was saved."""
    with place(seen) as at:
        index = at.filled()
        index.save(cursor(4))
        got = [(c.seq, c.nonce) for c in (index.cursor(), at.open().cursor())]
        wanted = (cursor(4).seq, cursor(4).nonce)
        if got != [wanted, wanted]:
            raise Failure(f"{wanted}", f"{got}", "keep the cursor, seq and nonce, in the same file")


def check_save_reopen_equal(seen: IndexSubject) -> None:
    """What was saved answers as before when it is opened again."""
    with place(seen) as at:
        index = at.filled()
        before: Hits = index.search(queries(), K)
        index.save(cursor(1))
        after: Hits = at.open().search(queries(), K)
        same = (before.ids == after.ids).mean() >= (1.0 if index.exact else RECALL)
        off = np.abs(before.scores - after.scores).max()
        if not same or not off <= EXACT:
            raise Failure(
                "the same hits after save and open", f"scores up to {off:.5f} off, or other ids",
                "save ids and vectors as they are",
            )  # fmt: skip


def check_changes_after_reopening(seen: IndexSubject) -> None:
    """A saved index that is opened again takes additions and removals."""
    for check in (check_finds_itself, check_remove_removes, check_save_reopen_equal):
        _needs(seen, check)
    with place(seen) as at:
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


def check_newest_is_opened(seen: IndexSubject) -> None:
    """Of several saved states, the newest that the store knows is opened."""
    with place(seen) as at:
        index = at.filled()
        for seq in (9, 10):
            index.save(cursor(seq))
        if (got := at.open().cursor().seq) != 10:
            raise Failure("the state at change 10", f"that at {got}", "compare seq as a number")


def check_unknown_cursor_is_refused(seen: IndexSubject) -> None:
    """A state whose cursor is not `known` is not opened, and a line says so."""
    with place(seen) as at:
        at.filled().save(cursor(1))
        index, refused = at.backend.open(KEY, DIM, root=at.root, known=lambda _: False)
        if held(index) or index.cursor() != Cursor() or not refused:
            raise Failure(
                "an empty index and a line of why",
                f"{len(held(index))} rows, {index.cursor()}, {refused}",
                "ask known(cursor) before anything is loaded",
            )


def check_damage_is_refused(seen: IndexSubject) -> None:
    """Files that were cut short are refused with a line, and never raise."""
    with place(seen) as at:
        at.filled().save(cursor(1))
        files = [path for path in at.root.rglob("*") if path.is_file()]
        if not files:
            raise NotRun("it keeps no files")
        for path in files:
            path.write_bytes(path.read_bytes()[:20])
        fix = "check sizes and sums at opening; begin empty where they are wrong"
        try:
            index, refused = at.backend.open(KEY, DIM, root=at.root, known=lambda _: True)
        except Exception as error:
            raise Failure("no exception", f"{type(error).__name__}: {error}", fix) from error
        if (count := len(held(index))) or not refused:
            raise Failure("an empty index and a line", f"{count} rows, {refused}", fix)


def check_drop_deletes(seen: IndexSubject) -> None:
    """drop deletes what is saved of the keys with that prefix, and of no others."""
    with place(seen) as at:
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
    with place(seen) as at:
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
    for check in (check_finds_itself, check_save_reopen_equal, check_newest_is_opened):
        _needs(seen, check)
    for fault in saved_when_killed(seen.plugin):
        raise Failure(
            "a whole state, no older than the last that was saved", fault,
            "write to a temporary name, fsync, os.replace",
        )  # fmt: skip


def check_mine_equals_brute(seen: IndexSubject) -> None:
    """mine, if there is one, finds every pair of at least that cosine."""
    if not isinstance(seen.plugin, Mines):
        raise NotRun("it does not mine")
    vectors = rows(COUNT)
    _, blocks = seen.plugin.mine(vectors, 0.5, memory=10**9)
    found = {p for b in blocks for p in zip(b.left.tolist(), b.right.tolist(), strict=True)}
    wanted = {*map(tuple, np.argwhere(np.triu(vectors @ vectors.T >= 0.5, 1)).tolist())}
    if found != wanted:
        raise Failure(
            f"{len(wanted)} pairs", f"{len(found - wanted)} others, {len(wanted - found)} missing",
            "each pair once, the smaller row number left, never a row with itself",
        )  # fmt: skip


def _brute(at: Place) -> Any:
    twin = Brute().open(KEY, DIM, root=at.root / "twin", known=lambda _: True)[0]
    twin.add(ids(COUNT), rows(COUNT))
    return twin


def _needs(seen: IndexSubject, check: Callable[[IndexSubject], None]) -> None:
    """Raise NotRun where another rule, without which this one says nothing, is broken."""
    try:
        check(seen)
    except Exception as error:
        name = check.__name__.removeprefix("check_")
        raise NotRun(f"needs {name}, which fails") from error


CHECKS = (
    check_empty_index_answers,
    check_length_counts,
    check_hits_have_their_shape,
    check_finds_itself,
    check_equals_brute,
    check_best_come_first,
    check_scores_are_cosines,
    check_upsert_twice,
    check_remove_removes,
    check_remove_missing,
    check_k_beyond_size_pads,
    check_within_is_obeyed,
    check_ties_to_smaller_id,
    check_input_is_its_callers,
    check_describe_is_plain,
    check_saved_cursor_is_kept,
    check_save_reopen_equal,
    check_changes_after_reopening,
    check_newest_is_opened,
    check_unknown_cursor_is_refused,
    check_damage_is_refused,
    check_drop_deletes,
    check_drop_below_keeps_newer,
    check_kill_during_save,
    check_mine_equals_brute,
)
