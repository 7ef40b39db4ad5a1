"""Full and read-only disks, stores of other versions, Ctrl-C, and internal errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_cache_that_cannot_be_written_to(shell, picture):
    shell.environment["SIAMKIT_CACHE"] = str(picture)
    done = shell("verify", "-m", "bigrams", "--text", "a", "--text", "b")
    assert done.code == 1
    assert "good.png" in done.err


def test_a_store_of_a_newer_schema(shell):
    shell("init")
    import sqlite3

    db = sqlite3.connect(shell.folder / ".siamkit" / "store.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    done = shell("list")
    assert done.code == 1
    assert "schema 99, newer than" in done.err
    assert "pip install --upgrade siamkit" in done.err


@pytest.mark.parametrize("store", range(2))
def test_two_inits_at_once(shell, store):
    both = [shell.start("init", "--store", str(store)) for _ in range(2)]
    errors = [process.communicate()[1] for process in both]
    assert ([p.returncode for p in both], errors) == ([0, 0], [b"", b""])
    assert shell("galleries", "--json", "--store", str(store)).out.strip() == "[]"


@pytest.mark.parametrize(
    ("into", "code", "said"),
    [(">/dev/full", 1, "Error: No space left on device\n"), (">&-", 0, "")],
)
def test_an_output_that_takes_nothing(shell, into, code, said):
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m siamkit plugins list {into}'],
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (code, said)


def tmpfs(folder: Path, size: str) -> None:
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
    )
    if mount.returncode:
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
        acknowledged = [json.loads(line)["label"] for line in done.out.splitlines()]
        listed = json.loads(shell("list", "--store", "disk/s", "--json").out)
        assert acknowledged
        assert {h["identity"] for h in listed} >= set(acknowledged)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_an_error_of_the_disk_keeps_what_was_acknowledged(shell):
    """A limit on the size of files is to SQLite an error of input and output."""
    many = "".join(json.dumps({"label": f"p{n}", "text": f"text {n}"}) + "\n" for n in range(5000))
    (shell.folder / "many.jsonl").write_text(many)
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000));"
        " from siamkit.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "enrol", "letters", "--from", "many.jsonl", "--json"],
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "store.db cannot be opened or read: disk I/O error" in done.stderr
    acknowledged = {json.loads(line)["label"] for line in done.stdout.splitlines()}
    listed = {holding["identity"] for holding in json.loads(shell("list", "--json").out)}
    assert acknowledged
    assert acknowledged <= listed


def test_a_store_that_cannot_be_opened_is_one_line(shell):
    (shell.folder / "s" / "store.db").mkdir(parents=True)
    done = shell("list", "--store", "s")
    assert done.code == 1
    assert done.err.startswith("Error: s/store.db")
    assert "Hint: " in done.err


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


def test_ctrl_c_keeps_what_was_committed_and_the_next_run_continues(shell):
    shell.environment["TOYKIT_SLEEP"] = "0.005"
    many = "".join(json.dumps({"label": f"p{n}", "text": f"text {n}"}) + "\n" for n in range(2000))
    (shell.folder / "many.jsonl").write_text(many)
    process = shell.start("enrol", "letters", "--from", "many.jsonl", "--json")
    first = [process.stdout.readline() for _ in range(40)]
    process.send_signal(signal.SIGINT)
    remaining, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Interrupted" in err
    acknowledged = {json.loads(line)["label"] for line in (*first, *remaining.splitlines())}
    listed = {h["identity"] for h in json.loads(shell("list", "--json").out)}
    assert acknowledged <= listed
    assert len(listed) < 2000
    shell.environment["TOYKIT_SLEEP"] = "0"
    done = shell("enrol", "letters", "--from", "many.jsonl")
    assert f"{2000 - len(listed):,} enrolled, {len(listed):,} already" in done.out


def test_an_internal_error_is_exit_70_with_its_traceback_on_demand(shell):
    shell.environment["SIAMKIT_THREADS"] = "1"
    script = (
        "import sys, siamkit.cli as c, siamkit.workspace as w\n"
        "w.Workspace.init = lambda self: 1 / 0\n"
        "sys.exit(c.run(['init']))\n"
    )
    for debug in ("0", "1"):
        run = subprocess.run(
            [os.sys.executable, "-c", script],
            capture_output=True,
            text=True,
            cwd=shell.folder,
            env={**shell.environment, "SIAMKIT_DEBUG": debug},
        )
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
