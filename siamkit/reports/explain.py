"""An explanation as a picture: orange-red parts raise the score, blue ones lower it."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.io.extras import require_extra
from siamkit.io.printable import blank
from siamkit.io.sources import shorten
from siamkit.reports.html import cut
from siamkit.reports.svg import ticks
from siamkit.reports.timeline import saving
from siamkit.types import Clip, Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    from siamkit.flows.explain import ExplainedSample, Explanation, Part

DRAWN = (".png", ".svg", ".pdf")
COLOURS = "RdBu_r"  # colour-blind readers can tell red from blue; grey lies between
STRONGEST = 0.7  # opacity over a picture of the part that counts most
MAX_SIDE = 800  # px: the longer side of a picture as drawn
WIDTH, DPI = 9.0, 130  # inches; dots per inch
LETTER = 11.0  # points
LINE = 2.1  # letter sizes from one line of text to the next
GAP = 0.55  # letter sizes between words
DARK = 1.5  # red + green + blue, each in [0, 1], below which white letters are easier to read
# Cosine at the ends of the scale, at least: contributions that are all tiny stay pale.
LEAST_SCALE = 0.05
GREY = 0.75  # of a picture, where the scale shows colours as they lie over it
DETAIL = 95  # characters of a line below the verdict
LINES = 45  # of a text, at most
TITLE = 60  # characters of a sample's name, at most
# Fonts for letters that matplotlib's own font lacks, used where they are installed.
FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Noto Sans",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "FreeSans",
    "Unifont",
)


def draw(explanation: Explanation, path: Path) -> None:
    """Save a .png, .svg or .pdf of both samples. Raises BadInput if it cannot be written."""
    require_extra("plot", "drawing an explanation")
    import numpy as np
    from matplotlib import colormaps, rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.figure import Figure

    sides = (explanation.left, explanation.right)
    strongest = max(abs(part.contribution) for side in sides for part in side.parts)
    strongest = max(strongest, LEAST_SCALE)
    # The ends of the map are too dark for ink and letters to show on them.
    colours = ListedColormap(colormaps[COLOURS](np.linspace(0.12, 0.88, 256)))
    shades = ScalarMappable(Normalize(-strongest, strongest), colours)
    shown = shades if not isinstance(explanation.left.crop, Image) else _over_grey(shades)
    with rc_context({"font.family": _fonts(), "svg.hashsalt": "siamkit"}):
        figure = Figure(figsize=(WIDTH, 4.0), layout="constrained")
        figure.set_layout_engine("constrained", h_pad=0.1)
        FigureCanvasAgg(figure)
        panels = _panels(figure, sides)
        for letter, panel, side in zip("AB", panels, sides, strict=True):
            _draw_side(panel, side, shades, letter)
        _align_sounds(panels, sides)
        verdict, detail = explanation.lines
        lines = [f"$\\bf{{{_bold(verdict)}}}$", *textwrap.wrap(detail, DETAIL)]
        figure.suptitle("\n".join(lines), fontsize=LETTER)
        bar = figure.colorbar(
            shown,
            ax=list(panels),
            location="bottom",
            shrink=0.6,
            aspect=40,
            pad=0.04,
            panchor=False,
        )
        bar.set_label(
            "red makes the two alike: score lost when hidden; blue makes them differ",
            fontsize=LETTER - 2,
        )
        bar.ax.tick_params(labelsize=LETTER - 3)
        with saving(path) as temporary, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # letters that no installed font has
            warnings.filterwarnings("ignore", ".*[Cc]onstrained_layout")
            figure.savefig(temporary, dpi=DPI)


def _fonts() -> list[str]:
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in FONTS if name in installed)]


def _panels(figure: Figure, sides: Sequence[ExplainedSample]) -> Sequence[Axes]:
    """Put pictures side by side unless they are wide, and everything else one above the other."""
    shapes = [s.crop.pixels.shape[:2] for s in sides if isinstance(s.crop, Image)]
    if shapes:
        tallest = max(height / width for height, width in shapes)
        if tallest > 0.4:
            figure.set_size_inches(WIDTH, min(WIDTH, 1.5 + tallest * WIDTH * 0.47))
            return list(figure.subplots(1, 2))
        heights = [max(0.1, height / width) * WIDTH for height, width in shapes]
    elif isinstance(sides[0].crop, str):
        lines = [len(_lines(side)) for side in sides]
        heights = [(LINE * count + 2) * LETTER / 72 for count in lines]
    else:  # sounds
        heights = [1.7, 1.7]
    figure.set_size_inches(WIDTH, 1.5 + sum(heights))
    return list(figure.subplots(2, 1, height_ratios=heights))


def _over_grey(shades: ScalarMappable) -> ScalarMappable:
    """Return the colours as they show over a grey picture, for the scale."""
    import numpy as np
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap

    places = np.linspace(-1, 1, 256)
    opacity = STRONGEST * np.abs(places)[:, None]
    drawn = shades.cmap(np.linspace(0, 1, 256))[:, :3] * opacity + GREY * (1 - opacity)
    return ScalarMappable(shades.norm, ListedColormap(drawn))


def _bold(text: str) -> str:
    """Return a verdict for matplotlib's mathematics, whose spaces and signs are commands."""
    return text.replace(" ", r"\ ")


