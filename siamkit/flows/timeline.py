"""Timeline: who speaks when in a recording of any length: the enrolled by name, others by number.

The speakers are told apart first, whoever they are, and each is then compared with the gallery.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, NothingFound, StoreError, Uncalibrated
from siamkit.flows.decide import DEFAULT_RULE, DecisionRule
from siamkit.flows.diarise import Speaker, diarise
from siamkit.flows.nearest import find_nearest
from siamkit.flows.voices import merge
from siamkit.host import registry
from siamkit.io import sources
from siamkit.io.presentable import Presentable
from siamkit.io.sources import Content
from siamkit.protocols import Separates, Streams
from siamkit.stats.scoring import Fusion, fusion_of, mated_cosine_of
from siamkit.store import galleries
from siamkit.store.live_index import LiveIndex
from siamkit.types import Match, Progress, Span, Threshold, ignore_progress

DECIMALS = 2  # of seconds
log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of speech of one speaker, short pauses included.

    Examples:
        >>> sk.Turn(0.0, 2.5, None, speaker=1).name
        'speaker 1'
    """

    start: float  # s
    stop: float
    identity: str | None  # None for a speaker who is not enrolled
    speaker: int | None = None  # the number of such a speaker, from 1
    score: float | None = None  # cosine of the whole speaker to the nearest identity
    overlap: float = 0.0  # s in which others speak, too

    @property
    def name(self) -> str:
        """The identity, or else `speaker N`."""
        return f"speaker {self.speaker}" if self.identity is None else self.identity


@dataclass(frozen=True, slots=True)
class Timeline(Presentable):
    """The turns of one recording.

    Examples:
        >>> turns = [sk.Turn(0.0, 2.5, "ann"), sk.Turn(3.0, 4.0, None, speaker=1)]
        >>> sk.Timeline("talk.wav", 5.0, turns).spoken()
        {'ann': 2.5, 'speaker 1': 1.0}
    """

    source: str
    seconds: float  # of the recording
    turns: list[Turn]  # by start; those of two speakers may overlap
    threshold: Threshold | None = None  # None without a gallery

    def __repr__(self) -> str:
        """The size in short: `<Timeline of talk.wav: 12 turns, 35.0 s>`."""
        name = sources.shorten(self.source)
        turns = f"{len(self.turns):,} turn{'s' * (len(self.turns) != 1)}"
        return f"<Timeline of {name}: {turns}, {self.seconds:.1f} s>"

    def spoken(self) -> dict[str, float]:
        """Return the seconds of speech by name; the longest first."""
        total: dict[str, float] = {}
        for turn in self.turns:
            total[turn.name] = total.get(turn.name, 0) + turn.stop - turn.start
        return dict(sorted(total.items(), key=lambda pair: -pair[1]))

    def overlaps(self) -> list[Span]:
        """Return the stretches in which several speak at once."""
        edges = sorted((at, step) for t in self.turns for at, step in ((t.start, 1), (t.stop, -1)))
        spans: list[Span] = []
        count, begin = 0, 0.0
        for at, step in edges:
            count += step
            if count == 2 and step == 1:
                begin = at
            elif count == 1 and step == -1 and at > begin:
                spans.append((begin, at))
        return spans

    @property
    def speech(self) -> float:
        """The seconds in which anybody speaks."""
        return sum(stop - start for start, stop in merge([(t.start, t.stop) for t in self.turns]))


