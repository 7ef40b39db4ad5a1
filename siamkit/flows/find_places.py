"""The places of a picture that may show an enrolled thing, scored, before anything is decided.

Every region of a picture is compared with the gallery and stands for its nearest identity. Regions
of one identity that overlap are one place: the best of them. A part of a thing often looks like it,
and so does the thing with its surroundings: so it counts which share of the smaller region lies in
the other, which drops all that non-maximum suppression drops at an intersection over union of 0.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.embed import batches, rerankers
from siamkit.embed.batches import EmbeddedSource, Job
from siamkit.embed.pipeline import DetectedSample, Pipeline
from siamkit.embed.region_choosers import ChosenRegions
from siamkit.errors import BadInput, NothingFound, SiamkitError, StoreError
from siamkit.flows import find_refine
from siamkit.flows.find_refine import Compared
from siamkit.flows.nearest import find_nearest
from siamkit.flows.rerank import rerank_matches
from siamkit.protocols import Detector, Reranker
from siamkit.sdk import boxes
from siamkit.stats.find_calibration import FindSetup
from siamkit.stats.scoring import fusion_of, mated_cosine_of
from siamkit.store import galleries
from siamkit.store.live_index import LiveIndex
from siamkit.types import Box, Image, Match, Region

# Share of a region's area inside another, above which both are one place. With windows on the logos
# AP50 is 0.112; by an intersection over union of 0.5 alone 0.105, with 2.4 times as many boxes.
SAME_PLACE = 0.5
JUDGED = 8  # places of a picture that a reranker judges: each costs a comparison of two crops
SEARCHED = 512  # regions at once: their scores with all of their candidates fit into memory
FALLBACK = "proposals"  # the detector of a search in a gallery that has none
LEAST_SIDE = 2.0  # px: a narrower region shows nothing, and rounding may leave no pixel of it


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """The places of one picture, best first."""

    embedded: EmbeddedSource
    matches: list[Match]  # (n,) the nearest identity of each
    rows: list[int]  # (n,) of `embedded.regions`
    scores: NDArray[np.float64]  # (n,) cosines, or probabilities of a reranker

    @property
    def error(self) -> SiamkitError | None:
        """Why the picture could not be searched; a picture without any region could."""
        error = self.embedded.error
        return None if isinstance(error, NothingFound) and self.embedded.size else error

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, px; 0, 0 if it was not decoded."""
        return self.embedded.size or (0, 0)

    @property
    def highest(self) -> float:
        """The highest score; -1 where nothing was compared."""
        return float(self.scores[0]) if len(self.scores) else -1.0

    def box(self, place: int) -> Box:
        """Return the box of a place, inside the picture."""
        where = self.embedded.regions[self.rows[place]].region.where
        width, height = self.size
        if where is None:
            return 0.0, 0.0, float(width), float(height)
        assert len(where) == 4
        return boxes.clip(where, width, height)

    def region(self, place: int) -> Region:
        """Return the region of a place, its box inside the picture."""
        return replace(self.embedded.regions[self.rows[place]].region, where=self.box(place))


