"""Labelled examples become arrays: loaded once, and what cannot be used is named."""

from __future__ import annotations

import random

import numpy as np
import pytest
import toykit
from PIL import Image

from siamkit.errors import BadInput, NothingFound, PluginError
from siamkit.train.data import load, prepare
from siamkit.train.examples import Example, gallery_examples, read_examples
from siamkit.train.split import Split

TILES = toykit.Tiles()


def picture(path, seed, size=40):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 240, (size, size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def people(tmp_path):
    """Five identities of three pictures each, and two impostors of the first."""
    folder = tmp_path / "people"
    for identity in range(5):
        for number in range(3):
            picture(folder / f"p{identity}" / f"{number}.png", identity * 10 + number)
    for number in range(2):
        picture(folder / "p0" / "impostors" / f"{number}.png", 100 + number)
    return folder


def prepare_tiles(examples, run, **options):
    run.mkdir(exist_ok=True)
    return prepare(examples, TILES, None, run, Split(share=0.4, seed=0), **options)


def test_arrays_are_those_of_the_plugin(people, tmp_path):
    examples = read_examples(str(people))
    prepared = prepare_tiles(examples, tmp_path / "run")
    data = prepared.dataset
    assert (data.arrays.shape, data.arrays.dtype) == ((17, 32, 32, 3), np.uint8)
    assert data.names == [f"p{identity}" for identity in range(5)]
    assert data.impostor.sum() == 2
    for at in (0, 7, 16):
        expected = TILES.array(TILES.load(people.parent / data.sources[at]))
        assert np.array_equal(data.arrays[at], expected)
    for number in range(5):
        assert len(set(data.training[data.labels == number])) == 1
    assert prepared.faults == prepared.notes == []
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["arrays.npy", "data.json"]


def test_the_order_of_the_list_does_not_matter(people, tmp_path):
    examples = read_examples(str(people))
    first = prepare_tiles(examples, tmp_path / "first").dataset
    random.Random(1).shuffle(examples)
    other = prepare_tiles(examples, tmp_path / "other").dataset
    assert first.sources == other.sources
    assert np.array_equal(first.arrays, other.arrays)
    assert np.array_equal(first.training, other.training)


def test_it_is_prepared_once_until_something_changes(people, tmp_path, monkeypatch):
    examples, run = read_examples(str(people)), tmp_path / "run"
    prepare_tiles(examples, run)
    with monkeypatch.context() as patch:
        patch.setattr(TILES, "array", None, raising=False)
        prepare_tiles(examples, run)  # found there: nothing is loaded
    monkeypatch.setattr(TILES, "preprocessing", lambda: {"size": 33}, raising=False)
    calls = []
    prepare_tiles(examples, run, progress=lambda _, done, total: calls.append((done, total)))
    assert calls == [(done, 17) for done in range(1, 18)]
    picture(people / "p1" / "0.png", 999, size=41)
    data = prepare_tiles(examples, run).dataset
    changed = data.arrays[data.sources.index(str(people / "p1" / "0.png"))]
    assert np.array_equal(changed, TILES.array(TILES.load(people / "p1" / "0.png")))


def test_a_run_that_was_not_prepared_to_the_end_is_not_loaded(people, tmp_path):
    run = tmp_path / "run"
    assert load(run) is None
    prepare_tiles(read_examples(str(people)), run)
    whole = (run / "arrays.npy").read_bytes()
    (run / "arrays.npy").write_bytes(whole[:-100])
    assert load(run) is None
    (run / "arrays.npy").write_bytes(whole)
    assert load(run) is not None
    (run / "data.json").write_text("{")
    assert load(run) is None


def test_every_broken_file_is_named_and_the_others_stay(people, tmp_path):
    (people / "p1" / "0.png").write_bytes(b"no picture")
    (people / "p2" / "0.png").write_bytes(b"")
    prepared = prepare_tiles(read_examples(str(people)), tmp_path / "run")
    assert len(prepared.dataset.labels) == 15
    first, second = prepared.faults
    assert "p1/0.png: not a picture" in first
    assert "p2/0.png is empty" in second
    assert load(tmp_path / "run").faults == prepared.faults


def test_nothing_that_can_be_used(people, tmp_path):
    for file in people.rglob("*.png"):
        file.write_bytes(b"no picture")
    with pytest.raises(NothingFound, match="none of 17 examples can be used"):
        prepare_tiles(read_examples(str(people)), tmp_path / "run")
    assert load(tmp_path / "run") is None


def test_an_identity_that_is_left_with_one_sample_is_left_out(people, tmp_path):
    (people / "p0" / "0.png").write_bytes(b"no picture")
    (people / "p0" / "1.png").unlink()
    prepared = prepare_tiles(read_examples(str(people)), tmp_path / "run")
    assert prepared.dataset.names == ["p1", "p2", "p3", "p4"]
    assert not prepared.dataset.impostor.any()
    assert "1 identities with fewer than 2 genuine samples are left out: p0" in prepared.notes


def test_copies_count_once_and_wrong_labels_are_remarked(people, tmp_path):
    same = (people / "p1" / "0.png").read_bytes()
    (people / "p1" / "copy.png").write_bytes(same)
    (people / "p2" / "stray.png").write_bytes(same)
    (people / "p3" / "impostors").mkdir()
    (people / "p3" / "impostors" / "x.png").write_bytes((people / "p3" / "0.png").read_bytes())
    prepared = prepare_tiles(read_examples(str(people)), tmp_path / "run")
    assert len(prepared.dataset.labels) == 17 + 1
    wrong, both, copies = prepared.notes
    assert "0.png of 'p1'" in wrong
    assert "stray.png of 'p2' are the same sample: one label is likely to be wrong" in wrong
    assert "once as genuine and once as an impostor" in both
    assert copies == "1 exact copies within an identity count once"


def test_the_region_is_the_one_that_enrolment_takes(tmp_path):
    folder = tmp_path / "people"
    for identity in range(4):
        for number in range(2):
            canvas = np.full((60, 120, 3), 255, np.uint8)
            canvas[10:50, 10 + number : 50 + number] = 40 * identity + 10 * number
            (folder / f"p{identity}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(canvas).save(folder / f"p{identity}" / f"{number}.png")
    two = np.full((60, 120, 3), 255, np.uint8)
    two[10:50, 10:50] = two[10:50, 60:100] = 0
    Image.fromarray(two).save(folder / "p0" / "two.png")
    Image.fromarray(np.full((60, 120, 3), 255, np.uint8)).save(folder / "p0" / "none.png")
    run = tmp_path / "run"
    run.mkdir()
    examples = read_examples(str(folder))
    prepared = prepare(examples, TILES, toykit.Squares(), run, Split(share=0.5, seed=0))
    assert len(prepared.dataset.labels) == 8
    assert (prepared.dataset.arrays[0] == 0).all()  # cut out: no white is left
    none, two = prepared.faults
    assert "none.png: nothing was found in it" in none
    assert "two.png: 2 usable regions in it" in two


def test_a_plugin_that_breaks_its_contract(people, tmp_path, monkeypatch):
    examples, array = read_examples(str(people)), TILES.array
    odd = array(TILES.load(people / "p4" / "2.png"))

    def uneven(medium):  # by what it shows: threads read the files in any order
        drawn = array(medium)
        return drawn[:, :31] if np.array_equal(drawn, odd) else drawn

    monkeypatch.setattr(TILES, "array", uneven, raising=False)
    with pytest.raises(
        PluginError, match=r"array returned uint8 \(32, 31, 3\) for .*p4/2\.png, and"
    ):
        prepare_tiles(examples, tmp_path / "run")
    monkeypatch.setattr(TILES, "array", lambda medium: 1 / 0, raising=False)
    with pytest.raises(NothingFound, match=r"Tiles, package .*: array failed: ZeroDivisionError"):
        prepare_tiles(examples, tmp_path / "run")
    monkeypatch.setattr(TILES, "array", lambda medium: np.full(4, np.nan), raising=False)
    with pytest.raises(NothingFound, match=r"Tiles, package .*: array returned NaN or Inf"):
        prepare_tiles(examples, tmp_path / "run")
    assert not list((tmp_path / "run").glob(".*"))


def test_a_gallery_is_what_was_enrolled(people, workspace, tmp_path):
    files = sorted(people.rglob("*.png"))
    items = [
        (file.relative_to(people).parts[0], file) for file in files if "impostors" not in file.parts
    ]
    workspace.create_gallery("staff", "tiles", detector=None)
    assert all(not done.error for done in workspace.enrol_many("staff", items))
    examples = gallery_examples(workspace.store, "staff", "tiles")
    assert {example.label for example in examples} == {f"p{identity}" for identity in range(5)}
    (people / "p1" / "0.png").unlink()
    picture(people / "p2" / "0.png", 555)
    prepared = prepare_tiles(examples, tmp_path / "run")
    assert len(prepared.dataset.labels) == 13
    gone, changed = prepared.faults
    assert "p1/0.png cannot be read" in gone
    assert "p2/0.png has changed since it was enrolled" in changed
    with pytest.raises(BadInput, match="gallery 'staff' holds tiles, not letters"):
        gallery_examples(workspace.store, "staff", "letters")


def test_texts_are_not_files(tmp_path):
    texts = [Example(f"{label} {number}", label) for label in "abcd" for number in range(2)]
    with pytest.raises(BadInput, match="'a 0' is a text, and tiles are not texts"):
        prepare_tiles(texts, tmp_path / "run")
