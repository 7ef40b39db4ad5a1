"""Read trials from a table, or from a folder per identity.

A table of trials has the columns a, b and label: two samples, and 1 if they are of one identity,
else 0. One with a column score was scored by another program and needs no encoder. A folder per
identity gives every pair of its files, or a sample of them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.manifests import read_labelled_folder
from siamkit.errors import BadInput
from siamkit.flows.trials import MOST_PAIRS, Trials, number_distinct, pair_samples
from siamkit.io.sources import to_text
from siamkit.io.table_read import open_table
from siamkit.io.table_record import Table, list_columns
from siamkit.io.table_values import as_name, as_number, as_text
from siamkit.types import Fault, Ids

A, B, LABEL, SCORE, FOLD = "a", "b", "label", "score", "fold"
LABELS = {"1": True, "0": False, "true": True, "false": False, "1.0": True, "0.0": False}


@dataclass(frozen=True, slots=True)
class _Trial:
    """One row of a table."""

    a: str
    b: str
    mated: bool
    score: float
    group: str
    fold: Any


def read_trials(
    path: Path,
    *,
    text: bool,
    group: str | None = None,
    pairs: int = MOST_PAIRS,
    table: str | None = None,
    encoding: str | None = None,
) -> Trials:
    """Read a table of trials, or pair the files of a folder per identity.

    text: samples are texts. group: a column of the table. pairs: of a folder, at most. table:
    of a database, or a sheet. encoding: of a table that is not UTF-8. Raises BadInput for anything
    else.
    """
    if not path.is_dir():
        return read_trial_table(path, text=text, group=group, table=table, encoding=encoding)
    if group:
        raise BadInput(f"{to_text(path)} is a folder, which has no column {group}")
    labelled, faults = read_labelled_folder(path)
    _, identities = number_distinct([label for label, _ in labelled])
    trials = pair_samples([source for _, source in labelled], identities, pairs=pairs)
    return replace(trials, faults=[*faults, *trials.faults])


def read_trial_table(
    path: Path,
    *,
    text: bool = False,
    group: str | None = None,
    scored: bool = False,
    table: str | None = None,
    encoding: str | None = None,
) -> Trials:
    """Read the trials of a table.

    text: samples are texts, not paths relative to the table. group: a column. scored: scores are in
    a column score, and a and b may be missing. table, encoding: see `read_trials`. Rows that cannot
    be used are faults: labels other than 0 and 1, scores that are not finite numbers, pairs
    labelled both mated and non-mated. Repeated pairs, and pairs of a sample with itself, are
    dropped with a note. Identities are the folders of the samples where those agree with the
    labels, else the sets of samples that mated pairs connect. Raises BadInput for a table without
    these columns, or without any trial.
    """
    rows: list[_Trial] = []
    faults: list[Fault] = []
    with open_table(path, table=table, plain=".csv", encoding=encoding) as opened:
        _require_columns(opened, group, scored=scored)
        columns = (A, B, LABEL, SCORE, FOLD)
        for record in opened.read(*columns, *([group] if group else [])):
            try:
                if record.error:
                    raise ValueError(record.error)
                rows.append(_parse(record.values, group, scored=scored, unnamed=len(rows)))
            except ValueError as error:
                faults.append(Fault(str(error), line=record.line))
    kinds = {row.mated for row in rows}
    if not rows or (faults and len(kinds) == 1):  # a fault is why the other kind is missing
        missing = ("non-mated trial" if True in kinds else "mated trial") if rows else "trial"
        first_fault = f"; {faults[0]}" if faults else ""
        raise BadInput(
            f"{to_text(path)} has no {missing}{first_fault}", hint="write one per line: a,b,label"
        )
    names, indices = number_distinct([row.a for row in rows] + [row.b for row in rows])
    folds = _whole_numbers([row.fold for row in rows])
    trials = Trials(
        [name if text or scored else path.parent / name for name in names],
        np.arange(len(names)),
        indices[: len(rows)],
        indices[len(rows) :],
        np.array([row.mated for row in rows], np.bool_),
        np.array([row.score for row in rows], np.float64) if scored else None,
        [row.group for row in rows] if group else None,
        folds,
        faults=faults,
    )
    if folds is None and any(row.fold is not None for row in rows):
        trials.notes.append("the column fold has values that are not whole numbers; it is ignored")
    return _with_identities(_drop_repeats(trials), names, folders=not text)


def _require_columns(table: Table, group: str | None, *, scored: bool) -> None:
    """Raise BadInput if a column is missing.

    JSON lines may each bring their own columns, but the first must have a score if one is needed.
    """
    columns = [*([LABEL, SCORE] if scored else [A, B, LABEL]), *([group] if group else [])]
    missing = [column for column in columns if table.find(column) is None]
    if missing and (table.has_header or SCORE in missing):
        hint = "trials have the columns a, b and label (1: one identity, 0: two)"
        if SCORE in missing:
            hint = "score the trials by an encoder: -m MODALITY or --gallery NAME"
        raise BadInput(
            f"{table.name} has no column {' and no column '.join(missing)}:"
            f" there are {list_columns(table.columns)}",
            hint=hint,
        )


def _parse(values: dict[str, Any], group: str | None, *, scored: bool, unnamed: int) -> _Trial:
    """Return one row. unnamed: its number, which names its samples if a and b are missing.

    Raises ValueError, saying why the row cannot be used.
    """
    mated = LABELS.get(str(values[LABEL]).strip().lower())
    if mated is None:
        raise ValueError(f"label {as_text(values[LABEL])[0][:40]!r} is neither 0 nor 1")
    score = _parse_score(values[SCORE]) if scored else math.nan
    a, b = values[A], values[B]
    if scored and a is None and b is None:  # every unnamed pair has identities of its own
        a, b = f"{unnamed}", f"{unnamed}" if mated else f"{unnamed}'"
    group_name = as_text(values[group])[0] if group else ""
    return _Trial(as_name(a, A), as_name(b, B), mated, score, group_name, values[FOLD])


def _parse_score(value: Any) -> float:
    try:
        score = as_number(value)
    except (ValueError, OverflowError):
        raise ValueError(f"score {str(value)[:40]!r} is not a number") from None
    if not math.isfinite(score):
        raise ValueError(f"score {score} is not finite")
    return score


def _whole_numbers(values: Sequence[Any]) -> list[int] | None:
    try:
        return [int(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        return None


def _drop_repeats(trials: Trials) -> Trials:
    """Keep each pair once, in either order, and no pair of a sample with itself.

    Scored pairs that are repeated with another score are kept.
    """
    notes, faults = list(trials.notes), list(trials.faults)
    keep = np.ones(len(trials), np.bool_)
    if trials.scores is None:
        keep = trials.left != trials.right
        if not keep.all():
            notes.append(f"{int((~keep).sum()):,} trials of a sample with itself are left out")
    low, high = np.minimum(trials.left, trials.right), np.maximum(trials.left, trials.right)
    _, first, pair = np.unique(
        low * len(trials.samples) + high, return_index=True, return_inverse=True
    )
    for row in np.flatnonzero(_contradictory(pair, trials.mated) & keep):
        keep[row] = False
        name = f"{trials.samples[trials.left[row]]} and {trials.samples[trials.right[row]]}"
        faults.append(Fault("labelled both mated and non-mated", name))
    repeated = np.arange(len(trials)) != first[pair]
    if trials.scores is not None:
        rescored = repeated & (trials.scores != trials.scores[first[pair]])
        repeated &= ~rescored
        if rescored.any():
            notes.append(
                f"{int(rescored.sum()):,} pairs are repeated with another score; each counts as a"
                " separate comparison"
            )
    if (repeated & keep).any():
        notes.append(f"{int((repeated & keep).sum()):,} repeated pairs count once")
    return replace(trials.select(keep & ~repeated), faults=faults, notes=notes)


def _contradictory(pair: Ids, mated: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return an (n,) mask of the rows whose pair is labelled both mated and non-mated."""
    both: NDArray[np.bool_] = (np.bincount(pair, mated) > 0) & (np.bincount(pair, ~mated) > 0)
    return both[pair]


def _with_identities(trials: Trials, names: Sequence[str], *, folders: bool) -> Trials:
    if folders:
        _, identities = number_distinct([os.path.dirname(name) for name in names])
        same = identities[trials.left] == identities[trials.right]
        if len(np.unique(identities)) > 1 and (trials.mated == same).all():
            notes = [*trials.notes, "identities are the folders of the samples"]
            return replace(trials, identities=identities, notes=notes)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = trials.left[trials.mated], trials.right[trials.mated]
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(names), len(names)))
    identities = connected_components(graph, directed=False)[1].astype(np.int64)
    notes = [*trials.notes, "identities are the sets of samples that mated pairs connect"]
    same = identities[trials.left] == identities[trials.right]
    if contradictions := int((~trials.mated & same).sum()):
        notes.append(f"{contradictions:,} non-mated pairs are of samples that mated pairs connect")
    return replace(trials, identities=identities, notes=notes)
