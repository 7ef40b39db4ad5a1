"""Handlers of identities and samples that are enrolled: list, rename, merge, move, forget."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from starlette.responses import Response

from siamkit.serve.choices import require_enrolled, require_gallery, require_sample
from siamkit.serve.failures import RequestError
from siamkit.serve.fields import Field
from siamkit.serve.route import Nothing
from siamkit.serve.server import Server
from siamkit.store.samples import Sample

MAX_PAGE = 1_000  # rows
PAGE = 100
MAX_SIDE = 1024  # px of a thumbnail
JPEG = "image/jpeg"
Cursor = Annotated[str | None, Field("`next` of the page before.")]
Limit = Annotated[int, Field("Rows of a page.", 1, MAX_PAGE)]


@dataclass(frozen=True, slots=True)
class IdentityList:
    """A page of identities."""

    search: Annotated[str, Field("A text that the labels contain.")] = ""
    cursor: Cursor = None
    limit: Limit = PAGE


@dataclass(frozen=True, slots=True)
class SampleList:
    """A page of samples."""

    identity: Annotated[str | None, Field("Of this identity only.")] = None
    cursor: Cursor = None
    limit: Limit = PAGE


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture of a sample."""

    side: Annotated[int, Field("Its longer side, px, at most.", 16, MAX_SIDE)] = 160


@dataclass(frozen=True, slots=True)
class NewLabel:
    """Another label for an identity, or another identity for a sample."""

    label: Annotated[str, Field("1 to 200 characters.")]


@dataclass(frozen=True, slots=True)
class Merging:
    """Two identities that are one."""

    old: Annotated[str, Field("The identity that gives its samples.")]
    new: Annotated[str, Field("The identity that gets them.")]


@dataclass(frozen=True, slots=True)
class Unmerging:
    """A merger to undo."""

    old: Annotated[str | None, Field("The identity that was merged; default: the last one.")] = None


def list_identities(server: Server, body: IdentityList, gallery: str) -> dict[str, Any]:
    """List the identities of a gallery by label, a page at a time."""
    ws = server.workspace
    require_gallery(ws, gallery)
    after = "" if body.cursor is None else read_cursor(body.cursor)
    page = ws.list_page(gallery, after=after, search=body.search, limit=body.limit)
    rows = [
        {
            "identity": card.identity,
            "gallery": gallery,
            "samples": card.samples,
            "best_quality": card.quality,
            "sample_id": card.sample_id,
        }
        for card in page.cards
    ]
    return {"gallery": gallery, "identities": rows, "next": page.after and make_cursor(page.after)}


def rename_identity(server: Server, body: NewLabel, gallery: str, label: str) -> dict[str, Any]:
    """Give an identity another label, in every gallery."""
    require_enrolled(server.workspace, gallery, label)
    return {"old": label, "new": server.workspace.rename(label, body.label)}


def merge_identities(server: Server, body: Merging, gallery: str) -> dict[str, Any]:
    """Give all samples of one identity to another, in every gallery."""
    for label in (body.old, body.new):
        require_enrolled(server.workspace, gallery, label)
    return asdict(server.workspace.merge(body.old, body.new))


def undo_merge(server: Server, body: Unmerging, gallery: str) -> dict[str, Any]:
    """Give the samples of a merged identity back to it, in every gallery."""
    require_gallery(server.workspace, gallery)
    return asdict(server.workspace.undo_merge(body.old))


def forget_identity(server: Server, body: Nothing, gallery: str, label: str) -> dict[str, Any]:
    """Delete the samples of an identity in this gallery, from the store and from freed pages."""
    require_gallery(server.workspace, gallery)
    return {"forgot": label, "samples": server.workspace.forget(label, gallery=gallery)}


def list_samples(server: Server, body: SampleList, gallery: str) -> dict[str, Any]:
    """List the samples of a gallery, oldest first, a page at a time."""
    ws = server.workspace
    require_gallery(ws, gallery)
    after = 0 if body.cursor is None else _read_number(body.cursor)
    page = ws.list_samples(gallery, after=after, identity=body.identity, limit=body.limit)
    cursor = None if page.after is None else make_cursor(str(page.after))
    rows = [_describe(sample) for sample in page.samples]
    return {"gallery": gallery, "samples": rows, "next": cursor}


def show_sample(server: Server, body: Nothing, gallery: str, sample: int) -> dict[str, Any]:
    """Describe one sample."""
    return _describe(require_sample(server.workspace, gallery, sample))


def show_thumbnail(server: Server, body: Thumbnail, gallery: str, sample: int) -> Response:
    """Return a small picture of what a sample shows."""
    require_sample(server.workspace, gallery, sample)
    picture = server.workspace.thumbnail(sample, side=body.side)
    if picture is None:
        message = f"sample {sample} has no picture to show"
        hint = "sounds and texts have none; of a picture, the file is gone or has changed"
        raise RequestError(404, "no_picture", message, hint=hint)
    return Response(picture, media_type=JPEG)


def move_sample(server: Server, body: NewLabel, gallery: str, sample: int) -> dict[str, Any]:
    """Give a sample to another identity, created if new."""
    require_sample(server.workspace, gallery, sample)
    return asdict(server.workspace.move_sample(sample, body.label))


def forget_sample(server: Server, body: Nothing, gallery: str, sample: int) -> dict[str, Any]:
    """Delete one sample, and its identity if it has no other."""
    require_sample(server.workspace, gallery, sample)
    server.workspace.forget_sample(sample)
    return {"forgot": sample, "samples": 1}


def make_cursor(text: str) -> str:
    """Return the place where the next page begins, as a word of a URL."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """Return the text of a cursor. Raises RequestError for any other text."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        message = "cursor: not one of this server's"
        raise RequestError(422, "invalid_request", message, hint="give `next` of a page") from None


def _read_number(cursor: str) -> int:
    text = read_cursor(cursor)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise RequestError(422, "invalid_request", "cursor: not one of this list")
    return int(text)


def _describe(sample: Sample) -> dict[str, Any]:
    return {**sample.to_dict(), "identity": sample.identity}
