"""`query`, `classify` and `verify` of many files: folders, patterns, lists, tables and pages."""

from __future__ import annotations

import csv
import errno
import json
import signal

import pytest
from waiting import until

from siamkit.cli.streamed_table import StreamedTable


@pytest.fixture
def photos(tiles):
    """Return a gallery of red and blue, and a folder of pictures, of which one is not a picture."""
    for name in ("red", "blue"):
        assert tiles("enrol", "tiles", f"{name}.png", "--as", name, "-m", "tiles").code == 0
    folder = tiles.folder / "photos"
    (folder / "deep").mkdir(parents=True)
    for name, place in (("both", ""), ("red", ""), ("empty", ""), ("blue", "deep")):
        (folder / place / f"{name}.png").write_bytes((tiles.folder / f"{name}.png").read_bytes())
    (folder / "broken.png").write_bytes(b"no picture")
    return tiles


def rows(shell, name):
    with (shell.folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_fills_one_table_and_bad_files_are_reported(photos):
    done = photos("query", "tiles", "photos")
    assert done.code == 0
    head, *table, summary = done.out.splitlines()
    assert head.split() == ["file", "#", "answer", "probability", "score"]
    assert [line.split()[:3] for line in table] == [
        ["photos/both.png", "1", "red"],
        ["photos/both.png", "2", "blue"],
        ["photos/deep/blue.png", "1", "blue"],
        ["photos/red.png", "1", "red"],
    ]
    assert summary == "5 files: 4 identified, 2 failed"
    assert done.err.count("Error: ") == 2


@pytest.mark.parametrize(
    ("pattern", "count"), [("photos/*.png", 4), ("photos/**/*.png", 5), ("photos/none*", 1)]
)
def test_a_pattern_in_quotes_is_expanded(photos, pattern, count):
    done = photos("query", "tiles", pattern, "--json")
    assert len(json.loads(done.out)["probes"]) == count


def test_answers_are_written_as_a_table_and_a_page(photos):
    done = photos(
        "query", "tiles", "photos", "-o", "who.csv", "--report", "who.html",
        "--save-annotated", "seen",
    )  # fmt: skip
    assert done.code == 0
    written = rows(photos, "who.csv")
    assert [row["identity"] for row in written if not row["error"]] == [
        "red",
        "blue",
        "blue",
        "red",
    ]
    assert sum(bool(row["error"]) for row in written) == 2
    assert (written[0]["decision"], written[0]["region"], written[0]["left"]) == (
        "same",
        "1",
        "10.0",
    )
    page = (photos.folder / "who.html").read_text()
    assert page.count("<article class=card") == 5
    assert "same from" in page
    assert "<script>" in page
    drawn = sorted(path.name for path in (photos.folder / "seen").rglob("*.jpg"))
    assert drawn == ["blue.jpg", "both.jpg", "red.jpg"]


def test_a_list_names_files_and_texts(photos, letters):
    (photos.folder / "list.txt").write_text("photos/red.png\nphotos/both.png\n")
    done = photos("query", "tiles", "--from", "list.txt", "--json")
    assert len(json.loads(done.out)["probes"]) == 2
    (letters.folder / "new.csv").write_text("question\nhello there my friend\none and one\n")
    done = letters("query", "letters", "--from", "new.csv", "--column", "question")
    assert done.out.splitlines()[1].split("  ")[:1] == ["hello there my friend"]


def test_classify_and_verify_take_folders_too(photos):
    done = photos("classify", "tiles", "photos", "-o", "classes.jsonl")
    assert done.code == 0
    assert "5 files: 4 identified, 2 failed" in done.out
    assert (photos.folder / "classes.jsonl").read_text().count("\n") == 6
    done = photos("verify", "tiles", "--as", "red", "photos", "--report", "red.html")
    assert done.code == 0
    assert "5 pairs: 2 of the same picture, 1 of different pictures, 2 failed" in done.out
    assert (photos.folder / "red.html").read_text().count("<article") == 5
    done = photos("verify", "-m", "tiles", "red.png", "blue.png", "photos/red.png")
    assert [line.split()[2] for line in done.out.splitlines()[1:3]] == ["different", "same"]


def test_a_table_of_pairs_is_verified_and_compared_with_its_labels(photos):
    (photos.folder / "pairs.csv").write_text(
        "a,b,label\nred.png,both.png,1\nred.png,blue.png,1\nred.png,blue.png,0\nred.png,no.png,1\n"
    )
    done = photos("verify", "-m", "tiles", "--from", "pairs.csv", "-o", "out.csv")
    assert done.code == 0
    assert "4 pairs: 1 of the same picture, 2 of different pictures, 1 failed" in done.out
    assert "labelled of the same picture: 2, 1 wrong" in done.out
    assert [row["correct"] for row in rows(photos, "out.csv")] == ["True", "False", "True", ""]
    facts = json.loads(photos("verify", "-m", "tiles", "--from", "pairs.csv", "--json").out)
    assert [pair.get("correct") for pair in facts["pairs"]] == [True, False, True, None]
    (photos.folder / "bad.csv").write_text("left,right\n1,2\n")
    refused = photos("verify", "-m", "tiles", "--from", "bad.csv")
    assert refused.code == 2
    assert "must name a and b" in refused.err


@pytest.mark.timeout(60)
def test_an_interrupted_query_keeps_what_is_done(letters):
    (letters.folder / "many.txt").write_text("".join(f"text {n}\n" for n in range(5000)))
    batches = letters.folder / "batches"
    letters.environment |= {"TOYKIT_SLEEP": "0.01", "TOYKIT_TELLS": str(batches)}
    process = letters.start("query", "letters", "--from", "many.txt", "-o", "out.csv")
    assert until(lambda: batches.exists() and batches.read_text() >= "xxxx")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=50)
    assert process.returncode == 130
    assert 1 <= len(rows(letters, "out.csv")) < 5000


