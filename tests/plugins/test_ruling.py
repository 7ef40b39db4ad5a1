"""Ruled paper, forms and coloured seals leave a signature; what a hand drew stays."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as pil
from PIL import ImageDraw, ImageFont

from siamkit.sdk.media import load_image
from siamkit.types import Image, Region
from siamkit_signatures import SignatureFinder, Signatures
from siamkit_signatures.ruling import lift_rules
from siamkit_signatures.seals import lift_seals

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "signatures"
requires_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no signatures in {DATA}")

SIGNATURES = Signatures()
GREY, BLUE, RED, BLACK = (165, 165, 165), (70, 110, 200), (215, 60, 60), (20, 20, 20)
ALIKE = 0.85  # correlation of two scans of one signature that are a pixel apart: 0.88 to 0.99
VIOLET, NAVY = (120, 55, 160), (20, 35, 120)


def signature(pen: tuple[int, int, int] = BLACK) -> np.ndarray:
    """(height, width, 3) uint8: a drawn signature with paper around it, anti-aliased."""
    drawn = SIGNATURES.load(SIGNATURES.examples()[0][1]).pixels[:, :, 0]
    cover = 1 - np.pad(drawn, 60, constant_values=255)[:, :, None] / 255
    return np.round(cover * np.array(pen) + (1 - cover) * 255).astype(np.uint8)


def multiply(sheet: np.ndarray, cover: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Print a colour over a sheet, where a (height, width) cover of 0 to 1 says so."""
    share = 1 - cover[:, :, None] * (1 - np.array(colour) / 255)
    return np.round(sheet * share).astype(np.uint8)


def lines(
    sheet: np.ndarray, pitch: float, thickness: float, degrees: float = 0.0, dash: float = 0.0
) -> np.ndarray:
    """(height, width) in [0, 1]: parallel lines; dash: px on and px off."""
    y, x = np.indices(sheet.shape[:2]).astype(float)
    turn = np.deg2rad(degrees)
    across, along = y * np.cos(turn) - x * np.sin(turn), x * np.cos(turn) + y * np.sin(turn)
    cover = np.clip(thickness / 2 + 0.5 - np.abs((across + 5) % pitch - pitch / 2), 0, 1)
    return cover * (along % (2 * dash) < dash) if dash else cover


def squares(sheet: np.ndarray, pitch: float) -> np.ndarray:
    turned = lines(sheet.transpose(1, 0, 2), pitch, 1.5).T
    return np.maximum(lines(sheet, pitch, 1.5), turned)


