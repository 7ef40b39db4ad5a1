"""Write the files that README.md and docs/ use: `python examples/samples.py`, into this folder.

The photographs come with two packages: scikit-image ships NASA's portrait of astronaut Eileen
Collins, matplotlib the US Navy's of Rear Admiral Grace Hopper; both are works of the US government
and in the public domain. The other photographs are altered copies of the two (mirrored, darkened,
tilted, scaled down). The signatures of two invented hands are drawn by a program; the voices are
generated, a pulse train through formants, and the characters are strokes with random jitter. The
shelves are drawn, with boxes that show pictures of scikit-image; the motorcycle is its stereo pair
(Scharstein and others 2014). The tables are copies of those beside this file.
"""

from __future__ import annotations

import shutil
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps


def packaged(package: str, inside: str) -> Path:
    """Locate a file that an installed package ships, without importing the package."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"this needs the package {package}: pip install 'siamkit[demo]'")
    return Path(spec.origin).parent / inside


def make_photos(folder: Path) -> list[Path]:
    """Write the two portraits, and the probes made from them; return the probes."""
    folder.mkdir(parents=True, exist_ok=True)
    collins = Image.open(packaged("skimage", "data/astronaut.png")).convert("RGB")
    hopper = Image.open(packaged("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"))
    hopper = hopper.convert("RGB")
    collins.save(folder / "collins.png")
    hopper.save(folder / "hopper.jpg")
    both = Image.new("RGB", (1024, 520), "white")
    both.paste(collins.resize((512, 512)), (0, 4))
    both.paste(ImageOps.fit(hopper, (460, 512)), (540, 4))
    probes = {
        "collins-mirrored-dark.jpg": ImageEnhance.Brightness(ImageOps.mirror(collins)).enhance(0.5),
        "collins-tilted.jpg": collins.rotate(18, Image.Resampling.BICUBIC, fillcolor="gray"),
        "hopper-small.jpg": hopper.resize((hopper.width // 3, hopper.height // 3)),
        "hopper-grey.jpg": ImageOps.mirror(hopper.convert("L")),
        "both.jpg": both,
        "coffee.jpg": Image.open(packaged("skimage", "data/coffee.png")).convert("RGB"),
    }
    for name, picture in probes.items():
        picture.save(folder / name, quality=80)
    return [folder / name for name in probes]


def make_signatures(folder: Path) -> None:
    """Write two drawn signatures for each of two invented hands, and a page signed by one."""
    from PIL import ImageDraw

    from siamkit_signatures import Signatures

    folder.mkdir(parents=True, exist_ok=True)
    examples = iter(Signatures().examples())
    for name in ("doe-1", "doe-2", "roe-1", "roe-2"):
        (folder / f"{name}.png").write_bytes(next(examples)[1])
    page = Image.new("L", (1240, 1600), 255)
    pen = ImageDraw.Draw(page)
    for line in range(12):
        pen.text(
            (120, 160 + 60 * line),
            "The tenant shall keep the premises in good order.",
            30,
            None,
            size=32,
        )
    signature = Image.open(folder / "doe-2.png").resize((360, 150))
    page.paste(signature, (640, 1150), ImageOps.invert(signature))
    page.save(folder / "contract.png")


def make_voices(folder: Path) -> None:
    """Write generated speech: two voices, and a talk in which they take turns."""
    import numpy as np
    import soundfile

    from siamkit_voices.examples import RATE, SPEAKERS, speak

    folder.mkdir(parents=True, exist_ok=True)
    for name, speaker in SPEAKERS.items():
        for seed in (1, 2):
            soundfile.write(folder / f"{name}-{seed}.wav", speak(speaker, 4.0, seed), RATE)
    order = (("low", 3), ("high", 3), ("low", 4), ("high", 4))
    turns = [speak(SPEAKERS[name], 4.0, seed) for name, seed in order]
    soundfile.write(folder / "talk.flac", np.concatenate(turns), RATE)


def make_characters(folder: Path, characters: int = 100, hands: int = 5) -> None:
    """Draw invented characters of three strokes, one folder each, by several shaky hands."""
    import numpy as np
    from PIL import ImageDraw

    for character in range(characters):
        strokes = np.random.default_rng(character).uniform(10, 90, (3, 4))
        place = folder / f"{character:02}"
        place.mkdir(parents=True, exist_ok=True)
        for hand in range(hands):
            picture = Image.new("L", (105, 105), 255)
            for stroke in strokes + np.random.default_rng([character, hand]).normal(0, 3, (3, 4)):
                ImageDraw.Draw(picture).line(stroke.tolist(), 0, 3)
            picture.save(place / f"{hand}.png")


PRODUCTS = {  # name: the picture on its box, and the colour of the box
    "arabica": ("coffee.png", "saddlebrown"),
    "kitty": ("chelsea.png", "darkgoldenrod"),
    "booster": ("rocket.jpg", "navy"),
    "galaxy": ("hubble_deep_field.jpg", "black"),
    "retinol": ("retina.jpg", "darkred"),
    "grassy": ("grass.png", "darkgreen"),
    "bricks": ("brick.png", "firebrick"),
    "lunar": ("moon.png", "dimgray"),
    "coins": ("coins.png", "teal"),
    "purple": ("ihc.png", "rebeccapurple"),
}
BOX = (240, 320)  # px of a packshot: width, height


@cache
def draw_box(product: str) -> Image.Image:
    """Draw the front of a product's box: a band with its name, and a picture."""
    from PIL import ImageDraw, ImageFont

    picture, colour = PRODUCTS[product]
    front = Image.new("RGB", BOX, colour)
    inside = Image.open(packaged("skimage", f"data/{picture}")).convert("RGB")
    front.paste(ImageOps.fit(inside, (BOX[0] - 20, BOX[1] - 90)), (10, 80))
    draw = ImageDraw.Draw(front)
    font = ImageFont.load_default(size=46)
    draw.text((BOX[0] / 2, 38), product.upper(), "white", font, "mm")
    return front


