"""Pages of PDFs on the command line: chosen, enrolled, read again, refused."""

from __future__ import annotations

import json
import sys

import pytest
from mediafiles import encoded
from PIL import Image

from siamkit.io import pages

pytest.importorskip("pypdfium2")

LOCK = (
    b"trailer\n<<\n/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O (%s) /U (%s) >>"
    b" /ID [(0123456789abcdef)(0123456789abcdef)]" % (b"a" * 32, b"b" * 32)
)


def document(*colours: str) -> bytes:
    sheets = [Image.new("RGB", (60, 80), colour) for colour in colours]
    return encoded(sheets[0], "PDF", save_all=True, append_images=sheets[1:])


@pytest.fixture
def office(shell):
    """Two documents and a picture; pages of one colour are alike for the encoder of `tiles`."""
    (shell.folder / "deed.pdf").write_bytes(document("red", "blue", "lime"))
    (shell.folder / "one.pdf").write_bytes(document("blue"))
    (shell.folder / "blue.png").write_bytes(encoded(Image.new("RGB", (60, 80), "blue"), "PNG"))
    return shell


def test_a_page_is_chosen_by_the_option_or_by_the_name(office):
    pair = ("verify", "-m", "tiles", "blue.png")
    assert office(*pair, "deed.pdf", "--page", "2").out.startswith("same")
    assert office(*pair, "deed.pdf#page=2").out.startswith("same")
    assert office(*pair, "deed.pdf", "--page", "1").out.startswith("different")
    assert office(*pair, "one.pdf").out.startswith("same"), "of one page"


def test_an_enrolled_page_is_known_again_and_read_again(office):
    assert office("enrol", "tiles", "deed.pdf", "--page", "2", "--as", "sea").code == 0
    assert "already enrolled" in office("enrol", "tiles", "deed.pdf#page=2", "--as", "sea").out
    (probe,) = json.loads(office("query", "tiles", "deed.pdf", "--page", "2", "--json").out)[
        "probes"
    ]
    assert probe["regions"][0]["matches"][0]["source"].endswith("deed.pdf#page=2")
    assert office("reembed", "tiles").code == 0
    (office.folder / "deed.pdf").write_bytes(document("red", "blue"))
    assert "has changed" in office("reembed", "tiles").err


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("deed.pdf", None, [], "it has 3 pages, and one must be chosen"),
        ("deed.pdf", None, ["--page", "4"], "deed.pdf: it has no page 4"),
        ("deed.pdf#page=0", None, [], "deed.pdf: it has no page 0"),
        ("blue.png", None, ["--page", "1"], "none of the files is a PDF"),
        ("blue.png#page=1", None, [], "it is not a PDF"),
        ("gone.pdf#page=1", None, [], "gone.pdf cannot be read"),
        ("bad.pdf", b"%PDF-1.7 and so on", [], "bad.pdf: the PDF is damaged"),
        ("cut.pdf", document("red")[:300], ["--page", "1"], "cut.pdf: the PDF is damaged"),
        ("safe.pdf", document("red").replace(b"trailer\n<<", LOCK), [], "the PDF is encrypted"),
    ],
)
def test_what_cannot_be_drawn_is_refused(office, name, content, options, message):
    if content:
        (office.folder / name).write_bytes(content)
    done = office("verify", "-m", "tiles", "blue.png", name, *options)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_a_file_may_be_called_like_a_page(office):
    (office.folder / "odd.png#page=2").write_bytes((office.folder / "blue.png").read_bytes())
    assert office("verify", "-m", "tiles", "blue.png", "odd.png#page=2").code == 0


def test_without_the_reader_the_extra_is_named(office, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    done = office("verify", "-m", "tiles", "blue.png", "one.pdf")
    assert done.code == 2
    assert "siamkit[pdf]" in done.err


def test_a_huge_page_is_drawn_coarser():
    small = document("red")
    huge = small.replace(b"/MediaBox [ 0 0 60.0 80.0 ]", b"/MediaBox [ 0 0 14400 9999 ]")
    assert huge != small
    width, height = (int(side) for side in pages.draw(huge).split(b" ", 3)[1:3])
    assert width * height == pytest.approx(pages.MOST_PIXELS, rel=0.01)
