"""A gallery's name that no gallery can have is an answer, in the shell and in Python."""

from __future__ import annotations

import pytest

import siamkit as sk

RAW = b"\xff\xfe"  # what a shell hands on as it is


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", RAW),
        ("query", RAW, "--text", "hello"),
        ("classify", RAW, "--text", "hello"),
        ("verify", RAW, "--as", "alice", "--text", "hello"),
        ("verify", "--as", "alice", "--probe", RAW + b"=hello"),
        ("enrol", RAW, "--text", "hello", "--as", "alice"),
        ("explain", RAW, "--text", "hello", "--text", "hi"),
        ("audit", RAW),
        ("audit", RAW, "--drift"),
        ("calibrate", RAW),
        ("evaluate", "--gallery", RAW),
        ("dedupe", "t.csv", "--column", "text", "--against", RAW),
        ("reembed", RAW),
        ("index", "stats", RAW),
        ("index", "rebuild", RAW),
        ("export", RAW, "out"),
        ("import", "out", "--as-gallery", RAW),
        ("galleries", "delete", RAW, "--yes"),
        ("forget", "alice", "--gallery", RAW, "--yes"),
    ],
)
def test_a_name_that_is_not_utf8_is_no_gallery(shell, arguments):
    shell("enrol", "g", "-m", "letters", "--text", "hello", "--as", "alice")
    shell("export", "g", "out")
    (shell.folder / "t.csv").write_text("text\nhello\n")
    done = shell(*arguments)
    assert done.code in (1, 2), (done.code, done.err)
    assert r"\xff" in done.err or r"\udcff" in done.err, done.err


@pytest.mark.parametrize("name", [5, 5.5, None, True, ["x"], b"g", "\ud800", "a\0b"])
def test_whatever_python_gives_for_a_name_is_an_error_of_siamkit(workspace, name):
    workspace.create_gallery("g", "letters")
    for lookup in (
        lambda: workspace.gallery(name),
        lambda: workspace.query(name, "hello"),
        lambda: workspace.count(name),
        lambda: workspace.delete_gallery(name),
        lambda: workspace.create_gallery(name, "letters"),
        lambda: workspace.create_gallery("h", name or 0),
    ):
        with pytest.raises(sk.SiamkitError):
            lookup()


def test_a_table_without_rows_says_how_many_were_enrolled(shell):
    (shell.folder / "t.csv").write_text("text,id\n")
    done = shell("enrol", "g", "-m", "letters", "--from", "t.csv", "--column", "text")
    assert (done.code, done.out) == (0, "0 enrolled\n")