def test_files_about_a_gallery_that_is_not_there_create_no_store(letters):
    asked = ("letters", "q.txt", "--store", "none", "-o", "x.csv")
    assert letters("query", *asked).code == 1
    assert letters("classify", *asked).code == 1
    for name in ("r.txt", "s.txt"):
        (letters.folder / name).write_text("hello there my freind!")
    done = letters("verify", "letters", "q.txt", "r.txt", "s.txt", *asked[2:])
    assert done.code == 0, done.err
    assert not (letters.folder / "none").exists()


@pytest.mark.parametrize(
    "command", [["query", "tiles"], ["find", "tiles"], ["detect", "-d", "inks"]]
)
def test_annotated_pictures_never_replace_the_sources(photos, command):
    files = [photos.folder / f"{name}.jpg" for name in ("red", "both")]
    for file in files:
        file.with_suffix(".png").rename(file)
    before = [file.read_bytes() for file in files]
    done = photos(*command, "red.jpg", "both.jpg", "--save-annotated", ".")
    assert done.code == 2
    assert "red.jpg" in done.err
    assert [file.read_bytes() for file in files] == before
    done = photos(*command, "photos", "--save-annotated", ".")
    assert done.code == 2
    assert "photos would be overwritten" in done.err


def test_a_list_is_not_replaced_by_its_answers(letters):
    lists = {"q.csv": "question\nhello there\n", "p.csv": "a,b\nhello,hello there\n"}
    for name, text in lists.items():
        (letters.folder / name).write_text(text)
    for arguments in (
        ["query", "letters", "--from", "q.csv", "--column", "question", "-o", "q.csv"],
        ["query", "letters", "q.txt", "--from", "q.csv", "--column", "question", "-o", "./q.csv"],
        ["verify", "-m", "letters", "--from", "p.csv", "-o", "p.csv"],
        ["verify", "letters", "--from", "p.csv", "-o", "p.csv"],
    ):
        done = letters(*arguments)
        assert done.code == 2
        assert "is the source itself" in done.err
    assert {name: (letters.folder / name).read_text() for name in lists} == lists


@pytest.mark.parametrize("option", ["--save-annotated", "--report"])
def test_a_file_that_is_gone_by_now_is_the_error_of_that_probe(photos, monkeypatch, option):
    add = StreamedTable.add

    def lose_blue(table, cells):
        (photos.folder / "blue.png").unlink(missing_ok=True)
        add(table, cells)

    monkeypatch.setattr(StreamedTable, "add", lose_blue)
    path = "page.html" if option == "--report" else "drawn"
    done = photos("query", "tiles", "red.png", "blue.png", "-o", "who.csv", option, path)
    assert done.code == 0
    assert "2 files: 1 identified, 1 failed" in done.out
    assert [bool(row["error"]) for row in rows(photos, "who.csv")] == [False, True]


def test_a_failure_keeps_what_is_done_and_one_at_the_start_the_older_file(photos, monkeypatch):
    def fail(picture, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("siamkit.reports.answers.save_picture", fail)
    files = ("red.png", "blue.png")
    done = photos("query", "tiles", *files, "-o", "who.csv", "--save-annotated", "drawn")
    assert done.code == 1
    assert "No space left" in done.err
    assert [row["identity"] for row in rows(photos, "who.csv")] == ["red"]

    def interrupt(table, cells):
        raise KeyboardInterrupt

    monkeypatch.setattr(StreamedTable, "add", interrupt)
    before = (photos.folder / "who.csv").read_bytes()
    for command in (("query", "tiles"), ("verify", "tiles", "--as", "red")):
        assert photos(*command, *files, "-o", "who.csv").code == 130
        assert (photos.folder / "who.csv").read_bytes() == before


def test_long_texts_are_listed_and_called_texts(letters):
    (letters.folder / "long.csv").write_text(f"question\n{'hello there ' * 30}\none and two\n")
    (letters.folder / "long.txt").write_text("hello there " * 400 + "\none and two\n")
    for origin in (("long.csv", "--column", "question"), ("long.txt",)):
        for command in ("query", "classify"):
            done = letters(command, "letters", "--from", *origin, "--report", "page.html")
            assert "2 texts: " in done.out, done.err
    assert "<th>texts" in (letters.folder / "page.html").read_text()


def test_the_first_file_is_not_compared_with_itself(photos):
    (photos.folder / "same.png").symlink_to("photos/red.png")
    (photos.folder / "photos" / "broken.png").unlink()
    done = photos("verify", "-m", "tiles", "same.png", "photos", "--json")
    names = [pair["b"] for pair in json.loads(done.out)["pairs"]]
    assert names == ["photos/both.png", "photos/deep/blue.png", "photos/empty.png"]
    done = photos("verify", "-m", "tiles", "photos/deep/blue.png", "photos/deep")
    assert done.code == 2
    assert "nothing to compare" in done.err


def test_a_batch_of_pairs_notes_poor_quality_once_and_takes_no_boxes(photos):
    done = photos("verify", "-m", "tiles", "small.png", "red.png", "blue.png")
    assert done.err.count("Note: small.png: square is") == 1
    assert done.err.count("the answer may be unreliable") == 1
    done = photos("verify", "tiles", "--as", "red", "photos/deep")
    assert "\n1 pair: " in done.out
    for box in ("--box", "--box-a"):
        done = photos("verify", "-m", "tiles", *3 * ["red.png"], box, "0,0,9,9")
        assert done.code == 2
        assert "one pair" in done.err
