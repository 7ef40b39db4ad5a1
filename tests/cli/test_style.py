"""siamkit style: pictures in the style of others."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siamkit.errors import BadInput
from siamkit.flows import style as flow
from siamkit.flows.style_record import StyleRecord


@pytest.fixture
def pictures(shell):
    """Two contents, one of them transparent, two styles, and what cannot be used."""
    rng = np.random.default_rng(0)
    (shell.folder / "photos").mkdir()
    scene = Image.fromarray(rng.integers(0, 255, (48, 80, 3), np.uint8))
    scene.save(shell.folder / "photos" / "a.png")
    scene.save(shell.folder / "photos" / "turned.jpg", exif=exif(6))
    (shell.folder / "photos" / "bad.png").write_bytes(b"not a picture")
    cut_out = scene.copy()
    cut_out.putalpha(Image.linear_gradient("L").resize(scene.size))
    cut_out.save(shell.folder / "cut.png")
    for name in ("ink.png", "a=b.png"):
        noise = rng.integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(shell.folder / name)
    Image.new("RGB", (64, 64), "red").save(shell.folder / "blank.png")
    return shell


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def opened(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_one_picture(pictures):
    done = pictures("style", "photos/a.png", "--like", "ink.png", "-o", "out.png")
    assert done.code == 0, done.err
    assert done.out == "photos/a.png: 80 x 48 px to out.png\n"
    painted = opened(pictures.folder / "out.png")
    assert painted.shape == (48, 80, 3)
    assert np.abs(painted.astype(int) - opened(pictures.folder / "photos/a.png")).mean() > 10


def test_a_folder_is_gone_on_with_and_bad_pictures_are_reported(pictures):
    command = ("style", "photos", "--like", "painted-5", "-o", "out")
    done = pictures(*command)
    assert done.code == 1
    assert done.out == "2 rendered, 1 failed (out)\n"
    assert "photos/bad.png" in done.err
    names = sorted(path.name for path in (pictures.folder / "out").glob("[!.]*"))
    assert names == ["a.png", "turned.jpg"]
    assert opened(pictures.folder / "out/turned.jpg").shape == (80, 48, 3)

    (pictures.folder / "out" / "a.png").write_bytes(b"mine")
    again = pictures(*command, "--json")
    statuses = {Path(p["source"]).name: p["status"] for p in json.loads(again.out)["pictures"]}
    assert statuses == {"a.png": "exists", "bad.png": "failed", "turned.jpg": "exists"}
    assert (pictures.folder / "out" / "a.png").read_bytes() == b"mine"
    assert "--overwrite" in pictures(*command).err
    alone = pictures("style", "photos/a.png", *command[2:])
    assert (alone.code, alone.out) == (0, "")
    assert "1 exists already" in alone.err
    assert pictures(*command, "--overwrite").out == "2 rendered, 1 failed (out)\n"
    assert opened(pictures.folder / "out/a.png").shape == (48, 80, 3)


def test_only_the_same_picture_in_the_same_style_counts_as_done(pictures):
    def to_out(*arguments: str):
        return pictures("style", *arguments, "-o", "out", "--json")

    Image.open(pictures.folder / "photos/a.png").save(pictures.folder / "x.png")
    Image.new("RGB", (40, 30), "red").save(pictures.folder / "x.bmp")
    named = ("--like", "painted-5")
    assert to_out("x.png", *named).code == 0
    before = (pictures.folder / "out/x.png").read_bytes()
    for arguments in (
        ("x.bmp", *named),  # another picture, to be saved under the same name
        ("x.png", "--like", "painted-6"),
        ("x.png", "--like", "ink.png"),
        ("x.png", *named, "--size", "40"),
    ):
        done = to_out(*arguments)
        assert done.code == 2
        [refused] = json.loads(done.out)["pictures"]
        assert (refused["status"], refused["hint"]) == (
            "failed",
            "name another folder; `--overwrite` replaces it",
        )
        assert "of another picture or style" in refused["error"]
    assert (pictures.folder / "out/x.png").read_bytes() == before
    (pictures.folder / "moved").mkdir()
    (pictures.folder / "x.png").rename(pictures.folder / "moved/x.png")
    done = to_out("moved/x.png", *named)
    assert json.loads(done.out)["pictures"][0]["status"] == "exists"


def test_a_file_that_is_added_to_a_folder_is_painted_beside_its_namesake(pictures):
    folder = pictures.folder / "photos"
    (folder / "bad.png").unlink()
    command = ("style", "photos", "--like", "painted-5", "--size", "32", "-o", "out")
    assert pictures(*command).out == "2 rendered (out)\n"
    for name in ("a.bmp", "turned.bmp", "a.png.png"):
        Image.new("RGB", (40, 30), "red").save(folder / name)
    assert pictures(*command).out == "3 rendered, 2 exist already (out)\n"
    names = sorted(path.name for path in (pictures.folder / "out").glob("[!.]*"))
    assert names == ["a.bmp.png", "a.png", "a.png.png", "turned.jpg", "turned.png"]
    assert pictures("style", "photos/a.png", "photos/a.png", *command[2:]).code == 0
    assert (pictures.folder / "out/a-2.png").exists()


def test_a_picture_that_a_killed_run_began_is_painted_again(pictures, monkeypatch):
    command = ("style", "photos/a.png", "--like", "painted-5", "-o", "out/")
    with monkeypatch.context() as patch:
        patch.setattr(StyleRecord, "finish", interrupt)
        assert pictures(*command).code == 130
    assert (pictures.folder / "out/a.png").exists()
    assert "1 exists" not in pictures(*command).err
    assert "1 exists" in pictures(*command).err


def test_a_full_disk_ends_the_run(pictures, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("PIL.Image.Image.save", fail)
    done = pictures("style", "photos", "--like", "painted-5", "-o", "out")
    assert done.code == 1
    assert done.err.splitlines() == ["Error: out/a.png: No space left on device"]


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_transparent_picture_stays_so(pictures):
    done = pictures("style", "cut.png", "--like", "ink.png", "-o", "out.png", "--size", "40")
    assert done.code == 0, done.err
    painted = opened(pictures.folder / "out.png")
    assert painted.shape == (24, 40, 4)
    assert painted[0, :, 3].max() < 20
    assert painted[-1, :, 3].min() > 235
    assert pictures("style", "cut.png", "--like", "ink.png", "-o", "out.jpg").code == 0
    assert opened(pictures.folder / "out.jpg").shape == (48, 80, 3)


def test_colours_are_preserved(pictures):
    command = ("style", "photos/a.png", "--like", "ink.png", "-o", "out.png")
    assert pictures(*command, "--preserve-colour").code == 0
    painted, own = (
        opened(pictures.folder / name).astype(int) for name in ("out.png", "photos/a.png")
    )
    change = painted - own
    is_inside = ((painted > 0) & (painted < 255)).all(axis=2)
    assert np.ptp(change[is_inside], axis=1).max() <= 2


def test_shares_and_a_name_with_an_equals_sign(pictures):
    for output, likes in (
        ("mixed.png", ("a=b.png", "a=b.png=2", "ink.png=.5")),
        ("same.png", ("a=b.png=6", "ink.png")),
        ("other.png", ("ink.png=6", "a=b.png")),
    ):
        named = [part for like in likes for part in ("--like", like)]
        assert pictures("style", "photos/a.png", *named, "-o", output).code == 0
    mixed, same, other = (
        opened(pictures.folder / name).astype(int)
        for name in ("mixed.png", "same.png", "other.png")
    )
    assert np.abs(mixed - same).max() <= 1
    assert np.abs(mixed - other).max() > 1


@pytest.mark.parametrize("like", [("ink.png", "a=b.png"), [("ink.png", None)]])
def test_a_share_is_a_number(workspace, like):
    with pytest.raises(BadInput, match="a share of"):
        workspace.open_style(like)


def test_a_slash_names_a_folder(pictures):
    command = ("style", "photos/a.png", "--like", "painted-5", "-o")
    assert pictures(*command, "p.v3/").code == 0
    assert (pictures.folder / "p.v3/a.png").exists()
    refused = pictures(*command, "-")
    assert (refused.code, refused.out) == (2, "")
    assert "standard output" in refused.err
    assert not (pictures.folder / "-").exists()


def test_json_has_no_half_characters(pictures):
    name = os.fsdecode(b"nu-\xff.png")
    try:
        (pictures.folder / "photos/a.png").rename(pictures.folder / name)
    except OSError:
        pytest.skip("the disk takes no such name")
    done = pictures("style", name, "--like", "painted-5", "-o", "out", "--json")
    [painted] = json.loads(done.out)["pictures"]
    assert (painted["source"], painted["output"]) == (r"nu-\xff.png", r"out/nu-\xff.png")


def test_a_modality_without_styles_lists_none(pictures):
    done = pictures("style", "--styles", "-m", "faces")
    assert (done.code, done.out) == (2, "")
    assert "faces have no styles" in done.err


def test_named_styles_are_listed(pictures):
    rows = json.loads(pictures("style", "--styles", "--json").out)
    assert [row["name"] for row in rows][::25] == ["painted-1", "painted-26"]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["photos/a.png", "--like", "blank.png"], 2, "blank.png: the picture has a single colour"),
        (["photos/a.png", "--like", "paintd-5"], 2, "siamkit style --styles"),
        (["photos/a.png", "--like", "ink.png", "--like", "painted-5"], 2, "two networks"),
        (["photos/a.png", "--like", "ink.png=0"], 2, "shares of styles are above 0"),
        (["photos/a.png"], 2, "Give --like"),
        (["--like", "ink.png"], 2, "Give CONTENT"),
        (["absent.png", "--like", "ink.png"], 2, "absent.png cannot be read"),
        (["photos/bad.png", "--like", "ink.png"], 2, "photos/bad.png: not a picture"),
        (["out.png", "--like", "ink.png"], 2, "out.png would be overwritten"),
        (["photos/a.png", "--like", "out.png"], 2, "out.png"),
        (["photos", "--like", "ink.png"], 2, "name a folder"),
        (["photos/a.png", "--like", "ink.png", "--size", "99999"], 2, "can have"),
    ],
)
def test_what_cannot_be_done_is_said(pictures, arguments, code, reason):
    (pictures.folder / "out.png").write_bytes((pictures.folder / "ink.png").read_bytes())
    before = (pictures.folder / "out.png").read_bytes()
    done = pictures("style", *arguments, "-o", "out.png")
    assert (done.code, done.out) == (code, "")
    assert reason in done.err
    assert (pictures.folder / "out.png").read_bytes() == before


def test_too_little_memory_proposes_a_size(pictures, monkeypatch):
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(flow.OpenStyle, "_paint", fail)
    done = pictures("style", "photos/a.png", "--like", "painted-1", "-o", "out.png")
    assert done.code == 2
    assert "photos/a.png: there is not enough memory" in done.err
    assert "--size" in done.err
    assert not (pictures.folder / "out.png").exists()


def test_an_interruption_leaves_nothing_half_written(pictures, monkeypatch):
    monkeypatch.setattr("PIL.Image.Image.save", interrupt)
    done = pictures("style", "photos/a.png", "--like", "painted-1", "-o", "out.png")
    assert done.code == 130
    assert not (pictures.folder / "out.png").exists()
    assert not [path for path in pictures.folder.iterdir() if "unfinished" in path.name]
