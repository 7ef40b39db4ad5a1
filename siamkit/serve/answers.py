"""Handlers that answer: query and verify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from siamkit.embed import region_choosers
from siamkit.flows.decide import DecisionRule
from siamkit.serve.fields import Field
from siamkit.serve.galleries import choose_detector, require_gallery
from siamkit.serve.route import Reply
from siamkit.serve.samples import Files, Texts, take_samples
from siamkit.serve.server import Server

MAX_K = 1_000  # matches per region
MULTI = 207  # some of several samples could not be used


@dataclass(frozen=True, slots=True)
class Query:
    """Samples to identify."""

    files: Files = ()
    texts: Texts = ()
    k: Annotated[int, Field("Nearest identities of each region.", minimum=1, maximum=MAX_K)] = 5
    threshold: Annotated[
        float | None, Field("Cosine from which two are the same.", minimum=-1, maximum=1)
    ] = None
    fmr: Annotated[
        float | None, Field("Maximum false match rate of one comparison.", above=0, below=1)
    ] = None
    fpir: Annotated[
        float | None, Field("Maximum false positive identification rate.", above=0, below=1)
    ] = None
    largest: Annotated[bool, Field("Ask about the largest region only.")] = False
    detector: Annotated[str | None, Field("Another one for this call; 'none': no crop.")] = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two samples, or one and the identity that it may belong to."""

    files: Files = ()
    texts: Texts = ()
    label: Annotated[str | None, Field("The identity to compare one sample with.")] = None
    threshold: Annotated[
        float | None, Field("Cosine from which two are the same.", minimum=-1, maximum=1)
    ] = None
    fmr: Annotated[
        float | None, Field("Maximum false match rate of one comparison.", above=0, below=1)
    ] = None
    detector: Annotated[str | None, Field("Another one for this call; 'none': no crop.")] = None


def query(server: Server, body: Query, gallery: str) -> Reply:
    """Find who or what each sample shows, as `siamkit query --json` does."""
    ws = server.workspace
    modality = require_gallery(ws, gallery).space.modality
    probes = take_samples(modality, body.files, body.texts)
    rule = DecisionRule(threshold=body.threshold, fmr=body.fmr, fpir=body.fpir)
    choose = region_choosers.largest_region if body.largest else region_choosers.all_regions
    batch = ws.query(
        gallery,
        probes,
        k=body.k,
        rule=rule,
        choose=choose,
        detector=choose_detector(body.detector),
    )
    return reply_to_batch(batch)


def verify(server: Server, body: Comparison, gallery: str) -> dict[str, Any]:
    """Compare two samples by a gallery's threshold, or one with an identity enrolled in it."""
    ws = server.workspace
    modality = require_gallery(ws, gallery).space.modality
    number = 2 if body.label is None else 1
    samples = take_samples(modality, body.files, body.texts, least=number, most=number)
    rule = DecisionRule(threshold=body.threshold, fmr=body.fmr)
    detector = choose_detector(body.detector)
    if body.label is None:
        answer = ws.verify(gallery, *samples, rule=rule, detector=detector)
    else:
        answer = ws.verify_identity(gallery, body.label, *samples, rule=rule, detector=detector)
    return answer.to_dict()


def reply_to_batch(batch: Any) -> Reply:
    """Return the answers about several samples; raise the error of a single one.

    207 says that some samples could not be used: each of these has an error.
    """
    if len(batch) == 1 and batch.errors:
        raise batch.errors[0]
    return Reply(batch.to_dict(), status=MULTI if batch.errors else 200)
