"""`siamkit detectors`: those of plugins, built ones, added ones and folders, each by its name."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from siamkit.errors import MissingWeights, PluginError
from siamkit.models.detectors import open_detector, pin_detector
from siamkit.sdk.detector_folder import CARD, GRAPH
from siamkit.types import Image


@pytest.fixture(autouse=True)
def cached(shell, monkeypatch):
    """A cache of its own, for commands and for calls of Python."""
    monkeypatch.setenv("SIAMKIT_CACHE", str(shell.folder / "cache"))
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    return shell


def states(shell):
    rows = json.loads(shell("detectors", "list", "--json").out)
    return {row["name"]: row for row in rows}


def find_widths(name):
    """Find squares of 4, 8, 16 and 32 px; return the widths of those that are reported."""
    pixels = np.full((40, 100, 3), 255, np.uint8)
    left = 2
    for width in (4, 8, 16, 32):
        pixels[4 : 4 + width, left : left + width] = 0
        left += width + 4
    return sorted(r.where[2] - r.where[0] for r in open_detector(name).find(Image(pixels)))


def test_a_detector_is_built_once_by_its_name(shell):
    assert (states(shell)["wide"]["state"], states(shell)["stamps"]["state"]) == (
        "absent",
        "installed",
    )
    built = shell("detectors", "build", "wide")
    assert built.code == 0
    assert "building detector wide once, from squares of 12 px or more" in built.err
    row = states(shell)["wide"]
    assert (row["state"], row["plugin"], row["labels"]) == ("built", "stamps", ["square"])
    assert row["fingerprint"].startswith("stamps/1:")
    assert shell("detectors", "path", "wide").out.strip() == row["path"]
    again = shell("detectors", "build")
    assert (again.code, again.err) == (0, "")
    assert find_widths("wide") == [16, 32]


def test_what_was_not_built_is_built_when_it_is_used(shell, caplog):
    assert find_widths("wide") == [16, 32]
    assert "building detector wide once" in caplog.text


def spoil_graph(folder):
    (folder / GRAPH).write_bytes(b"1")


def spoil_card(folder):
    (folder / CARD).write_text("{")


def lose_graph(folder):
    (folder / GRAPH).unlink()


SPOILERS = [spoil_graph, spoil_card, lose_graph]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_damaged_one_that_is_built_is_built_again_with_a_line(shell, spoil, caplog):
    spoil(open_folder(shell, "build", "wide"))
    assert states(shell)["wide"]["state"] == "damaged"
    assert find_widths("wide") == [16, 32]
    assert "building detector wide once" in caplog.text


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_damaged_one_that_was_added_is_an_error_that_names_the_way_out(shell, spoil):
    spoil(open_folder(shell, "add", "narrow", "px:8"))
    assert states(shell)["narrow"]["state"] == "damaged"
    checkups = json.loads(shell("doctor", "--json").out)
    (checkup,) = [c for c in checkups if c["check"] == "detector narrow"]
    assert (checkup["ok"], checkup["hint"]) == (False, "siamkit detectors add narrow px:8")
    with pytest.raises(MissingWeights) as raised:
        open_detector("narrow")
    assert raised.value.hint == "`siamkit detectors add narrow px:8` makes it again"
    assert shell("detectors", "add", "narrow", "px:8").code == 0
    assert find_widths("narrow") == [8, 16, 32]


def open_folder(shell, *arguments):
    done = shell("detectors", *arguments, "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    row = facts[0] if isinstance(facts, list) else facts
    return shell.folder / row["path"]


def test_another_model_is_added_under_a_name(shell):
    (shell.folder / "names.txt").write_text("stamp")
    done = shell("detectors", "add", "post", "px:8", "--labels", "names.txt", "--json")
    assert json.loads(done.out)["labels"] == ["stamp"]
    assert shell("detectors", "add", "post", "px:8", "--labels", "names.txt").code == 0
    other = shell("detectors", "add", "post", "px:9")
    assert other.code == 2
    assert "a detector 'post' already exists, made from px:8" in other.err
    (shell.folder / "names.txt").write_text("letter")
    changed = shell("detectors", "add", "post", "px:8", "--labels", "names.txt")
    assert "made from an earlier content of its files" in changed.err
    assert find_widths("post") == [8, 16, 32]
    listed = shell("detectors", "list").out.splitlines()
    assert any(line.split()[:4] == ["post", "stamps", "built", "1"] for line in listed)


def test_a_model_that_is_a_file_may_be_named_from_anywhere(shell):
    (shell.folder / "width").write_text("16")
    assert shell("detectors", "add", "mine", "px:width").code == 0
    assert find_widths("mine") == [16, 32]
    (shell.folder / "width").write_text("32")
    assert "an earlier content" in shell("detectors", "add", "mine", "px:width").err


def test_a_folder_is_a_detector_by_its_path(shell, monkeypatch):
    shutil.copytree(open_folder(shell, "add", "narrow", "px:8"), shell.folder / "copy")
    monkeypatch.chdir(shell.folder)
    for name in ("copy", "./copy", str(shell.folder / "copy")):
        assert find_widths(name) == [8, 16, 32]
        assert pin_detector(name) == str(shell.folder / "copy")
    assert [pin_detector(name) for name in ("narrow", "squares", None)] == [
        "narrow",
        "squares",
        None,
    ]
    created = shell(
        *["galleries", "create", "shelf", "-m", "tiles", "--detector", "copy", "--json"]
    )
    assert created.code == 0, created.err
    assert json.loads(created.out)["detector"] == str(shell.folder / "copy")
    (shell.folder / "empty").mkdir()
    with pytest.raises(MissingWeights, match="is not a detector folder"):
        open_detector("./empty")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["add", "x", "nowhere:x"], 2, "px:NAME is a least width"),
        (["add", "x", "px:"], 2, "no plugin makes a detector of 'px:'"),
        (["add", "x", "px:nowhere"], 1, "there is no network"),
        (["add", "squares", "px:1"], 2, "'squares' is taken"),
        (["add", "wide", "px:1"], 2, "'wide' is taken"),
        (["add", "none", "px:1"], 2, "'none' is taken"),
        (["add", "A/b", "px:1"], 2, "'A/b' cannot be a detector's name"),
        (["add", "x", "px:1", "--labels", "absent.txt"], 2, "absent.txt"),
        (["build", "narrow"], 1, "no plugin builds a detector 'narrow'"),
        (["path", "squares"], 1, "its plugin carries its own weights"),
        (["path", "narrow"], 1, "it was not added"),
    ],
)
def test_what_cannot_be_done_is_one_line(shell, arguments, code, words):
    done = shell("detectors", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert len(done.err.splitlines()) <= 2
    assert not (shell.folder / "cache" / "detectors" / "x").exists()


def test_an_unknown_detector_is_named_with_the_known_ones(shell):
    with pytest.raises(PluginError, match="no detector 'squears'") as raised:
        open_detector("squears")
    assert "did you mean 'squares'?" in raised.value.hint
    assert "`siamkit detectors add squears ORIGIN:MODEL` adds another" in raised.value.hint


def test_a_folder_of_a_plugin_that_is_gone_says_so(shell):
    folder = open_folder(shell, "add", "narrow", "px:8")
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, "plugin": "gone"}))
    with pytest.raises(PluginError, match="needs the plugin 'gone'"):
        open_detector("narrow")
