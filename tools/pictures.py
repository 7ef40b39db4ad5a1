"""Draw the pictures of the documentation: `python tools/pictures.py` rewrites them.

Each is a small SVG file whose colours follow the reader's light or dark mode, with its own
background. floors.py draws the floors. The photographs show what siamkit itself draws on the
samples of examples/samples.py: portraits in the public domain (NASA, US Navy), and a shelf drawn
with pictures of scikit-image that are free to use (CC0, or in the public domain).
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

from PIL import Image, ImageOps

ROOT = Path(__file__).parents[1]
HERE = ROOT / "docs" / "pictures"
STYLE = """
svg { --ground: #ffffff; --text: #1b2a41; --soft: #5a6474; --line: #8a94a6; --blue: #3a6ea5;
  --orange: #c8641a; --green: #3c8a3a; --tint: 0.14 }
@media (prefers-color-scheme: dark) { svg { --ground: #1e2129; --text: #e8ebf2; --soft: #a9b2c3;
  --line: #7d879a; --blue: #7fb2e5; --orange: #f0a060; --green: #86c984; --tint: 0.22 } }
text { fill: var(--text); font: 14px system-ui, sans-serif }
.soft { fill: var(--soft); font-size: 12.5px } .bold { font-weight: 600 }
.middle { text-anchor: middle }
.ground { fill: var(--ground) } .line { stroke: var(--line); fill: none; stroke-width: 1.5 }
.blue { stroke: var(--blue); fill: var(--blue); fill-opacity: var(--tint) }
.orange { stroke: var(--orange); fill: var(--orange); fill-opacity: var(--tint) }
.green { stroke: var(--green); fill: var(--green); fill-opacity: var(--tint) }
.dot { fill-opacity: 1 } .dashed { stroke-dasharray: 5 4 }
"""
ARROW = (
    '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
    'orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="var(--line)"/></marker></defs>'
)


# --- parts ---


def picture(width: float, height: float, title: str, *parts: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n{ARROW}\n"
        f'<rect class="ground" width="{width:g}" height="{height:g}" rx="8"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, colour: str, *lines: str) -> str:
    """Draw a box with a bold first line and soft others."""
    labels = [
        text(x + 14, y + 22 + 19 * at, line, "soft" if at else "bold")
        for at, line in enumerate(lines)
    ]
    rect = (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" class="{colour}"/>'
    )
    return "\n".join([rect, *labels])


def arrow(path: str, kind: str = "") -> str:
    return f'<path d="{path}" class="line {kind}" marker-end="url(#a)"/>'


def dot(x: float, y: float, colour: str, radius: float = 6) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{colour} dot"/>'


# --- pictures ---


def flow() -> str:
    """Draw the steps: sample, region, crop, vector, index."""
    steps = (
        ("sample", "a photograph,", "recording or text"),
        ("region", "the part worth", "comparing"),
        ("crop", "cut out, upright,", "in a fixed size"),
        ("vector", "e.g. 128 numbers,", "of length 1"),
        ("index", "finds the nearest", "of many vectors"),
    )
    actors = ("", "detector", "modality", "encoder", "store")
    parts, width, gap = [], 136, 46
    for at, (step, actor) in enumerate(zip(steps, actors, strict=True)):
        x = 16 + at * (width + gap)
        parts.append(box(x, 118, width, 72, "green" if at == 4 else "blue", *step))
        if at:
            parts.append(arrow(f"M{x - gap + 4} 154H{x - 4}"))
            parts.append(text(x - gap / 2, 212, actor, "soft middle"))
    sketches = _sample(84), _region(266), _crop(448), _vector(630), _index(812)
    return picture(896, 228, "From a sample to the index", *parts, *sketches)


def _face(x: float, y: float, size: float, colour: str = "orange") -> str:
    eyes = "".join(
        dot(x + side * size * 0.38, y - size * 0.15, colour, size * 0.13) for side in (-1, 1)
    )
    start, bend = f"{x - size * 0.4:g} {y + size * 0.3:g}", f"{size * 0.4:g} {size * 0.35:g}"
    mouth = f'<path d="M{start}q{bend} {size * 0.8:g} 0" class="line"/>'
    return f'<circle cx="{x:g}" cy="{y:g}" r="{size:g}" class="{colour}"/>{eyes}{mouth}'


def _sample(x: float) -> str:
    hill = f'<path d="M{x - 58} 96l34-36 26 26 20-16 36 26z" class="green"/>'
    return f'<rect x="{x - 60}" y="18" width="120" height="80" rx="4" class="line"/>{hill}' + _face(
        x + 22, 52, 15
    )


def _region(x: float) -> str:
    return _sample(x) + f'<rect x="{x + 2}" y="32" width="40" height="40" class="orange dashed"/>'


def _crop(x: float) -> str:
    return f'<rect x="{x - 38}" y="20" width="76" height="76" class="line"/>' + _face(x, 58, 28)


def _vector(x: float) -> str:
    heights = (18, -26, 8, 30, -12, -30, 22, 5, -18, 28, -8, 14)
    bars = (
        f'<rect x="{x - 57 + 10 * at}" y="{58 - max(height, 0)}" width="6" '
        f'height="{abs(height)}" class="blue"/>'
        for at, height in enumerate(heights)
    )
    return f'<path d="M{x - 60} 58H{x + 60}" class="line"/>' + "".join(bars)


def _index(x: float) -> str:
    places = (
        (-44, 30),
        (-36, 40),
        (-46, 44),
        (34, 36),
        (44, 28),
        (40, 46),
        (-6, 84),
        (6, 78),
        (4, 90),
    )
    return "".join(dot(x + dx, y, "green", 4) for dx, y in places) + (
        dot(x + 4, 48, "orange", 5) + arrow(f"M{x + 10} 46L{x + 27} 39")
    )


def space() -> str:
    """Draw identities as clusters of templates, a probe near one and a stranger near none."""
    clusters = {"Alice": (150, 108), "Bob": (440, 108), "Carol": (300, 228)}
    parts = []
    for name, (x, y) in clusters.items():
        parts.append(f'<circle cx="{x}" cy="{y}" r="58" class="line dashed"/>')
        for angle in (20, 140, 255) if name != "Carol" else (200,):
            dx, dy = 24 * math.cos(math.radians(angle)), 24 * math.sin(math.radians(angle))
            parts.append(dot(x + dx, y + dy, "blue"))
        parts.append(text(x, y - 65, name, "bold middle"))
    parts += [
        dot(162, 142, "orange", 7),
        arrow("M86 244L155 150"),
        text(24, 264, "probe: within Alice's", "soft"),
        text(24, 281, "threshold: Alice", "soft"),
        dot(490, 236, "orange", 7),
        text(446, 264, "probe: near nobody,", "soft"),
        text(446, 281, "so unknown", "soft"),
        dot(28, 327, "blue"),
        text(42, 331, "template: the vector of an enrolled sample", "soft"),
        dot(348, 327, "orange"),
        text(362, 331, "probe: a sample to identify", "soft"),
        text(20, 353, "dashed: the reach of the threshold", "soft"),
    ]
    frame = '<rect x="12" y="12" width="576" height="292" rx="6" class="line"/>'
    return picture(600, 368, "A gallery's templates in their space", frame, *parts)


def scores() -> str:
    """Draw two distributions of scores, the threshold between them, and its two errors."""
    left, right, base, high = 40, 660, 250, 190
    threshold = 0.62

    def at(score: float) -> float:
        return left + score * (right - left)

    def hump(mean: float, spread: float, tall: float, low: float = 0.0, top: float = 1.0) -> str:
        points = [low + (top - low) * step / 80 for step in range(81)]
        curve = " ".join(
            f"{at(p):.1f},{base - high * tall * math.exp(-(((p - mean) / spread) ** 2) / 2):.1f}"
            for p in points
        )
        return f"{at(low):.1f},{base} {curve} {at(top):.1f},{base}"

    non_mated, mated = (0.36, 0.13, 1.0), (0.78, 0.075, 0.85)
    x = at(threshold)
    return picture(
        700,
        330,
        "Non-mated and mated scores, with a threshold",
        f'<polygon points="{hump(*non_mated)}" class="orange"/>',
        f'<polygon points="{hump(*mated)}" class="blue"/>',
        f'<polygon points="{hump(*non_mated, low=threshold)}" class="orange dot"/>',
        f'<polygon points="{hump(*mated, top=threshold)}" class="blue dot"/>',
        f'<path d="M{left} {base}H{right}" class="line"/>',
        f'<path d="M{x:.1f} 22V{base + 8}" class="line dashed"/>',
        text(x, base + 24, "threshold", "bold middle"),
        text(at(0.36), 46, "non-mated scores", "bold middle"),
        text(at(0.8), 74, "mated scores", "bold middle"),
        text(left, base + 24, "different", "soft"),
        text(right - 58, base + 24, "the same", "soft"),
        dot(left + 6, 298, "orange"),
        text(left + 20, 302, "non-mated pairs that match: false matches", "soft"),
        dot(left + 6, 318, "blue"),
        text(left + 20, 322, "mated pairs that do not: false non-matches", "soft"),
    )


# --- what siamkit draws ---

ANSWERS = HERE / "answers.jpg"
ANSWER_HEIGHT = 400  # px
PRODUCTS = ("arabica", "kitty", "booster")
EXAMPLES = (  # each saves a picture in the folder of the samples
    ("enrol", "faces", "collins.png", "--as", "Eileen Collins"),
    ("enrol", "faces", "hopper.jpg", "--as", "Grace Hopper"),
    ("query", "faces", "both.jpg", "-k", "1", "--save-annotated", "group.png"),
    ("init", "products", "-m", "images", "--encoder", "detail"),
    *(
        ("enrol", "products", f"shelves/{name}.png", "--as", name, "--detector", "none")
        for name in PRODUCTS
    ),
    (
        "find",
        "products",
        "shelves/shelf.jpg",
        "--threshold",
        "0.5",
        "--save-annotated",
        "shelf.png",
    ),
    ("enrol", "voices", "low-1.wav", "--as", "Lena"),
    ("timeline", "talk.flac", "voices", "-o", "talk.png"),
    ("explain", "-m", "faces", "collins.png", "collins-tilted.jpg", "-o", "explain.png"),
)
DOCS = ROOT / "docs"


def save_answers() -> None:
    """Save what siamkit draws: a shelf, a talk, an explanation, and a group beside the shelf."""
    with tempfile.TemporaryDirectory() as folder:
        commands = [[ROOT / "examples" / "samples.py"], *(["-m", "siamkit", *e] for e in EXAMPLES)]
        for command in commands:
            subprocess.run([sys.executable, *command], cwd=folder, check=True)
        for name in ("talk.png", "explain.png"):
            (DOCS / name).write_bytes((Path(folder) / name).read_bytes())
        pictures = [Image.open(Path(folder) / name) for name in ("group.png", "shelf.png")]
        pictures[1].convert("RGB").save(DOCS / "shelf.jpg", quality=88)
        scaled = [
            ImageOps.contain(picture.convert("RGB"), (10_000, ANSWER_HEIGHT))
            for picture in pictures
        ]
    gap = 12  # px
    width = sum(picture.width for picture in scaled) + gap
    both = Image.new("RGB", (width, ANSWER_HEIGHT), "white")
    both.paste(scaled[0], (0, 0))
    both.paste(scaled[1], (width - scaled[1].width, 0))
    both.save(ANSWERS, quality=88)


PICTURES = {
    HERE / "flow.svg": flow,
    HERE / "space.svg": space,
    HERE / "scores.svg": scores,
}

if __name__ == "__main__":
    for path, draw in PICTURES.items():
        path.write_text(draw(), encoding="utf-8")
    save_answers()
