"""Count signatures found and missed: photographed, scanned and generated pages.

    python benchmarks/signature_pages.py DATA [DETECTOR]

A signature counts as found if a region covers it with an intersection over union of 0.5. Other
regions are false alarms. The boxes of the documents were drawn by hand. Generated pages have
printed text, rules, tables, stamps and logos in Pillow's own font, and one signature of CEDAR or
BHSig260 or none; they look scanned: tinted, tilted, noisy, compressed. Pictures of a signature
alone come last: each should give one region.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image as pil
from PIL import ImageDraw, ImageFont
from PIL.Image import Image as Picture

from siamkit.host.registry import load
from siamkit.sdk.media import load_image
from siamkit.types import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]

PAGES, ALONE = 60, 100  # generated pages of each sort; lone signatures of each set
SETS = {"CEDAR": "cedar_bin", "Hindi": "bhsig_hindi", "Bengali": "bhsig_bengali"}
ENOUGH = 0.5  # intersection over union
INKS = [(20, 20, 25), (25, 40, 130), (40, 60, 170), (10, 90, 60), (150, 25, 35)]
SAMPLE = (
    "the parties hereby agree that this contract of sale shall remain in full force and effect "
    "until 31 December 2027 unless otherwise stated in writing by both, and that the sum of EUR "
    "1,250.00 is payable on receipt; amount account number branch Invoice Total Date of Issue "
    "Name Address Ref. 4471-B Authorised Signatory Chairman Secretary Witness"
)
WORDS = SAMPLE.split()
DOCUMENTS: dict[str, list[Box]] = {  # initials and handwritten dates are not signatures
    "example_0.jpg": [
        (339, 271, 429, 288),
        (86, 312, 291, 361),
        (331, 325, 539, 348),
        (118, 362, 275, 399),
        (337, 360, 500, 396),
        (118, 402, 278, 423),
        (352, 397, 451, 425),
        (116, 447, 267, 487),
    ],
    "example_2.jpg": [  # lies on its side
        (341, 458, 370, 588),
        (402, 408, 437, 592),
        (454, 372, 498, 601),
        (487, 547, 533, 622),
    ],
    "example_4.jpg": [(174, 86, 318, 112), (368, 243, 521, 278)],
    "example_6.jpg": [(316, 190, 558, 325)],
    "example_8.jpg": [(353, 340, 542, 381), (220, 394, 337, 434)],  # upside down
    "signver_signdoc.jpg": [
        (117, 211, 423, 305),
        (167, 313, 337, 412),
        (159, 397, 416, 447),
        (142, 478, 372, 539),
    ],
}


class Page(NamedTuple):
    picture: Picture
    signature: Box | None  # where it is


def overlap(left: Box, right: Box) -> float:
    """Intersection over union."""
    width = min(left[2], right[2]) - max(left[0], right[0])
    height = min(left[3], right[3]) - max(left[1], right[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (left, right)]
    return width * height / (sum(areas) - width * height)


def sentence(rng: np.random.Generator, words: int) -> str:
    return " ".join(rng.choice(WORDS, words))


def text(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int]) -> int:
    """A heading and paragraphs; gives the y at which they end."""
    width, height = size
    body = int(rng.integers(width // 75, width // 45))
    left, y = int(width * 0.1), int(height * rng.uniform(0.04, 0.1))
    heading = ImageFont.load_default(int(body * rng.uniform(1.3, 2.4)))
    draw.text((left, y), sentence(rng, 4).title(), fill=(15, 15, 15), font=heading)
    font, y = ImageFont.load_default(body), y + 4 * body
    stop = height * rng.uniform(0.4, 0.6)
    while y < stop:
        for _ in range(rng.integers(1, 7)):
            line = sentence(rng, 30)
            while draw.textlength(line, font) > 0.8 * width:
                line = line.rpartition(" ")[0]
            draw.text((left, y), line, fill=(20, 20, 20), font=font)
            y += int(1.45 * body)
        y += body
    return y


def table(draw: ImageDraw.ImageDraw, rng: np.random.Generator, box: Box) -> None:
    rows, columns = rng.integers(2, 6), rng.integers(2, 5)
    ys = np.linspace(box[1], box[3], rows + 1).astype(int)
    xs = np.linspace(box[0], box[2], columns + 1).astype(int)
    wide = int(rng.integers(1, 4))
    font = ImageFont.load_default(max(9, int((ys[1] - ys[0]) * 0.45)))
    for y in ys:
        draw.line([(xs[0], y), (xs[-1], y)], fill=(30, 30, 30), width=wide)
    for x in xs:
        draw.line([(x, ys[0]), (x, ys[-1])], fill=(30, 30, 30), width=wide)
    for y in ys[:-1]:
        for x in xs[:-1]:
            word = str(rng.choice(WORDS))[:9]
            draw.text((x + 6, y + (ys[1] - ys[0]) // 4), word, fill=(20, 20, 20), font=font)


def stamp(rng: np.random.Generator, side: int) -> Picture:
    """A round or square stamp on transparent ground, turned a little."""
    image = pil.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    colour = (*INKS[rng.integers(len(INKS))], 220)
    shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
    shape((4, 4, side - 5, side - 5), outline=colour, width=max(2, side // 40))
    font = ImageFont.load_default(side / 9)
    for row in range(3):
        words = sentence(rng, 1).upper()[:8]
        draw.text((side * 0.22, side * (0.26 + 0.17 * row)), words, fill=colour, font=font)
    return image.rotate(rng.uniform(-25, 25), pil.Resampling.BICUBIC, expand=True)


def logo(draw: ImageDraw.ImageDraw, rng: np.random.Generator, box: Box) -> None:
    colour = tuple(int(v) for v in rng.integers(0, 160, 3))
    left, top, _, bottom = box
    side = bottom - top
    if rng.random() < 0.5:
        draw.ellipse((left, top, left + side, bottom), fill=colour)
    else:
        points = [(left, bottom), (left + side / 2, top), (left + side, bottom)]
        draw.polygon(points, outline=colour, width=4)
    font = ImageFont.load_default(side * 0.6)
    draw.text((left + 1.2 * side, top + side * 0.15), "ACME & Co", fill=colour, font=font)


def ink_box(alpha: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Return the ink's box, without dust: a thousandth of the ink is left out on each side."""
    low, high = [], []
    for axis in (0, 1):
        share = np.cumsum(alpha.sum(axis=axis, dtype=np.int64)) / alpha.sum(dtype=np.int64)
        low.append(int(np.argmax(share > 0.001)))
        high.append(int(np.argmax(share >= 0.999)) + 1)
    return low[0], low[1], high[0], high[1]


