"""Trials: which pairs of samples are compared, and which of them are of one identity.

A file of trials has the columns a, b and label: two samples and 1 if they are of one identity,
else 0. One with a column score needs no encoder: it was scored elsewhere. A folder per identity
gives every pair of its files, or a sample of them.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.embed.manifests import read_labelled, records
from siamkit.errors import BadInput
from siamkit.io.sources import to_text
from siamkit.stats.comparisons import Comparisons
from siamkit.types import Fault

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids

A, B, LABEL, SCORE = "a", "b", "label", "score"
LABELS = {"1": True, "0": False, "true": True, "false": False, "1.0": True, "0.0": False}
PAIRS = 1_000_000  # of a folder, at most
MOST = 1_000  # samples of one identity that are compared with each other


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """n pairs of m samples."""

    samples: list[Path | str]  # (m,) files, or texts; of scored trials only their names
    identities: Ids  # (m,) a number each, from 0
    left: Ids  # (n,) rows of samples
    right: Ids  # (n,)
    mated: NDArray[np.bool_]  # (n,)
    scores: NDArray[np.float64] | None = None  # (n,) where they were scored elsewhere
    groups: list[str] | None = None  # (n,) where a column of them was named
    folds: list[int] | None = None  # (n,) where there is a column fold
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what people should know, a line each

    def __len__(self) -> int:
        return len(self.mated)

    def part(self, keep: NDArray[np.bool_]) -> Trials:
        """Some of the trials, of all samples."""
        rows = np.flatnonzero(keep)
        return replace(
            self,
            left=self.left[rows],
            right=self.right[rows],
            mated=self.mated[rows],
            scores=None if self.scores is None else self.scores[rows],
            groups=None if self.groups is None else [self.groups[i] for i in rows],
            folds=None if self.folds is None else [self.folds[i] for i in rows],
        )

    def compared(self, scores: NDArray[np.float64]) -> Comparisons:
        """The trials with (n,) scores."""
        left, right = self.identities[self.left], self.identities[self.right]
        return Comparisons(scores, self.mated, left, right)


def columns(path: Path) -> list[str]:
    """The columns of a file of trials, by its first line. Raises BadInput for what is none."""
    found: list[str] = []
    for _, row in records(path, found.extend):
        return found or list(row)
    return found


def of(path: Path, *, text: bool, group: str | None = None, pairs: int = PAIRS) -> Trials:
    """Trials from a file, or from a folder per identity. Raises BadInput for what is neither."""
    if not path.is_dir():
        return from_file(path, text=text, group=group)
    if group:
        raise BadInput(f"{to_text(path)} is a folder, which has no column {group}")
    return from_folder(path, pairs=pairs)


def from_file(
    path: Path, *, text: bool = False, group: str | None = None, scored: bool = False
) -> Trials:
    """The trials of a CSV or JSON-lines file.

    text: the samples are texts, not paths (from the file's folder). group: a column. scored: the
    scores are in a column score, and a and b may be missing. Lines that cannot be used are faults:
    labels other than 0 and 1, scores that are no finite number, pairs given both as mated and as
    not. Pairs given twice, and a sample with itself, are left out with a note. The identities
    are the folders of the samples where those agree with the labels, else all samples that chains
    of mated pairs join. Raises BadInput for a file without these columns, or without any trial.
    """
    shown = to_text(path)

    def check(columns: Sequence[str]) -> None:
        wanted = [LABEL, SCORE] if scored else [A, B, LABEL]
        lacking = [name for name in [*wanted, *([group] if group else [])] if name not in columns]
        if lacking:
            raise BadInput(
                f"{shown} has no column {' and no column '.join(lacking)}:"
                f" there are {', '.join(columns)[:80] or 'none'}",
                hint="trials have the columns a, b and label (1 of one identity, 0 of two)",
            )

    faults: list[Fault] = []
    read: dict[str, list[Any]] = {name: [] for name in (A, B, LABEL, SCORE, "group", "fold")}

    def broken(line: int, reason: str) -> None:
        faults.append(Fault(reason, line=line))

    for line, row in records(path, check, broken):
        reason = _take(row, read, group, scored)
        if reason:
            faults.append(Fault(reason, line=line))
    if not read[LABEL]:
        first = f"; {faults[0]}" if faults else ""
        raise BadInput(f"{shown}: there is no trial in it{first}", hint="one a line: a,b,label")
    names, numbers = _numbered([*read[A], *read[B]])
    count = len(read[LABEL])
    found = Trials(
        [name if text or scored else path.parent / name for name in names],
        np.arange(len(names)),
        numbers[:count],
        numbers[count:],
        np.array(read[LABEL], np.bool_),
        np.array(read[SCORE], np.float64) if scored else None,
        [str(value) for value in read["group"]] if group else None,
        _folds(read["fold"]),
        faults,
        _notes(read),
    )
    return _identified(_each_once(found), names, folders=not text)


def _take(row: dict[str, Any], read: dict[str, list[Any]], group: str | None, scored: bool) -> str:
    """Append one line's values; or say why that cannot be."""
    label = LABELS.get(str(row.get(LABEL)).strip().lower())
    if label is None:
        return f"label {str(row.get(LABEL))[:40]!r} is neither 0 nor 1"
    score = math.nan
    a, b = row.get(A), row.get(B)
    if scored:
        given = row.get(SCORE)
        try:
            score = float("" if given is None or isinstance(given, bool) else given)
        except (TypeError, ValueError):
            return f"score {str(given)[:40]!r} is no number"
        if not math.isfinite(score):
            return f"score {score} is not finite"
        if a is None and b is None:  # pairs without names are each of identities of their own
            number = len(read[LABEL])
            a, b = f"{number}", f"{number}" if label else f"{number}'"
    if not a or not b or not isinstance(a, str) or not isinstance(b, str):
        return "a or b is empty"
    values = (a, b, label, score, row.get(group) if group else None, row.get("fold"))
    for column, value in zip(read.values(), values, strict=True):
        column.append(value)
    return ""


def _notes(read: dict[str, list[Any]]) -> list[str]:
    """What was not taken as it may have been meant."""
    notes = []
    if any(value is not None for value in read["fold"]) and _folds(read["fold"]) is None:
        notes.append("the column fold holds more than whole numbers, and is left aside")
    return notes


def _folds(values: list[Any]) -> list[int] | None:
    try:
        return [int(value) for value in values]
    except (TypeError, ValueError):
        return None


def _numbered(values: list[str]) -> tuple[list[str], Ids]:
    numbers: dict[str, int] = {}
    rows = np.fromiter(
        (numbers.setdefault(value, len(numbers)) for value in values), np.int64, len(values)
    )
    return list(numbers), rows


def _each_once(found: Trials) -> Trials:
    """Every pair once, whichever way round, and none of a sample with itself."""
    notes, faults = list(found.notes), list(found.faults)
    keep = np.ones(len(found), np.bool_)
    if found.scores is None:
        itself = found.left == found.right
        keep &= ~itself
        if itself.any():
            notes.append(f"{int(itself.sum()):,} trials of a sample with itself are left out")
    low, high = np.minimum(found.left, found.right), np.maximum(found.left, found.right)
    _, first, of = np.unique(
        low * len(found.samples) + high, return_index=True, return_inverse=True
    )
    both = (np.bincount(of, found.mated) > 0) & (np.bincount(of, ~found.mated) > 0)
    for row in np.flatnonzero(both[of] & keep):
        keep[row] = False
        pair = f"{found.samples[found.left[row]]} and {found.samples[found.right[row]]}"
        faults.append(Fault("given both as mated and as non-mated", pair))
    again = np.arange(len(found)) != first[of]
    if found.scores is not None:
        differs = again & (found.scores != found.scores[first[of]])
        again &= ~differs
        if differs.any():
            notes.append(
                f"{int(differs.sum()):,} pairs are given again with another score, which counts"
                " as a comparison of its own"
            )
    if (again & keep).any():
        notes.append(f"{int((again & keep).sum()):,} pairs given twice count once")
    return replace(found.part(keep & ~again), faults=faults, notes=notes)


def _identified(found: Trials, names: Sequence[str], *, folders: bool) -> Trials:
    """The trials with the identities of their samples."""
    if folders:
        _, of = _numbered([os.path.dirname(name) for name in names])
        if len(np.unique(of)) > 1 and (found.mated == (of[found.left] == of[found.right])).all():
            return replace(found, identities=of, notes=[*found.notes, "identities are folders"])
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = found.left[found.mated], found.right[found.mated]
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(names), len(names)))
    _, of = connected_components(graph, directed=False)
    of = of.astype(np.int64)
    notes = [*found.notes, "identities are what chains of mated pairs join"]
    odd = int((~found.mated & (of[found.left] == of[found.right])).sum())
    if odd:
        notes.append(f"{odd:,} non-mated pairs are of samples that chains of mated pairs join")
    return replace(found, identities=of, notes=notes)


