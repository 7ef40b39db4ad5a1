"""Run a set of samples through chosen layers: find each channel's strongest places."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import SiamkitError
from siamkit.flows.layer_places import StrongestPlaces, StrongPlace, inside
from siamkit.flows.layer_runs import LayerRun, View, crop_of
from siamkit.io.sources import name_of_bytes, to_text
from siamkit.protocols import Source
from siamkit.sdk import threads
from siamkit.sdk.layers import Layer
from siamkit.store.samples import Sample
from siamkit.types import Box, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.flows.layer_runs import Pixels

    Map: TypeAlias = NDArray[np.float32]  # (rows, columns) of one channel, as its picture is turned

BATCH = 4  # pictures per run: a layer of 96 channels of 112 px takes 20 MB of them
MOST_SAMPLES = 1_000  # of a set; of a larger one, so many are taken, evenly spread


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A place in a sample of the set that a channel responds to."""

    source: str
    value: float  # of the channel there
    field: Box  # px of the picture: what the channel sees there
    picture: Pixels  # the sample as the network gets it
    response: Map  # of the channel to all of the picture; its least where padding counts


def respond(view: View, layer: Layer, channel: Map) -> Map:
    """Return a channel as its picture is turned, at its least along edges, where padding counts."""
    part = inside(layer, channel.shape, view.canvas.lengths(layer))
    counted = np.full(channel.shape, channel.min(), np.float32)
    counted[part] = channel[part]
    return view.canvas.upright(counted, layer)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A place to cut out: of a layer and a channel, by number, the rank among its places."""

    layer: int
    channel: int
    rank: int
    strong: StrongPlace


class Survey:
    """One pass over a set for the strongest places of every channel, another to cut them out."""

    def __init__(
        self,
        run: LayerRun,
        pipeline: Pipeline,
        samples: Sequence[Source | Sample],
        places: int,
    ) -> None:
        step = max(1.0, len(samples) / MOST_SAMPLES)
        self._samples = [samples[int(n * step)] for n in range(min(len(samples), MOST_SAMPLES))]
        self._run, self._pipeline = run, pipeline
        most = min(places, MOST_SAMPLES)
        self.strongest = [StrongestPlaces(layer, most) for layer in run.layers]
        self._views: list[tuple[int, int]] = []  # of each picture: its sample, and which view of it
        self.first: View | None = None
        self.errors: list[SiamkitError] = []
        self.used = 0

    def read(self, progress: Progress) -> None:
        """Run every sample. Raises the first error if none can be used."""
        for numbers, views in self._runs(range(len(self._samples)), progress, "running the layers"):
            self.used += len(numbers)
            for view in views:
                self._views.append((numbers[view.medium], view.number))
                self.first = self.first or replace(view, maps=())
                for strongest, maps in zip(self.strongest, view.maps, strict=True):
                    lengths = view.canvas.lengths(strongest.layer)
                    part = inside(strongest.layer, maps.shape[1:], lengths)
                    strongest.add(len(self._views) - 1, maps, part)
        if self.errors and not self.used:
            raise self.errors[0]

    def cut(
        self, picked: Sequence[Sequence[int]], progress: Progress
    ) -> dict[tuple[int, int], list[Place]]:
        """Return the places of picked channels, by layer and channel, the strongest first."""
        requests: dict[tuple[int, int], list[_Wanted]] = {}  # by sample, and view of it
        for number, channels in enumerate(picked):
            for channel in channels:
                for rank, strong in enumerate(self.strongest[number].ranked(channel)):
                    item = _Wanted(number, channel, rank, strong)
                    requests.setdefault(self._views[strong.picture], []).append(item)
        places: dict[tuple[int, int], dict[int, Place]] = {}
        numbers = sorted({sample for sample, _ in requests})
        for samples, views in self._runs(numbers, progress, "cutting out places"):
            for view in views:
                sample = samples[view.medium]
                for item in requests.get((sample, view.number), ()):
                    place = self._place(view, item, self._name(sample))
                    places.setdefault((item.layer, item.channel), {})[item.rank] = place
        return {key: [ranked[rank] for rank in sorted(ranked)] for key, ranked in places.items()}

    def _place(self, view: View, item: _Wanted, source: str) -> Place:
        layer, maps = self._run.layers[item.layer], view.maps[item.layer]
        box = view.canvas.box(layer, *divmod(item.strong.place, maps.shape[2]))
        response = respond(view, layer, maps[item.channel])
        return Place(source, item.strong.value, box, view.picture, response)

    def _name(self, sample: int) -> str:
        source = self._samples[sample]
        if isinstance(source, Sample):
            return source.source
        return name_of_bytes(source) if isinstance(source, bytes) else to_text(source)  # type: ignore[arg-type]

    def _runs(
        self, numbers: Sequence[int], progress: Progress, step: str
    ) -> Iterator[tuple[list[int], Iterator[View]]]:
        """Run samples, by their numbers, in batches; yield the numbers of those that could be."""
        size = BATCH if self._pipeline.modality.kind == "image" else 1
        done = 0
        with ThreadPoolExecutor(threads.workers(), thread_name_prefix="siamkit") as pool:
            opening: deque[tuple[Sequence[int], list[Future[Any]]]] = deque()
            try:
                for start in [*range(0, len(numbers), size), None]:
                    if start is not None:
                        chunk = numbers[start : start + size]
                        opening.append((chunk, [pool.submit(self._open, n) for n in chunk]))
                    if opening and (start is None or len(opening) > 1):
                        chunk, futures = opening.popleft()
                        opened = [
                            (n, future.result()) for n, future in zip(chunk, futures, strict=True)
                        ]
                        self.errors += [
                            crop for _, crop in opened if isinstance(crop, SiamkitError)
                        ]
                        usable = [pair for pair in opened if not isinstance(pair[1], SiamkitError)]
                        if usable:
                            crops = [crop for _, crop in usable]
                            yield [n for n, _ in usable], self._run.run(crops)
                        done += len(chunk)
                        progress(step, done, len(numbers))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _open(self, number: int) -> Any:
        try:
            return crop_of(self._pipeline, self._samples[number])[1]
        except SiamkitError as error:
            return error