@dataclass(frozen=True, slots=True, eq=False)
class PictureSearch:
    """A gallery, and the models that search pictures for what is enrolled in it."""

    live: LiveIndex
    pipeline: Pipeline  # with the detector of the search
    setup: FindSetup
    reranker: Reranker[Any] | None = None
    detector: str = "none"  # as it is typed: a name or a folder
    refines: bool = False  # its boxes are guesses: see siamkit.flows.find_refine

    @property
    def options(self) -> str:
        """The options of the command line that choose this search."""
        return replace(self.setup, detector=self.detector).options

    @property
    def compares_as_query(self) -> bool:
        """Are its regions what a query of this gallery compares: faces, say, not proposals?"""
        own = self.live.gallery.detector or "none"
        return self.detector == own and not self.setup.tiles

    def places(self, jobs: Iterable[Job]) -> Iterator[Places]:
        """Yield the places of every picture, in order, a batch of pictures at a time."""
        for batch in self.embed(jobs):
            yield from self.compare(batch)

    def embed(self, jobs: Iterable[Job]) -> Iterator[list[EmbeddedSource]]:
        """Yield every picture with the regions that can be compared, a batch at a time."""
        return batches.embed_all(self.pipeline, jobs, _comparable)

    def compare(self, pictures: Sequence[EmbeddedSource]) -> Iterator[Places]:
        """Yield the places of embedded pictures, in order."""
        nearest = self._find_nearest([r.vector for p in pictures for r in p.regions])
        compared = [Compared(p, list(islice(nearest, len(p.regions)))) for p in pictures]
        if self.refines:
            compared = find_refine.refine(compared, self.pipeline, self._find_nearest)
        merged = [_merge(picture, averages=self.refines) for picture in compared]
        yield from self._judge(merged) if self.reranker else merged

    def _find_nearest(self, vectors: Sequence[NDArray[np.float32]]) -> Iterator[Match | None]:
        """Yield the nearest identity of each vector; None if the gallery is empty by now."""
        fusion = fusion_of(self.pipeline.modality)
        mated_cosine = mated_cosine_of(self.pipeline.encoder)
        for start in range(0, len(vectors), SEARCHED):
            block = np.stack(vectors[start : start + SEARCHED])
            for matches in find_nearest(self.live, block, 1, fusion, mated_cosine):
                yield matches[0] if matches else None

    def _judge(self, pictures: Sequence[Places]) -> Iterator[Places]:
        """Let the reranker judge the best places of each picture; the others are dropped.

        So is a place whose enrolled sample is gone, which cannot be judged.
        """
        assert self.reranker
        pairs = [
            (number, place)
            for number, places in enumerate(pictures)
            for place in range(len(places.rows))[:JUDGED]
        ]
        judged: list[list[tuple[float, int, Match]]] = [[] for _ in pictures]
        if pairs:
            regions = [pictures[n].embedded.regions[pictures[n].rows[place]] for n, place in pairs]
            crops, vectors = [r.crop for r in regions], np.stack([r.vector for r in regions])
            rows = [[pictures[n].matches[place]] for n, place in pairs]
            ranked = rerank_matches(self.live, self.pipeline, self.reranker, crops, vectors, rows)
            for (n, place), (match,) in zip(pairs, ranked, strict=True):
                if match.probability is not None:
                    judged[n].append((match.probability, pictures[n].rows[place], match))
        for places, ranks in zip(pictures, judged, strict=True):
            ranks.sort(key=lambda rank: -rank[0])  # stable: of equals, the higher cosine first
            scores = np.array([probability for probability, _, _ in ranks], np.float64)
            matches = [match for _, _, match in ranks]
            yield Places(places.embedded, matches, [row for _, row, _ in ranks], scores)


def _merge(picture: Compared, *, averages: bool) -> Places:
    """Make one place of overlapping regions of a picture that have the same nearest identity.

    averages: move its box to the mean of those regions.
    """
    scores, groups = picture.scores(), np.unique(picture.identities(), return_inverse=True)[1]
    best = _suppress(picture.corners(), scores, groups)
    rows = [row for row in best if picture.matches[row]]
    matches = [match for row in rows if (match := picture.matches[row])]
    source = find_refine.average(picture, rows) if averages else picture.source
    return Places(source, matches, rows, scores[rows])


def _suppress(
    corners: NDArray[np.float32], scores: NDArray[np.float64], groups: NDArray[np.intp]
) -> list[int]:
    """Return the rows of the best region of each place, best first. All arrays have n rows."""
    areas = boxes.areas(corners)
    rest = np.argsort(-scores, kind="stable")
    rows: list[int] = []
    while len(rest):
        best, rest = int(rest[0]), rest[1:]
        rows.append(best)
        common = boxes.intersections(corners[best : best + 1], corners[rest])[0]
        same = common > SAME_PLACE * np.minimum(areas[best], areas[rest])
        rest = rest[~(same & (groups[rest] == groups[best]))]
    return rows


