"""Cut one speaker's words out of a recording, by a saved timeline, to enrol them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, NothingFound
from siamkit.flows.timeline import require_sounds
from siamkit.io import sources
from siamkit.io.atomic import replacing
from siamkit.io.sources import Content
from siamkit.types import Span

ENOUGH = 60.0  # s; more would add nothing to a template
LEAST = 0.5  # s of a stretch


def cut_speaker(pipeline: Pipeline, timeline: Path, speaker: int, folder: Path) -> Path:
    """Save what a numbered speaker says alone to STEM-speaker-N.wav in a folder: 16 bits, mono.

    timeline: a JSON file of a timeline. At most ENOUGH seconds, of the longest turns. Raises
    BadInput if it is not such a file, has no such speaker or the recording is gone; NothingFound if
    the speaker never speaks alone.
    """
    import soundfile

    require_sounds(pipeline)
    recording, spans = read_speaker(timeline, speaker)
    parts, rate = [], 0
    begin = 0.0
    for clip in pipeline.stream(recording, Content(sources.to_text(recording), b"")):
        rate = clip.rate
        for start, stop in spans:
            first, last = (round((at - begin) * rate) for at in (start, stop))
            parts.append(clip.samples[max(0, first) : max(0, last)])
        begin += clip.seconds
    samples = np.concatenate(parts)
    if not len(samples):
        raise BadInput(f"{recording} is shorter than its timeline: it is another recording")
    path = folder / f"{recording.stem}-speaker-{speaker}.wav"
    wav = io.BytesIO()
    soundfile.write(wav, samples, rate, format="WAV", subtype="PCM_16")
    try:
        if path.exists() and path.read_bytes() != wav.getvalue():
            raise BadInput(f"{sources.to_text(path)} exists", hint="move it: it may be enrolled")
        with replacing(path) as temporary:
            temporary.write_bytes(wav.getvalue())
    except OSError as error:
        raise BadInput(f"{sources.to_text(path)} cannot be written: {error.strerror}") from error
    return path


def read_speaker(file: Path, speaker: int) -> tuple[Path, list[Span]]:
    """Return the recording of a timeline, and where a speaker speaks alone, in order."""
    name = sources.to_text(file)
    try:
        timeline = json.loads(file.read_text(encoding="utf-8"))
        recording = Path(timeline["path"])
        turns = [(t["speaker"], float(t["start"]), float(t["stop"])) for t in timeline["turns"]]
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        hint = "save one: `siamkit timeline RECORDING -o FILE.json`"
        raise BadInput(f"{name} is not a timeline in JSON", hint=hint) from error
    if not any(number == speaker for number, *_ in turns):
        numbers = sorted({number for number, *_ in turns if number is not None})
        has = (
            f"speaker{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
            if numbers
            else "no numbered speakers"
        )
        raise BadInput(f"{name} has no speaker {speaker}: it has {has}")
    spans = _alone(turns, speaker)
    if not spans:
        raise NothingFound(f"{name}: speaker {speaker} never speaks alone for {LEAST} s")
    return recording, spans


def _alone(turns: list[tuple[Any, float, float]], speaker: int) -> list[Span]:
    """Return the longest stretches that a speaker speaks alone, ENOUGH in all, in order."""
    others = sorted((start, stop) for number, start, stop in turns if number != speaker)
    alone: list[Span] = []
    for number, start, stop in turns:
        if number != speaker:
            continue
        at = start
        for first, last in others:
            if first < stop and last > at:
                alone.append((at, first))
                at = last
        alone.append((at, stop))
    chosen, total = [], 0.0
    for start, stop in sorted(alone, key=lambda span: span[0] - span[1]):
        if stop - start >= LEAST and total < ENOUGH:
            chosen.append((start, min(stop, start + ENOUGH - total)))
            total += stop - start
    return sorted(chosen)