def inked(path: Path, rng: np.random.Generator, width: int) -> Picture:
    """A signature of the data cut to its ink: transparent, coloured, so many px wide."""
    alpha = 255 - load_image(path).pixels[:, :, 0]
    left, top, right, bottom = ink_box(alpha)
    cut = pil.fromarray(alpha[top:bottom, left:right])
    height = max(1, round(cut.height * width / cut.width))
    shape = cut.resize((width, height), pil.Resampling.BOX if width < cut.width else 2)
    image = pil.new("RGBA", shape.size, (*INKS[rng.integers(len(INKS))], 0))
    image.putalpha(shape)
    return image


def page(rng: np.random.Generator, path: Path | None) -> Page:
    """A generated page, with the signature of a file on it if one is given."""
    width = int(rng.choice([800, 1240, 1654]))
    size = (width, int(width * rng.choice([1.414, 0.6, 1.0])))
    image = pil.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    y = text(draw, rng, size)
    height = size[1]
    if rng.random() < 0.5:
        logo(draw, rng, (width * 0.6, height * 0.02, width * 0.9, height * 0.02 + width * 0.05))
    low = y + (height - y) * 0.45
    if rng.random() < 0.5 and low - y > 60:
        table(draw, rng, (width * 0.1, y + 10, width * rng.uniform(0.5, 0.9), low - 10))
        y = int(low)
    if rng.random() < 0.5:
        side = int(width * rng.uniform(0.1, 0.18))
        seal = stamp(rng, side)
        image.paste(seal, (int(width * 0.08), min(y + 10, height - seal.height)), seal)
    place = None
    room = (int(width * 0.35), y + 5, int(width * 0.95), height - int(0.03 * height))
    if path is not None:
        place = sign(image, rng, path, room)
    elif rng.random() < 0.5:  # the empty line of a form
        draw.line([(room[0], room[3] - 40), (room[2], room[3] - 40)], fill=(30, 30, 30), width=2)
    return scanned(image, place, rng)