def draw_shelf(products: list[str], seed: int) -> Image.Image:
    """Draw two boards with four boxes each, every box turned, lit and scaled its own way."""
    import numpy as np
    from PIL import ImageDraw

    rng = np.random.default_rng(seed)
    wood, wall = tuple(rng.integers(90, 150, 3)), tuple(rng.integers(170, 230, 3))
    shelf = Image.new("RGB", (800, 600), tuple(int(v) for v in wall))
    for place, product in enumerate(products):
        board = 290 if place < 4 else 580
        scale = rng.uniform(0.45, 0.68)
        width, height = (round(side * scale) for side in BOX)
        box = ImageEnhance.Brightness(draw_box(product)).enhance(rng.uniform(0.6, 1.1))
        slant = rng.uniform(-0.12, 0.12) * BOX[1]  # px: seen from one side
        far_left, far_right = max(slant, 0), max(-slant, 0)
        quad = (0, -far_left, 0, BOX[1] + far_left, BOX[0], BOX[1] + far_right, BOX[0], -far_right)
        turned = box.transform(BOX, Image.Transform.QUAD, quad, Image.Resampling.BICUBIC)
        inside = Image.new("L", BOX, 255).transform(BOX, Image.Transform.QUAD, quad)
        where = (20 + place % 4 * 195 + int(rng.integers(0, 12)), board - height)
        shelf.paste(turned.resize((width, height)), where, inside.resize((width, height)))
    draw = ImageDraw.Draw(shelf)
    for board in (290, 580):
        draw.rectangle((0, board, 800, board + 18), tuple(int(v) for v in wood))
    return shelf


def make_shelves(folder: Path, others: int = 10) -> None:
    """Write packshots of three products, a shelf with them, and shelves without."""
    import numpy as np

    (folder / "other-shelves").mkdir(parents=True, exist_ok=True)
    mine, rest = list(PRODUCTS)[:3], list(PRODUCTS)[3:]
    for product in mine:
        draw_box(product).save(folder / f"{product}.png")
    draw_shelf([rest[0], mine[0], rest[1], rest[2], mine[2], rest[3], mine[1], rest[4]], 1).save(
        folder / "shelf.jpg", quality=88
    )
    for number in range(others):
        chosen = np.random.default_rng(number).choice(rest, 8).tolist()
        draw_shelf(chosen, 100 + number).save(folder / "other-shelves" / f"{number}.jpg")


def make_garage(folder: Path) -> None:
    """Write the two photographs of a motorcycle in a garage, a hand's breadth apart."""
    folder.mkdir(parents=True, exist_ok=True)
    for side in ("left", "right"):
        picture = Image.open(packaged("skimage", f"data/motorcycle_{side}.png")).convert("RGB")
        picture.save(folder / f"motorcycle-{side}.jpg", quality=90)


def main() -> None:
    here = Path.cwd()
    make_photos(here)
    make_signatures(here)
    make_voices(here)
    make_characters(here / "characters")
    make_shelves(here / "shelves")
    make_garage(here)
    for table in Path(__file__).parent.glob("*.csv"):
        shutil.copy(table, here)
    print("photographs, signatures, voices, characters, shelves and tables are in this folder")


if __name__ == "__main__":
    main()
