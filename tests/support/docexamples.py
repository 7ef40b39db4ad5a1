"""The files and the store that examples in docstrings speak of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pil

import siamkit
from siamkit import Workspace

QUESTIONS = {
    "sign in": ["How do I log in?", "Where is the login page?"],
    "refund": ["How do I get my money back?", "Can I return what I bought?"],
    "hours": ["When are you open?"],
}


class Examples:
    """Makes the names of an example: `ws` has a store of its own, and the models are shared."""

    def __init__(self, folder: Path) -> None:
        self.files, self.number = folder / "files", 0
        self.files.mkdir()
        _write_files(self.files)
        self.store = folder / "store"
        with Workspace(self.store) as ws:
            ws.enrol("faces", "collins", self.files / "collins-1.png")
            for label, texts in QUESTIONS.items():
                ws.enrol("questions", label, texts)
            self.models = ws._pipelines

    def names(self, folder: Path) -> dict[str, Any]:
        """Return `ws`, `sk` and `photo`, with copies of files and store in an empty folder."""
        shutil.copytree(self.files, folder, dirs_exist_ok=True)
        shutil.copytree(self.store, folder / "store")
        ws = Workspace(folder / "store")
        ws._pipelines = self.models
        photo = np.asarray(pil.open(folder / "group.png"))
        return {"ws": ws, "sk": siamkit, "photo": photo}


def _write_files(folder: Path) -> None:
    from siamkit_faces.examples import examples as faces
    from siamkit_voices.examples import examples as voices

    for suffix, samples in ((".png", faces()), (".wav", voices())):
        counts: dict[str, int] = {}
        for name, content in samples:
            counts[name] = counts.get(name, 0) + 1
            (folder / f"{name}-{counts[name]}{suffix}").write_bytes(content)
    both = [pil.open(folder / name) for name in ("collins-2.png", "cameraman-1.png")]
    group = pil.new("RGB", (sum(p.width for p in both), max(p.height for p in both)), "white")
    group.paste(both[0], (0, 0))
    group.paste(both[1], (both[0].width, 0))
    group.save(folder / "group.png")
    rows = [f'{label},"{text}"' for label, texts in QUESTIONS.items() for text in texts]
    (folder / "questions.csv").write_text("\n".join(["label,text", *rows, ""]))
