"""Enrol a voice, then find who speaks in another recording, and when in a talk of two.

The voices are generated (see samples.py); replace them with your own recordings.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from samples import make_voices

import siamkit as sk

with tempfile.TemporaryDirectory() as scratch, sk.Workspace(Path(scratch) / "store") as ws:
    folder = Path(scratch)
    make_voices(folder)

    ws.enrol("voices", "Low", folder / "low-1.wav")
    for name in ("low-2.wav", "high-1.wav"):
        (answer,) = ws.query("voices", folder / name)
        print(f"{name}: {answer.identity or 'not enrolled'} ({answer.matches[0].score:.3f})")

    talk = ws.timeline(folder / "talk.flac", "voices")
    for turn in talk.turns:
        print(f"{turn.start:5.1f} to {turn.stop:4.1f} s  {turn.name}")
