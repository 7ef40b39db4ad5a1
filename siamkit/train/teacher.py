"""Embed the samples of a run with an encoder to learn from, its teacher. Imports no torch."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.errors import BadInput, SiamkitError
from siamkit.io.sources import to_text
from siamkit.train.arrays import write_arrays
from siamkit.train.data import Dataset
from siamkit.train.examples import Example
from siamkit.train.folder import TEACHER, Origin, link
from siamkit.train.intake import embed_each
from siamkit.types import Progress, Vectors

OWN = "encoder"  # the modality's default encoder; `encoder:NAME` is NAME, as for a backbone


def open_teacher(origin: Origin, teacher: str) -> Pipeline:
    """Open the encoder that a run learns from. Raises MissingWeights for an unknown one."""
    kind, _, name = teacher.partition(":")
    encoder = (name or None) if kind == OWN else teacher
    return open_pipeline(origin.modality, encoder=encoder, detector=origin.detector)


def write_vectors(
    folders: Sequence[Path],
    dataset: Dataset,
    teacher: Pipeline,
    examples: Sequence[Example],
    progress: Progress,
) -> None:
    """Write the teacher's vectors of every row of a prepared data set into the folders of runs.

    examples: those that it was prepared from. Raises SiamkitError for one that cannot be read any
    more, PluginError for a vector that is not of norm 1.
    """
    rows = find_examples(dataset, examples)
    first, *copies = (folder / TEACHER for folder in folders)
    write_arrays(first, _embed(teacher, rows, progress), teacher.encoder.fingerprint)
    for path in copies:
        link(first, path)


def read_vectors(folder: Path, dataset: Dataset) -> NDArray[np.float32]:
    """Return (n, t) unit rows, mapped from the disk. Raises BadInput without them."""
    try:
        vectors: NDArray[np.float32] = np.load(folder / TEACHER, mmap_mode="r", allow_pickle=False)
        if vectors.ndim != 2 or len(vectors) != len(dataset.arrays):
            raise ValueError(f"it holds vectors of shape {vectors.shape}")
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(
            f"{to_text(folder / TEACHER)} does not hold the teacher's vectors: {error}",
            hint="begin a new run",
        ) from error
    return vectors


def find_examples(dataset: Dataset, examples: Sequence[Example]) -> list[Example]:
    """Find the example of each row. Of a picture with several regions, rows have their order."""
    waiting: defaultdict[tuple[str, bool, str], deque[Example]] = defaultdict(deque)
    for example in sorted(examples, key=lambda e: e.enrolled.region if e.enrolled else ""):
        waiting[example.label, example.impostor, example.name].append(example)
    labels = (dataset.names[label] for label in dataset.labels.tolist())
    keys = zip(labels, dataset.impostor.tolist(), dataset.sources, strict=True)
    return [waiting[key].popleft() for key in keys]


def _embed(
    teacher: Pipeline, examples: Sequence[Example], progress: Progress
) -> Iterator[tuple[Example, Vectors]]:
    vectors = embed_each(teacher, examples, "embedding for the teacher", progress)
    for example, vector in zip(examples, vectors, strict=True):
        if isinstance(vector, SiamkitError):
            raise vector
        yield example, vector
