"""Examples as one array on disk: loaded, cropped, checked and split once, before any training.

A prepared run folder holds `arrays.npy` and `data.json`, which is written last: if it is there,
the arrays are whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, NothingFound, PluginError, SiamkitError
from siamkit.host import registry
from siamkit.io.sources import shorten
from siamkit.train.durable import replacing
from siamkit.train.examples import Example, label_notes
from siamkit.train.folder import ARRAYS, FACTS
from siamkit.train.intake import Loaded, Tally, load_all, sift
from siamkit.train.split import split_identities
from siamkit.types import Progress, ignore_progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """What a network is trained and judged on, ordered by identity; genuine samples first."""

    arrays: NDArray[Any]  # (n, ...) as the modality's `array` makes them; mapped from the disk
    labels: NDArray[np.int64]  # (n,) into names
    impostor: NDArray[np.bool_]  # (n,) True for an imitation of that identity, such as a forgery
    training: NDArray[np.bool_]  # (n,) False for the validation identities
    names: list[str]  # of the identities
    sources: list[str]  # (n,) paths, or the texts themselves


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A data set, and what was found out while it was made."""

    dataset: Dataset
    faults: list[str]  # a line for each source that could not be used, with its reason
    notes: list[str]  # what else people should know, a line each


def prepare(
    examples: Sequence[Example],
    plugin: Any,
    detector: Any | None,
    run: Path,
    *,
    share: float,
    seed: int,
    progress: Progress = ignore_progress,
) -> Prepared:
    """Load every example into the folder `run`, which must exist; or find it there already.

    Of several regions the one that enrolment would take is taken. Sources that cannot be used are
    faults; identities are split by `share` and `seed`, see siamkit.train.split. `progress` is told
    how many examples are done, and of how many. Raises BadInput for too few identities,
    NothingFound if no source can be used, PluginError for arrays of two shapes or dtypes.
    """
    if plugin.kind != "text" and (texts := [e for e in examples if isinstance(e.source, str)]):
        raise BadInput(
            f"{shorten(texts[0].name)!r} is a text, and {plugin.name} are not texts",
            hint="name files, in a column path",
        )
    split_identities(examples, share, seed)  # hours may pass until this could fail again
    digest = _digest(examples, plugin, detector, share, seed)
    if (ready := load(run)) and _facts(run)["digest"] == digest:
        return ready
    (run / FACTS).unlink(missing_ok=True)
    ordered = sorted(examples, key=_order)
    tally = Tally()

    def counted() -> Iterator[Loaded]:
        pipeline = Pipeline(plugin, detector, None)  # type: ignore[arg-type]  # nothing is embedded
        for done, loaded in enumerate(load_all(pipeline, ordered), 1):
            progress("preparing", done, len(ordered))
            yield loaded

    kept = _write(run / ARRAYS, sift(counted(), tally), plugin)
    if len(tally.faults) == len(examples):
        raise NothingFound(
            f"none of {len(examples):,} examples can be used; the first: {tally.faults[0]}",
            hint=tally.faults[0].hint,
        )
    try:
        training, _ = split_identities(kept, share, seed)
    except BadInput as error:
        raise _after_faults(error, tally.faults, len(examples)) from error
    notes = [*label_notes(examples), *tally.notes()]
    for note in notes:
        log.warning(note)
    _note(run, digest, kept, training, [str(fault) for fault in tally.faults], notes)
    made = load(run)
    assert made is not None  # it was written just now
    return made


def _after_faults(error: BadInput, faults: Sequence[SiamkitError], examples: int) -> BadInput:
    """What is left is too little, and why so little is left."""
    if not faults:
        return error
    return BadInput(
        f"{error}; {len(faults):,} of {examples:,} examples could not be used, the first:"
        f" {faults[0]}",
        hint=faults[0].hint or error.hint,
    )


def _note(
    run: Path,
    digest: str,
    kept: Sequence[Example],
    training: set[str],
    faults: list[str],
    notes: list[str],
) -> None:
    """Write what the rows are; from now on the arrays count as whole."""
    names = sorted({example.label for example in kept})
    numbers = {name: number for number, name in enumerate(names)}
    facts = {
        "digest": digest,
        "names": names,
        "labels": [numbers[example.label] for example in kept],
        "impostor": [example.impostor for example in kept],
        "training": [example.label in training for example in kept],
        "sources": [example.name for example in kept],
        "faults": faults,
        "notes": notes,
    }
    with replacing(run / FACTS) as aside:
        aside.write_text(json.dumps(facts), encoding="utf-8")


def load(run: Path) -> Prepared | None:
    """What `prepare` has left in a run folder; None if that is nothing, or not whole."""
    try:
        facts = _facts(run)
        arrays = np.load(run / ARRAYS, mmap_mode="r", allow_pickle=False)
        dataset = Dataset(
            arrays,
            np.array(facts["labels"], np.int64),
            np.array(facts["impostor"], np.bool_),
            np.array(facts["training"], np.bool_),
            facts["names"],
            facts["sources"],
        )
        if len(dataset.labels) != len(arrays):
            return None
        return Prepared(dataset, facts["faults"], facts["notes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _facts(run: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((run / FACTS).read_text(encoding="utf-8"))
    return facts


def _order(example: Example) -> tuple[str, bool, str, str]:
    region = example.enrolled.region if example.enrolled else ""
    return example.label, example.impostor, example.name, region


def _digest(
    examples: Iterable[Example], plugin: Any, detector: Any | None, share: float, seed: int
) -> str:
    """SHA-256 over all that the arrays depend on; of a file, its name, size and time of change."""
    how = [plugin.name, detector and detector.name, plugin.preprocessing(), share, seed]
    digest = hashlib.sha256(json.dumps(how, sort_keys=True, default=str).encode())
    for example in sorted(examples, key=_order):
        state = ""
        if isinstance(example.source, Path):
            try:
                found = example.source.stat()
                state = f"{found.st_size} {found.st_mtime_ns}"
            except (OSError, ValueError):
                state = "absent"
        line = json.dumps([*_order(example), example.split, state])
        digest.update(line.encode())
    return digest.hexdigest()


def _write(path: Path, rows: Iterable[tuple[Example, NDArray[Any]]], plugin: Any) -> list[Example]:
    """Write the arrays to a .npy file, however many there will be; returns their examples."""
    kept: list[Example] = []
    first: NDArray[Any] | None = None
    with replacing(path) as aside, aside.open("wb") as file:

        def head() -> None:  # numpy leaves room in it for more digits of the first dimension
            like = np.empty((0,)) if first is None else first[None]
            np.lib.format.write_array_header_1_0(file, {
                "descr": np.lib.format.dtype_to_descr(like.dtype),
                "fortran_order": False,
                "shape": (len(kept), *like.shape[1:]),
            })  # fmt: skip

        for example, array in rows:
            if first is None:
                first = array
                head()
            if array.shape != first.shape or array.dtype != first.dtype:
                raise PluginError(
                    f"{registry.describe(plugin)}: array gave {array.dtype} {array.shape} for"
                    f" {shorten(example.name)}, and {first.dtype} {first.shape} for"
                    f" {shorten(kept[0].name)}"
                )
            file.write(array.tobytes())
            kept.append(example)
        file.seek(0)
        head()
    return kept
