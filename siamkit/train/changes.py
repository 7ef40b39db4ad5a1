"""Notice that the data of a run changed after it began."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from siamkit.train.examples import Example
from siamkit.train.pairs import Pairs

HALF = 8  # hexadecimal digits of each half of a fingerprint: the row's name, and its state


def state_of(example: Example) -> str:
    """Return size and time of change of a file; empty for a text."""
    if not isinstance(example.source, Path):
        return ""
    try:
        stat = example.source.stat()
    except (OSError, ValueError):
        return "absent"
    return f"{stat.st_size} {stat.st_mtime_ns}"


def fingerprints(examples: Sequence[Example], pairs: Pairs) -> list[str]:
    """Return one fingerprint per pair or, without pairs, per example."""
    if not len(pairs):
        return [
            _fingerprint(
                [e.name, e.enrolled and e.enrolled.region],
                [e.label, e.impostor, e.split, state_of(e)],
            )
            for e in examples
        ]
    states = [[e.split, state_of(e)] for e in examples]
    return [
        _fingerprint([examples[a].name, examples[b].name], [score, states[a], states[b]])
        for (a, b), score in zip(pairs.rows.tolist(), pairs.scores.tolist(), strict=True)
    ]


def describe_change(before: Iterable[str], now: Iterable[str]) -> str:
    """Describe how the fingerprints differ, as in "12 rows more, 1 edited"; empty if they agree."""
    later, earlier = Counter(now), Counter(before)
    new, removed = later - earlier, earlier - later
    names = Counter(name[:HALF] for name in new.elements())
    edited = (names & Counter(name[:HALF] for name in removed.elements())).total()
    counts = (
        (new.total() - edited, "more"),
        (removed.total() - edited, "gone"),
        (edited, "edited"),
    )
    parts = [f"{count:,} {word}" for count, word in counts if count]
    return ", ".join(parts).replace(" ", " rows ", 1) if parts else ""


def _fingerprint(name: object, state: object) -> str:
    texts = (json.dumps(part, default=str) for part in (name, state))
    return "".join(hashlib.sha256(text.encode()).hexdigest()[:HALF] for text in texts)
