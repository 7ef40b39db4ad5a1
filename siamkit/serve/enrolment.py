"""Handlers that enrol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from siamkit.embed import region_choosers
from siamkit.embed.region_choosers import Chooser
from siamkit.flows.enrol import EnrolResult
from siamkit.serve.answers import MULTI
from siamkit.serve.failures import RequestError, code_of
from siamkit.serve.fields import Field
from siamkit.serve.galleries import choose_detector
from siamkit.serve.route import Reply
from siamkit.serve.samples import Files, Texts, take_samples
from siamkit.serve.server import Server

Regions = Literal["only", "largest", "all"]
CHOOSERS: dict[str, Chooser] = {
    "only": region_choosers.only_usable,
    "largest": region_choosers.largest_usable,
    "all": region_choosers.all_usable,
}


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Samples to enrol, under one label or one each."""

    files: Files = ()
    texts: Texts = ()
    labels: Annotated[
        tuple[str, ...], Field("Who or what the samples show: one label for all, or one each.")
    ] = ()
    modality: Annotated[str | None, Field("Of a gallery that is new.")] = None
    regions: Annotated[
        Regions, Field("Of several usable regions: refuse, take the largest, or take all.")
    ] = "only"
    any_quality: Annotated[bool, Field("Also enrol what is too small, dark or blurred.")] = False
    detector: Annotated[str | None, Field("Another one for this call; 'none': no crop.")] = None


def enrol(server: Server, body: Enrolment, gallery: str) -> Reply:
    """Enrol samples; what is reported as enrolled is durable."""
    listed = list(start_enrolling(server, body, gallery)[0])
    if len(listed) == 1 and listed[0].error:
        raise listed[0].error
    facts = [describe_result(result) for result in listed]
    is_partial = any(result.error for result in listed)
    return Reply({"gallery": gallery, "results": facts}, status=MULTI if is_partial else 200)


def start_enrolling(
    server: Server, body: Enrolment, gallery: str
) -> tuple[Iterator[EnrolResult], int]:
    """Return the results, which come as they are iterated, and how many samples there are."""
    ws = server.workspace
    modality = ws.modality_of(gallery, body.modality)
    samples = take_samples(modality, body.files, body.texts)
    labels = body.labels * len(samples) if len(body.labels) == 1 else body.labels
    if len(labels) != len(samples):
        raise RequestError(
            422,
            "invalid_request",
            f"{len(body.labels)} labels for {len(samples)} samples",
            hint="give one label for all, or one for each: files first, then texts",
        )
    choose = CHOOSERS[body.regions]
    results = ws.enrol_many(
        gallery,
        zip(labels, samples, strict=True),
        modality=body.modality,
        choose=region_choosers.ignoring_quality(choose) if body.any_quality else choose,
        detector=choose_detector(body.detector),
        look_again=body.regions == "all",
    )
    return results, len(samples)


def describe_result(result: EnrolResult) -> dict[str, Any]:
    """Describe what became of one sample."""
    facts: dict[str, Any] = {**result.to_dict(), "warnings": list(result.warnings)}
    return facts | ({"code": code_of(result.error)} if result.error else {})
