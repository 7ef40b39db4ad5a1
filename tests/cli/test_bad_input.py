"""What people and disks do wrong: one clear line, a documented exit code, nothing half-written."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture(shell) -> Path:
    rng = np.random.default_rng(0)
    path = shell.folder / "good.png"
    Image.fromarray(rng.integers(0, 240, (64, 64, 3), dtype=np.uint8)).save(path)
    return path


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
    [(make_empty, "is empty"), (make_text, "not a picture"), (make_truncated, "damaged"),
     (make_bomb, "more than 89,478,485 pixels"), (make_directory, "is a directory"),
     (make_missing, "No such file"), (make_fifo_target, "No such file")],
)  # fmt: skip
def test_files_that_are_no_pictures(shell, make, why):
    make(shell.folder / "bad.jpg")
    for command in (
        ["enrol", "tiles", "bad.jpg", "--as", "x"],
        ["embed", "-m", "tiles", "bad.jpg", "-o", "v.npy"],
    ):
        done = shell(*command)
        said = done.err + ((shell.folder / "v.jsonl").read_text() if command[0] == "embed" else "")
        assert "bad.jpg" in said
        assert why in said
        assert done.code == (2 if command[0] == "enrol" else 1)
    assert shell("list", "--json").out.strip() == "[]"


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
    assert "not a picture of a known format" in done.err


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_devices_and_pipes_are_refused(shell, path):
    os.mkfifo(shell.folder / "pipe")
    done = shell("enrol", "tiles", path, "--as", "x")
    assert done.code == 2
    assert "is a pipe or a device" in done.err


@pytest.mark.parametrize("path", ["\\ud800.jpg", "a\\u0000b"])
def test_paths_that_no_file_can_have(shell, path):
    done = shell("enrol", "tiles", "--from", "-", stdin=f'{{"label": "x", "path": "{path}"}}\n')
    assert done.code == 2
    assert "cannot be read" in done.err


def test_a_line_nested_too_deeply(shell):
    done = shell("enrol", "letters", "--from", "-", stdin="[" * 100_000 + "\n")
    assert done.code == 2
    assert "not JSON" in done.err


def test_a_cache_that_cannot_be_written_to(shell, picture):
    shell.environment["SIAMKIT_CACHE"] = str(picture)
    done = shell("verify", "-m", "faces", "good.png", "good.png")
    assert done.code == 1
    assert "good.png" in done.err


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
    ("label", "code"), [("a/b\\c", 0), ("😀", 0), ("two\nlines", 2), ("", 2), ("x" * 200_000, 2)]
)
def test_labels(shell, picture, label, code):
    with (shell.folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["label", "path"], [label, "good.png"]])
    done = shell("enrol", "tiles", "--from", "list.csv")
    assert done.code == code, done.err
    assert len(done.err) < 1000
    shown = [h["identity"] for h in json.loads(shell("list", "--json").out)]
    assert shown == ([label] if code == 0 else [])


@pytest.mark.parametrize(
    ("content", "why"),
    [("name;file\na;b\n", "must name label and path"), ("", "must name label and path"),
     ("label,path\nx,\n", "line 2: there is no path")],
)  # fmt: skip
def test_manifests_that_are_none(shell, content, why):
    (shell.folder / "list.csv").write_text(content)
    done = shell("enrol", "tiles", "--from", "list.csv")
    assert (done.code, why in done.err) == (2, True)


@pytest.mark.parametrize("line", ["not json", "[1]", '{"label": 3}', '{"text": "x"}'])
def test_lines_that_are_no_jobs(shell, line):
    done = shell("enrol", "letters", "--from", "-", stdin=line + "\n")
    assert done.code == 2
    assert "standard input, line 1" in done.err


@pytest.mark.parametrize(
    "arguments",
    [["enrol", "tiles"], ["enrol", "tiles", "a.png"],
     ["enrol", "tiles", "--from", "x", "--as", "y"],
     ["enrol", "tiles", "a.png", "--as", "x", "--box", "1,2,3"],
     ["enrol", "tiles", "a.png", "--as", "x", "--box", "9,9,1,1"],
     ["enrol", "tiles", "a.png", "--as", "x", "--largest", "--all-faces"],
     ["verify", "-m", "tiles", "a.png"], ["query", "tiles"], ["query", "tiles", "a.png", "-k", "0"],
     ["embed", "-m", "tiles", "--output", "v.npy"], ["nonsense"], ["forget"],
     ["query", "tiles", "good.png", "--threshold", "nan"],
     ["embed", "-m", "tiles", "good.png", "--output", "v.txt"]],
)  # fmt: skip
def test_wrong_usage_is_exit_2(shell, picture, arguments):
    shell("enrol", "tiles", "good.png", "--as", "x")
    done = shell(*arguments)
    assert done.code == 2, (done.out, done.err)
    assert done.err


def test_a_store_of_a_newer_schema(shell):
    shell("init")
    import sqlite3

    db = sqlite3.connect(shell.folder / ".siamkit" / "store.db")
    db.execute("PRAGMA user_version = 7")
    db.close()
    done = shell("list")
    assert done.code == 1
    assert "schema 7, newer than" in done.err
    assert "pip install --upgrade siamkit" in done.err


@pytest.mark.parametrize("store", range(5))
def test_two_inits_at_once(shell, store):
    both = [shell.start("init", "--store", str(store)) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert ([p.returncode for p in both], said) == ([0, 0], [b"", b""])
    assert shell("galleries", "--json", "--store", str(store)).out.strip() == "[]"


def tmpfs(folder: Path, size: str) -> None:
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting a small tmpfs needs root, and mount")


def test_a_full_disk_keeps_what_was_acknowledged(shell):
    disk = shell.folder / "disk"
    tmpfs(disk, "1m")
    try:
        many = "".join(
            json.dumps({"label": f"p{n}", "text": f"text {n}"}) + "\n" for n in range(5000)
        )
        done = shell("enrol", "letters", "--from", "-", "--json", "--store", "disk/s", stdin=many)
        assert done.code == 1
        assert "no space left" in done.err
        kept = [json.loads(line)["label"] for line in done.out.splitlines()]
        listed = json.loads(shell("list", "--store", "disk/s", "--json").out)
        assert kept
        assert {h["identity"] for h in listed} >= set(kept)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_read_only_store_answers_and_refuses_to_change(shell):
    disk = shell.folder / "disk"
    tmpfs(disk, "10m")
    try:
        shell(
            "enrol",
            "letters",
            "--from",
            "-",
            "--store",
            "disk/s",
            stdin='{"label":"a","text":"hello"}\n',
        )
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        (shell.folder / "q.txt").write_text("hello")
        done = shell("query", "letters", "q.txt", "--store", "disk/s")
        assert (done.code, done.err) == (0, "")
        done = shell("enrol", "letters", "q.txt", "--as", "b", "--store", "disk/s")
        assert done.code == 1
        assert "read-only" in done.err
    finally:
        subprocess.run(["umount", disk], check=True)


def test_ctrl_c_keeps_what_was_committed_and_the_next_run_goes_on(shell):
    shell.environment["TOYKIT_SLEEP"] = "0.005"
    many = "".join(json.dumps({"label": f"p{n}", "text": f"text {n}"}) + "\n" for n in range(2000))
    (shell.folder / "many.jsonl").write_text(many)
    process = shell.start("enrol", "letters", "--from", "many.jsonl", "--json")
    first = [process.stdout.readline() for _ in range(40)]
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Interrupted" in err
    acknowledged = {json.loads(line)["label"] for line in (*first, *rest.splitlines())}
    listed = {h["identity"] for h in json.loads(shell("list", "--json").out)}
    assert acknowledged <= listed
    assert len(listed) < 2000
    shell.environment["TOYKIT_SLEEP"] = "0"
    done = shell("enrol", "letters", "--from", "many.jsonl")
    assert f"{2000 - len(listed):,} enrolled, {len(listed):,} already" in done.out


def test_a_fault_of_ours_is_exit_70_with_its_traceback_on_demand(shell):
    shell.environment["SIAMKIT_THREADS"] = "1"
    script = (
        "import sys, siamkit.cli as c, siamkit.workspace as w\n"
        "w.Workspace.init = lambda self: 1 / 0\n"
        "sys.exit(c.run(['init']))\n"
    )
    for debug in ("0", "1"):
        run = subprocess.run(
            [os.sys.executable, "-c", script], capture_output=True, text=True, cwd=shell.folder,
            env={**shell.environment, "SIAMKIT_DEBUG": debug},
        )  # fmt: skip
        assert run.returncode == 70
        assert "internal error: ZeroDivisionError" in run.stderr
        assert ("Traceback" in run.stderr) == (debug == "1")


def test_a_reader_that_goes_away_is_no_error(shell):
    many = (json.dumps({"label": f"p{n}" * 20, "text": f"t {n}"}) for n in range(2000))
    shell("enrol", "letters", "--from", "-", stdin="\n".join(many))
    with shell.start("list") as process:
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode in (0, 1)
