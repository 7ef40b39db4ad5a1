"""Handlers that create, list and delete galleries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from siamkit.serve.choices import (
    Detector,
    choose_detector,
    require_encoder,
    require_gallery,
    require_modality,
)
from siamkit.serve.fields import Field
from siamkit.serve.route import Nothing, Reply
from siamkit.serve.server import Server
from siamkit.store import Gallery
from siamkit.workspace import Workspace


@dataclass(frozen=True, slots=True)
class NewGallery:
    """A gallery to create."""

    name: Annotated[str, Field("1 to 64 letters, digits, '.', '_' or '-'.")]
    modality: Annotated[str | None, Field("Default: the one named like the gallery.")] = None
    encoder: Annotated[str | None, Field("The name of an encoder; default: the modality's.")] = None
    detector: Detector = None


def describe(ws: Workspace, gallery: Gallery) -> dict[str, Any]:
    """Describe a gallery with what it holds, as `siamkit galleries --json` does."""
    identities, samples = ws.count(gallery.name)
    facts = gallery.to_dict()
    counted = {"identities": identities, "samples": samples}
    return {"name": facts["name"], "modality": facts["modality"], **counted, **facts}


def list_galleries(server: Server, body: Nothing) -> list[dict[str, Any]]:
    """List the galleries."""
    ws = server.workspace
    return [describe(ws, gallery) for gallery in ws.galleries()]


def create_gallery(server: Server, body: NewGallery) -> Reply:
    """Create a gallery."""
    ws = server.workspace
    modality = require_modality(body.modality or ws.modality_of(body.name))
    require_encoder(modality, body.encoder)
    gallery = ws.create_gallery(
        body.name, modality, encoder=body.encoder, detector=choose_detector(body.detector)
    )
    headers = {"Location": f"/v1/galleries/{gallery.name}"}
    return Reply(describe(ws, gallery), status=201, headers=headers)


def show_gallery(server: Server, body: Nothing, gallery: str) -> dict[str, Any]:
    """Describe one gallery."""
    ws = server.workspace
    return describe(ws, require_gallery(ws, gallery))


def delete_gallery(server: Server, body: Nothing, gallery: str) -> dict[str, Any]:
    """Delete a gallery with all its samples, and identities that have no other samples."""
    ws = server.workspace
    identities, samples = ws.count(gallery)
    ws.delete_gallery(gallery)
    return {"deleted": gallery, "identities": identities, "samples": samples}
