"""Handlers that submit jobs, and those that tell about them, cancel them and hand out results."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from starlette.responses import FileResponse, Response, StreamingResponse

from siamkit.errors import BadInput
from siamkit.flows.decide import DecisionRule
from siamkit.flows.dedupe_items import Item
from siamkit.io.atomic import replace_text
from siamkit.reports.collection_facts import of_calibration
from siamkit.serve.callers import CALLER
from siamkit.serve.choices import (
    Detector,
    Files,
    Fmr,
    Modality,
    Samples,
    Threshold,
    choose_detector,
    require_gallery,
    require_modality,
)
from siamkit.serve.enrolment import Enrolment, describe_result, start_enrolling
from siamkit.serve.failures import RequestError
from siamkit.serve.fields import Field
from siamkit.serve.jobs import Cancelled, Job, Work, unknown_job
from siamkit.serve.route import Nothing, Reply
from siamkit.serve.server import Server
from siamkit.types import Fault

ACCEPTED = 202
EVENTS = "text/event-stream"
SUBTITLES = (".srt", ".vtt", ".rttm")
Rate = Annotated[float | None, Field("The false match rate to decide at.", above=0, below=1)]
RETRY_MS = 2000  # after which a browser whose stream ended asks again


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduplication(Samples):
    """Samples among which to find duplicates."""

    modality: Modality
    ids: Annotated[tuple[str, ...], Field("A name for each; default: its file's, or number.")] = ()
    threshold: Threshold = None
    fmr: Fmr = None
    expected_false: Annotated[
        float | None, Field("False pairs to expect at most among all.", above=0)
    ] = None
    detector: Detector = None


@dataclass(frozen=True, slots=True)
class Targets:
    """The error rates that a calibration is to decide at."""

    fmr: Rate = None
    precision: Annotated[Rate, Field("Or the share of right matches.", above=0, below=1)] = None
    fpir: Annotated[Rate, Field("The false positive identification rate.", above=0, below=1)] = None
    method: Annotated[
        Literal["logistic", "isotonic"] | None, Field("Of the map to probabilities.")
    ] = None
    snorm: Annotated[bool | None, Field("Decide by adaptive S-norm.")] = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording with one or several speakers."""

    files: Files = ()
    speakers: Annotated[int | None, Field("Speakers, if that is known.", 1, 100)] = None


# --- submitting ---


def dedupe(server: Server, body: Deduplication) -> Reply:
    """Find the duplicates among samples, as `siamkit dedupe --json` does."""
    ws = server.workspace
    samples = body.take(require_modality(body.modality), least=2)
    names = list(body.ids)
    if names and len(names) != len(samples):
        message = f"{len(names)} ids for {len(samples)} samples"
        raise RequestError(422, "invalid_request", message, hint="files first, then texts")
    names = names or [getattr(sample, "name", str(n)) for n, sample in enumerate(samples, 1)]
    items = [
        Item(line, name, sample)
        for line, (name, sample) in enumerate(zip(names, samples, strict=True), 1)
    ]
    rule = DecisionRule(threshold=body.threshold, fmr=body.fmr, expected_false=body.expected_false)
    detector = choose_detector(body.detector)

    def work(current: Work) -> Any:
        deduped = ws.dedupe(
            items,
            modality=body.modality,
            detector=detector,
            rule=rule,
            progress=current.progress,
        )
        from siamkit.reports import dedupe as report

        page = report.html(deduped, "samples", deduped.related())
        replace_text(current.folder / "report.html", page)
        return deduped.to_dict()

    return _submit(server, "dedupe", work)


def enrol_many(server: Server, body: Enrolment, gallery: str) -> Reply:
    """Enrol samples as `enrol` does, as a job; what its progress counts is durable."""
    results, total = start_enrolling(server, body, gallery)

    def work(current: Work) -> Any:
        described = []
        for result in results:
            described.append(describe_result(result))
            current.progress("enrolling", len(described), total)
        if any(facts["status"] == "enrolled" for facts in described):
            with suppress(Cancelled):  # they are enrolled all the same
                server.workspace.build_index(gallery, progress=current.progress)
        return {"gallery": gallery, "results": described}

    return _submit(server, "enrol", work)