def form(sheet: np.ndarray) -> np.ndarray:
    cover = np.zeros(sheet.shape[:2])
    height, width = cover.shape
    cv2.rectangle(cover, (20, 20), (width - 20, height - 30), 1.0, 2)
    cv2.line(cover, (20, 2 * height // 3), (width - 20, 2 * height // 3), 1.0, 2)
    return cover


def seal(sheet: np.ndarray, shape: str = "ellipse") -> np.ndarray:
    """(height, width) in [0, 1]: a stamp with a double rim over the middle of a sheet."""
    height, width = sheet.shape[:2]
    side = int(0.9 * height)
    stamp = pil.new("L", (width, height), 0)
    pen = ImageDraw.Draw(stamp)
    for inset in (0, side // 12):
        box = (inset, inset, side - inset, side - inset)
        left, top = (width - side) // 2, (height - side) // 2
        at = [value + (left, top)[number % 2] for number, value in enumerate(box)]
        getattr(pen, shape)(at, outline=255, width=3)
    for row, words in enumerate(("APPROVED", "No. 4711")):
        font = ImageFont.load_default(side / 9)
        at = (width / 2, height / 2 + (row - 0.5) * side / 6)
        pen.text(at, words, fill=255, font=font, anchor="mm")
    return np.asarray(stamp.rotate(7, pil.Resampling.BICUBIC)) / 255.0


def scanned(sheet: np.ndarray) -> np.ndarray:
    """Yellowish paper, a little noise, JPEG."""
    noise = np.random.default_rng(0).normal(0, 2, sheet.shape[:2])[:, :, None]
    pixels = np.clip(sheet * np.array([0.97, 0.95, 0.9]) + noise, 0, 255).astype(np.uint8)
    content = io.BytesIO()
    pil.fromarray(pixels).save(content, "JPEG", quality=88)
    return load_image(content.getvalue()).pixels


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of what the encoder would get of the best region of two pictures."""
    arrays = []
    for pixels in (one, other):
        region = SignatureFinder().find(Image(pixels))[0]
        array = SIGNATURES.array(SIGNATURES.crop(Image(pixels), region))
        arrays.append(cv2.GaussianBlur(array.astype(np.float32), (0, 0), 1).ravel())
    return float(np.corrcoef(*arrays)[0, 1])


RULINGS = {
    "narrow": lambda sheet: lines(sheet, 12, 1),
    "usual": lambda sheet: lines(sheet, 28, 2),
    "thick": lambda sheet: lines(sheet, 36, 4),
    "wide": lambda sheet: lines(sheet, 80, 2),
    "turned half a degree": lambda sheet: lines(sheet, 30, 2, 0.5),
    "turned 2 degrees": lambda sheet: lines(sheet, 30, 2, -2),
    "turned 5 degrees": lambda sheet: lines(sheet, 30, 2, 5),
    "upright": lambda sheet: lines(sheet.transpose(1, 0, 2), 30, 2).T,
    "dotted": lambda sheet: lines(sheet, 30, 2, dash=3),
    "dashed": lambda sheet: lines(sheet, 30, 2, dash=9),
    "squared": lambda sheet: squares(sheet, 25),
    "form": form,
}


@pytest.mark.parametrize("ruling", RULINGS)
def test_ruling_over_the_ink_is_lifted(ruling: str) -> None:
    sheet = signature()
    colour = (BLUE, GREY, BLACK)[list(RULINGS).index(ruling) % 3]
    ruled = scanned(multiply(sheet, RULINGS[ruling](sheet), colour))
    assert likeness(ruled, scanned(sheet)) > ALIKE


@pytest.mark.parametrize("colour", [GREY, BLUE, RED, BLACK], ids=["grey", "blue", "red", "black"])
def test_ruling_of_any_colour_is_lifted(colour: tuple[int, int, int]) -> None:
    sheet = signature(NAVY)
    ruled = scanned(multiply(sheet, lines(sheet, 24, 2), colour))
    assert likeness(ruled, scanned(sheet)) > ALIKE


def test_ruling_of_two_tones_is_lifted() -> None:
    sheet = np.where(signature() < 128, 0, 255).astype(np.uint8)
    ruled = np.where(lines(sheet, 30, 2)[:, :, None] > 0.4, 0, sheet).astype(np.uint8)
    assert likeness(ruled, sheet) > ALIKE


@pytest.mark.parametrize("scale", [0.5, 2.5])
def test_ruling_is_lifted_at_any_size(scale: float) -> None:
    sheet = signature()
    ruled = multiply(sheet, lines(sheet, 30, 2), BLUE)
    sizes = [
        cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=3) for pixels in (ruled, sheet)
    ]
    assert likeness(*map(scanned, sizes)) > ALIKE


def test_light_ink_on_dark_ruled_paper() -> None:
    sheet = signature()
    assert likeness(255 - multiply(sheet, lines(sheet, 30, 2), GREY), sheet) > ALIKE


def test_lines_that_hide_the_ink_are_bridged() -> None:
    sheet = signature()
    ruled = np.where(lines(sheet, 30, 3)[:, :, None] > 0.4, np.uint8(200), sheet)
    assert likeness(ruled, sheet) > ALIKE


@pytest.mark.parametrize(
    ("colour", "pen"), [(RED, BLACK), (RED, NAVY), (BLUE, BLACK), (VIOLET, NAVY)]
)
def test_a_seal_of_another_colour_is_lifted(
    colour: tuple[int, int, int], pen: tuple[int, int, int]
) -> None:
    sheet = signature(pen)
    stamp = seal(sheet, "rectangle" if colour == VIOLET else "ellipse")
    assert likeness(scanned(multiply(sheet, stamp, colour)), scanned(sheet)) > ALIKE


def test_a_sheet_without_rules_or_seals_is_returned_as_it_came() -> None:
    for pen in (BLACK, RED, NAVY):
        sheet = scanned(signature(pen))
        assert lift_rules(sheet) is sheet
        assert lift_seals(sheet) is sheet


def test_a_round_seal_of_the_inks_colour_is_reported() -> None:
    sheet = signature()
    assert not SIGNATURES.assess(Image(sheet), Region()).problems
    stamped = multiply(sheet, seal(sheet), BLACK)
    (problem,) = SIGNATURES.assess(Image(stamped), Region()).problems
    assert "seal" in problem
    red = SIGNATURES.assess(Image(multiply(sheet, seal(sheet), RED)), Region())
    assert not red.problems


def test_a_red_signature_beside_black_print_stays() -> None:
    sheet = np.pad(signature(RED), ((0, 80), (0, 0), (0, 0)), constant_values=255)
    printed = pil.fromarray(sheet)
    font = ImageFont.load_default(24)
    ImageDraw.Draw(printed).text((40, sheet.shape[0] - 60), "Place, date, signature", BLACK, font)
    pixels = np.asarray(printed)
    assert lift_seals(pixels) is pixels


@pytest.mark.parametrize("tremor", [1.5, 3.0])
def test_a_drawn_underline_stays(tremor: float) -> None:
    sheet = signature()
    height, width = sheet.shape[:2]
    x = np.arange(20, width - 20)
    y = height - 45 + tremor * np.sin(x / 45) + tremor / 2 * np.sin(x / 17)
    points = np.column_stack([x, y]).round().astype(np.int32)
    cv2.polylines(sheet, [points], False, BLACK, 3, cv2.LINE_AA)
    assert lift_rules(sheet) is sheet


@requires_data
@pytest.mark.parametrize("name", ["cedar_bin", "bhsig_hindi", "bhsig_bengali"])
def test_nothing_is_lifted_off_clean_signatures(name: str) -> None:
    """Headlines, t-bars and paraphs stay; two scans in a thousand have a printed line or a rim."""
    files = sorted((DATA / name).rglob("*.png"))[7::60]
    pictures = [load_image(file).pixels for file in files]
    changed = sum(lift_rules(pixels) is not pixels for pixels in pictures)
    assert changed <= 1
