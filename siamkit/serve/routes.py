"""The one table of routes: the application, the schema and the reference are made from it."""

from __future__ import annotations

from siamkit.serve import answers, enrolment, galleries, health, replies
from siamkit.serve.route import Route

GALLERY = "/v1/galleries/{gallery}"
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
)
