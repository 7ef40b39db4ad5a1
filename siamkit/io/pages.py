"""Pages of PDF documents: FILE.pdf#page=2 names one (RFC 8118), and it is drawn as a picture.

pypdfium2 draws them (`pip install 'siamkit[pdf]'`).
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from siamkit.errors import UnreadableSample
from siamkit.io.extras import install_command

START = b"%PDF"
DPI, POINTS = 200, 72  # to the inch: pixels of a drawn page, and units of a PDF
MOST_PIXELS = 25_000_000  # a larger page, from A2 on, is drawn coarser
PASSWORD = 4  # FPDF_ERR_PASSWORD of PDFium
INSTALL = f"{install_command('pdf')}, or convert it: `pdftoppm -r 200 -png FILE.pdf page`"
UNLOCK = "save it without its password: `qpdf --decrypt --password=WORD FILE.pdf OPEN.pdf`"
_NAME = re.compile(r"(.+)#page=([0-9]{1,9})", re.DOTALL)
_drawing = threading.Lock()  # PDFium is not made for threads


def _renew_lock() -> None:
    """Give the child of a fork a lock that no thread of its parent holds."""
    global _drawing
    _drawing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def split(path: Path) -> tuple[Path, int | None]:
    """Return the file that a path names, and the number of the page in it, from 1, or None."""
    if (name := _NAME.fullmatch(path.name)) is None or os.path.lexists(path):
        return path, None
    return path.with_name(name[1]), int(name[2])


def at_page(path: Path, page: int) -> Path:
    """Return the path of a page of a document."""
    return path.with_name(f"{path.name}#page={page}")


def is_document(path: Path) -> bool:
    """Is it a PDF? Not if it cannot be read, which reading it will report."""
    try:
        with path.open("rb") as file:
            return file.read(len(START)) == START
    except (OSError, ValueError):
        return False


def digest(content: bytes, page: int) -> bytes:
    """Return a SHA-256 of a document and the number of a page, however that is drawn."""
    return hashlib.sha256(content + f"#page={page}".encode()).digest()


def draw(content: bytes, page: int | None = None) -> bytes:
    """Draw a page of a PDF; return the content of a PPM picture of DPI pixels to the inch.

    page: from 1; None for the only one. Raises UnreadableSample if the content is no PDF, is
    damaged or encrypted, has no such page, or several and none was chosen, or if pypdfium2 is not
    installed.
    """
    if not content.startswith(START):
        raise UnreadableSample("it has no pages: it is not a PDF", hint="leave out the page")
    with _drawing, _open(content) as document:
        count = len(document)
        if page is None and count > 1:
            raise UnreadableSample(
                f"it has {count:,} pages, and one must be chosen",
                hint="add `--page 1`, or name the page: FILE.pdf#page=1",
            )
        number = 1 if page is None else page
        if not 1 <= number <= count:
            last = "only page 1" if count == 1 else f"pages 1 to {count:,}"
            raise UnreadableSample(f"it has no page {number}", hint=f"it has {last}")
        return _render(document[number - 1])


@contextmanager
def _open(content: bytes) -> Iterator[Any]:
    """Open a document, with the fields of its forms. What PDFium raises becomes our error."""
    try:
        import pypdfium2
    except ImportError as error:
        raise UnreadableSample("it is a PDF, which pypdfium2 reads", hint=INSTALL) from error
    try:
        document = pypdfium2.PdfDocument(content)
        try:
            document.init_forms()
            yield document
        finally:
            document.close()
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == PASSWORD:
            raise UnreadableSample("the PDF is encrypted", hint=UNLOCK) from error
        raise UnreadableSample(f"the PDF is damaged: {error}") from error


def _render(page: Any) -> bytes:
    width, height = (max(side, 1.0) / POINTS for side in page.get_size())  # inches
    scale = min(DPI, math.sqrt(MOST_PIXELS / (width * height))) / POINTS
    bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
    pixels = bitmap.to_numpy()
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        pixels = pixels.reshape(*pixels.shape[:2], 1).repeat(3, axis=2)
    height_px, width_px = pixels.shape[:2]
    picture: bytes = pixels[:, :, :3].tobytes()
    return b"P6 %d %d 255\n" % (width_px, height_px) + picture
