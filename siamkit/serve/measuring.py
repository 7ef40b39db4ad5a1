"""Handlers that measure: read and make calibrations, and audit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from siamkit.reports.collection_facts import of_calibration
from siamkit.serve.choices import require_gallery
from siamkit.serve.failures import RequestError
from siamkit.serve.fields import Field
from siamkit.serve.route import Nothing
from siamkit.serve.server import Server

MAX_FINDINGS = 10_000


@dataclass(frozen=True, slots=True)
class Audit:
    """Length of the list of findings."""

    limit: Annotated[int, Field("Findings to list, worst first.", 1, MAX_FINDINGS)] = 1_000


def show_calibration(server: Server, body: Nothing, gallery: str) -> dict[str, Any]:
    """Describe what a gallery's scores mean."""
    calibration = require_gallery(server.workspace, gallery).calibration
    if calibration is None:
        raise RequestError(
            404,
            "not_calibrated",
            f"gallery {gallery!r} is not calibrated",
            hint=f"POST /v1/galleries/{gallery}/calibration measures it by its own samples",
        )
    return of_calibration(gallery, calibration)


def audit(server: Server, body: Audit, gallery: str) -> dict[str, Any]:
    """List what is probably wrong in a gallery, worst first."""
    require_gallery(server.workspace, gallery)
    findings = server.workspace.audit(gallery)
    rows = [asdict(finding) for finding in findings[: body.limit]]
    return {"gallery": gallery, "total": len(findings), "findings": rows}
