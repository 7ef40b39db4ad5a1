"""The one table of routes: the application, the schema and the reference are made from it."""

from __future__ import annotations

from siamkit.serve import (
    answer_replies,
    answers,
    comparisons,
    enrolment,
    galleries,
    health,
    identities,
    job_handlers,
    measuring,
    reference,
    replies,
)
from siamkit.serve.failures import MULTI
from siamkit.serve.route import Route

GALLERIES = "/v1/galleries"
ONE = f"{GALLERIES}/{{gallery}}"
IDENTITIES, SAMPLES, JOB = f"{ONE}/identities", f"{ONE}/samples", "/v1/jobs/{job}"
LABEL = f"{IDENTITIES}/{{label:path}}"
SAMPLE = f"{SAMPLES}/{{sample:id}}"
PART = (MULTI,)  # beside 200: of several samples some failed, and the answer says which
TEXT, STREAM = "text/plain", "text/event-stream"
BYTES = "application/octet-stream"

STATE = (
    Route("GET", "/healthz", "open", health.healthz, replies.Status),
    Route("GET", "/readyz", "open", health.readyz, replies.Status),
    Route("GET", "/metrics", "read", health.metrics, str, media_type=TEXT),
    Route("GET", "/openapi.json", "read", reference.show_openapi, replies.Anything),
    Route("GET", "/reference", "read", reference.show_reference, str, media_type="text/html"),
    Route("GET", "/reference.css", "read", reference.show_style, str, media_type="text/css"),
)
OF_GALLERIES = (
    Route("GET", GALLERIES, "read", galleries.list_galleries, list[replies.Gallery]),
    Route(
        "POST",
        GALLERIES,
        "admin",
        galleries.create_gallery,
        replies.Gallery,
        galleries.NewGallery,
        status=201,
    ),
    Route("GET", ONE, "read", galleries.show_gallery, replies.Gallery),
    Route("DELETE", ONE, "admin", galleries.delete_gallery, replies.DeletedGallery),
)
ENROLLED = (
    Route(
        "POST",
        f"{ONE}/enrol",
        "enrol",
        enrolment.enrol,
        replies.Enrolled,
        enrolment.Enrolment,
        others=PART,
    ),
    Route(
        "POST",
        f"{ONE}/enrol-job",
        "enrol",
        job_handlers.enrol_many,
        replies.Job,
        enrolment.Enrolment,
        status=202,
    ),
    Route(
        "GET",
        IDENTITIES,
        "read",
        identities.list_identities,
        replies.Identities,
        identities.IdentityList,
    ),
    Route(
        "POST",
        f"{IDENTITIES}/merge",
        "enrol",
        identities.merge_identities,
        replies.Merger,
        identities.Merging,
    ),
    Route(
        "POST",
        f"{IDENTITIES}/undo-merge",
        "enrol",
        identities.undo_merge,
        replies.Merger,
        identities.Unmerging,
    ),
    Route(
        "PATCH", LABEL, "enrol", identities.rename_identity, replies.Renamed, identities.NewLabel
    ),
    Route("DELETE", LABEL, "admin", identities.forget_identity, replies.Forgotten),
    Route("GET", SAMPLES, "read", identities.list_samples, replies.Samples, identities.SampleList),
    Route("GET", SAMPLE, "read", identities.show_sample, replies.Sample),
    Route(
        "GET",
        f"{SAMPLE}/thumbnail",
        "read",
        identities.show_thumbnail,
        bytes,
        identities.Thumbnail,
        media_type=identities.JPEG,
    ),
    Route("PATCH", SAMPLE, "enrol", identities.move_sample, replies.Merger, identities.NewLabel),
    Route("DELETE", SAMPLE, "admin", identities.forget_sample, replies.ForgottenSample),
)
ASK = (
    Route(
        "POST", f"{ONE}/query", "read", answers.query, answer_replies.Queried, answers.Query, PART
    ),
    Route(
        "POST", f"{ONE}/verify", "read", answers.verify, answer_replies.Verified, answers.Comparison
    ),
    Route(
        "POST",
        f"{ONE}/classify",
        "read",
        answers.classify,
        answer_replies.Classified,
        answers.Classification,
        PART,
    ),
    Route(
        "POST", f"{ONE}/find", "read", answers.find, answer_replies.Searched, answers.Search, PART
    ),
    Route(
        "POST",
        f"{ONE}/timeline",
        "read",
        job_handlers.timeline,
        replies.Job,
        job_handlers.Recording,
        status=202,
    ),
)
MEASURE = (
    Route("GET", f"{ONE}/calibration", "read", measuring.show_calibration, replies.Calibrated),
    Route(
        "POST",
        f"{ONE}/calibration",
        "admin",
        job_handlers.calibrate,
        replies.Job,
        job_handlers.Targets,
        status=202,
    ),
    Route("GET", f"{ONE}/audit", "read", measuring.audit, replies.Audited, measuring.Audit),
    Route("POST", f"{ONE}/evaluate", "read", job_handlers.evaluate, replies.Job, status=202),
)
WITHOUT_GALLERY = (
    Route(
        "POST",
        "/v1/verify",
        "read",
        comparisons.verify_pair,
        answer_replies.Verified,
        comparisons.Pair,
    ),
    Route(
        "POST",
        "/v1/explain",
        "read",
        comparisons.explain,
        answer_replies.Explained,
        comparisons.ExplainedPair,
    ),
    Route(
        "POST",
        "/v1/detect",
        "read",
        comparisons.detect,
        answer_replies.Detected,
        comparisons.Detection,
        PART,
    ),
    Route(
        "POST",
        "/v1/embed",
        "read",
        comparisons.embed,
        answer_replies.Embedded,
        comparisons.Embedding,
        PART,
    ),
    Route(
        "POST",
        "/v1/dedupe",
        "read",
        job_handlers.dedupe,
        replies.Job,
        job_handlers.Deduplication,
        status=202,
    ),
)
JOBS = (
    Route("GET", "/v1/jobs", "read", job_handlers.list_jobs, list[replies.Job]),
    Route("GET", JOB, "read", job_handlers.show_job, replies.Job),
    Route("DELETE", JOB, "read", job_handlers.end_job, replies.Job),
    Route("GET", f"{JOB}/result", "read", job_handlers.job_result, replies.Anything),
    Route("GET", f"{JOB}/events", "read", job_handlers.follow_job, str, media_type=STREAM),
    Route("GET", f"{JOB}/files/{{name}}", "read", job_handlers.job_file, bytes, media_type=BYTES),
)
GROUPS: dict[str, tuple[Route, ...]] = {
    "Ask": ASK,
    "Enrol": ENROLLED,
    "Galleries": OF_GALLERIES,
    "Measure": MEASURE,
    "Without a gallery": WITHOUT_GALLERY,
    "Jobs": JOBS,
    "State of the server": STATE,
}
ROUTES: tuple[Route, ...] = tuple(route for routes in GROUPS.values() for route in routes)
