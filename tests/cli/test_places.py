"""Places as people name them: homes, unwritable folders, links that lead in a circle."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from siamkit import SiamkitError, Workspace
from siamkit.io import cache_root
from siamkit.io.places import expand

ENROL = ("enrol", "letters", "--text", "hello there", "--as", "alice")
BUILD = ("encoders", "build", "bigrams")


@pytest.fixture
def home(shell, monkeypatch) -> Path:
    """A home directory of the command's own, and a cache in it."""
    folder = shell.folder / "home"
    folder.mkdir()
    shell.environment["HOME"] = str(folder)
    shell.environment.pop("SIAMKIT_CACHE", None)
    shell.environment.pop("XDG_CACHE_HOME", None)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SIAMKIT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return folder


@pytest.fixture
def homeless(shell, home, monkeypatch) -> None:
    """Run as a user without an entry, as containers do."""

    def unknown(_: object) -> None:
        raise KeyError

    shell.environment.pop("HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def no_literal_home(shell) -> bool:
    return not (shell.folder / "~").exists()


def test_a_tilde_is_the_home_in_every_option(shell, home):
    (shell.folder / "q.txt").write_text("hello there")
    (home / "list.csv").write_text("label,text\nbob,good day\n")
    for arguments in (
        (*ENROL, "--store=~/one"),
        ("enrol", "letters", "--from=~/list.csv", "--column", "text", "--store=~/one"),
        ("export", "letters", "~/export", "--store=~/one"),
        ("embed", "-m", "letters", "q.txt", "--output=~/vectors.npy"),
        ("backup", "~/copy.db", "--store=~/one"),
        ("dedupe", "~/list.csv", "--column", "text", "-m", "letters", "--output=~/groups.csv"),
        ("import", "~/export", "--store=~/two"),
    ):
        assert shell(*arguments).code == 0, arguments
    written = {path.name for path in home.iterdir()}
    assert written > {"one", "two", "export", "vectors.npy", "copy.db", "groups.csv"}
    assert no_literal_home(shell)


def test_a_tilde_is_the_home_in_every_variable(shell, home):
    shell.environment |= {"SIAMKIT_STORE": "~/store", "SIAMKIT_CACHE": "~/cache"}
    assert shell(*ENROL).code == 0
    assert shell(*BUILD).code == 0
    assert (home / "store" / "store.db").exists()
    assert (home / "cache" / "encoders" / "bigrams").is_dir()
    assert no_literal_home(shell)


def test_a_tilde_is_the_home_in_python(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Workspace("~/store") as ws:
        ws.enrol("letters", "alice", "hello there")
        ws.export("letters", "~/export")
        ws.embed("letters", ["hello"], "~/vectors.npy")
    assert np.load(home / "vectors.npy").shape == (1, 64)
    assert {path.name for path in home.iterdir()} >= {"store", "export", "vectors.npy"}
    assert not Path("~").exists()


def test_a_file_may_have_a_tilde_in_its_name(shell, home):
    (shell.folder / "~lock.txt").write_text("hello there")
    assert shell("enrol", "letters", "~lock.txt", "--as", "alice").code == 0
    assert shell(*ENROL, "--store=./~").code == 0  # whoever wants one can have one


@pytest.mark.parametrize("place", ["~", "~/store", "~nobody-here/store"])
def test_an_unknown_home_is_an_error_with_the_variable_to_set(shell, homeless, place):
    for environment in ({}, {"HOME": ""}):
        shell.environment |= environment
        refused = shell(*ENROL, f"--store={place}")
        assert refused.code == 1
        assert refused.err.startswith(f"Error: {place}: the home directory of ")
        assert "set the variable HOME" in refused.err
    assert {path.name for path in shell.folder.iterdir()} == {"home"}


def test_without_a_home_only_what_needs_the_cache_fails(shell, homeless):
    (shell.folder / "q.txt").write_text("hello there")
    assert shell(*ENROL).code == 0
    assert shell("query", "letters", "q.txt").code == 0
    assert shell("forget", "alice", "--yes").code == 0
    assert shell("embed", "-m", "letters", "q.txt", "-o", "v.npy").code == 0
    assert cache_root.cache_root() == cache_root.NOWHERE
    built = shell(*BUILD)
    assert built.code == 1
    assert "the home directory is unknown" in built.err
    assert "set SIAMKIT_CACHE to a folder" in built.err
    assert no_literal_home(shell)


@pytest.mark.parametrize("cache", ["file", "file/below", "loop", "/proc/cache", "/dev/null/cache"])
def test_a_cache_that_cannot_be_written(shell, cache):
    (shell.folder / "file").write_text("a file")
    (shell.folder / "loop").symlink_to("loop")
    (shell.folder / "q.txt").write_text("hello there")
    (shell.folder / "list.csv").write_text("text\nhello there\nhello there!\n")
    shell.environment["SIAMKIT_CACHE"] = cache
    for arguments in (
        ENROL,
        ("query", "letters", "q.txt"),
        ("encoders", "list"),
        ("export", "letters", "out"),
        ("dedupe", "list.csv", "--column", "text", "-m", "letters"),
        ("forget", "alice", "--yes"),
    ):
        assert shell(*arguments).code == 0, arguments
    built = shell(*BUILD)
    assert built.code == 1
    assert "cannot be written" in built.err
    assert "set SIAMKIT_CACHE to a folder that you can write to" in built.err


@pytest.mark.parametrize("cache", ["n" * 300, "n/" * 3_000])
def test_a_cache_whose_name_is_too_long(shell, cache):
    shell.environment["SIAMKIT_CACHE"] = cache
    assert shell(*ENROL).code == 0
    for arguments in (BUILD, ("encoders", "list")):
        refused = shell(*arguments)
        assert (refused.code, "set SIAMKIT_CACHE" in refused.err) == (1, True)


def test_a_home_that_cannot_be_written(shell, home):
    shell.environment["HOME"] = "/proc/home"
    assert shell(*ENROL).code == 0
    built = shell(*BUILD)
    assert (built.code, "set SIAMKIT_CACHE" in built.err) == (1, True)


@pytest.mark.parametrize(
    "store", ["file", "file/below", "loop", "loop/below", "/dev/null", "/proc/s"]
)
def test_a_store_where_none_can_be(shell, store):
    (shell.folder / "file").write_text("a file")
    (shell.folder / "loop").symlink_to("loop")
    shell.environment["SIAMKIT_STORE"] = store
    for arguments in (("init",), ("list",), ENROL, ("query", "letters", "file")):
        refused = shell(*arguments)
        assert refused.code == 1, (arguments, refused)
        if arguments != ("list",) or store != "/proc/s":
            assert store in refused.err
    refused = shell("init")
    assert "name another place with `--store` or SIAMKIT_STORE" in refused.err
    assert shell("doctor").code in (0, 1)
    assert (shell.folder / "file").read_text() == "a file"


def test_outputs_that_lead_in_a_circle(shell):
    (shell.folder / "q.txt").write_text("hello there")
    (shell.folder / "list.csv").write_text("text\nhello there\nhello there!\n")
    for name in ("loop.npy", "loop.csv", "loop.html", "loop.db", "loop"):
        (shell.folder / name).symlink_to(name)
    shell(*ENROL)
    table = ("dedupe", "list.csv", "--column", "text", "-m", "letters")
    for arguments in (
        ("embed", "-m", "letters", "q.txt", "-o", "loop.npy"),
        ("embed", "-m", "letters", "loop", "-o", "v.npy"),
        ("embed", "-m", "letters", "--from", "loop", "-o", "v.npy"),
        ("query", "letters", "loop"),
        ("enrol", "letters", "--from", "loop"),
        ("export", "letters", "loop"),
        ("import", "loop"),
        ("backup", "loop.db"),
        ("dedupe", "loop", "--column", "text", "-m", "letters"),
        (*table, "-o", "loop.csv"),
        (*table, "-o", "loop.db"),
        (*table, "--report", "loop.html"),
        ("evaluate", "loop", "-m", "letters"),
        ("train", "list.csv", "-m", "bigrams", "-o", "loop"),
        ("train", "plot", "loop"),
        ("create", "x", "--encoder", "loop"),
    ):
        assert shell(*arguments).code in (0, 1, 2, 4), arguments


def test_blanks_and_line_breaks_in_every_place(shell):
    for name in ("a b", "line\nbreak", "tab\t", " ", "ünï", "-x", "%s{}", "a'\"b"):
        shell.environment |= {"SIAMKIT_STORE": name, "SIAMKIT_CACHE": f"cache {name}"}
        folder = shell.folder / f"in {name}"
        folder.mkdir()
        (folder / "q.txt").write_text("hello there")
        for arguments in (
            ("init",),
            ("enrol", "letters", folder / "q.txt", "--as", "alice"),
            ("query", "letters", folder / "q.txt"),
            BUILD,
            ("export", "letters", folder / "out"),
            ("index", "rebuild"),
            ("forget", "alice", "--yes"),
            ("import", folder / "out", "--as-gallery", "copy"),
        ):
            done = shell(*arguments)
            assert done.code == 0, (name, arguments, done)
            assert "\t" not in done.err


@pytest.mark.timeout(100)
def test_a_working_directory_that_was_deleted(shell, tmp_path):
    (tmp_path / "q.txt").write_text("hello there")
    shell(*ENROL)
    gone = tmp_path / "gone"
    gone.mkdir()
    script = "import os, sys; os.rmdir(os.getcwd()); from siamkit.cli import main; main()"

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        gone.mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=gone,
            env=shell.environment | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    store = str(tmp_path / ".siamkit")
    for arguments in (
        ("list",),
        ("init",),
        ("dedupe", "x.csv", "--column", "text", "-m", "letters"),
        ("embed", "-m", "letters", "q.txt", "-o", "v.npy"),
    ):
        finished = run(*arguments)
        assert finished.returncode in (1, 2), (arguments, finished)
        assert "Error: " in finished.stderr
    assert run("query", "letters", str(tmp_path / "q.txt"), SIAMKIT_STORE=store).returncode == 0
    assert "was deleted" in run("dedupe", "x.csv", "--column", "text", "-m", "letters").stderr


def test_expansion_needs_a_known_home(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert expand(Path("~/a")) == Path("/somewhere/a")
    assert expand(Path("a/~/b")) == Path("a/~/b")
    with pytest.raises(SiamkitError, match="~nobody-here is unknown"):
        expand(Path("~nobody-here/x"))
