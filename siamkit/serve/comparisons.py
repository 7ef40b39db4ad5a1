"""Handlers that need no gallery: verify, explain, detect and embed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from siamkit.embed import region_choosers
from siamkit.embed.region_choosers import Chooser
from siamkit.serve.answers import MAX_TILE, Largest
from siamkit.serve.choices import (
    Detector,
    Files,
    Fmr,
    MarkedBox,
    Modality,
    Samples,
    Threshold,
    choose_detector,
    choose_marked,
    choose_regions,
    decision_rule,
    mark,
    require_box,
    require_detector,
    require_gallery,
    require_modality,
)
from siamkit.serve.failures import MULTI, RequestError
from siamkit.serve.fields import Field
from siamkit.serve.route import Reply
from siamkit.serve.server import Server

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(Samples):
    """Two samples of a modality."""

    modality: Modality
    threshold: Threshold = None
    fmr: Fmr = None
    box: MarkedBox = None
    box_a: Annotated[MarkedBox, Field("The same for the first sample.")] = None
    detector: Detector = None


@dataclass(frozen=True, slots=True)
class ExplainedPair(Samples):
    """Two samples to explain, by a modality or as a gallery decides."""

    modality: Annotated[str | None, Field("The name of a modality.")] = None
    gallery: Annotated[str | None, Field("Or the name of a gallery.")] = None
    box: MarkedBox = None
    detector: Detector = None


@dataclass(frozen=True, slots=True)
class Detection:
    """Pictures or sounds in which to find regions."""

    files: Files = ()
    detector: Annotated[str | None, Field("The name of a detector; default: objects.")] = None
    labels: Annotated[tuple[str, ...], Field("Only regions with these labels.")] = ()
    min_score: Annotated[float | None, Field("Only regions with this score.", 0, 1)] = None
    tiles: Annotated[
        int | None, Field("Also search overlapping tiles of this side, px.", 32, MAX_TILE)
    ] = None
    box: Annotated[MarkedBox, Field("Around the one object to cut out, px.")] = None
    points: Annotated[Points, Field("x, y of points on the one object to cut out.")] = ()
    not_points: Annotated[Points, Field("x, y of points on something else.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(Samples):
    """Samples to embed."""

    modality: Modality
    largest: Largest = False
    detector: Detector = None


def verify_pair(server: Server, body: Pair) -> dict[str, Any]:
    """Are these two the same? As `siamkit verify -m MODALITY --json` says."""
    first, second = body.take(require_modality(body.modality), least=2, most=2)
    pipeline = server.workspace.pipeline(body.modality, detector=choose_detector(body.detector))
    return server.workspace.verify(
        pipeline,
        first,
        second,
        rule=decision_rule(body.threshold, body.fmr),
        choose=choose_marked(body.box),
        choose_a=choose_marked(body.box_a),
    ).to_dict()


def explain(server: Server, body: ExplainedPair) -> dict[str, Any]:
    """Find the parts that make two samples alike, and those that make them different."""
    ws = server.workspace
    if (body.modality is None) == (body.gallery is None):
        raise RequestError(422, "invalid_request", "give either a modality or a gallery")
    if body.gallery is not None:
        modality = require_gallery(ws, body.gallery).space.modality
    else:
        modality = require_modality(str(body.modality))
    first, second = body.take(modality, least=2, most=2)
    choose: Chooser = region_choosers.largest_region
    if body.box:
        choose = region_choosers.within_box(require_box(body.box), choose)
    detector = choose_detector(body.detector)
    target = body.gallery or ws.pipeline(modality, detector=detector)
    return ws.explain(target, first, second, choose=choose, detector=detector).to_dict()


def detect(server: Server, body: Detection) -> Reply:
    """Find objects in pictures, or whatever another detector finds."""
    if not body.files:
        raise RequestError(422, "invalid_request", "expected 1 file or more; got 0")
    prompt = mark(body.box, body.points, body.not_points)
    if prompt and len(body.files) > 1:
        message = "box and points mark an object in one picture: send one file"
        raise RequestError(422, "invalid_request", message)
    if body.detector is not None:
        require_detector(body.detector)
    detected = list(
        server.workspace.detect_many(
            body.files,
            detector=body.detector,
            labels=body.labels,
            min_score=body.min_score,
            tiles=body.tiles,
            prompt=prompt,
        )
    )
    if len(detected) == 1 and detected[0].error:
        raise detected[0].error
    facts = {
        "detector": detected[0].detector,
        "sources": [detection.to_dict() for detection in detected],
    }
    return Reply(facts, status=MULTI if any(detection.error for detection in detected) else 200)


def embed(server: Server, body: Embedding) -> Reply:
    """Return the vectors of samples: rows of norm 1, and the regions that they are of."""
    samples = body.take(require_modality(body.modality))
    embedded = server.workspace.embed(
        body.modality,
        samples,
        choose=choose_regions(body.largest),
        detector=choose_detector(body.detector),
    )
    if embedded.errors and len(samples) == 1:
        raise next(iter(embedded.errors.values()))
    return Reply(embedded.to_dict(), status=MULTI if embedded.errors else 200)
