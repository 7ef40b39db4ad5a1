"""Encoder folders: built once, by one of many, checked at every opening, rebuilt when damaged."""

from __future__ import annotations

import json
import shutil

import pytest

from siamkit import MissingWeights
from siamkit.sdk.model_folder import CARD, GRAPH, Card, fingerprint, read_folder, write_folder
from siamkit.types import Threshold

CARD_IN = Card(
    modality="toy", name="one", dim=3, preprocessing={"mean": [0.5], "size": 8},
    licence="CC0-1.0", source="made up", threshold=Threshold(0.5, 0.01, "nothing"),
)  # fmt: skip


def test_a_folder_comes_back_as_it_was_written(tmp_path):
    write_folder(tmp_path, b"graph", CARD_IN)
    card, graph = read_folder(tmp_path)
    assert graph == b"graph"
    assert card.threshold == CARD_IN.threshold
    assert card.fingerprint == fingerprint("toy", b"graph", CARD_IN.preprocessing)
    assert card.fingerprint.startswith("toy/1:")


def test_graph_and_constants_both_make_the_fingerprint():
    one = fingerprint("toy", b"graph", {"a": 1, "b": 2})
    assert one == fingerprint("toy", b"graph", {"b": 2, "a": 1})
    assert one != fingerprint("toy", b"grapf", {"a": 1, "b": 2})
    assert one != fingerprint("toy", b"graph", {"a": 1, "b": 3})


def spoil_graph(folder):
    (folder / GRAPH).write_bytes(b"other")


def spoil_constant(folder):
    data = json.loads((folder / CARD).read_text())
    data["preprocessing"]["size"] = 9
    (folder / CARD).write_text(json.dumps(data))


def spoil_card(folder):
    (folder / CARD).write_text("{")


def lose_graph(folder):
    (folder / GRAPH).unlink()


SPOILERS = [spoil_graph, spoil_constant, spoil_card, lose_graph]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_damaged_folder_is_never_opened(tmp_path, spoil):
    write_folder(tmp_path, b"graph", CARD_IN)
    spoil(tmp_path)
    with pytest.raises(MissingWeights):
        read_folder(tmp_path)


def test_processes_that_build_at_once_do_not_collide(shell):
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    many = [shell.start("encoders", "path", "bigrams") for _ in range(3)]
    said = [process.communicate(timeout=120) for process in many]
    assert [process.returncode for process in many] == [0, 0, 0], said
    assert len({out for out, _ in said}) == 1
    row = next(
        r for r in json.loads(shell("encoders", "list", "--json").out) if r["modality"] == "bigrams"
    )
    assert (row["state"], row["licence"]) == ("built", "CC0-1.0")
    folder = shell.folder / "cache" / "encoders" / "bigrams"
    assert [path.name for path in folder.iterdir()] == [row["name"]]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_broken_cache_is_built_again_with_a_line(shell, spoil):
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    verify = ["verify", "-m", "bigrams", "--threshold", "0.5", "--text", "hello", "--text", "hello"]
    done = shell(*verify)
    assert done.code == 0
    assert "building encoder bigrams/random once" in done.err
    assert shell(*verify).err == ""
    spoil(shell.folder / "cache" / "encoders" / "bigrams" / "random")
    done = shell(*verify)
    assert done.code == 0
    assert "building encoder" in done.err
    assert shell(*verify).err == ""


def test_a_folder_of_another_version_is_built_again(shell):
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    folder = shell("encoders", "path", "bigrams").out.strip()
    (shell.folder / folder / "built-by.txt").write_text("siamkit 0.0.1")
    assert "building encoder" in shell("encoders", "path", "bigrams").err


def test_a_gallery_keeps_the_whole_path_of_an_encoder_folder(shell):
    """Made with a path from here, it opens from elsewhere; and so after it was re-embedded."""
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    shutil.copytree(shell("encoders", "path", "bigrams").out.strip(), shell.folder / "mine")
    made = shell("galleries", "create", "texts", "-m", "bigrams", "--encoder", "mine", "--json")
    assert json.loads(made.out)["encoder"] == str(shell.folder / "mine")
    assert shell("enrol", "texts", "--text", "hello", "--as", "x").code == 0
    assert shell("reembed", "texts", "--encoder", "mine").code == 0
    (kept,) = json.loads(shell("galleries", "--json").out)
    assert kept["encoder"] == str(shell.folder / "mine")


def test_a_gallery_whose_encoder_is_gone_moves_to_the_modalitys_own(shell):
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    shutil.copytree(shell("encoders", "path", "bigrams").out.strip(), shell.folder / "mine")
    shell("galleries", "create", "texts", "-m", "bigrams", "--encoder", "mine")
    shell("enrol", "texts", "--text", "hello", "--as", "x")
    shutil.rmtree(shell.folder / "mine")
    done = shell("query", "texts", "--text", "hello")
    assert done.code == 1
    assert "gallery 'texts': no encoder" in done.err
    assert "siamkit reembed texts --encoder default" in done.err
    assert shell("reembed", "texts", "--encoder", "default").code == 0
    (gallery,) = json.loads(shell("galleries", "--json").out)
    assert gallery["encoder"] is None
    assert shell("query", "texts", "--text", "hello", "--threshold", "0.5").code == 0


def test_an_unknown_encoder_is_refused(shell):
    done = shell("verify", "-m", "bigrams", "--text", "a", "--text", "b", "--encoder", "trigrams")
    assert done.code == 1
    assert "no encoder 'trigrams' for bigrams" in done.err
    assert "known names: random" in done.err
