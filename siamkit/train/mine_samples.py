"""Gather the samples of a data set, each once, with their vectors: what negatives are mined from.

The vectors are those that are served: an encoder's, or a gallery's templates. Torch is not loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from siamkit.embed import batches
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import only_usable
from siamkit.errors import BadInput, NothingFound, SiamkitError
from siamkit.io.sources import shorten, to_path
from siamkit.store import Store, galleries
from siamkit.store.gallery_vectors import load_vectors
from siamkit.train.examples import Data, Example, at_most, require_files
from siamkit.train.pairs import NO_PAIRS, Pairs, Rows
from siamkit.types import Progress, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples of different names, their vectors, and which of them the data set relates."""

    examples: list[Example]
    vectors: Vectors  # (n, dim) float32 unit rows
    same: Rows  # (m, 2) rows of one identity; together these pairs make the identities
    different: Rows  # (m, 2) rows that the data set says are different
    faults: list[str]  # one per sample that could not be used
    notes: list[str]
    labels: Rows = field(init=False)  # (n,) identities: 0, 1, …
    impostor: NDArray[np.bool_] = field(init=False)  # (n,)

    def __post_init__(self) -> None:
        names = np.array([example.label for example in self.examples], object)
        labels = np.unique(names, return_inverse=True)[1].astype(np.int64)
        impostor = np.array([example.impostor for example in self.examples], np.bool_)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "impostor", impostor)


def samples_of_data(data: Data, pipeline: Pipeline, progress: Progress) -> Samples:
    """Embed the samples of a data set. Those that cannot be embedded become faults.

    Raises BadInput for graded pairs, NothingFound if no sample can be embedded.
    """
    if data.pairs.graded:
        raise BadInput(
            "the scores of these pairs are degrees: no sample is a negative of another",
            hint="give pairs with the label 1 or 0, or labelled samples",
        )
    if pipeline.modality.kind != "text":
        require_files(data.examples, pipeline.modality.name)
    distinct, numbers, faults = _distinct(data.examples)
    vectors, errors = _embed(pipeline, distinct, progress)
    faults += [str(error) for error in errors if error]
    usable = np.array([error is None for error in errors], np.bool_)
    if not usable.any():
        first = next(filter(None, errors), None)
        raise NothingFound(
            f"none of {len(data.examples):,} samples can be used; the first: {faults[0]}",
            hint=first.hint if first else "give each sample one label",
        )
    rows = np.where(usable, np.cumsum(usable) - 1, -1)
    pairs = data.pairs.renumbered(np.where(numbers < 0, -1, rows[numbers]))
    examples = [e for e, is_usable in zip(distinct, usable, strict=True) if is_usable]
    return _related(examples, vectors[usable], pairs, faults, data.notes)


def samples_of_gallery(store: Store, gallery: str, modality: str) -> Samples:
    """Return the samples of a gallery with their templates.

    Raises StoreError if there is no such gallery, BadInput if it holds another modality.
    """
    target = galleries.get(store, gallery)
    if target.space.modality != modality:
        raise BadInput(
            f"gallery {gallery!r} holds {target.space.modality}, not {modality}",
            hint=f"-m {target.space.modality}, or another gallery",
        )
    enrolled = load_vectors(store, target)
    examples = [
        Example(sample.source if sample.inline else to_path(sample.source), sample.identity)
        for sample in enrolled.samples
    ]
    distinct, numbers, faults = _distinct(examples)
    if not distinct:
        raise NothingFound(f"gallery {gallery!r} has no sample to mine")
    rows = np.unique(numbers, return_index=True)[1][-len(distinct) :]  # of the first of each name
    return _related(distinct, enrolled.vectors[rows], NO_PAIRS, faults, [])


def _distinct(examples: Sequence[Example]) -> tuple[list[Example], Rows, list[str]]:
    """Return each sample once, its number for each example, and a fault for each contradiction.

    A table knows a sample by its name. One that two identities have would make them one: all
    examples of it have the number -1.
    """
    first: dict[str, Example] = {}
    contradictory: dict[str, str] = {}
    for example in examples:
        earlier = first.setdefault(example.name, example)
        if (earlier.label, earlier.impostor) != (example.label, example.impostor):
            contradictory.setdefault(
                example.name,
                f"{shorten(example.name)}: it is {_role(earlier)} and {_role(example)}",
            )
    numbers: dict[str, int] = {}
    for name in first:
        if name not in contradictory:
            numbers[name] = len(numbers)
    rows = np.array([numbers.get(example.name, -1) for example in examples], np.int64)
    return [first[name] for name in numbers], rows, list(contradictory.values())


def _role(example: Example) -> str:
    label = repr(shorten(example.label))
    return f"an impostor of {label}" if example.impostor else f"of {label}"


def _embed(
    pipeline: Pipeline, examples: Sequence[Example], progress: Progress
) -> tuple[Vectors, list[SiamkitError | None]]:
    """Return (n, dim) vectors, and the error of each sample that has none."""
    vectors = np.zeros((len(examples), pipeline.encoder.dim), np.float32)
    errors: list[SiamkitError | None] = []
    jobs = (Job(example.source) for example in examples)
    for batch in batches.embed_all(pipeline, jobs, only_usable):
        for embedded in batch:
            if embedded.error is None:
                vectors[len(errors)] = embedded.regions[0].vector
            errors.append(embedded.error)
        progress("embedding", len(errors), len(examples))
    return vectors, errors


def _related(
    examples: list[Example], vectors: Vectors, pairs: Pairs, faults: list[str], notes: Iterable[str]
) -> Samples:
    """Relate samples by their pairs or, without any, by their labels."""
    if len(pairs):
        same, different = (pairs.rows[pairs.scores == score] for score in (1, 0))
        return Samples(examples, vectors, same, different, faults, [*notes])
    rings: list[tuple[int, int]] = []
    apart: list[tuple[int, int]] = []
    of_label: dict[str, list[int]] = {}
    for row, example in enumerate(examples):
        if not example.impostor:
            of_label.setdefault(example.label, []).append(row)
    for rows in of_label.values():
        rings += zip(rows, rows[1:] + rows[:1], strict=True) if len(rows) > 1 else []
    for row, example in enumerate(examples):
        if example.impostor and example.label in of_label:
            apart.append((of_label[example.label][0], row))
    alone = [
        f"{shorten(label)!r} has one sample: it is a negative, and no anchor"
        for label, rows in of_label.items()
        if len(rows) == 1
    ]
    same, different = (np.array(rows, np.int64).reshape(-1, 2) for rows in (rings, apart))
    return Samples(examples, vectors, same, different, faults, [*notes, *at_most(alone)])
