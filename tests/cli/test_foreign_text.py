"""No label, file name, text or message that is somebody else's acts on a terminal."""

from __future__ import annotations

import csv
import json
import shutil
import warnings
from xml.etree import ElementTree

import pytest
from manifest import lines

from siamkit.io.printable import printable

CLEAR, TITLE, REVERSED = "\x1b[2J\x9b1m", "\x1b]0;owned\x07", "a\u202egpj.exe\u2066"
LABEL = "eve\u202e\u200bhidden"
EVIL = f"{CLEAR}{TITLE}{REVERSED}\u2028\x7f"


def shows_only_text(done):
    """The command's streams hold line breaks, and no other character that acts."""
    for stream in (done.out, done.err):
        assert printable(stream, lines=True) == stream
    return done


@pytest.fixture
def evil(tiles):
    """Pictures whose names hold escapes, enrolled under a label that reverses what follows."""
    for name in ("red", "blue", "small"):
        shutil.copy(tiles.folder / f"{name}.png", tiles.folder / f"{EVIL}{name}.png")
    for name in ("red", "blue"):
        done = tiles("enrol", "tiles", f"{EVIL}{name}.png", "--as", f"{LABEL}{name}")
        assert shows_only_text(done).code == 0, done.err
    return tiles


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "--json"),
        ("show", f"{LABEL}red"),
        ("show", f"{LABEL}red", "--json"),
        ("show", EVIL),
        ("query", "tiles", f"{EVIL}red.png"),
        ("query", "tiles", f"{EVIL}red.png", "--json"),
        ("query", "tiles", f"{EVIL}none.png"),
        ("verify", "--gallery", "tiles", f"{EVIL}red.png", "--claim", f"{LABEL}red"),
        ("verify", "-m", "tiles", f"{EVIL}red.png", f"{EVIL}blue.png"),
        ("explain", "-m", "tiles", f"{EVIL}red.png", f"{EVIL}blue.png"),
        ("classify", "tiles", f"{EVIL}red.png"),
        ("enrol", "tiles", f"{EVIL}small.png", "--as", "small"),
        ("enrol", "tiles", f"{EVIL}red.png", "--as", EVIL),
        ("enrol", EVIL, f"{EVIL}red.png", "--as", "x"),
        ("enrol", "tiles", "--from", EVIL),
        ("audit", "tiles"),
        ("audit", EVIL),
        ("audit", "tiles", "-o", f"{EVIL}.csv"),
        ("rename", f"{LABEL}red", f"{LABEL}green"),
        ("forget", f"{LABEL}red", "--yes"),
        ("dedupe", ".", "-m", "tiles"),
        ("dedupe", EVIL, "-m", EVIL),
        ("embed", f"{EVIL}red.png", "-m", "tiles", "-o", f"{EVIL}.npy"),
        ("export", "tiles", EVIL),
        ("import", EVIL),
        ("galleries", "create", EVIL),
        ("doctor", "--store", EVIL),
        ("plugins", "check", EVIL),
        ("encoders", "build", EVIL),
        ("evaluate", EVIL, "-m", "tiles"),
        ("train", EVIL, "-m", "tiles", "-o", EVIL),
        ("train", "plot", EVIL),
        ("query", f"--{EVIL}"),
        (EVIL,),
        ("query", "tiles", "red.png", "--fusion", EVIL),
    ],
    ids=lambda arguments: "-".join(map(printable, arguments))[:60],
)
def test_no_output_acts_on_a_terminal(evil, arguments):
    done = shows_only_text(evil(*arguments))
    assert done.code != 70, done.err
    assert done.out or done.err
    if "--json" in arguments:
        assert LABEL in json.dumps(json.loads(done.out), ensure_ascii=False)


