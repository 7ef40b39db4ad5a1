"""Write pictures: whatever happens, readers find the old file or the whole new one."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput
from siamkit.io.atomic import replacing
from siamkit.io.sources import to_text

if TYPE_CHECKING:
    from PIL import Image as PILImage

PICTURES = (".jpg", ".jpeg", ".png", ".webp")  # that can be written
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # errors that end a run
QUALITY = 92  # of a JPEG or WebP; PNG loses nothing


def save_picture(picture: PILImage.Image, path: Path) -> None:
    """Write a picture in the format of its suffix.

    Raises BadInput, naming the file; OSError if the disk takes no other file either.
    """
    try:
        with replacing(path) as temporary:
            picture.save(temporary, quality=QUALITY)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in FULL:
            raise
        cause = getattr(error, "strerror", None)  # None: the format cannot hold the picture
        hint = "" if cause else "name a .jpg or .png file"
        raise BadInput(f"{to_text(path)} cannot be written: {cause or error}", hint=hint) from error
