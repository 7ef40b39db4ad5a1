"""A timeline as files: RTTM, subtitles, labels of Audacity, CSV, JSON, and a picture."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput
from siamkit.io.atomic import replacing
from siamkit.io.extras import require_extra
from siamkit.io.printable import blank, clock, csv_cell, json_text, printable
from siamkit.io.sources import absolute, to_text
from siamkit.reports.html import cut
from siamkit.reports.svg import COLOURS

if TYPE_CHECKING:
    from siamkit.flows.timeline import Timeline

GREY = "#8a94a6"  # of the stretches in which several speak
ROW_HEIGHT, WIDTH = 0.42, 10.0  # inches
NAME_LENGTH = 28  # characters of a name beside its row
TICK_STEPS, MOST_TICKS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600), 12  # s between ticks
PICTURES = (".png", ".svg", ".pdf")


def save(timeline: Timeline, path: Path) -> None:
    """Write a timeline in the format of the suffix, one of FORMATS or PICTURES.

    Raises BadInput for another suffix, and if the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        draw(timeline, path)
    elif suffix in FORMATS:
        with saving(path) as temporary:
            temporary.write_text(FORMATS[suffix](timeline), encoding="utf-8", newline="")
    else:
        raise BadInput(f"{to_text(path)}: its name must end in {', '.join(SUFFIXES)}")


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
        f" {_field(turn.name)} {'<NA>' if turn.score is None else format(turn.score, '.3f')} <NA>\n"
        for turn in timeline.turns
    )


def srt(timeline: Timeline) -> str:
    """Return SubRip subtitles, a cue per turn; those of people who speak at once overlap."""
    return "".join(
        f"{number}\n{_time(turn.start, ',')} --> {_time(turn.stop, ',')}\n{_line(turn.name)}\n\n"
        for number, turn in enumerate(timeline.turns, start=1)
    )


def vtt(timeline: Timeline) -> str:
    """Return WebVTT subtitles, a cue per turn, with the speaker as its voice."""
    cues = (
        f"{_time(turn.start, '.')} --> {_time(turn.stop, '.')}\n"
        f"<v {escape(_line(turn.name))}>{escape(_line(turn.name))}\n\n"
        for turn in timeline.turns
    )
    return "WEBVTT\n\n" + "".join(cues)


def audacity(timeline: Timeline) -> str:
    """Return a label track for Audacity: start, stop and name, separated by tabs."""
    return "".join(
        f"{turn.start:.2f}\t{turn.stop:.2f}\t{_line(turn.name)}\n" for turn in timeline.turns
    )


def table(timeline: Timeline) -> str:
    """Return CSV with one row per turn."""
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(["start", "stop", "name", "identity", "speaker", "score", "overlap"])
    for turn in timeline.turns:
        score = None if turn.score is None else round(turn.score, 4)
        names = map(csv_cell, (turn.name, turn.identity))
        writer.writerow([turn.start, turn.stop, *names, turn.speaker, score, turn.overlap])
    return rows.getvalue()


def facts(timeline: Timeline) -> dict[str, Any]:
    """Return a timeline as JSON values. `siamkit enrol --from-timeline` reads them."""
    threshold = timeline.threshold
    turns = [
        {"name": turn.name, **asdict(turn), "score": turn.score and round(turn.score, 4)}
        for turn in timeline.turns
    ]
    return {
        "source": timeline.source,
        "path": to_text(absolute(Path(timeline.source))),
        "seconds": timeline.seconds,
        "threshold": threshold and asdict(threshold),
        "spoken": [
            {"name": name, "seconds": round(seconds, 2)}
            for name, seconds in timeline.spoken().items()
        ],
        "overlaps": timeline.overlaps(),
        "turns": turns,
    }


FORMATS: dict[str, Callable[[Timeline], str]] = {
    ".rttm": rttm,
    ".srt": srt,
    ".vtt": vtt,
    ".txt": audacity,
    ".csv": table,
    ".json": lambda timeline: json_text(facts(timeline), indent=2) + "\n",
}
SUFFIXES = (*FORMATS, *PICTURES)


def _field(text: str) -> str:
    return "_".join(blank(text).split()) or "_"


def _line(text: str) -> str:
    """Return a name on one line, without what would end a cue."""
    return " ".join(blank(text).split()).replace("-->", "->")


def _time(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def draw(timeline: Timeline, path: Path) -> None:
    """Save a .png, .svg or .pdf with one row per speaker, overlaps shaded. Raises BadInput."""
    require_extra("plot", "drawing a timeline")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    spoken = timeline.spoken()
    figure = Figure(figsize=(WIDTH, 1.2 + ROW_HEIGHT * len(spoken)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for start, stop in timeline.overlaps():
        axes.axvspan(start, stop, color=GREY, alpha=0.3, linewidth=0)
    for number, name in enumerate(spoken):
        bars = [(t.start, t.stop - t.start) for t in timeline.turns if t.name == name]
        colour = COLOURS[number % len(COLOURS)]
        axes.broken_barh(bars, (number - 0.36, 0.72), facecolors=colour)
    labels = [f"{_short(name)}  {clock(seconds)}" for name, seconds in spoken.items()]
    axes.set_yticks(range(len(spoken)), labels)
    axes.set_ylim(len(spoken) - 0.4, -0.6)
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
