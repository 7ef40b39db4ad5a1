"""Find all near pairs of a set: among all pairs, or among those of rows that lie close together.

Up to EXACT rows, all rows are compared with each other. Above, rows are divided into parts, see
`division`, and each row is compared with the rows of its own part and of the few others whose
centroids are nearly as near. The comparisons are matrix products between a part and all rows that
probe it, of shortened rows, see `screen`. Nothing but the shortened rows is held in memory, so
the vectors may be a mapped file that is larger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.sdk import threads
from siamkit.types import Mined, Progress, ignore_progress
from siamkit_faiss import division
from siamkit_faiss.division import CHUNK, Visits
from siamkit_faiss.in_order import in_order
from siamkit_faiss.parts import ROWS_PER_PART
from siamkit_faiss.screen import Screen, choose_screen, principal_axes

if TYPE_CHECKING:
    from siamkit.types import Vectors
    from siamkit_faiss.screen import Rows

    Facts: TypeAlias = Mapping[str, str | int | float | bool]

EXACT = 50_000  # rows, which take about 3 s on two cores; embedding them takes minutes
TILE = 1 << 19  # scores that a thread holds at once
TILE_BYTES = 64  # per score: itself, its mask and, for a pair, both row numbers, twice
SIDE = 1_024  # columns of a tile, at most
TASK = 1 << 21  # comparisons that a thread makes before it reports: all may be pairs
BLOCK = 16_384  # rows shortened at once
TRIED = 64  # parts that the screen is chosen on
TRIED_OF_PART = 256  # rows of each of them, at most
TRIED_ROWS, TRIED_COLUMNS = 512, 4_096  # of all rows
PARTS = 2.5  # per square root of the number of rows: dividing costs as much as comparing
ROW_BYTES = 32  # per row: its part, its place, and what sorts them
VISIT_BYTES, SORTED_BYTES = 4, 24  # per row and part that it probes, and while it is sorted
NO_PAIRS = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def mine(
    vectors: Vectors,
    floor: float,
    *,
    memory: int,
    progress: Progress = ignore_progress,
    exact_up_to: int = EXACT,
) -> tuple[Facts, Iterator[Mined]]:
    """Find all pairs with a cosine of at least `floor`, see siamkit.protocols.Mines."""
    count, dim = vectors.shape
    exact = count <= exact_up_to
    parts = 1 if exact else round(PARTS * count**0.5)
    needed = _needed(count, dim, parts)
    _require(needed, memory, vectors)
    facts: Facts
    if exact:
        facts = {"structure": "all pairs", "exact": True, "recall": 1.0}
        screen = Screen(floor)
        if count >= TRIED_COLUMNS:
            screen = _screen_of_all(vectors, principal_axes(vectors), floor)
        return facts, _compare_parts(vectors, screen, division.undivided(count))
    with threads.single_threaded():  # small products, for which a second thread only spins
        axes = principal_axes(vectors)
        screen = _screen_of_all(vectors, axes, floor)
    sample = division.sample_rows(count)
    pairs = division.sample_pairs(vectors, sample, screen, progress)
    with threads.single_threaded():
        divided, recall, probed = division.divide(vectors, axes, parts, sample, pairs)
    needed += round((VISIT_BYTES * count + SORTED_BYTES * min(count, CHUNK)) * probed)
    _require(needed, memory, vectors)
    visits = division.visit(vectors, divided, progress)
    with threads.single_threaded():
        most = (memory - needed) // (4 * count) - 1
        screen = _screen_of_parts(vectors, axes, floor, visits, most)
    facts = {"structure": f"{parts} parts", "exact": False, "recall": recall, "probed": probed}
    return facts, _compare_parts(vectors, screen, visits)


def _require(needed: int, memory: int, vectors: Vectors) -> None:
    if needed > memory:
        count, dim = vectors.shape
        raise BadInput(
            f"mining {count:,} x {dim} takes {needed / 1e9:.1f} GB,"
            f" but only {max(memory, 0) / 1e9:.1f} GB are allowed",
            hint="raise the limit with `--max-memory`",
        )


def _needed(count: int, dim: int, parts: int) -> int:
    """Estimate the bytes needed at least: tiles, and the division into parts."""
    tiles = threads.workers() * TILE * TILE_BYTES
    if parts == 1:
        return tiles + count * (dim // 2 + 1) * 4
    training = 2 * min(count, parts * ROWS_PER_PART) * division.AXES * 4
    probing = threads.workers() * division.TILE * 6
    return max(tiles, probing) + training + count * ROW_BYTES


def _screen_of_all(vectors: Vectors, axes: Vectors, floor: float) -> Screen:
    """Return the cheapest screen for comparing any rows with all rows."""
    rng, count = np.random.default_rng(2), len(vectors)
    rows, columns = (
        np.sort(rng.choice(count, min(size, count), replace=False))
        for size in (TRIED_ROWS, TRIED_COLUMNS)
    )
    return choose_screen(vectors, axes, floor, [(rows, columns)], len(axes))


def _screen_of_parts(
    vectors: Vectors, axes: Vectors, floor: float, visits: Visits, most: int
) -> Screen:
    """Return the cheapest screen for comparing parts with what probes them."""
    rng = np.random.default_rng(3)
    places = rng.integers(0, len(vectors), TRIED)
    tasks = []
    for part in np.searchsorted(visits.ends, places, "right") - 1:
        members = visits.members(part)
        rows = np.concatenate([members, visits.visitors(part)])
        tasks.append((rows[:: 1 + len(rows) // TRIED_OF_PART], members[:TRIED_OF_PART]))
    return choose_screen(vectors, axes, floor, tasks, most)


def _compare_parts(vectors: Vectors, screen: Screen, visits: Visits) -> Iterator[Mined]:
    """Compare each part's rows with each other and with the rows that visit it."""
    short, place = _shorten_by_part(vectors, screen, visits)

    def shortened(rows: Rows) -> Vectors:
        return vectors[rows] if short is None else short[place[rows]]

    def compare(task: _Task) -> Mined:
        members = visits.members(task.part)
        rows = members if task.own else visits.visitors(task.part)
        stop, pairs = min(task.start + task.step, len(rows)), [NO_PAIRS]
        for first in range(task.start if task.own else 0, len(members), SIDE):
            columns = members[first : first + SIDE]
            short_columns, step = shortened(columns).T, max(1, TILE // len(columns))
            last = min(stop, first + SIDE) if task.own else stop
            for top in range(task.start, last, step):
                tile = rows[top : min(top + step, last)]
                bounds = shortened(tile) @ short_columns
                pairs.append(screen.near_pairs(vectors, tile, columns, bounds, once=task.own))
        left, right, scores = (np.concatenate([block[i] for block in pairs]) for i in range(3))
        done = visits.ends[task.part] + stop if task.own else visits.ends[task.part + 1]
        left, right = np.minimum(left, right), np.maximum(left, right)
        return Mined(left.astype(np.int64), right.astype(np.int64), scores, int(done))

    yield from in_order(compare, _tasks(visits))


@dataclass(frozen=True, slots=True)
class _Task:
    """Some rows to compare with those of a part."""

    part: int
    own: bool  # the rows are its own, or those that visit it
    start: int
    step: int


def _tasks(visits: Visits) -> Iterator[_Task]:
    for part in range(len(visits.ends) - 1):
        members = len(visits.members(part))
        step = max(1, TASK // max(1, members))
        for own in (True, False):
            rows = members if own else len(visits.visitors(part))
            for start in range(0, rows, step):
                yield _Task(part, own, start, step)


def _shorten_by_part(
    vectors: Vectors, screen: Screen, visits: Visits
) -> tuple[Vectors | None, NDArray[np.int32]]:
    """Return (n, m + 1) shortened rows, those of a part together, and the (n,) place of each row.

    None if the screen does not shorten rows: they are then read where they are.
    """
    place = np.empty(len(visits.order), np.int32)
    if screen.axes is None:
        return None, place
    place[visits.order] = np.arange(len(place), dtype=np.int32)
    short = np.empty((len(place), screen.axes.shape[1] + 1), np.float32)
    for start in range(0, len(place), BLOCK):
        rows = vectors[start : start + BLOCK]
        short[place[start : start + BLOCK]] = screen.shorten(rows)
    return short, place
