"""A timeline for other programs, as RTTM, and for people, as a picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput
from siamkit.io.atomic import replacing
from siamkit.io.sources import to_text
from siamkit.reports.svg import COLOURS

if TYPE_CHECKING:
    from siamkit.flows.timeline import Timeline

UNKNOWN = "unknown"
GREY = "#8a94a6"  # who is not known
ROW, WIDTH = 0.42, 10.0  # inches
LETTERS = 28  # of a name beside its row
STEPS, TICKS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600), 12  # s between ticks; of them at most


def save_rttm(found: Timeline, out: Path) -> None:
    """Write it as RTTM. Raises BadInput for a file that cannot be written."""
    with saving(out) as made:
        made.write_text(rttm(found), encoding="utf-8")


@contextmanager
def saving(out: Path) -> Iterator[Path]:
    """Replace a file, but raise BadInput if the disk refuses."""
    try:
        with replacing(out) as made:
            yield made
    except OSError as error:
        raise BadInput(f"{to_text(out)} cannot be written: {error.strerror or error}") from error


def rttm(found: Timeline) -> str:
    """A line a turn, as NIST's Rich Transcription evaluations have it (RT-09 plan, appendix A).

    Fields are parted by blanks, so those in names become underscores.
    """
    file = _field(Path(found.source).stem)
    return "".join(
        f"SPEAKER {file} 1 {turn.start:.2f} {turn.stop - turn.start:.2f} <NA> <NA>"
        f" {_field(turn.identity or UNKNOWN)} {turn.score:.3f} <NA>\n"
        for turn in found.turns
    )


def _field(text: str) -> str:
    return "_".join(text.split()) or "_"


def clock(seconds: float) -> str:
    """1:02:03 of an hour and more, else 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def draw(found: Timeline, out: Path) -> None:
    """Save a .png, .svg or .pdf, a row an identity. Raises BadInput if it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    spoken = found.spoken()
    known = [name for name in spoken if name is not None]
    rows = [*known, *([None] if None in spoken else [])]
    figure = Figure(figsize=(WIDTH, 1.2 + ROW * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, name in enumerate(rows):
        bars = [(t.start, t.stop - t.start) for t in found.turns if t.identity == name]
        colour = COLOURS[number % len(COLOURS)] if name is not None else GREY
        axes.broken_barh(bars, (number - 0.36, 0.72), facecolors=colour)
    names = [_short(name) if name is not None else UNKNOWN for name in rows]
    axes.set_yticks(
        range(len(rows)), [f"{n}  {clock(spoken[r])}" for n, r in zip(names, rows, strict=True)]
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, found.seconds)
    step = next((s for s in STEPS if found.seconds / s <= TICKS), found.seconds / TICKS)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: clock(value)))
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"{Path(found.source).name}: who is heard when", loc="left", parse_math=False)
    with saving(out) as made, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a name in letters that the font has not
        figure.savefig(made, dpi=130)


def _short(name: str) -> str:
    # A dollar sign would begin a formula.
    return (name if len(name) <= LETTERS else name[: LETTERS - 1] + "…").replace("$", r"\$")
