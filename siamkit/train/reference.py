"""Embed the validation samples with the encoder that a modality has already: the bar to clear."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from inspect import unwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import Pipeline, open_encoder
from siamkit.errors import SiamkitError
from siamkit.io import foreign
from siamkit.models import built
from siamkit.protocols import Detector, Modality
from siamkit.train import heads
from siamkit.train.data import load
from siamkit.train.examples import Example
from siamkit.train.folder import REFERENCE, replacing
from siamkit.train.intake import embed_each
from siamkit.train.teacher import find_examples
from siamkit.train.validation import validated_rows
from siamkit.types import Progress

if TYPE_CHECKING:
    from siamkit.train.modality import TrainableModality

log = logging.getLogger("siamkit")


def write_references(
    runs: Sequence[tuple[Path, int]],
    examples: Sequence[Example],
    modality: TrainableModality,
    detector: Detector[Any] | None,
    progress: Progress,
) -> None:
    """Write the vectors of the modality's default encoder into runs that share their arrays.

    runs: prepared folders, each with its seed. Nothing is written for a modality without an encoder
    of its own, or if its vectors are what the runs learn from.
    """
    prepared = [(folder, seed, its.dataset) for folder, seed in runs if (its := load(folder))]
    folders = [(folder, validated_rows(dataset, seed)) for folder, seed, dataset in prepared]
    if not any(len(rows) for _, rows in folders):
        return
    dataset = prepared[0][2]
    plugin = cast(Modality[Any], unwrap(cast(Any, modality)))
    if isinstance(modality, heads.OwnEncoder) and modality.is_default:
        return
    try:
        encoder = open_encoder(plugin, None)
    except SiamkitError as error:
        if built.default_name(plugin):
            log.warning(f"the encoder that {plugin.name} have is not compared with: {error}")
        return
    compared = np.unique(np.concatenate([rows for _, rows in folders]))
    of_rows = find_examples(dataset, examples)
    chosen = [of_rows[row] for row in compared.tolist()]
    vectors = np.full((len(compared), encoder.dim), np.nan, np.float32)
    pipeline = Pipeline(plugin, detector, encoder)
    embedded = embed_each(pipeline, chosen, "embedding without training", progress)
    for number, vector in enumerate(embedded):
        if not isinstance(vector, SiamkitError):
            vectors[number] = vector
    name = built.default_name(plugin) or encoder.fingerprint
    for folder, rows in folders:
        with replacing(folder / REFERENCE) as temporary, temporary.open("wb") as file:
            part = vectors[np.searchsorted(compared, rows)]
            np.savez(file, vectors=part, rows=rows, name=np.frombuffer(name.encode(), np.uint8))


def read_reference(folder: Path, rows: NDArray[np.int64]) -> tuple[str, NDArray[np.float32]] | None:
    """Return the encoder's name and (n, dim) vectors of the rows, NaN where missing.

    Vectors of other rows, which an earlier start with other settings wrote, do not count: None.
    """
    path = folder / REFERENCE
    if not path.exists():
        return None
    names = "vectors", "rows", "name"
    vectors, its_rows, name = foreign.read_npz(path, names, hint="delete it, and start again")
    return (name.tobytes().decode(), vectors) if np.array_equal(its_rows, rows) else None
