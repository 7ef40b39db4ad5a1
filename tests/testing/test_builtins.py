"""Every built-in plugin keeps every rule of the kit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image as pil

from siamkit.testing import Brute, parametrize_with_checks
from siamkit.types import Image, ignore_progress
from siamkit_facefinder import FaceFinder
from siamkit_faces import Faces
from siamkit_faiss import Faiss, structure
from siamkit_images import Images
from siamkit_objects import Objects, SlidingWindow
from siamkit_questions import Questions
from siamkit_signatures import SignatureFinder, Signatures
from siamkit_speech import Speech
from siamkit_style import Styles
from siamkit_voices import Voices


@parametrize_with_checks([Faces(), Images(), Questions(), Signatures(), Styles(), Voices()])
def test_modalities(plugin, check):
    check(plugin)


def shown(detector):
    """A detector with a cup of coffee to look at."""
    file = Path(skimage.__file__).parent / "data" / "coffee.png"
    picture = np.array(pil.open(file).convert("RGB").resize((300, 200)))
    detector.examples = lambda: [Image(picture.copy())]
    return detector


@parametrize_with_checks(
    [FaceFinder(), SignatureFinder(), Speech(), shown(Objects()), shown(SlidingWindow())]
)
def test_detectors(plugin, check):
    check(plugin)


@parametrize_with_checks([Faiss(), Brute()])
def test_indexes(plugin, check):
    check(plugin)


class BuiltAtOnce(Faiss):
    """The FAISS backend, whose indexes build compressed codes whenever they are saved."""

    def open(self, key, dim, *, root, known):
        index, refused = super().open(key, dim, root=root, known=known)
        save = index.save

        def save_and_build(cursor):
            save(cursor)
            index.build(ignore_progress)

        index.save = save_and_build
        return index, refused


@parametrize_with_checks([BuiltAtOnce()])
def test_indexes_of_codes(plugin, check, monkeypatch):
    if check.rule.name.startswith(("kill_", "import_")) or "build" in check.rule.name:
        pytest.skip("another process has other sizes, and those that build run above")
    monkeypatch.setattr(structure, "SCANNED_FLOATS", 500)
    monkeypatch.setattr(structure, "ONE_LIST", 1_000)
    monkeypatch.setattr("siamkit_faiss.index.SCANNED_SHARE", 1)
    check(plugin)