def _comparable(detected: DetectedSample) -> ChosenRegions:
    """Return every region whose vector says something about it."""
    pairs = zip(detected.regions, detected.qualities, strict=True)
    return [pair for pair in pairs if pair[1] is None or pair[1].comparable]


class _Candidates:
    """A detector whose regions can be cut out, with the whole picture among them if wanted."""

    kind = "image"

    def __init__(self, detector: Detector[Image], *, with_whole: bool) -> None:
        self.name = detector.name
        self._detector = self.__wrapped__ = detector  # __wrapped__ is for messages
        self._with_whole = with_whole

    def find(self, medium: Image) -> list[Region]:
        """Return the regions that have LEAST_SIDE inside the picture, best first."""
        height, width = medium.pixels.shape[:2]
        regions = [r for r in self._detector.find(medium) if _is_wide(r, width, height)]
        if self._with_whole and all(region.where is not None for region in regions):
            regions.append(Region())
        return regions


def _is_wide(region: Region, width: int, height: int) -> bool:
    if region.where is None:
        return True
    if len(region.where) != 4:
        return False
    left, top, right, bottom = boxes.clip(region.where, width, height)
    return min(right - left, bottom - top) >= LEAST_SIDE


def open_search(
    live: LiveIndex,
    pipeline: Pipeline,
    *,
    name: str | None = None,
    tiles: int | None = None,
    reranker: str | None = None,
) -> PictureSearch:
    """Prepare a search of pictures for what is enrolled in a gallery.

    pipeline: with the detector to use; None tries the whole picture alone. name: how the detector
    is typed; None for its own name. tiles: see siamkit.embed.tiles. reranker: a name. The whole
    picture is tried too, for a thing that fills it, unless the modality has a detector of its own:
    that says what its things are, and no picture is a face.
    Boxes of an approximate detector are moved to where they match best.

    Raises BadInput for media that are not pictures, EncoderMismatch, StoreError for an empty
    gallery.
    """
    gallery, modality, detector = live.gallery, pipeline.modality, pipeline.detector
    require_pictures(gallery.name, modality.name, modality.kind)
    galleries.require_space(gallery, pipeline.encoder.fingerprint)
    if not len(live):
        raise StoreError(
            f"nothing is enrolled in gallery {gallery.name}",
            hint=f"run `siamkit enrol {gallery.name} FILE --as LABEL`",
        )
    identity, refines = "none", getattr(detector, "approximate", False)
    if detector is not None:
        stamp = getattr(detector, "fingerprint", "")  # of a folder, whose content may change
        identity = f"{detector.name}@{stamp}" if stamp else detector.name
        name = name or detector.name
        if tiles is not None:
            from siamkit.embed.tiles import Tiled

            detector = Tiled(detector, tiles)
        detector = _Candidates(detector, with_whole=modality.detector is None)
    elif tiles is not None:
        raise BadInput("tiles need a detector to look into them", hint="leave out `--tiles`")
    judge = rerankers.pick_reranker(pipeline, reranker)
    setup = FindSetup(identity, tiles, judge.name if judge else None)
    searching = replace(pipeline, detector=detector)
    return PictureSearch(live, searching, setup, judge, name or "none", refines)


def require_pictures(gallery: str, modality: str, kind: str) -> None:
    """Raise BadInput for a gallery of anything but pictures; the hint names what to do instead."""
    if kind != "image":
        query = f"siamkit query {gallery} {'--text TEXT' if kind == 'text' else 'FILE'}"
        raise BadInput(
            f"gallery {gallery} holds {modality}, not pictures: nothing has a place in them",
            hint=f"`siamkit timeline RECORDING {gallery}`" if kind == "audio" else f"`{query}`",
        )