def sign(page_image: Picture, rng: np.random.Generator, path: Path, room: tuple[int, ...]) -> Box:
    """Paste a signature somewhere into the room, on a line with a name below it as often as not."""
    left, top, right, bottom = room
    name = inked(path, rng, int(page_image.width * rng.uniform(0.15, 0.4)))
    high = max(bottom - top - page_image.width // 25, 30)
    if name.height > high:
        name = name.resize((max(1, name.width * high // name.height), high))
    x = int(rng.integers(left, max(left + 1, right - name.width)))
    y = int(rng.integers(top, max(top + 1, bottom - name.height - page_image.width // 30)))
    if rng.random() < 0.5:
        draw = ImageDraw.Draw(page_image)
        base = y + int(name.height * rng.uniform(0.7, 1.0))
        draw.line([(x - 30, base), (x + name.width + 30, base)], fill=(30, 30, 30), width=2)
        font = ImageFont.load_default(page_image.width // 70)
        under = (x, y + name.height + 3)
        draw.text(under, sentence(rng, 3).title(), fill=(20, 20, 20), font=font)
    page_image.paste(name, (x, y), name)
    return (x, y, x + name.width, y + name.height)


def scanned(image: Picture, place: Box | None, rng: np.random.Generator) -> Page:
    """The page as a scanner or a camera gives it: tilt, tint, uneven light, noise, JPEG."""
    angle = float(rng.normal(0, 0.7))
    corner = np.array([image.width / 2, image.height / 2])
    image = image.rotate(angle, pil.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    if place is not None:
        x = np.array([place[0], place[2], place[0], place[2]]) - corner[0]
        y = np.array([place[1], place[1], place[3], place[3]]) - corner[1]
        cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        x, y = x * cos + y * sin + corner[0], y * cos - x * sin + corner[1]
        place = (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    light = np.asarray(image, dtype=np.float32) * rng.uniform([0.8, 0.8, 0.75], 1.0).astype("f4")
    slope = np.linspace(1, rng.uniform(0.6, 1.0), image.width, dtype=np.float32)
    light = light * slope[None, :, None]
    light += rng.normal(0, rng.uniform(0, 6), light.shape).astype(np.float32)
    content = io.BytesIO()
    quality = int(rng.integers(60, 95))
    pil.fromarray(np.clip(light, 0, 255).astype(np.uint8)).save(content, "JPEG", quality=quality)
    return Page(pil.open(content).convert("RGB"), place)


def tally(detected: list[Box], expected: list[Box]) -> tuple[int, int, int]:
    """Count expected boxes that are found, expected boxes that are missed, and false alarms."""
    hits = sum(any(overlap(box, hit) >= ENOUGH for hit in detected) for box in expected)
    false = sum(all(overlap(box, hit) < ENOUGH for box in expected) for hit in detected)
    return hits, len(expected) - hits, false


def boxes(picture: Picture) -> list[Box]:
    finder = load("siamkit.regions", *sys.argv[2:3] or ["signatures"])
    return [region.where for region in finder.find(Image(np.asarray(picture.convert("RGB"))))]


def report(name: str, cases: list[tuple[list[Box], list[Box]]]) -> None:
    hits, missed, false = (sum(row) for row in zip(*(tally(*case) for case in cases), strict=True))
    alarmed = sum(tally(*case)[2] > 0 for case in cases)
    print(f"{name:28}{len(cases):>7}{hits:>8}{missed:>8}{false:>8}{alarmed:>17}", flush=True)


def main(data: Path) -> None:
    print(f"{'set':28}{'images':>7}{'found':>8}{'missed':>8}{'false':>8}{'false in images':>17}")
    folder = data / "documents"
    report(
        "documents",
        [(boxes(pil.open(folder / name)), expected) for name, expected in DOCUMENTS.items()],
    )
    rng = np.random.default_rng(20261122)
    for name, place in SETS.items():
        files = sorted((data / place).rglob("*.png"))
        pages = [page(rng, files[at]) for at in rng.integers(len(files), size=PAGES)]
        report(f"pages signed, {name}", [(boxes(p), [where]) for p, where in pages if where])
    report("pages not signed", [(boxes(page(rng, None).picture), []) for _ in range(PAGES)])
    for name, place in SETS.items():
        files = sorted((data / place).rglob("*.png"))
        cases = []
        for at in rng.integers(len(files), size=ALONE):
            pixels = load_image(files[at]).pixels
            cases.append((boxes(pil.fromarray(pixels)), [ink_box(255 - pixels[:, :, 0])]))
        report(f"signature alone, {name}", cases)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
