"""Examples in, arrays out: loaded in threads, in order, without copies and lonely identities."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import name_sample, only_usable
from siamkit.errors import PluginError, SiamkitError
from siamkit.flows.reembed import read_enrolled
from siamkit.host import registry
from siamkit.io.sources import shorten
from siamkit.sdk import regions
from siamkit.train.examples import Example, at_most
from siamkit.train.split import LEAST

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True, eq=False)
class Loaded:
    """One example's array with the SHA-256 of its bytes, or why there is none."""

    example: Example
    array: NDArray[Any] | None = None
    digest: bytes = b""
    fault: SiamkitError | None = None


@dataclass(slots=True, eq=False)
class Tally:
    """What did not become a row, and what is odd about those that did."""

    faults: list[SiamkitError] = field(default_factory=list)
    copies: int = 0
    contradictions: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        lines = list(at_most(self.contradictions))
        if self.copies:
            lines.append(f"{self.copies:,} exact copies within an identity count once")
        if self.left_out:
            lines.append(
                f"{len(self.left_out):,} identities with fewer than {LEAST} genuine samples are"
                f" left out: {shorten(', '.join(self.left_out[:10]))}"
            )
        return lines


def load_all(pipeline: Pipeline, examples: Iterable[Example]) -> Iterator[Loaded]:
    """Each in a thread, in order, and no more of them ahead than there are threads to fill."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[Loaded]] = deque()
    feed = iter(examples)
    with ThreadPoolExecutor(workers, thread_name_prefix="siamkit") as pool:
        try:
            while True:
                for example in islice(feed, 4 * workers - len(waiting)):
                    waiting.append(pool.submit(_load, pipeline, example))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _load(pipeline: Pipeline, example: Example) -> Loaded:
    name = shorten(example.name)
    try:
        if example.enrolled:
            content = read_enrolled(example.enrolled)
            medium, region = pipeline.load(content), regions.from_json(example.enrolled.region)
        else:
            content = pipeline.read(example.source)
            seen = pipeline.detect(content)
            try:
                ((region, _),) = only_usable(seen)
            except SiamkitError as error:
                raise name_sample(name, error) from error
            medium = seen.medium
        array = _array(pipeline.modality, pipeline.crop(medium, region, content), name)
    except SiamkitError as error:
        return Loaded(example, fault=error)
    return Loaded(example, array, hashlib.sha256(array.tobytes()).digest())


def _array(plugin: Any, crop: Any, name: str) -> NDArray[Any]:
    try:
        with registry.calling(plugin, "array"):
            array = plugin.array(crop)
    except SiamkitError as error:
        raise name_sample(name, error) from error
    if not isinstance(array, np.ndarray) or array.dtype.hasobject:
        raise PluginError(f"{name}: {registry.describe(plugin)}: array gave {type(array).__name__}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise PluginError(f"{name}: {registry.describe(plugin)}: array gave NaN or Inf")
    return array


def sift(loaded: Iterable[Loaded], tally: Tally) -> Iterator[tuple[Example, NDArray[Any]]]:
    """What becomes a row: no copies, and nothing of an identity without two genuine samples.

    `loaded` is ordered by identity, genuine samples first, so that one of them at most is held.
    """
    seen: dict[bytes, Example] = {}
    for label, group in groupby(loaded, key=lambda each: each.example.label):
        genuine: list[Loaded] = []
        for each in _distinct(group, seen, tally):
            if each.example.impostor and len(genuine) < LEAST:
                continue
            if not each.example.impostor and len(genuine) < LEAST:
                genuine.append(each)
                if len(genuine) < LEAST:
                    continue
                yield from ((one.example, one.array) for one in genuine if one.array is not None)
            elif each.array is not None:
                yield each.example, each.array
        if len(genuine) < LEAST:
            tally.left_out.append(label)


def _distinct(
    group: Iterable[Loaded], seen: dict[bytes, Example], tally: Tally
) -> Iterator[Loaded]:
    """One identity's arrays, each once. The same array elsewhere is likely to be a wrong label."""
    own: dict[bytes, Example] = {}
    for each in group:
        if each.fault:
            tally.faults.append(each.fault)
            continue
        example = each.example
        if twin := own.get(each.digest):
            if twin.impostor == example.impostor:
                tally.copies += 1
            else:
                tally.contradictions.append(
                    f"{shorten(twin.name)} and {shorten(example.name)} are the same sample, once"
                    f" as genuine and once as an impostor: it counts as genuine ({example.label!r})"
                )
            continue
        own[each.digest] = example
        other = seen.setdefault(each.digest, example)
        if other.label != example.label:
            tally.contradictions.append(
                f"{shorten(other.name)} of {other.label!r} and {shorten(example.name)} of"
                f" {example.label!r} are the same sample: one label is likely to be wrong"
            )
        yield each