def from_folder(folder: Path, *, pairs: int = PAIRS, seed: int = 0) -> Trials:
    """Every pair of the files below a folder per identity; of more than `pairs`, so many.

    Mated pairs are kept first: at most half of what is kept where there are so many. Raises
    BadInput for fewer than two identities, or if none has two samples.
    """
    listed = read_labelled(str(folder), sys.stdin)
    _, of = _numbered([label for label, _ in listed])
    return all_pairs([source for _, source in listed], of, pairs=pairs, seed=seed)


def all_pairs(
    samples: Iterable[Path | str], identities: Ids, *, pairs: int = PAIRS, seed: int = 0
) -> Trials:
    """Every pair of (m,) samples, or `pairs` of them drawn by a seed, see `from_folder`."""
    listed, count = list(samples), len(identities)
    if len(np.unique(identities)) < 2 or len(np.unique(identities)) == count:
        raise BadInput(
            f"{count:,} samples of {len(np.unique(identities)):,} identities make no trials",
            hint="two identities are needed at least, one of them with two samples",
        )
    rng = np.random.default_rng(seed)
    order = np.argsort(identities, kind="stable")
    same = [
        np.stack(np.triu_indices(min(len(rows), MOST), 1)) + start
        for start, rows in _runs(identities[order])
    ]
    mated = order[np.concatenate(same, axis=1)]
    total = count * (count - 1) // 2
    if total > pairs:
        if mated.shape[1] > pairs // 2:
            drawn = np.sort(rng.choice(mated.shape[1], pairs // 2, replace=False))
            mated = mated[:, drawn]
        other = _others(rng, identities, pairs - mated.shape[1])
    else:
        left, right = np.triu_indices(count, 1)
        apart = identities[left] != identities[right]
        other = np.stack([left[apart], right[apart]])
    both = np.concatenate([mated, other], axis=1).astype(np.int64)
    kept = both.shape[1]
    notes = [f"{kept:,} of {total:,} pairs, drawn by seed {seed}"] if kept < total else []
    labels = np.arange(both.shape[1]) < mated.shape[1]
    return Trials(listed, identities, both[0], both[1], labels, notes=notes)


def _runs(ordered: Ids) -> list[tuple[int, Ids]]:
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    parts = np.split(ordered, starts[1:])
    return list(zip(starts.tolist(), parts, strict=True))


def _others(rng: np.random.Generator, identities: Ids, wanted: int) -> Ids:
    """(2, k) different non-mated pairs, k at most as many as wanted."""
    count = len(identities)
    left = rng.integers(count, size=2 * wanted)
    right = rng.integers(count, size=2 * wanted)
    apart = identities[left] != identities[right]
    low, high = np.minimum(left, right)[apart], np.maximum(left, right)[apart]
    keys = rng.permutation(np.unique(low * count + high))[:wanted]
    keys.sort()
    pairs: Ids = np.stack([keys // count, keys % count])
    return pairs
