"""Prepare examples as one array on disk: load, crop, check and split them before training.

A prepared run folder holds `arrays.npy` and `data.json`. The latter is written last: if it is
there, the arrays are complete.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, NothingFound, SiamkitError
from siamkit.host import registry
from siamkit.io import foreign
from siamkit.protocols import Detector
from siamkit.sdk import threads
from siamkit.train.arrays import write_arrays
from siamkit.train.changes import describe_change, fingerprints, state_of
from siamkit.train.examples import Data, Example, label_notes, require_files
from siamkit.train.folder import ARRAYS, FACTS, link, replacing
from siamkit.train.intake import Loaded, Tally, load_example, select_rows
from siamkit.train.pairs import NO_PAIRS, Pairs
from siamkit.train.split import MIN_PER_SIDE, Split, folds_of, split_examples
from siamkit.train.threads import map_ahead
from siamkit.train.trials import FEW
from siamkit.types import Progress, ignore_progress

if TYPE_CHECKING:
    from siamkit.train.modality import TrainableModality


MAX_FACTS_BYTES = 1 << 30  # a million samples have 100 MB of names
log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Training and validation samples, ordered by identity; genuine samples come first."""

    arrays: NDArray[Any]  # (n, ...) from the modality's `array`; mapped from the disk
    labels: NDArray[np.int64]  # (n,) into names
    impostor: NDArray[np.bool_]  # (n,) True for an imitation of that identity, such as a forgery
    training: NDArray[np.bool_]  # (n,) False for the validation identities
    names: list[str]  # of the identities
    sources: list[str]  # (n,) paths, or the texts themselves
    # Labelled pairs, each within one side of the split; none of data that have only labels.
    pairs: NDArray[np.int64] = field(default_factory=lambda: NO_PAIRS.rows)  # (m, 2) rows
    scores: NDArray[np.float32] = field(default_factory=lambda: NO_PAIRS.scores)  # (m,) see Pairs
    categories: list[str] = field(default_factory=list)  # of the names; empty if unknown


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A data set, and remarks on the examples that it was prepared from."""

    dataset: Dataset
    faults: list[str]  # one line per source that could not be used, with the reason
    notes: list[str]  # one line per other oddity that people should know


def warn_of_few(dataset: Dataset) -> None:
    """Log a warning if a run has few identities to validate on."""
    identities = len(np.unique(dataset.labels[~dataset.training]))
    if 0 < identities < FEW:
        folds = folds_of(len(np.unique(dataset.labels)))
        log.warning(
            f"{identities} identities for validation say little: their error rate may be far from"
            " that of others. Add identities, give `--set validation=0.5`"
            + (f", or measure on all of them with `--folds {folds}`" if folds else "")
        )


def prepare(
    examples: Sequence[Example],
    modality: TrainableModality,
    detector: Detector[Any] | None,
    run: Path,
    split: Split,
    progress: Progress = ignore_progress,
    *,
    pairs: Pairs = NO_PAIRS,
) -> Prepared:
    """Prepare examples for one run, see `prepare_data`."""
    return prepare_data(Data(examples, pairs), modality, detector, [(run, split)], progress)


def prepare_data(
    data: Data,
    modality: TrainableModality,
    detector: Detector[Any] | None,
    runs: Sequence[tuple[Path, Split]],
    progress: Progress = ignore_progress,
) -> Prepared:
    """Load every example into the existing folder of a run, unless they are there already.

    runs: folders that share the arrays on the disk, each with its split; the first is returned.
    With pairs, an identity with one genuine sample is kept, too.
    Of several regions in a sample, the one that enrolment would take is taken. Sources that cannot
    be used become faults.

    Raises BadInput for too few identities, NothingFound if no source can be used, PluginError for
    arrays of two shapes or dtypes.
    """
    examples, pairs, (run, _) = data.examples, data.pairs, runs[0]
    if modality.kind != "text":
        require_files(examples, modality.name)
    splits = dict(runs)
    for its_split in splits.values():
        split_examples(examples, its_split, pairs)  # fail before loading, which may take hours
    digests = {
        folder: _digest(examples, modality, detector, its_split, pairs)
        for folder, its_split in splits.items()
    }
    if (earlier := load(run)) and all(_is_prepared(*item) for item in digests.items()):
        return earlier
    for folder in splits:
        (folder / FACTS).unlink(missing_ok=True)
    rows, tally = _load_rows(examples, modality, detector, run / ARRAYS, progress, len(pairs) > 0)
    loaded_pairs = pairs.renumbered(_row_numbers(examples, rows, tally.twins))
    notes = [*data.notes, *([] if len(pairs) else label_notes(examples)), *tally.notes()]
    for note in notes:
        log.warning(note)
    faults = [str(fault) for fault in tally.faults]
    for folder, its_split in splits.items():
        if folder != run:
            link(run / ARRAYS, folder / ARRAYS)
        try:
            facts = _split_facts(rows, its_split, loaded_pairs)
        except BadInput as error:
            raise _with_faults(error, tally.faults, len(examples)) from error
        facts["rows"] = fingerprints(examples, pairs)
        facts |= {"faults": faults, "notes": notes + facts["notes"], "digest": digests[folder]}
        with replacing(folder / FACTS) as temporary:
            temporary.write_text(json.dumps(facts), encoding="utf-8")
    prepared = load(run)
    assert prepared is not None  # it was written just now
    return prepared


def _load_rows(
    examples: Sequence[Example],
    modality: TrainableModality,
    detector: Detector[Any] | None,
    path: Path,
    progress: Progress,
    has_pairs: bool,
) -> tuple[list[Example], Tally]:
    """Write the arrays; return the example of each row, and what did not become one."""
    ordered = sorted(examples, key=_order)
    tally = Tally()
    pipeline = Pipeline(modality, detector, None)  # type: ignore[arg-type]  # nothing is embedded
    workers = threads.workers()
    load_one = partial(load_example, pipeline)
    loaded = map_ahead(load_one, ordered, workers=workers, ahead=4 * workers)
    reported = _report(loaded, len(ordered), progress)
    selected = select_rows(reported, tally, 1 if has_pairs else MIN_PER_SIDE)
    rows = write_arrays(path, selected, registry.describe(modality))
    if len(tally.faults) == len(examples):
        raise NothingFound(
            f"none of {len(examples):,} examples can be used; the first: {tally.faults[0]}",
            hint=tally.faults[0].hint,
        )
    return rows, tally


def _is_prepared(run: Path, digest: str) -> bool:
    return load(run) is not None and _read_facts(run)["digest"] == digest


def _report(samples: Iterable[Loaded], total: int, progress: Progress) -> Iterator[Loaded]:
    for done, sample in enumerate(samples, 1):
        progress("preparing", done, total)
        yield sample


def _with_faults(error: BadInput, faults: Sequence[SiamkitError], examples: int) -> BadInput:
    if not faults:
        return error
    return BadInput(
        f"{error}; {len(faults):,} of {examples:,} examples could not be used, the first:"
        f" {faults[0]}",
        hint=faults[0].hint or error.hint,
    )


def _row_numbers(
    examples: Sequence[Example], rows: Sequence[Example], twins: Mapping[str, str]
) -> NDArray[np.int64]:
    """Return the row of each example or, for a copy, of its twin; -1 if it could not be used."""
    numbers = {example.name: number for number, example in enumerate(rows)}
    names = (twins.get(example.name, example.name) for example in examples)
    return np.array([numbers.get(name, -1) for name in names], np.int64)


def _split_facts(rows: Sequence[Example], split: Split, pairs: Pairs) -> dict[str, Any]:
    """Return what is known of each row, and the side of the split it is on."""
    training, remaining = split_examples(rows, split, pairs)
    names = sorted({example.label for example in rows})
    numbers = {name: number for number, name in enumerate(names)}
    torn = len(pairs) - len(remaining)
    notes = [f"{torn:,} pairs lie across the split: left out"] if torn else []
    if (score := remaining.equal_score([e.label not in training for e in rows])) is not None:
        notes.append(f"all pairs for validation have the score {score:g}: no rate is measured")
    for note in notes:
        log.warning(note)
    category_of = {example.label: example.category for example in rows}
    return {
        "names": names,
        "categories": [category_of[name] for name in names],
        "labels": [numbers[example.label] for example in rows],
        "impostor": [example.impostor for example in rows],
        "training": [example.label in training for example in rows],
        "sources": [example.name for example in rows],
        "pairs": remaining.rows.tolist(),
        "scores": remaining.scores.tolist(),
        "notes": notes,
    }


def load(run: Path) -> Prepared | None:
    """Load what `prepare` wrote to a run folder; None if it is absent or incomplete."""
    try:
        facts = _read_facts(run)
        arrays = foreign.open_npy(run / ARRAYS)
        dataset = Dataset(
            arrays,
            np.array(facts["labels"], np.int64),
            np.array(facts["impostor"], np.bool_),
            np.array(facts["training"], np.bool_),
            facts["names"],
            facts["sources"],
            np.array(facts.get("pairs", []), np.int64).reshape(-1, 2),  # older runs have none
            np.array(facts.get("scores", []), np.float32),
            facts.get("categories", [""] * len(facts["names"])),
        )
        per_row = dataset.labels, dataset.impostor, dataset.training, dataset.sources
        if not arrays.ndim or any(len(values) != len(arrays) for values in per_row):
            return None
        if not set(dataset.labels.tolist()) <= set(range(len(dataset.names))):
            return None
        if len(dataset.pairs) != len(dataset.scores) or (dataset.pairs >= len(arrays)).any():
            return None
        return Prepared(dataset, facts["faults"], facts["notes"])
    except (BadInput, ValueError, KeyError, TypeError, OverflowError):
        return None


def change_since(run: Path, examples: Sequence[Example], pairs: Pairs) -> str:
    """Describe how the examples differ from those prepared in a run folder; empty if they do not.

    Runs of earlier versions say nothing.
    """
    before = _read_facts(run).get("rows")
    return "" if before is None else describe_change(before, fingerprints(examples, pairs))


def _read_facts(run: Path) -> dict[str, Any]:
    facts: dict[str, Any] = foreign.read_json(run / FACTS, MAX_FACTS_BYTES)
    return facts


def _order(example: Example) -> tuple[str, bool, str, str]:
    region = example.enrolled.region if example.enrolled else ""
    return example.label, example.impostor, example.name, region


def _digest(
    examples: Sequence[Example],
    modality: TrainableModality,
    detector: Detector[Any] | None,
    split: Split,
    pairs: Pairs,
) -> str:
    """Hash all that the arrays depend on (SHA-256); of a file: name, size and time of change."""
    inputs = [
        modality.name,
        detector and detector.name,
        modality.preprocessing(),
        split.share,
        split.seed,
        *(split.fold or ()),
        *sorted({(example.label, example.category) for example in examples if example.category}),
    ]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode())
    for example in sorted(examples, key=_order):
        line = json.dumps([*_order(example), example.split, state_of(example)])
        digest.update(line.encode())
    for (a, b), score in zip(pairs.rows.tolist(), pairs.scores.tolist(), strict=True):
        digest.update(json.dumps([examples[a].name, examples[b].name, score]).encode())
    return digest.hexdigest()
