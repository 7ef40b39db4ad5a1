"""Every built-in plugin keeps every rule of the kit."""

from __future__ import annotations

from siamkit.testing import Brute, parametrize_with_checks
from siamkit_facefinder import FaceFinder
from siamkit_faces import Faces
from siamkit_faiss import Faiss, structure
from siamkit_images import Images
from siamkit_objects import Objects
from siamkit_questions import Questions
from siamkit_segments import Instances, Salient, Segments
from siamkit_signatures import SignatureFinder, Signatures
from siamkit_speech import Speech
from siamkit_voices import Voices


@parametrize_with_checks([Faces(), Images(), Questions(), Signatures(), Voices()])
def test_modalities(plugin, check):
    check(plugin)


@parametrize_with_checks(
    [FaceFinder(), Instances(), Objects(), Salient(), Segments(), SignatureFinder(), Speech()]
)
def test_detectors(plugin, check):
    check(plugin)


@parametrize_with_checks([Faiss(), Brute()])
def test_indexes(plugin, check):
    check(plugin)


@parametrize_with_checks([Faiss()])
def test_inverted_lists(plugin, check, monkeypatch):
    monkeypatch.setattr(structure, "FLAT_FLOATS", 2_000)
    check(plugin)
