"""Handlers that enrol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from siamkit.embed import region_choosers
from siamkit.embed.region_choosers import Chooser
from siamkit.flows.enrol import EnrolResult
from siamkit.serve.choices import (
    Detector,
    MarkedBox,
    Samples,
    choose_detector,
    mark,
    require_modality,
)
from siamkit.serve.failures import MULTI, RequestError, code_of
from siamkit.serve.fields import Field
from siamkit.serve.route import Reply
from siamkit.serve.server import Server
from siamkit.workspace import Workspace

AT_ONCE = 16  # files that are enrolled in one batch

CHOOSERS: dict[str, Chooser] = {
    "only": region_choosers.only_usable,
    "largest": region_choosers.largest_usable,
    "all": region_choosers.all_usable,
}


@dataclass(frozen=True, slots=True)
class Enrolment(Samples):
    """Samples to enrol, under one label or one each."""

    labels: Annotated[
        tuple[str, ...], Field("Who or what the samples show: one label for all, or one each.")
    ] = ()
    modality: Annotated[str | None, Field("Of a gallery that is new.")] = None
    regions: Annotated[
        Literal["only", "largest", "all"],
        Field("Of several usable regions: refuse the sample, take the largest, or take all."),
    ] = "only"
    any_quality: Annotated[bool, Field("Also enrol what is too small, dark or blurred.")] = False
    box: MarkedBox = None
    points: Annotated[
        tuple[tuple[float, float], ...], Field("x, y of points on the object to enrol, px.")
    ] = ()
    not_points: Annotated[
        tuple[tuple[float, float], ...], Field("x, y of points on something else, px.")
    ] = ()
    detector: Detector = None


def enrol(server: Server, body: Enrolment, gallery: str) -> Reply:
    """Enrol samples. What is reported as enrolled is on the disk; 207: some samples failed."""
    results = list(start_enrolling(server, body, gallery)[0])
    if any(result.status == "enrolled" for result in results):
        server.build_soon(gallery)
    if len(results) == 1 and results[0].error:
        raise results[0].error
    has_failed = any(result.error for result in results)
    facts = {"gallery": gallery, "results": [describe_result(result) for result in results]}
    return Reply(facts, status=MULTI if has_failed else 200)


def start_enrolling(
    server: Server, body: Enrolment, gallery: str
) -> tuple[Iterator[EnrolResult], int]:
    """Return the results, which come as they are iterated, and how many samples there are.

    The index is not built: a request must not wait for that.
    """
    ws = server.workspace
    modality = require_modality(ws.modality_of(gallery, body.modality))
    labels = _label(body, len(body.take(modality)))
    choose = CHOOSERS[body.regions]
    prompt = mark(body.box, body.points, body.not_points)
    options: dict[str, Any] = {
        "modality": body.modality,
        "choose": region_choosers.ignoring_quality(choose) if body.any_quality else choose,
        "detector": choose_detector(body.detector),
        "prompt": prompt,
        "look_again": body.regions == "all" or prompt is not None,
    }
    return _enrol(ws, body, gallery, labels, options), len(labels)


def _enrol(
    ws: Workspace, body: Enrolment, gallery: str, labels: Sequence[str], options: dict[str, Any]
) -> Iterator[EnrolResult]:
    """Enrol files, of which the store keeps copies, some at a time; then texts."""
    contents = [(file.name, bytes(file)) for file in body.files]
    for start in range(0, len(contents), AT_ONCE):
        stop = min(start + AT_ONCE, len(contents))
        yield from ws.enrol_uploads(gallery, labels[start:stop], contents[start:stop], **options)
    if body.texts:
        pairs = zip(labels[len(contents) :], body.texts, strict=True)
        yield from ws.enrol_many(gallery, pairs, build=False, **options)


def _label(body: Enrolment, number: int) -> tuple[str, ...]:
    """Return a label for each sample. Raises RequestError for another number of them."""
    labels = body.labels * number if len(body.labels) == 1 else body.labels
    if len(labels) != number:
        raise RequestError(
            422,
            "invalid_request",
            f"{len(labels)} labels for {number} samples",
            hint="give one label for all, or one for each: files first, then texts",
        )
    return labels


def describe_result(result: EnrolResult) -> dict[str, Any]:
    """Describe what became of one sample."""
    facts: dict[str, Any] = {**result.to_dict(), "warnings": list(result.warnings)}
    return facts | ({"code": code_of(result.error)} if result.error else {})