def _align_sounds(panels: Sequence[Axes], sides: Sequence[ExplainedSample]) -> None:
    """Let a second be as wide in both panels."""
    clips = [side.crop for side in sides if isinstance(side.crop, Clip)]
    for panel in panels if clips else ():
        panel.set_xlim(0, max(clip.seconds for clip in clips))


def _draw_side(panel: Axes, side: ExplainedSample, shades: Any, letter: str) -> None:
    if isinstance(side.crop, Image):
        _draw_picture(panel, side.crop, side.parts, shades)
    elif isinstance(side.crop, Clip):
        _draw_sound(panel, side.crop, side.parts, shades)
    else:
        _draw_text(panel, side, shades)
    name = "" if isinstance(side.crop, str) else cut(shorten(Path(side.source).name), TITLE)
    title = f"{letter}: {name}" if name else letter
    panel.set_title(title, loc="left", fontsize=LETTER - 1, parse_math=False)


def _draw_picture(panel: Axes, image: Image, parts: Sequence[Part], shades: Any) -> None:
    """Draw the crop in grey, with stronger colour over parts that count more."""
    import numpy as np
    from PIL import Image as pil

    height, width = image.pixels.shape[:2]
    scale = min(1.0, MAX_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = np.asarray(pil.fromarray(image.pixels).convert("L").resize(size))
    panel.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    values = np.zeros(size[::-1])
    for part in parts:
        left, top, right, bottom = (round(v * scale) for v in part.where)
        values[top:bottom, left:right] = part.contribution
    colours = shades.to_rgba(values)
    colours[..., 3] = STRONGEST * np.abs(values) / shades.norm.vmax
    panel.imshow(colours, extent=(0, width, height, 0))
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_anchor("NW")


def _draw_sound(panel: Axes, clip: Clip, parts: Sequence[Part], shades: Any) -> None:
    """Draw the outline of the waveform, each segment on its colour."""
    import numpy as np

    bins = min(1200, len(clip.samples))
    edges = np.linspace(0, len(clip.samples), bins + 1).astype(int)[:-1]
    high = np.maximum.reduceat(clip.samples, edges)
    low = np.minimum.reduceat(clip.samples, edges)
    for part in parts:
        colour = shades.to_rgba(part.contribution)
        panel.axvspan(part.where[0], part.where[1], color=colour, linewidth=0)
    panel.fill_between(edges / clip.rate, low, high, color="black", alpha=0.75, linewidth=0.4)
    top = float(np.abs(clip.samples).max()) * 1.08
    panel.set_xlim(0, clip.seconds)
    panel.set_ylim(-top, top)
    panel.set_yticks([])
    panel.tick_params(labelsize=LETTER - 3)
    starts = [part.in_recording[0] for part in parts if part.in_recording]
    if len(starts) == len(parts):
        in_crop = [part.where[0] for part in parts]
        listed = [(v, label) for v, label in ticks(starts[0], starts[-1]) if v >= starts[0]]
        panel.set_xticks([float(np.interp(value, starts, in_crop)) for value, _ in listed])
        panel.set_xticklabels([label for _, label in listed])
    label = "s of the recording, pauses left out" if starts else "s of the crop"
    panel.set_xlabel(label, fontsize=LETTER - 3)


def _draw_text(panel: Axes, side: ExplainedSample, shades: Any) -> None:
    """Draw words on their colours, in lines as wide as the picture."""
    lines = _lines(side)
    panel.set_axis_off()
    panel.set_xlim(-0.01, 1)
    panel.set_ylim(len(lines), 0)
    for row, line in enumerate(lines):
        for x, word, part in line:
            colour = shades.to_rgba(part.contribution if part else 0.0)
            letters = "white" if sum(colour[:3]) < DARK else "black"
            box = {"facecolor": colour, "edgecolor": "none", "pad": 2.5} if part else None
            style: dict[str, Any] = {"fontsize": LETTER, "va": "center", "parse_math": False}
            panel.text(x, row + 0.5, word, color=letters, bbox=box, **style)


def _lines(side: ExplainedSample) -> list[list[tuple[float, str, Part | None]]]:
    """Break the text into lines of (x in [0, 1] of the width, word, its part)."""
    width, room = _word_ruler(), (WIDTH - 0.5) * 72.0
    lines: list[list[tuple[float, str, Part | None]]] = [[]]
    x = 0.0
    for part in side.parts:
        for word in _short_words(part.text):
            if x and x + width(word) > room:
                if len(lines) == LINES:
                    lines[-1].append((x / room, "…", None))
                    return lines
                lines.append([])
                x = 0.0
            lines[-1].append((x / room, word, part))
            x += width(word) + GAP * LETTER
    return lines


def _word_ruler() -> Callable[[str], float]:
    """Return a function that measures the width of a word as drawn, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family=_fonts())

    @cache
    def width(word: str) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")
            path = TextPath((0, 0), word.replace("$", r"\$"), LETTER, prop=font)
        return float(path.get_extents().width)

    return width


def _short_words(text: str) -> list[str]:
    """Split a text into words, and long words into pieces that fit a line."""
    words = blank(text).split()
    return [word[start : start + 40] for word in words for start in range(0, len(word), 40)]
