"""Handlers that submit jobs, and those that tell about them, cancel them and hand out results."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from starlette.responses import FileResponse, Response, StreamingResponse

from siamkit.flows.decide import DecisionRule
from siamkit.flows.dedupe_items import Item
from siamkit.io.atomic import replace_text
from siamkit.reports import dedupe as dedupe_report
from siamkit.reports import timeline as timeline_files
from siamkit.serve.enrolment import Enrolment, describe_result, start_enrolling
from siamkit.serve.fields import Field
from siamkit.serve.galleries import choose_detector, require_gallery
from siamkit.serve.jobs import Job, Work
from siamkit.serve.route import Nothing, Reply
from siamkit.serve.samples import Files, Texts, take_samples
from siamkit.serve.server import Server

ACCEPTED = 202
EVENTS = "text/event-stream"
SUBTITLES = (".srt", ".vtt", ".rttm")
RETRY_MS = 2000  # after which a browser whose stream ended asks again


@dataclass(frozen=True, slots=True)
class Deduplication:
    """Samples among which to find duplicates."""

    modality: Annotated[str, Field("Of the samples.")]
    files: Files = ()
    texts: Texts = ()
    threshold: Annotated[
        float | None, Field("Cosine from which two are the same.", minimum=-1, maximum=1)
    ] = None
    fmr: Annotated[float | None, Field("Maximum false match rate of a pair.", above=0, below=1)] = (
        None
    )
    expected_false: Annotated[float | None, Field("False pairs to expect among all.", above=0)] = (
        None
    )
    detector: Annotated[str | None, Field("Another one for this call; 'none': no crop.")] = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording with one or several speakers."""

    files: Files = ()
    speakers: Annotated[
        int | None, Field("Speakers, if that is known.", minimum=1, maximum=100)
    ] = None


# --- submitting ---


def dedupe(server: Server, body: Deduplication) -> Reply:
    """Find the duplicates among samples, as `siamkit dedupe --json` does."""
    ws = server.workspace
    samples = take_samples(body.modality, body.files, body.texts, least=2)
    names = [getattr(sample, "name", str(line)) for line, sample in enumerate(samples, 1)]
    items = [
        Item(line, name, sample)
        for line, (name, sample) in enumerate(zip(names, samples, strict=True), 1)
    ]
    rule = DecisionRule(threshold=body.threshold, fmr=body.fmr, expected_false=body.expected_false)

    def work(current: Work) -> Any:
        deduped = ws.dedupe(
            items,
            modality=body.modality,
            detector=choose_detector(body.detector),
            rule=rule,
            progress=current.progress,
        )
        page = dedupe_report.html(deduped, "samples", deduped.related())
        replace_text(current.folder / "report.html", page)
        return deduped.to_dict()

    return _submit(server, "dedupe", work)


def enrol_many(server: Server, body: Enrolment, gallery: str) -> Reply:
    """Enrol samples as `enrol` does, as a job; what its progress counts is durable."""
    results, total = start_enrolling(server, body, gallery)

    def work(current: Work) -> Any:
        facts = []
        for result in results:
            facts.append(describe_result(result))
            current.progress("enrolling", len(facts), total)
        return {"gallery": gallery, "results": facts}

    return _submit(server, "enrol", work)


def evaluate(server: Server, body: Nothing, gallery: str) -> Reply:
    """Measure how often a gallery's encoder is wrong, on pairs of its own samples."""
    ws = server.workspace
    require_gallery(ws, gallery)

    def work(current: Work) -> Any:
        evaluations = ws.evaluate(gallery=gallery, progress=current.progress)
        return {"gallery": gallery, "evaluations": [each.to_dict() for each in evaluations]}

    return _submit(server, "evaluate", work)


def timeline(server: Server, body: Recording, gallery: str) -> Reply:
    """Find who speaks when in a recording, as `siamkit timeline --json` does."""
    ws = server.workspace
    modality = require_gallery(ws, gallery).space.modality
    (recording,) = take_samples(modality, body.files, (), most=1)

    def work(current: Work) -> Any:
        answer = ws.timeline(recording, gallery, speakers=body.speakers, progress=current.progress)
        for suffix in SUBTITLES:
            timeline_files.save(answer, current.folder / f"timeline{suffix}")
        return answer.to_dict()

    return _submit(server, "timeline", work)


def _submit(server: Server, kind: str, work: Callable[[Work], Any]) -> Reply:
    job = server.jobs.submit(kind, work)
    return Reply(describe(job), status=ACCEPTED, headers={"Location": f"/v1/jobs/{job.id}"})


# --- what becomes of them ---


def describe(job: Job) -> dict[str, Any]:
    """Describe a job."""
    return asdict(job)


def list_jobs(server: Server, body: Nothing) -> list[dict[str, Any]]:
    """List the jobs of all processes, the newest first."""
    return [describe(job) for job in server.jobs.list_all()]


def show_job(server: Server, body: Nothing, job: str) -> dict[str, Any]:
    """Describe a job, with its progress."""
    return describe(server.jobs.get(job))


def cancel_job(server: Server, body: Nothing, job: str) -> dict[str, Any]:
    """Ask a job to stop. What it has enrolled stays."""
    return describe(server.jobs.cancel(job))


def job_result(server: Server, body: Nothing, job: str) -> Any:
    """Return the result of a job that is done."""
    return server.jobs.result(job)


def job_file(server: Server, body: Nothing, job: str, name: str) -> Response:
    """Return a file that a job left beside its result."""
    return FileResponse(server.jobs.file(job, name), filename=name)


def follow_job(server: Server, body: Nothing, job: str) -> Response:
    """Stream a job's changes as server-sent events, until it has ended."""
    server.jobs.get(job)  # a 404 is not a stream

    async def events() -> AsyncIterator[str]:
        yield f"retry: {RETRY_MS}\n\n"
        async for current in server.jobs.follow(job):
            name = "end" if current.has_ended else "progress"
            yield f"event: {name}\ndata: {json.dumps(describe(current))}\n\n"

    return StreamingResponse(events(), media_type=EVENTS)
