"""The finder of signatures: on pages, alone, and where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as pil
from PIL import ImageDraw, ImageFont

from siamkit.protocols import Detector
from siamkit.types import Image
from siamkit_signatures import SignatureFinder, Signatures
from siamkit_signatures.page import gaps, neighbours

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "signatures"
requires_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no signatures in {DATA}")

FINDER = SignatureFinder()
TEXT = (
    "The parties hereby agree that this contract",
    "of sale shall remain in full force and effect",
    "until 31 December 2027 unless otherwise",
    "stated in writing by both of them. The sum",
    "of EUR 1,250.00 is payable on receipt.",
)
SIZE, PLACE = (900, 1100), (430, 760)


def signature() -> pil.Image:
    return pil.fromarray(Signatures().load(Signatures().examples()[0][1]).pixels).convert("L")


def page(*, signed: bool, turned: float = 0.0) -> Image:
    """Text, a table and the empty line of a form, and on it a signature or none."""
    made = pil.new("L", SIZE, 245)
    draw = ImageDraw.Draw(made)
    draw.text((80, 50), "Contract of Sale", fill=20, font=ImageFont.load_default(36))
    for row in range(15):
        font = ImageFont.load_default(22)
        draw.text((80, 120 + 32 * row), TEXT[row % len(TEXT)], fill=25, font=font)
    for x in (80, 300, 520):
        draw.line([(x, 620), (x, 700)], fill=30, width=2)
    for y in (620, 660, 700):
        draw.line([(80, y), (520, y)], fill=30, width=2)
    draw.line([(400, 920), (850, 920)], fill=30, width=2)
    draw.text((400, 990), "Authorised Signatory", fill=25, font=ImageFont.load_default(18))
    if signed:
        pen = signature().point(lambda tone: 0 if tone > 200 else 255)
        made.paste(40, PLACE, pen)
    return Image(
        np.asarray(made.rotate(turned, pil.Resampling.BICUBIC, fillcolor=245).convert("RGB"))
    )


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, wide) * max(0.0, high)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared)


def ink_box(picture: pil.Image, at: tuple[int, int] = (0, 0)) -> tuple[float, ...]:
    rows, columns = np.nonzero(np.asarray(picture) < 140)
    return (
        columns.min() + at[0], rows.min() + at[1], columns.max() + 1 + at[0], rows.max() + 1 + at[1]
    )  # fmt: skip


def test_it_keeps_the_protocol() -> None:
    assert isinstance(FINDER, Detector)
    assert (FINDER.name, FINDER.kind) == (Signatures.detector, Signatures.kind)


@pytest.mark.parametrize("turned", [0.0, 1.0])
def test_a_signature_on_a_page_is_found(turned: float) -> None:
    found = FINDER.find(page(signed=True, turned=turned))
    assert len(found) == 1
    assert 0.5 <= found[0].score <= 1
    assert overlap(found[0].where, ink_box(signature(), PLACE)) > (0.8 if turned == 0 else 0.5)


def test_on_a_contract_only_the_signature_is_found() -> None:
    made = pil.new("L", (1240, 1600), 255)
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(32)
    for line in range(12):
        words = "The tenant shall keep the premises in good order."
        draw.text((120, 160 + 60 * line), words, fill=30, font=font)
    name = signature().resize((360, 150))
    made.paste(name, (640, 1150), name.point(lambda tone: 255 - tone))
    (region,) = FINDER.find(Image(np.asarray(made.convert("RGB"))))
    assert overlap(region.where, ink_box(name, (640, 1150))) > 0.8


@pytest.mark.parametrize("turned", [0.0, 1.0])
def test_print_alone_is_not_a_signature(turned: float) -> None:
    assert FINDER.find(page(signed=False, turned=turned)) == []


def test_the_region_is_the_signed_ink() -> None:
    medium = page(signed=True)
    modality = Signatures()
    found = modality.array(modality.crop(medium, FINDER.find(medium)[0])).astype(float)
    wanted = modality.array(Image(np.asarray(signature().convert("RGB")))).astype(float)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("inverted", [False, True])
def test_a_signature_alone_is_one_region(inverted: bool) -> None:
    for _, content in Signatures().examples():
        medium = Signatures().load(content)
        (region,) = FINDER.find(Image(255 - medium.pixels) if inverted else medium)
        assert overlap(region.where, ink_box(pil.fromarray(medium.pixels).convert("L"))) > 0.8


def test_paper_on_a_dark_desk_is_still_paper() -> None:
    sheet = page(signed=True).pixels
    desk = np.full((sheet.shape[0] + 400, sheet.shape[1] + 500, 3), 35, np.uint8)
    desk[200:-200, 250:-250] = sheet
    place = (PLACE[0] + 250, PLACE[1] + 200)
    assert any(
        overlap(region.where, ink_box(signature(), place)) > 0.8
        for region in FINDER.find(Image(desk))
    )


def test_a_printed_name_under_a_signature_is_left_out() -> None:
    made = pil.new("L", (600, 300), 255)
    made.paste(signature(), (40, 10))
    font = ImageFont.load_default(20)
    ImageDraw.Draw(made).text((150, 225), "President, ECCFA", fill=20, font=font)
    (region,) = FINDER.find(Image(np.asarray(made.convert("RGB"))))
    assert overlap(region.where, ink_box(signature(), (40, 10))) > 0.8


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 12), st.just(4)),
               elements=st.integers(0, 30).map(float)),
    st.integers(0, 9),
    st.integers(-3, 9),
)  # fmt: skip
def test_neighbours_are_those_of_all_pairs(raw, across, down) -> None:
    boxes = np.hstack([np.minimum(raw[:, :2], raw[:, 2:]), np.maximum(raw[:, :2], raw[:, 2:]) + 1])
    gap_x, gap_y = gaps(boxes)
    wanted = {(i, j) for i, j in np.argwhere((gap_x <= across) & (gap_y <= down)) if i < j}
    one, other = neighbours(boxes, across, down)
    assert len(one) == len(wanted)
    assert {(min(pair), max(pair)) for pair in zip(one, other, strict=True)} == wanted


def test_a_blank_page_has_no_signature() -> None:
    assert FINDER.find(Image(np.full((500, 400, 3), 240, np.uint8))) == []


@settings(max_examples=40)
@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 60), st.integers(1, 90), st.just(3)))
    | hnp.arrays(np.uint8, st.sampled_from([(1, 900, 3), (13, 3000, 3), (3000, 13, 3)]),
                 elements=st.sampled_from([0, 255]), fill=st.just(255))
)  # fmt: skip
def test_odd_pictures_never_fail(pixels: np.ndarray) -> None:
    height, width = pixels.shape[:2]
    for region in FINDER.find(Image(pixels)):
        left, top, right, bottom = region.where
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


@requires_data
@pytest.mark.parametrize("name", ["cedar_bin", "bhsig_hindi", "bhsig_bengali"])
def test_a_sample_of_the_data_is_one_region(name: str) -> None:
    files = sorted((DATA / name).rglob("*.png"))
    files = files[:: len(files) // 15]
    counts = [len(FINDER.find(Signatures().load(file))) for file in files]
    assert sum(count == 1 for count in counts) >= 0.9 * len(files), counts


def test_the_dark_ground_of_a_page_is_no_ink() -> None:
    plain = page(signed=True)
    scan = np.full((1300, 1100, 3), 12, np.uint8)
    scan[60:1160, 80:980] = plain.pixels
    (region,) = FINDER.find(Image(scan))
    assert overlap(region.where, ink_box(signature(), (PLACE[0] + 80, PLACE[1] + 60))) > 0.8


def test_a_whole_picture_is_not_taken_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    scrawl = pil.new("L", (600, 600), 250)
    draw = ImageDraw.Draw(scrawl)
    for x, y in rng.integers(10, 560, (120, 2)).tolist():
        ends = np.array([x, y]) + rng.integers(-25, 25, (3, 2))
        draw.line(list(map(tuple, ends.tolist())), fill=20, width=int(rng.integers(1, 4)))
    regions = FINDER.find(Image(np.asarray(scrawl.convert("RGB"))))
    whole = [r for r in regions if r.where[2] - r.where[0] > 500 and r.where[3] - r.where[1] > 500]
    assert bool(whole) == ("no signature stands out" in caplog.text)
    assert whole, "the picture is a case of it"
    caplog.clear()
    FINDER.find(Image(np.asarray(signature().convert("RGB"))))
    assert not caplog.text, "of a signature alone the whole is right"


@pytest.mark.parametrize(("letters", "count"), [(24, 1), (2 * 24, 0)])
def test_an_even_hand_of_few_letters_is_no_print(letters: int, count: int) -> None:
    name = pil.new("L", (1000, 200), 255)
    draw = ImageDraw.Draw(name)
    for at in range(letters):  # as even as print
        x, y = 60 + 35 * (at % 24), 50 + 60 * (at // 24)
        draw.line([(x, y + 30), (x, y), (x + 16, y + 30), (x + 16, y)], fill=0, width=4)
    assert len(FINDER.find(Image(np.asarray(name.convert("RGB"))))) == count