def timeline(
    live: LiveIndex | None,
    pipeline: Pipeline,
    source: Path | bytes,
    *,
    speakers: int | None = None,
    rule: DecisionRule = DEFAULT_RULE,
    fusion: Fusion | None = None,
    progress: Progress = ignore_progress,
) -> Timeline:
    """Tell the speakers of a recording apart, and name those that a gallery knows.

    live: the gallery's index; None to number every speaker. speakers: how many there are; None to
    estimate it. Progress counts seconds. Raises BadInput if the modality is not a sound, or for a
    rule with more than a threshold; Uncalibrated without a threshold, NothingFound if nobody
    speaks.
    """
    require_sounds(pipeline)
    threshold = _require_threshold(live, pipeline, rule) if live is not None else None
    if isinstance(source, bytes):
        content = sources.read(source)
    else:
        content = Content(sources.to_text(source), b"")
        sources.require_file(source)
    clips = pipeline.stream(source, content)
    heard, seconds = diarise(pipeline, clips, content, speakers=speakers, progress=progress)
    if not heard:
        raise NothingFound(f"{content.name}: nobody speaks in its {seconds:.0f} s")
    if speakers is not None and len(heard) < speakers:
        log.warning(f"{content.name}: only {len(heard)} of {speakers} speakers can be told apart")
    best: list[Match | None] = [None] * len(heard)
    if live is not None:
        vectors = np.stack([speaker.vector for speaker in heard])
        usual = mated_cosine_of(pipeline.encoder)
        rows = find_nearest(live, vectors, 1, fusion or fusion_of(pipeline.modality), usual)
        best = [row[0] if row else None for row in rows]
    turns = _turns(heard, best, threshold)
    return Timeline(content.name, round(seconds, DECIMALS), turns, threshold)


def default_modality() -> str:
    """Return the modality that tells speakers apart. Raises BadInput unless exactly one does."""
    names = [m.name for m in registry.load_modalities() if isinstance(m, Separates)]
    if len(names) != 1:
        raise BadInput(
            f"{len(names)} of the installed modalities tell speakers apart",
            hint=f"name one with `--modality`: {', '.join(names) or 'none is installed'}",
        )
    return names[0]


def require_sounds(pipeline: Pipeline) -> None:
    """Raise BadInput for a modality that cannot tell speakers apart."""
    modality = pipeline.modality
    if not isinstance(modality, Streams) or not isinstance(modality, Separates):
        raise BadInput(f"modality {modality.name!r} does not support timelines")


def _require_threshold(live: LiveIndex, pipeline: Pipeline, rule: DecisionRule) -> Threshold:
    """Return the threshold; raise whatever stands in the way of naming speakers."""
    rule.refuse("a timeline", "fmr", "fpir", "reranker")
    galleries.require_space(live.gallery, pipeline.encoder.fingerprint)
    name = live.gallery.name
    if not len(live):
        raise StoreError(
            f"nobody is enrolled in gallery {name!r}",
            hint=f"run `siamkit enrol {name} FILE --as LABEL`, or leave the gallery out",
        )
    threshold = rule.fixed or live.gallery.threshold
    if threshold is None:
        raise Uncalibrated(
            f"gallery {name} has no default threshold", hint="give one: `--threshold 0.5`"
        )
    return threshold


def _turns(
    heard: Sequence[Speaker], best: Sequence[Match | None], threshold: Threshold | None
) -> list[Turn]:
    """Name or number the speakers; return their turns, by start."""
    scores: dict[str | int, float] = {}  # by identity or number
    spans: dict[str | int, list[Span]] = {}
    number = 0
    for speaker, match in zip(heard, best, strict=True):
        is_known = match and threshold and match.score >= threshold.value
        number += not is_known
        key = match.identity if match and is_known else number
        spans.setdefault(key, []).extend(speaker.spans)
        if match:
            scores[key] = max(match.score, scores.get(key, -1.0))
    turns = []
    for key, spans_of_key in spans.items():
        others = merge([span for other, each in spans.items() if other != key for span in each])
        identity, speaker_number = (key, None) if isinstance(key, str) else (None, key)
        for start, stop in merge(spans_of_key):
            parts = (min(stop, last) - max(start, first) for first, last in others)
            overlap = float(sum(part for part in parts if part > 0))
            turns.append(
                Turn(
                    round(start, DECIMALS),
                    round(stop, DECIMALS),
                    identity,
                    speaker_number,
                    scores.get(key),
                    round(overlap, DECIMALS),
                )
            )
    return sorted(turns, key=lambda turn: (turn.start, turn.stop))
