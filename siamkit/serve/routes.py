"""The one table of routes: the application, the schema and the reference are made from it."""

from __future__ import annotations

from typing import Any

from siamkit.serve import answers, enrolment, galleries, health, job_handlers, replies
from siamkit.serve.route import Route

GALLERY = "/v1/galleries/{gallery}"
JOB = "/v1/jobs/{job}"
ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", "open", "Is the process alive?", health.healthz, replies.Status),
    Route("GET", "/readyz", "open", "Can it answer?", health.readyz, replies.Status),
    Route(
        "GET",
        "/metrics",
        "read",
        "Count and time the requests, for Prometheus",
        health.metrics,
        str,
        media_type="text/plain",
    ),
    Route(
        "GET",
        "/v1/galleries",
        "read",
        "List the galleries",
        galleries.list_galleries,
        list[replies.GalleryFacts],
    ),
    Route(
        "POST",
        "/v1/galleries",
        "admin",
        "Create a gallery",
        galleries.create_gallery,
        replies.GalleryFacts,
        galleries.NewGallery,
        status=201,
    ),
    Route(
        "GET",
        GALLERY,
        "read",
        "Describe a gallery",
        galleries.show_gallery,
        replies.GalleryFacts,
    ),
    Route(
        "DELETE",
        GALLERY,
        "admin",
        "Delete a gallery with all its samples",
        galleries.delete_gallery,
        replies.Unspecified,
    ),
    Route(
        "POST",
        f"{GALLERY}/enrol",
        "enrol",
        "Enrol samples under labels",
        enrolment.enrol,
        replies.Unspecified,
        enrolment.Enrolment,
        others=(207,),
    ),
    Route(
        "POST",
        f"{GALLERY}/query",
        "read",
        "Who or what is this?",
        answers.query,
        replies.Unspecified,
        answers.Query,
        others=(207,),
    ),
    Route(
        "POST",
        f"{GALLERY}/verify",
        "read",
        "Are these two the same, or is this that identity?",
        answers.verify,
        replies.Unspecified,
        answers.Comparison,
    ),
    Route(
        "POST",
        f"{GALLERY}/enrol-job",
        "enrol",
        "Enrol many samples, as a job",
        job_handlers.enrol_many,
        replies.JobFacts,
        enrolment.Enrolment,
        status=202,
    ),
    Route(
        "POST",
        f"{GALLERY}/evaluate",
        "read",
        "Measure error rates on the gallery's own samples, as a job",
        job_handlers.evaluate,
        replies.JobFacts,
        status=202,
    ),
    Route(
        "POST",
        f"{GALLERY}/timeline",
        "read",
        "Who speaks when in a recording? As a job",
        job_handlers.timeline,
        replies.JobFacts,
        job_handlers.Recording,
        status=202,
    ),
    Route(
        "POST",
        "/v1/dedupe",
        "read",
        "Find the duplicates among samples, as a job",
        job_handlers.dedupe,
        replies.JobFacts,
        job_handlers.Deduplication,
        status=202,
    ),
    Route(
        "GET", "/v1/jobs", "read", "List the jobs", job_handlers.list_jobs, list[replies.JobFacts]
    ),
    Route("GET", JOB, "read", "Describe a job", job_handlers.show_job, replies.JobFacts),
    Route("DELETE", JOB, "read", "Cancel a job", job_handlers.cancel_job, replies.JobFacts),
    Route(
        "GET", f"{JOB}/result", "read", "Return the result of a job", job_handlers.job_result, Any
    ),
    Route(
        "GET",
        f"{JOB}/files/{{name}}",
        "read",
        "Return a file that a job left",
        job_handlers.job_file,
        bytes,
        media_type="application/octet-stream",
    ),
    Route(
        "GET",
        f"{JOB}/events",
        "read",
        "Follow a job as server-sent events",
        job_handlers.follow_job,
        str,
        media_type=job_handlers.EVENTS,
    ),
)
