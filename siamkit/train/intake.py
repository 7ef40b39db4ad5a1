"""Load examples into arrays; drop copies, and identities with too few samples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import name_sample, only_usable
from siamkit.errors import PluginError, SiamkitError
from siamkit.flows.reembed import read_enrolled
from siamkit.host import registry
from siamkit.io.sources import shorten
from siamkit.sdk import threads
from siamkit.train.examples import Example, at_most
from siamkit.train.split import MIN_PER_SIDE
from siamkit.train.threads import map_ahead
from siamkit.types import Progress, Vectors

if TYPE_CHECKING:
    from siamkit.train.modality import TrainableModality

BATCH = 64  # samples that are embedded at once

# An example with its array, or with the fault that prevented it.
Loaded: TypeAlias = tuple[Example, NDArray[Any] | SiamkitError]
Row: TypeAlias = tuple[Example, NDArray[Any]]


@dataclass(slots=True, eq=False)
class Tally:
    """Examples that did not become rows, and oddities of those that did."""

    faults: list[SiamkitError] = field(default_factory=list)
    copies: int = 0
    twins: dict[str, str] = field(default_factory=dict)  # the name of a copy: of what it copies
    contradictions: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Describe all but the faults, one line each."""
        lines = list(at_most(self.contradictions))
        if self.copies:
            lines.append(f"{self.copies:,} exact copies within an identity count once")
        if self.left_out:
            lines.append(
                f"{len(self.left_out):,} identities with fewer than {MIN_PER_SIDE} genuine samples"
                f" are left out: {shorten(', '.join(self.left_out[:10]))}"
            )
        return lines


def load_example(pipeline: Pipeline, example: Example) -> Loaded:
    """Read, detect and crop one example, and turn it into an array. Raises nothing."""
    try:
        crop = load_crop(pipeline, example)
        modality = cast("TrainableModality", pipeline.modality)
        return example, _array(modality, crop, shorten(example.name))
    except SiamkitError as error:
        return example, error


def load_crop(pipeline: Pipeline, example: Example) -> Any:
    """Read, detect and crop one example. Raises SiamkitError, naming it."""
    if example.enrolled:
        content = read_enrolled(example.enrolled)
        medium, region = pipeline.load(content), example.enrolled.read_region()
        return pipeline.crop(medium, region, content)
    content = pipeline.read(example.source)
    detected = pipeline.detect(content)
    try:
        ((region, _),) = only_usable(detected)
    except SiamkitError as error:
        raise name_sample(shorten(example.name), error) from error
    return pipeline.crop(detected.medium, region, content)


def embed_each(
    pipeline: Pipeline, examples: Sequence[Example], step: str, progress: Progress
) -> Iterator[Vectors | SiamkitError]:
    """Yield the vector of each example, (dim,) float32, or what kept it from having one.

    step: of which the progress is told.
    """
    workers = threads.workers()
    crops = map_ahead(partial(_try_crop, pipeline), examples, workers=workers, ahead=BATCH)
    for start in range(0, len(examples), BATCH):
        batch = list(islice(crops, BATCH))
        cropped = [crop for crop in batch if not isinstance(crop, SiamkitError)]
        rows = zip(*pipeline.embed(cropped), strict=True) if cropped else iter(())
        for crop in batch:
            if isinstance(crop, SiamkitError):
                yield crop
            else:
                vector, is_usable = next(rows)
                yield vector if is_usable else pipeline.row_error(vector)
        progress(step, start + len(batch), len(examples))


def _try_crop(pipeline: Pipeline, example: Example) -> Any:
    try:
        return load_crop(pipeline, example)
    except SiamkitError as error:
        return error


def _array(modality: TrainableModality, crop: Any, name: str) -> NDArray[Any]:
    try:
        with registry.calling(modality, "array"):
            array = modality.array(crop)
    except SiamkitError as error:
        raise name_sample(name, error) from error
    if not isinstance(array, np.ndarray) or array.dtype.hasobject:
        kind = type(array).__name__
        raise PluginError(f"{name}: {registry.describe(modality)}: array returned {kind}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise PluginError(f"{name}: {registry.describe(modality)}: array returned NaN or Inf")
    return array


def select_rows(loaded: Iterable[Loaded], tally: Tally, least: int = MIN_PER_SIDE) -> Iterator[Row]:
    """Yield the rows to train on: no copies, and no identity without `least` genuine samples.

    `loaded` is ordered by identity, genuine samples first, so that fewer than `least` are held
    back.
    """
    by_digest: dict[bytes, Example] = {}
    for label, samples in groupby(loaded, key=lambda sample: sample[0].label):
        genuine: list[Row] = []
        for example, array in _distinct(samples, by_digest, tally):
            if len(genuine) >= least:
                yield example, array
            elif not example.impostor:
                genuine.append((example, array))
                if len(genuine) == least:
                    yield from genuine
        if len(genuine) < least:
            tally.left_out.append(label)


def _distinct(
    samples: Iterable[Loaded], by_digest: dict[bytes, Example], tally: Tally
) -> Iterator[Row]:
    """Yield the distinct arrays of one identity.

    An array that another identity has, too, is likely to be labelled wrongly: it is noted.
    """
    by_content: dict[bytes, Example] = {}
    for example, array in samples:
        if isinstance(array, SiamkitError):
            tally.faults.append(array)
            continue
        digest = hashlib.sha256(array.tobytes()).digest()
        if twin := by_content.get(digest):
            tally.twins[example.name] = twin.name
            if twin.impostor == example.impostor:
                tally.copies += 1
            else:
                tally.contradictions.append(
                    f"{shorten(twin.name)} and {shorten(example.name)} are the same sample, once"
                    f" as genuine and once as an impostor: it counts as genuine ({example.label!r})"
                )
            continue
        by_content[digest] = example
        first = by_digest.setdefault(digest, example)
        if first.label != example.label:
            tally.contradictions.append(
                f"{shorten(first.name)} of {first.label!r} and {shorten(example.name)} of"
                f" {example.label!r} are the same sample: one label is likely to be wrong"
            )
        yield example, array
