"""Handlers that answer by a gallery: query, verify, classify and find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from siamkit.serve.choices import (
    Detector,
    Fmr,
    Fpir,
    MarkedBox,
    Samples,
    Threshold,
    choose_detector,
    choose_marked,
    choose_regions,
    decision_rule,
    require_gallery,
)
from siamkit.serve.failures import MULTI
from siamkit.serve.fields import Field
from siamkit.serve.route import Reply
from siamkit.serve.server import Server

MAX_K = 1_000  # matches or classes per region
MAX_TILE = 10_000  # px
Largest = Annotated[bool, Field("Ask about the largest region of each sample only.")]
Fusion = Annotated[
    Literal["best", "mean"] | None,
    Field("Compare with the nearest sample of an identity, or with the mean of all."),
]


@dataclass(frozen=True, slots=True)
class Query(Samples):
    """Samples to identify."""

    k: Annotated[int, Field("Nearest identities of each region.", 1, MAX_K)] = 5
    threshold: Threshold = None
    fmr: Fmr = None
    fpir: Fpir = None
    fusion: Fusion = None
    largest: Largest = False
    detector: Detector = None


@dataclass(frozen=True, slots=True)
class Comparison(Samples):
    """Two samples, or one and the identity that it may belong to."""

    label: Annotated[str | None, Field("The identity to compare one sample with.")] = None
    threshold: Threshold = None
    fmr: Fmr = None
    fusion: Fusion = None
    box: MarkedBox = None
    box_a: Annotated[MarkedBox, Field("The same for the first of two samples.")] = None
    detector: Detector = None


@dataclass(frozen=True, slots=True)
class Classification(Samples):
    """Samples to classify; the classes are the gallery's identities."""

    by: Annotated[
        Literal["knn", "prototypes"],
        Field("Let the nearest samples vote, or compare with the mean of each class."),
    ] = "knn"
    neighbours: Annotated[int, Field("Nearest samples that vote.", 1, MAX_K)] = 5
    tags: Annotated[bool, Field("Judge each label separately; a sample may have several.")] = False
    unknown: Annotated[bool, Field("Call unknown what is below the threshold.")] = False
    threshold: Threshold = None
    fmr: Fmr = None
    fpir: Fpir = None
    largest: Largest = False
    detector: Detector = None


@dataclass(frozen=True, slots=True)
class Search(Samples):
    """Pictures to search for everything that is enrolled."""

    threshold: Threshold = None
    fpir: Annotated[
        float | None,
        Field("Maximum share of pictures of nothing enrolled that get a box.", above=0, below=1),
    ] = None
    tiles: Annotated[
        int | None, Field("Also search overlapping tiles of this side, px.", 32, MAX_TILE)
    ] = None
    detector: Detector = None


def query(server: Server, body: Query, gallery: str) -> Reply:
    """Find who or what each sample shows, as `siamkit query --json` does."""
    ws = server.workspace
    batch = ws.query(
        gallery,
        body.take(require_gallery(ws, gallery).space.modality),
        k=body.k,
        rule=decision_rule(body.threshold, body.fmr, body.fpir),
        fusion=body.fusion,
        choose=choose_regions(body.largest),
        detector=choose_detector(body.detector),
    )
    return reply_to_batch(batch)


def verify(server: Server, body: Comparison, gallery: str) -> dict[str, Any]:
    """Compare two samples by a gallery's threshold, or one with an identity enrolled in it."""
    ws = server.workspace
    number = 2 if body.label is None else 1
    samples = body.take(require_gallery(ws, gallery).space.modality, least=number, most=number)
    rule, detector = decision_rule(body.threshold, body.fmr), choose_detector(body.detector)
    choose = choose_marked(body.box)
    if body.label is None:
        first, second = samples
        choose_a = choose_marked(body.box_a)
        return ws.verify(
            gallery, first, second, rule=rule, choose=choose, choose_a=choose_a, detector=detector
        ).to_dict()
    return ws.verify_identity(
        gallery,
        body.label,
        samples[0],
        rule=rule,
        fusion=body.fusion,
        choose=choose,
        detector=detector,
    ).to_dict()


def classify(server: Server, body: Classification, gallery: str) -> Reply:
    """Find the class of each sample, with its probability, as `siamkit classify --json` does."""
    ws = server.workspace
    samples = body.take(require_gallery(ws, gallery).space.modality)
    rule = decision_rule(body.threshold, body.fmr, body.fpir)
    is_ruled = body.unknown or rule != decision_rule(None)
    batch = ws.classify(
        gallery,
        samples,
        by=body.by,
        k=body.neighbours,
        tags=body.tags,
        rule=rule if is_ruled else None,
        choose=choose_regions(body.largest),
        detector=choose_detector(body.detector),
    )
    opened = ws.classifier(gallery, by=body.by, k=body.neighbours, tags=body.tags)
    batch.about["probabilities"] = opened.basis
    return reply_to_batch(batch)


def find(server: Server, body: Search, gallery: str) -> Reply:
    """Find every place in pictures that shows something enrolled, as `siamkit find --json` does."""
    ws = server.workspace
    batch = ws.find(
        gallery,
        body.take(require_gallery(ws, gallery).space.modality),
        detector=choose_detector(body.detector),
        tiles=body.tiles,
        rule=decision_rule(body.threshold, fpir=body.fpir),
    )
    return reply_to_batch(batch)


def reply_to_batch(batch: Any) -> Reply:
    """Return the answers about several samples; raise the error of a single one.

    207 says that some samples could not be used: each of these has an error.
    """
    if len(batch) == 1 and batch.errors:
        raise batch.errors[0]
    return Reply(batch.to_dict(), status=MULTI if batch.errors else 200)
