"""Unusable input gets one clear line, exit code 2, and leaves nothing half-written."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def make_text(path: Path) -> None:
    path.write_text("this is not a picture\n" * 50)


def make_truncated(path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (200, 200, 3), dtype=np.uint8)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:9000])


def make_bomb(path: Path) -> None:
    """A PNG of 30 000 x 30 000 pixels that has 100 bytes of content."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in [
                (b"IHDR", header),
                (b"IDAT", zlib.compress(bytes(100))),
                (b"IEND", b""),
            ]
        )
    )


def make_directory(path: Path) -> None:
    path.mkdir()


def make_missing(path: Path) -> None:
    pass


def make_fifo_target(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (make_empty, "is empty"),
        (make_text, "not a picture"),
        (make_truncated, "damaged"),
        (make_bomb, "more than 107,000,000 pixels"),
        (make_directory, "is a directory"),
        (make_missing, "No such file"),
        (make_fifo_target, "No such file"),
    ],
)
def test_files_that_are_not_pictures(shell, make, why):
    make(shell.folder / "bad.jpg")
    for command in (
        ["enrol", "tiles", "bad.jpg", "--as", "x"],
        ["embed", "-m", "tiles", "bad.jpg", "-o", "v.npy"],
    ):
        done = shell(*command)
        message = done.err + (
            (shell.folder / "v.jsonl").read_text() if command[0] == "embed" else ""
        )
        assert "bad.jpg" in message
        assert why in message
        assert done.code == (2 if command[0] == "enrol" else 1)
    assert not (shell.folder / ".siamkit").exists()


def make_bomb_in_an_icon(path: Path) -> None:
    """pillow decodes what an icon holds when it opens it."""
    inside = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(inside, "PNG")
    content = inside.getvalue()
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(content), 22)
    path.write_bytes(struct.pack("<HHH", 0, 1, 1) + entry + content)


def test_a_bomb_in_an_icon_is_not_decoded(shell):
    make_bomb_in_an_icon(shell.folder / "bad.jpg")
    done = shell("enrol", "tiles", "bad.jpg", "--as", "x")
    assert done.code == 2
    assert "an icon (ICO), which is not read" in done.err


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_devices_and_pipes_are_refused(shell, path):
    os.mkfifo(shell.folder / "pipe")
    done = shell("enrol", "tiles", path, "--as", "x")
    assert done.code == 2
    assert "is a pipe or a device" in done.err


@pytest.mark.parametrize(
    ("path", "code", "fault"),
    [("\\ud800.jpg", 2, "line 1: a text in it is not UTF-8"), ("a\\u0000b", 1, "cannot be read")],
)
def test_paths_that_no_file_can_have(shell, path, code, fault):
    done = shell("enrol", "tiles", "--from", "-", stdin=f'{{"label": "x", "path": "{path}"}}\n')
    assert done.code == code
    assert fault in done.err


def test_a_line_nested_too_deeply(shell):
    done = shell("enrol", "letters", "--from", "-", stdin="[" * 100_000 + "\n")
    assert done.code == 2
    assert "not JSON" in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission(shell, picture):
    picture.chmod(0)
    done = shell("enrol", "tiles", "good.png", "--as", "x")
    assert (done.code, "Permission denied" in done.err) == (2, True)


def test_one_bad_file_does_not_end_a_batch(shell, picture):
    people = shell.folder / "people"
    people.mkdir()
    for make in (make_empty, make_text, make_truncated, make_bomb):
        make(people / f"{make.__name__}.jpg")
    picture.rename(people / "fine.png")
    done = shell("enrol", "tiles", "--from", "people")
    assert done.code == 1
    assert "1 enrolled, 4 failed" in done.out
    assert len(done.err.strip().splitlines()) == 4


def test_a_path_that_is_not_utf8(shell, picture):
    odd = os.fsencode(shell.folder) + b"/caf\xe9.png"
    os.rename(picture, odd)
    done = shell("enrol", "tiles", b"caf\xe9.png", "--as", "x", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["source"] == "caf\\xe9.png"
    assert "xe9.png" in shell("show", "x").out
    assert shell("reembed", "tiles").code == 0


@pytest.mark.parametrize(
    ("label", "code"), [("a/b\\c", 0), ("😀", 0), ("two\nlines", 1), ("", 2), ("x" * 200_000, 1)]
)
def test_labels(shell, picture, label, code):
    with (shell.folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["label", "path"], [label, "good.png"]])
    done = shell("enrol", "tiles", "--from", "list.csv")
    assert done.code == code, done.err
    assert len(done.err) < 1000
    if code == 0:
        assert [h["identity"] for h in json.loads(shell("list", "--json").out)] == [label]
    else:
        assert not (shell.folder / ".siamkit").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("name;file\na;b\n", "must name label and path"),
        ("", "must name label and path"),
        ("label,path\nx,\n", "line 2: there is no path"),
    ],
)
def test_unusable_manifests(shell, content, why):
    (shell.folder / "list.csv").write_text(content)
    done = shell("enrol", "tiles", "--from", "list.csv")
    assert (done.code, why in done.err) == (2, True)


@pytest.mark.parametrize("line", ["not json", "[1]", '{"label": 3}', '{"text": "x"}'])
def test_unusable_lines(shell, line):
    done = shell("enrol", "letters", "--from", "-", stdin=line + "\n")
    assert done.code == 2
    assert "standard input, line 1" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["enrol", "tiles"],
        ["enrol", "tiles", "a.png"],
        ["enrol", "tiles", "--from", "x", "--as", "y"],
        ["enrol", "tiles", "a.png", "--as", "x", "--box", "1,2,3"],
        ["enrol", "tiles", "a.png", "--as", "x", "--box", "9,9,1,1"],
        ["enrol", "tiles", "a.png", "--as", "x", "--largest", "--all-regions"],
        ["verify", "-m", "tiles", "a.png"],
        ["query", "tiles"],
        ["query", "tiles", "a.png", "-k", "0"],
        ["embed", "-m", "tiles", "--output", "v.npy"],
        ["nonsense"],
        ["forget"],
        ["query", "tiles", "good.png", "--threshold", "nan"],
        ["embed", "-m", "tiles", "good.png", "--output", "v.txt"],
    ],
)
def test_wrong_usage_is_exit_2(shell, picture, arguments):
    shell("enrol", "tiles", "good.png", "--as", "x")
    done = shell(*arguments)
    assert done.code == 2, (done.out, done.err)
    assert done.err