@pytest.mark.parametrize(
    ("command", "method"),
    [
        (("galleries", "list"), "galleries"),
        (("doctor",), "doctor"),
        (("encoders", "list"), "encoders"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_messages_of_libraries_are_printed_as_text(shell, monkeypatch, command, method):
    """Warnings, logs that nobody handles, and the traceback that SIAMKIT_DEBUG shows."""
    import logging

    from siamkit.workspace import Workspace

    def fail(*_, **__):
        logging.getLogger("somebody.else").error("log %s", EVIL)
        logging.getLogger("siamkit").warning(EVIL)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(f"warning {EVIL}", stacklevel=1)
        raise RuntimeError(f"raised {EVIL}")

    monkeypatch.setattr(Workspace, method, fail)
    monkeypatch.setattr(logging.root, "handlers", [])
    with warnings.catch_warnings():
        done = shell(*command)
    assert done.code == 70
    shows_only_text(done)
    for word in ("somebody: log", "siamkit: ", "UserWarning: warning", "RuntimeError: raised"):
        assert word in done.err


def test_pages_and_charts_show_escapes(evil):
    done = evil("dedupe", ".", "-m", "tiles", "--report", "page.html", "--threshold", "0.5")
    assert done.code in (0, 1), done.err
    page = (evil.folder / "page.html").read_text("utf-8")
    assert printable(page, lines=True) == page
    assert r"\u202e" in page


def test_pictures_show_escapes(evil):
    names = [f"{EVIL}both.png", f"{EVIL}$x_{{both.png"]
    for name in names:
        shutil.copy(evil.folder / "both.png", evil.folder / name)
    done = evil("explain", "-m", "tiles", "--detector", "none", *names, "-o", "a.svg")
    assert shows_only_text(done).code == 0, done.err
    picture = (evil.folder / "a.svg").read_text("utf-8")
    ElementTree.fromstring(picture)
    assert printable(picture, lines=True) == picture
    done = evil("query", "tiles", "both.png", "--save-annotated", "b.png")
    assert shows_only_text(done).code == 0, done.err


def test_cells_that_a_spreadsheet_runs_are_marked_unless_raw(letters):
    texts = ["=cmd|' /C calc'!A0", "+1 or more", "@sum(a)", "plain words here"]
    (letters.folder / "t.jsonl").write_text(
        "".join(json.dumps({"id": text, "text": text + " and so on"}) + "\n" for text in texts)
    )
    rule = ("--rerank", "none", "--threshold", "-1")
    arguments = ("dedupe", "t.jsonl", "-m", "letters", *rule, "-o")
    for name, raw in (("a.csv", ()), ("b.csv", ("--raw",)), ("a.tsv", ())):
        done = letters(*arguments, name, *raw)
        assert done.code == 0, done.err
        with (letters.folder / name).open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t" if name == "a.tsv" else ","))
        mark = "" if raw else "'"
        assert {row["id"] for row in rows} == {mark + t for t in texts[:3]} | {texts[3]}
        assert all(float(row["score"]) for row in rows)
    again = letters("dedupe", "a.csv", "-m", "letters", "--column", "id", "--json")
    assert again.code == 0
    assert json.loads(again.out)["items"] == len(texts)


def test_a_manifest_of_formulas_is_enrolled_under_its_own_labels(letters):
    rows = [("=1+1", "some words to learn"), ("-a", "other words to learn")]
    done = letters("enrol", "letters", "--from", "-", stdin=lines(*rows))
    assert done.code == 0
    (letters.folder / "own.csv").write_text(
        "id,text\n'=1+1,some words to learn\n'-a,other words to learn\n"
    )
    done = letters("enrol", "letters", "--from", "own.csv", "--column", "text")
    assert "2 already" in done.out, (done.out, done.err)


def test_a_label_is_never_shown_as_another(shell):
    """A hidden character is an escape in every answer: a blank would spell somebody else."""
    shell("enrol", "g", "-m", "letters", "--text", "hello there", "--as", "ann\u200b lee")
    for arguments in (
        ("query", "g", "--text", "hello there"),
        ("classify", "g", "--text", "hello there"),
        ("list", "g"),
    ):
        assert r"ann\u200b lee" in shell(*arguments).out
