"""A timeline as RTTM, for other programs, and as a picture, for people."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput
from siamkit.io.atomic import replacing
from siamkit.io.extras import require_extra
from siamkit.io.printable import blank, clock, printable
from siamkit.io.sources import to_text
from siamkit.reports.html import cut
from siamkit.reports.svg import COLOURS

if TYPE_CHECKING:
    from siamkit.flows.timeline import Timeline

UNKNOWN = "unknown"
GREY = "#8a94a6"  # unknown voices
ROW_HEIGHT, WIDTH = 0.42, 10.0  # inches
NAME_LENGTH = 28  # characters of a name beside its row
TICK_STEPS, MOST_TICKS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600), 12  # s between ticks


def save_rttm(timeline: Timeline, path: Path) -> None:
    """Write a timeline as RTTM. Raises BadInput if the file cannot be written."""
    with saving(path) as temporary:
        temporary.write_text(rttm(timeline), encoding="utf-8")


@contextmanager
def saving(path: Path) -> Iterator[Path]:
    """Replace a file, with OSError raised as BadInput."""
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise BadInput(f"{to_text(path)} cannot be written: {error.strerror or error}") from error


def rttm(timeline: Timeline) -> str:
    """Return one line per turn, as in NIST's Rich Transcription plan (RT-09, appendix A).

    Blanks separate the fields, so those in names become underscores.
    """
    file = _field(Path(timeline.source).stem)
    return "".join(
        f"SPEAKER {file} 1 {turn.start:.2f} {turn.stop - turn.start:.2f} <NA> <NA>"
        f" {_field(turn.identity or UNKNOWN)} {turn.score:.3f} <NA>\n"
        for turn in timeline.turns
    )


def _field(text: str) -> str:
    return "_".join(blank(text).split()) or "_"


def draw(timeline: Timeline, path: Path) -> None:
    """Save a .png, .svg or .pdf with one row per identity. Raises BadInput if it cannot."""
    require_extra("plot", "drawing a timeline")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    spoken = timeline.spoken()
    identities = [name for name in spoken if name is not None]
    rows = [*identities, *([None] if None in spoken else [])]
    figure = Figure(figsize=(WIDTH, 1.2 + ROW_HEIGHT * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, name in enumerate(rows):
        bars = [(t.start, t.stop - t.start) for t in timeline.turns if t.identity == name]
        colour = COLOURS[number % len(COLOURS)] if name is not None else GREY
        axes.broken_barh(bars, (number - 0.36, 0.72), facecolors=colour)
    names = [_short(name) if name is not None else UNKNOWN for name in rows]
    axes.set_yticks(
        range(len(rows)), [f"{n}  {clock(spoken[r])}" for n, r in zip(names, rows, strict=True)]
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, timeline.seconds)
    fallback = timeline.seconds / MOST_TICKS
    step = next((s for s in TICK_STEPS if timeline.seconds / s <= MOST_TICKS), fallback)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: clock(value)))
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    name = printable(Path(timeline.source).name)
    axes.set_title(f"{name}: who speaks when", loc="left", parse_math=False)
    with saving(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # letters that the font lacks
        figure.savefig(temporary, dpi=130)


def _short(name: str) -> str:
    return cut(name, NAME_LENGTH).replace("$", r"\$")  # a dollar sign would begin a formula
