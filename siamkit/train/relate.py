"""Turn judgements about pairs into identities, impostors and pairs to train on.

Samples that are the same, directly or by way of others, make an identity. A sample that is only
known to differ from others imitates the first of these: it becomes an impostor of that identity.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.manifests import label_of_text
from siamkit.errors import BadInput
from siamkit.io.sources import shorten, to_text
from siamkit.train.examples import Example, at_most
from siamkit.train.paired import Judgement
from siamkit.train.pairs import Pairs, Rows, components

GIANT = 0.5  # share of the samples of all identities at which one of them is remarked on
LARGE = 10  # samples of an identity below which it never is
MOST_CONTRADICTIONS = 0.5  # share of the negative pairs above which the labels cannot be right


@dataclass(slots=True, eq=False)
class _Judged:
    """Judgements as arrays, each pair once."""

    name: str  # of the table
    sources: list[Path | str]
    pairs: Pairs
    lines: Rows  # (m,)
    sides: list[str | None]  # (m,)
    notes: list[str] = field(default_factory=list)

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        self.pairs, self.lines = self.pairs.where(chosen), self.lines[chosen]
        self.sides = [side for side, is_chosen in zip(self.sides, chosen, strict=True) if is_chosen]

    def describe(self, pair: int) -> str:
        """Name a pair: line 7, 'b' and 'c'."""
        a, b = (shorten(name_of(self.sources[row])) for row in self.pairs.rows[pair])
        return f"line {self.lines[pair]}, {a!r} and {b!r}"


def name_of(source: Path | str) -> str:
    """Return a path as text, or the text itself."""
    return source if isinstance(source, str) else to_text(source)


def relate(judgements: Sequence[Judgement], name: str) -> tuple[list[Example], Pairs, list[str]]:
    """Return each sample once, the pairs of them, and remarks on what was left out.

    Graded pairs make no identities: each sample has a label of its own. name: of the table.
    Raises BadInput for pairs that nothing can be learned from, or that state two sides.
    """
    judged = _gather(judgements, name)
    _leave_out_itself(judged)
    _merge_repeated(judged)
    count = len(judged.sources)
    if judged.pairs.graded:
        _require_order(judged)
        units, impostors = np.arange(count), np.zeros(count, np.bool_)
        sides = _sides(judged, units)
    else:
        same = judged.pairs.scores == 1
        if not same.any():
            raise BadInput(
                f"{name} holds no pair that is the same: there is nothing to bring together",
                hint="; ".join(judged.notes) or "add pairs with the label 1",
            )
        units = components(count, judged.pairs.rows[same])
        _leave_out_contradictions(judged, units)
        _require_pairs(judged)
        if len(np.unique(units[judged.pairs.rows[judged.pairs.scores == 1]])) < 2:
            raise BadInput(
                f"{name}: pairs connect all samples that are the same into one identity",
                hint="add pairs of other samples; the same is passed on: if a is b and b is c, a"
                " is c",
            )
        _remark_on_giants(judged, units)
        sides = _sides(judged, units)
        units, impostors = _imitate(judged, units)
    _require_pairs(judged)
    used = np.unique(judged.pairs.rows)
    labels = _labels([judged.sources[row] for row in used], units[used], impostors[used])
    examples = [
        Example(judged.sources[row], label, bool(impostors[row]), sides[row])
        for row, label in zip(used, labels, strict=True)
    ]
    numbers = np.full(count, -1)
    numbers[used] = np.arange(len(used))
    return examples, judged.pairs.renumbered(numbers), judged.notes


def _require_pairs(judged: _Judged) -> None:
    if len(judged.pairs) < 2:
        raise BadInput(
            f"{judged.name} holds {len(judged.pairs)} usable pair: training and validation need two"
            " each",
            hint="; ".join(judged.notes) or "add pairs",
        )


def _require_order(judged: _Judged) -> None:
    """Raise BadInput if graded pairs have all the same score."""
    scores = judged.pairs.scores
    if len(scores) > 1 and np.ptp(scores) == 0:
        raise BadInput(
            f"{judged.name}: all {len(scores):,} scores are {scores[0]:g}: there is nothing to"
            " rank",
            hint="add pairs that are more or less alike than these",
        )


def _gather(judgements: Sequence[Judgement], name: str) -> _Judged:
    numbers: dict[Path | str, int] = {}
    rows = [
        (numbers.setdefault(j.a, len(numbers)), numbers.setdefault(j.b, len(numbers)))
        for j in judgements
    ]
    scores = np.array([j.score for j in judgements], np.float32)
    pairs = Pairs(np.array(rows, np.int64).reshape(-1, 2), scores)
    lines = np.array([j.line for j in judgements], np.int64)
    return _Judged(name, [*numbers], pairs, lines, [j.split for j in judgements])


def _leave_out_itself(judged: _Judged) -> None:
    itself = judged.pairs.rows[:, 0] == judged.pairs.rows[:, 1]
    if itself.any():
        first = judged.describe(int(itself.argmax()))
        judged.notes.append(
            f"{itself.sum():,} pairs of a sample with itself are left out, the first: {first}"
        )
        judged.keep(~itself)


def _merge_repeated(judged: _Judged) -> None:
    """Count each pair once; a graded one with the mean of its scores."""
    pairs = judged.pairs
    if not len(pairs):
        return
    low, high = pairs.rows.min(1), pairs.rows.max(1)
    keys = low * len(judged.sources) + high
    if not pairs.graded:
        keys = 2 * keys + (pairs.scores == 1)
    _, first, inverse, times = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    if len(first) == len(keys):
        return
    means = (np.bincount(inverse, pairs.scores) / times).astype(np.float32)
    differing = np.abs(means[inverse] - pairs.scores) > 1e-6
    judged.notes.append(f"{len(keys) - len(first):,} repeated pairs count once")
    if differing.any():
        judged.notes[-1] += (
            f", with the mean of their scores; the first that differ: "
            f"{judged.describe(int(differing.argmax()))}"
        )
    judged.pairs = Pairs(pairs.rows, means[inverse])
    chosen = np.zeros(len(keys), np.bool_)
    chosen[first] = True
    judged.keep(chosen)


def _leave_out_contradictions(judged: _Judged, units: Rows) -> None:
    """Leave out pairs that differ although others make them the same."""
    rows = judged.pairs.rows
    negative = judged.pairs.scores != 1
    wrong = negative & (units[rows[:, 0]] == units[rows[:, 1]])
    lines = [
        f"{judged.describe(int(pair))} differ there, and are the same by other lines: left out"
        for pair in np.flatnonzero(wrong)
    ]
    if wrong.sum() > max(1, MOST_CONTRADICTIONS * negative.sum()):
        raise BadInput(
            f"{judged.name}: {wrong.sum():,} of {negative.sum():,} pairs that differ are the same"
            f" by other lines, the first: {judged.describe(int(wrong.argmax()))}",
            hint="label 1 means the same, 0 different; the same is passed on: if a is b and b is"
            " c, a is c",
        )
    judged.notes += at_most(lines)
    judged.keep(~wrong)


def _remark_on_giants(judged: _Judged, units: Rows) -> None:
    sizes = np.bincount(units)
    total = sizes[sizes > 1].sum()
    if (largest := sizes.max()) > max(LARGE, GIANT * total):
        judged.notes.append(
            f"{largest:,} of {total:,} samples make one identity: pairs connect them like a chain,"
            " since a is c if a is b and b is c"
        )


def _sides(judged: _Judged, units: Rows) -> list[str | None]:
    """Return the side of the split of each sample: that which the pairs of its unit state.

    Leaves out pairs that differ and lie across the split. Raises BadInput, naming one pair, if
    the pairs that make an identity state both sides.
    """
    rows, graded = judged.pairs.rows, judged.pairs.graded
    side_of: dict[int, tuple[str, int]] = {}  # unit -> side, and the first pair that states it
    order = np.argsort(judged.pairs.scores != 1, kind="stable")  # positive pairs first
    for pair in order.tolist():
        side = judged.sides[pair]
        for unit in units[rows[pair]].tolist() if side else ():
            earlier, first = side_of.setdefault(unit, (str(side), pair))
            if earlier != side and not graded and judged.pairs.scores[pair] == 1:
                raise BadInput(
                    f"{judged.name}: {judged.describe(pair)} are the same and in {side}, but pairs"
                    f" connect them to {judged.describe(first)}, which are in {earlier}",
                    hint="put all pairs that share a sample on one side, or leave out the split",
                )
    sides = [side_of.get(int(unit), (None, 0))[0] for unit in units]
    stated = [{sides[a], sides[b]} - {None} for a, b in rows.tolist()]
    torn = np.array([len(both) == 2 for both in stated], np.bool_)
    if torn.any():
        judged.notes.append(
            f"{torn.sum():,} pairs connect train and validation and are left out, the first:"
            f" {judged.describe(int(torn.argmax()))}"
        )
        judged.keep(~torn)
    return sides


def _imitate(judged: _Judged, units: Rows) -> tuple[Rows, NDArray[np.bool_]]:
    """Return the unit of each sample, and True where it is an impostor of that unit.

    A sample without a positive is an impostor of the first identity that it differs from. Of two
    such samples the second is one of the first.
    """
    units = units.copy()
    impostors = np.zeros(len(units), np.bool_)
    alone = np.bincount(units)[units] == 1
    free = alone.copy()  # samples that have no role yet
    rows = judged.pairs.rows[judged.pairs.scores != 1]
    differing = alone[rows].sum(1)  # how many of the two have no positive
    for a, b in [*rows[differing == 1].tolist(), *rows[differing == 2].tolist()]:
        for anchor, imitation in ((a, b), (b, a)):
            if free[imitation] and not impostors[anchor]:
                units[imitation], impostors[imitation] = units[anchor], True
                free[anchor] = free[imitation] = False
                break
    return units, impostors


def _labels(sources: Sequence[Path | str], units: Rows, impostors: NDArray[np.bool_]) -> list[str]:
    """Return a label per sample: the name of the first genuine sample of its unit."""
    first: dict[int, str] = {}
    for order in (~impostors, impostors):
        for row in np.flatnonzero(order).tolist():
            first.setdefault(int(units[row]), label_of_text(name_of(sources[row])))
    units_of: dict[str, list[int]] = defaultdict(list)
    for unit, label in first.items():
        units_of[label].append(unit)
    labels = {
        unit: label if len(alike) == 1 else f"{label} #{unit}"  # texts that differ in blanks alone
        for label, alike in units_of.items()
        for unit in alike
    }
    return [labels[int(unit)] for unit in units]