def calibrate(server: Server, body: Targets, gallery: str) -> Reply:
    """Measure what a gallery's scores mean, by its own samples; later decisions use it."""
    from siamkit.stats.calibration_fit import CalibrationTargets  # and scipy, 0.1 s

    ws = server.workspace
    require_gallery(ws, gallery)
    targets = CalibrationTargets(body.fmr, body.precision, body.fpir, body.method)

    def work(current: Work) -> Any:
        faults: list[Fault] = []
        calibration = ws.calibrate(
            gallery,
            targets=targets,
            normalise=body.snorm,
            report_fault=faults.append,
            progress=current.progress,
        )
        return of_calibration(gallery, calibration, faults)

    return _submit(server, "calibrate", work)


def evaluate(server: Server, body: Nothing, gallery: str) -> Reply:
    """Measure how often a gallery's encoder is wrong, on pairs of its own samples."""
    ws = server.workspace
    require_gallery(ws, gallery)

    def work(current: Work) -> Any:
        evaluations = ws.evaluate(gallery=gallery, progress=current.progress)
        return {
            "gallery": gallery,
            "evaluations": [evaluation.to_dict() for evaluation in evaluations],
        }

    return _submit(server, "evaluate", work)


def timeline(server: Server, body: Recording, gallery: str) -> Reply:
    """Find who speaks when in a recording, as `siamkit timeline --json` does."""
    ws = server.workspace
    modality = require_gallery(ws, gallery).space.modality
    if ws.kind(modality) != "audio":
        raise BadInput(f"{modality} are no recordings", hint="name a gallery of voices")
    (recording,) = Samples(body.files).take(modality, most=1)

    def work(current: Work) -> Any:
        answer = ws.timeline(recording, gallery, speakers=body.speakers, progress=current.progress)
        from siamkit.reports import timeline as files

        for suffix in SUBTITLES:
            files.save(answer, current.folder / f"timeline{suffix}")
        return answer.to_dict()

    return _submit(server, "timeline", work)


def _submit(server: Server, kind: str, work: Callable[[Work], Any]) -> Reply:
    job = server.jobs.submit(kind, work, owner=CALLER.get().name)
    return Reply(describe(job), status=ACCEPTED, headers={"Location": f"/v1/jobs/{job.id}"})


# --- what becomes of them ---


def describe(job: Job) -> dict[str, Any]:
    """Describe a job."""
    return asdict(job)


def _own(server: Server, job_id: str) -> Job:
    """Return a job of the client. Raises RequestError 404 for another's."""
    job = server.jobs.get(job_id)
    if not CALLER.get().owns(job.owner):
        raise unknown_job()
    return job


def list_jobs(server: Server, body: Nothing) -> list[dict[str, Any]]:
    """List the jobs of a client's token, the newest first; with the scope admin, all of them."""
    caller = CALLER.get()
    return [describe(job) for job in server.jobs.list_all() if caller.owns(job.owner)]


def show_job(server: Server, body: Nothing, job: str) -> dict[str, Any]:
    """Describe a job, with its progress."""
    return describe(_own(server, job))


def end_job(server: Server, body: Nothing, job: str) -> dict[str, Any]:
    """Ask a job to stop; delete one that has ended, with its result. What it has enrolled stays."""
    if _own(server, job).has_ended:
        return describe(server.jobs.delete(job))
    return describe(server.jobs.cancel(job))


def job_result(server: Server, body: Nothing, job: str) -> Any:
    """Return the result of a job that is done."""
    return server.jobs.result(_own(server, job).id)


def job_file(server: Server, body: Nothing, job: str, name: str) -> Response:
    """Return a file that a job left beside its result."""
    return FileResponse(server.jobs.file(_own(server, job).id, name), filename=name)


def follow_job(server: Server, body: Nothing, job: str) -> Response:
    """Stream a job's changes as server-sent events, until it has ended."""
    _own(server, job)  # a 404 is not a stream

    async def events() -> AsyncIterator[str]:
        yield f"retry: {RETRY_MS}\n\n"
        async for current in server.jobs.follow(job):
            name = "end" if current.has_ended else "progress"
            yield f"event: {name}\ndata: {json.dumps(describe(current))}\n\n"

    return StreamingResponse(events(), media_type=EVENTS)
