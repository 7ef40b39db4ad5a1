"""Pictures and sounds of samples: small pictures in the page itself, thumbnails, recordings."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from starlette.responses import Response

from siamkit.errors import SiamkitError, UnknownName
from siamkit.io.foreign import parse_json
from siamkit.reports.previews import data_address, picture_of_region, playable, thumbnail
from siamkit.sdk.media import load_image
from siamkit.serve.pages.frame import HEADERS, Form
from siamkit.serve.server import Server
from siamkit.store.samples import Sample
from siamkit.types import Region

SIDES = (96, 160, 320)  # px of thumbnails that are made
SCENE, CROP = 1280, 160  # px: the longer side of a picture that was asked about, and of a region
SOUND_BYTES = 8_000_000  # of a recording that is played as it is
# A browser asks each time: what was forgotten, or is no longer allowed, is not shown from a cache.
REVALIDATED = {**HEADERS, "Cache-Control": "private, no-cache"}


def show_thumbnail(server: Server, form: Form, sample: int) -> Response:
    """Return a thumbnail of a sample, or a neutral picture where there is nothing to see."""
    side = int(form["side"]) if form["side"].isdecimal() and len(form["side"]) < 6 else SIDES[1]
    side = min(SIDES, key=lambda each: abs(each - side))
    content = server.workspace.thumbnail(sample, side=side)
    if content is None:
        name = server.workspace.sample(sample).identity
        return _tagged(_initials(name).encode(), "image/svg+xml")
    return _tagged(content, "image/jpeg")


def _tagged(content: bytes, media_type: str) -> Response:
    """Return content with a tag, by which a browser asks whether it has changed."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Response(content, 200, {**REVALIDATED, "ETag": tag}, media_type)


def _initials(name: str) -> str:
    """Draw the first letters of a label."""
    import html

    letters = "".join(word[0] for word in name.split()[:2] if word).upper() or "?"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96"'
        ' fill="#8b95a1"/><text x="48" y="60" text-anchor="middle" fill="#fff"'
        f' font-family="system-ui, sans-serif" font-size="34">{html.escape(letters)}</text></svg>'
    )


def play_sample(server: Server, form: Form, sample: int) -> Response:
    """Return an enrolled sound in a form that browsers play."""
    content = server.workspace.content_of(sample)
    sound = playable(content, SOUND_BYTES) if isinstance(content, bytes) else None
    if sound is None:
        raise UnknownName(f"sample {sample} has no sound to play")
    return _tagged(sound[1], sound[0])


def scene(content: bytes, side: int = SCENE) -> dict[str, Any] | None:
    """Return a picture as an address, its size, and that of what is shown; None for others."""
    from PIL import Image as pil

    try:
        image = load_image(content)
    except SiamkitError:
        return None
    height, width = image.pixels.shape[:2]
    small = thumbnail(pil.fromarray(image.pixels), side)
    shown = pil.open(io.BytesIO(small)).size
    address = data_address("image/jpeg", small)
    return {"address": address, "width": width, "height": height, "shown": shown}


def crop(content: bytes, region: Region, side: int = CROP) -> str:
    """Return a region of a picture as an address; '' for other media."""
    picture = picture_of_region(content, region, side)
    return "" if picture is None else data_address("image/jpeg", picture)


def sound(content: bytes) -> str:
    """Return a sound as an address that browsers play; '' for other media."""
    heard = playable(content, SOUND_BYTES)
    return "" if heard is None else data_address(heard[0], heard[1])


def box_of(sample: Sample) -> list[float] | None:
    """Return the box or span of a sample in its source; None for the whole."""
    where = parse_json(sample.region).get("where")
    return where if isinstance(where, list) else None
