"""siamkit dedupe, with a stranger's modalities."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

QUESTIONS = """\
id,question
1,how do i reset my password
2,how do i reset my pasword
3,where is my invoice
4,How do I reset my password
5,something else entirely: zebra
6,where is my invoise
"""
COSINE = ("-m", "letters", "--threshold", "0.9")


@pytest.fixture
def questions(shell):
    (shell.folder / "q.csv").write_text(QUESTIONS)
    return shell


def dedupe(shell, *arguments, **options):
    return shell("dedupe", "q.csv", "--column", "question", *COSINE, *arguments, **options)


def groups(done) -> list[list[str]]:
    return [[m["id"] for m in g["members"]] for g in json.loads(done.out)["groups"]]


def test_groups_copies_and_near_copies(questions):
    done = dedupe(questions, "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert groups(done) == [["1", "2", "4"], ["3", "6"]]
    assert (facts["items"], facts["copies"], facts["pairs"]) == (6, 1, 2)
    first = facts["groups"][0]["members"]
    assert [m["canonical"] for m in first] == [True, False, False]
    assert [m["line"] for m in first] == [2, 3, 5]
    assert first[2]["score"] == 1.0
    assert facts["mining"]["exact"] is True


def test_groups_come_first_under_their_texts_then_the_basis(questions):
    assert dedupe(questions, "--limit", "1").out.splitlines() == [
        "2 groups of duplicates: 5 of 6 items, 1 exact copy:",
        "",
        "  1  how do i reset my password  (3 items, id 1)",
        "     0.984  how do i reset my pasword  (id 2)",
        "     1.000  How do I reset my password  (id 4)",
        "",
        "… and 1 more; --limit 2 or -o FILE lists all",
        "",
        "Two items count as the same from cosine 0.900 on.",
        "2 pairs among 10 comparisons; how many are false is not known:"
        " the threshold has no such rate.",
    ]


def test_the_columns_of_the_source_stay_in_the_output(shell):
    rows = [
        {"id": "a", "text": "how do I sign in", "score": 3, "day": "2026-03-02"},
        {"id": "b", "text": "how do I sign inn", "score": 4, "day": None},
        {"id": "c", "text": "another: zebra", "score": 5, "day": "x"},
    ]
    (shell.folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("g.jsonl", "g.csv", "g.parquet"):
        assert shell("dedupe", "q.jsonl", *COSINE, "-o", name).code == 0
    lines = [json.loads(line) for line in (shell.folder / "g.jsonl").read_text().splitlines()]
    assert [(r["id"], r["source_score"], r["day"]) for r in lines] == [
        ("a", 3, "2026-03-02"), ("b", 4, None)]  # fmt: skip
    assert pq.read_table(shell.folder / "g.parquet").to_pylist() == lines
    (shell.folder / "own.csv").write_text("Question,topic\nwho are you,NA\nwho are yous,007\n")
    done = shell("dedupe", "own.csv", "--column", "question", *COSINE, "-o", "g.csv")
    assert done.err.endswith("saved g.csv\n")
    head, first, second = (shell.folder / "g.csv").read_text().splitlines()
    assert head == "group,canonical,line,id,text,score,Question,topic"
    assert first.endswith(",who are you,NA")
    assert second.endswith(",who are yous,007")


def test_groups_that_are_close_to_each_other_name_each_other(shell):
    angles = np.radians([8, 0, 25, 33, 90])
    np.save(shell.folder / "v.npy", np.stack([np.cos(angles), np.sin(angles)], 1))
    # cos 17° = 0.956 lies across the two groups; their ends are 33° apart
    facts = json.loads(shell("dedupe", "v.npy", "--threshold", "0.95", "--json").out)
    assert [group["see_also"] for group in facts["groups"]] == [[2], [1]]
    done = shell("dedupe", "v.npy", "--threshold", "0.95", "--report", "r.html")
    assert "see also 2" in done.out
    page = (shell.folder / "r.html").read_text()
    assert '<a href="#g2">2</a> <small>0.956</small>' in page
    facts = json.loads(shell("dedupe", "v.npy", "--threshold", "0.98", "--json").out)
    assert [group["see_also"] for group in facts["groups"]] == [[2], [1]]  # just below


def test_output_in_every_format(questions):
    for name in ("g.csv", "g.jsonl", "g.parquet", "g.db"):
        for _ in range(2):
            assert dedupe(questions, "-o", name, "--pairs", f"pairs-{name}").code == 0
    folder = questions.folder
    with (folder / "g.csv").open(newline="") as file:
        rows = [(int(r["group"]), r["id"], r["canonical"]) for r in csv.DictReader(file)]
    assert rows == [(1, "1", "True"), (1, "2", "False"), (1, "4", "False"),
                    (2, "3", "True"), (2, "6", "False")]  # fmt: skip
    lines = [json.loads(line) for line in (folder / "g.jsonl").read_text().splitlines()]
    assert [(r["group"], r["id"]) for r in lines] == [row[:2] for row in rows]
    table = pq.read_table(folder / "g.parquet").to_pylist()
    assert [(r["group"], r["id"]) for r in table] == [row[:2] for row in rows]
    with sqlite3.connect(folder / "g.db") as db:
        assert db.execute('SELECT "group", id FROM siamkit_groups').fetchall() == [
            row[:2] for row in rows
        ]
    db.close()
    pairs = [json.loads(line) for line in (folder / "pairs-g.jsonl").read_text().splitlines()]
    assert {(p["left_id"], p["right_id"]) for p in pairs} == {("1", "2"), ("3", "6"), ("1", "4")}
    assert all(p["group"] and p["score"] >= 0.9 for p in pairs)


def test_the_cosine_decides_unless_a_reranker_is_named(questions):
    asked = ("dedupe", "q.csv", "--column", "question", "-m", "letters")
    facts = json.loads(questions(*asked, "--json").out)
    assert facts["reranker"] is None
    assert json.loads(questions(*asked, "--rerank", "none", "--json").out) == facts


def test_with_a_reranker_the_threshold_is_on_its_probability(questions):
    asked = ("dedupe", "q.csv", "--column", "question", "-m", "letters", "--rerank", "words")
    done = questions(*asked, "--json")
    facts = json.loads(done.out)
    assert facts["reranker"] == "words"
    assert facts["threshold"]["value"] == 0.5
    assert groups(done) == [["1", "2", "4"], ["3", "6"]]
    stricter = questions(*asked, "--threshold", "0.7", "--json")
    assert groups(stricter) == [["1", "2", "4"]]


def test_a_reranker_that_does_not_fit_the_encoder_is_refused(questions):
    questions.environment["TOYKIT_SALT"] = "other"
    named = questions("dedupe", "q.csv", "-m", "letters", "--column", "question",
                      "--rerank", "words")  # fmt: skip
    assert named.code == 1
    assert "does not fit" in named.err


def test_bad_rows_are_told_by_line_and_the_others_compared(questions):
    with (questions.folder / "q.csv").open("ab") as file:
        file.write(b"7,\n8,a,b\n1,again\n9,caf\xe9\n10,a NaN\n")
    done = dedupe(questions, "--json")
    assert done.code == 1
    assert groups(done) == [["1", "2", "4"], ["3", "6"]]
    errors = {e["line"]: e["error"] for e in json.loads(done.out)["errors"]}
    assert set(errors) == {8, 9, 10, 11, 12}
    assert "Error: line 8: its text is empty" in done.err
    assert "its id '1' is that of line 2 as well" in errors[10]
    assert "NaN or Inf" in errors[12]


def test_many_bad_rows_do_not_fill_the_screen(questions):
    with (questions.folder / "q.csv").open("a") as file:
        file.writelines(f"{n},\n" for n in range(100, 150))
    done = dedupe(questions)
    assert len(done.err.splitlines()) == 21
    assert "… and 30 more" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.csv", "-m", "letters"], "absent.csv is not a file"),
        (["q.csv", "-m", "letters"], None),  # the only column that is not an id
        (["q.csv", "-m", "letters", "--column", "title"], "q.csv has no column 'title'"),
        (["q.csv", "-m", "letters", "--max-memory", "1M"], "mining 5 x 64 takes"),
        (["q.csv", "-m", "letters", "--max-memory", "many"], "is not a size"),
        (["q.csv", "-m", "letters", "--max-memory", "0.0001"], "is not a size"),
        (["q.csv", "-m", "letters", "-o", "out.xlsx"], "save it as .csv: Excel opens it"),
        (["q.csv", "-m", "letters", "-o", "absent/out.csv"], "does not exist"),
        (["q.csv", "-m", "letters", "--report", "out.pdf"], "ends in .html"),
        (["q.csv", "-m", "letters", "-o", "q.csv"], "is the source itself"),
        (["q.csv", "-m", "letters", "-o", "x.csv", "--pairs", "x.csv"], "the same file"),
        (["q.csv", "-m", "letters", "--threshold", "7"], "not in the range"),
        (["q.csv", "-m", "letters", "--rerank", "nobody"], "no reranker 'nobody'"),
        (["q.csv", "-m", "tiles"], "cannot be read"),
        (["v.npy"], "--threshold 0.9"),
        (["v.npy", "--threshold", "0.9", "-m", "letters"], "A matrix can be combined only"),
        (["v.npy", "--threshold", "0.9", "-o", "v.jsonl"], "is part of the source"),
        (["q.csv", "-m", "letters", "-o", "./x.csv", "--pairs", "x.csv"], "the same file"),
        (["q.csv", "-m", "letters", "--report", "absent/r.html"], "does not exist"),
        (["q.csv", "-m", "letters", "-o", "bad.db"], "not a valid SQLite database"),
        (["q.csv", "-m", "letters", "--rerank", "words", "--threshold", "-0.5"], "is not a pro"),
        (["q.csv", "--against", "absent"], "absent"),
    ],
)
def test_one_line_for_each_mistake(questions, arguments, message):
    np.save(questions.folder / "v.npy", np.eye(3, dtype=np.float32))
    (questions.folder / "bad.db").write_text("no database at all, and long enough to tell" * 20)
    done = questions("dedupe", *arguments)
    if message is None:
        assert done.code == 0, done.err
    else:
        assert done.code in (1, 2)
        assert message in done.err
    assert not (questions.folder / ".siamkit").exists()


def test_against_a_gallery(questions):
    assert questions("enrol", "faq", "-m", "letters", "--from", "q.csv",
                     "--column", "question").code == 0  # fmt: skip
    (questions.folder / "new.csv").write_text(
        "question\nhow do i reset my passwort\nwhat time is it there\n\nwhere is my invoice\nx,y\n"
    )
    new = ("dedupe", "new.csv", "--column", "question", "--against", "faq")
    done = questions(*new, "--threshold", "0.9", "--json", "-o", "c.jsonl")
    assert done.code == 1  # one row is bad
    checked = json.loads(done.out)["checked"]
    assert [(c["line"], c["duplicate"], c["identity"]) for c in checked if c["duplicate"]] == [
        (2, True, "1"), (5, True, "3")]  # fmt: skip
    assert checked[1]["duplicate"] is False
    written = (questions.folder / "c.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in written] == checked
    judged = json.loads(questions(*new, "--rerank", "words", "--json").out)["checked"]
    assert judged[0]["probability"] == pytest.approx(5 / 7)
    shown = questions(*new, "--rerank", "words").out
    assert "2 of 3 are in gallery faq already" in shown


def test_vectors_from_elsewhere(shell):
    rows = np.eye(6, 8, dtype=np.float32)
    rows[3] = rows[1]
    rows[4] = rows[0] + 0.1 * rows[5]
    rows[5] = np.nan
    np.save(shell.folder / "v.npy", rows)
    done = shell("dedupe", "v.npy", "--threshold", "0.9", "--json")
    assert done.code == 1
    assert groups(done) == [["0", "4"], ["1", "3"]]
    assert json.loads(done.out)["errors"] == [{"line": 6, "id": "5", "error": "zero, NaN or Inf"}]
    names = [{"row": n, "source": f"{n}.txt"} for n in range(6)]
    (shell.folder / "v.jsonl").write_text("\n".join(map(json.dumps, names)))
    found = json.loads(shell("dedupe", "v.npy", "--threshold", "0.9", "--json").out)
    assert found["groups"][0]["members"][0]["text"] == "0.txt"
    for name, content in {
        "flat.npy": np.zeros(3), "whole.npy": np.zeros((3, 3), int), "o.npy": np.array([[{}]]),
    }.items():  # fmt: skip
        np.save(shell.folder / name, content, allow_pickle=True)
        refused = shell("dedupe", name, "--threshold", "0.9")
        assert refused.code == 2
        assert name in refused.err


def test_a_folder_of_files(tiles):
    (tiles.folder / "p").mkdir()
    for old, new in {"red": "a", "blue": "b", "empty": "c"}.items():
        (tiles.folder / f"{old}.png").rename(tiles.folder / "p" / f"{new}.png")
    (tiles.folder / "p" / "copy.png").write_bytes((tiles.folder / "p" / "a.png").read_bytes())
    (tiles.folder / "p" / "broken.png").write_text("no picture")
    done = tiles("dedupe", "p", "-m", "tiles", "--threshold", "0.99", "--json")
    assert done.code == 1
    (group,) = json.loads(done.out)["groups"]
    assert [m["text"] for m in group["members"]] == ["p/a.png", "p/copy.png"]
    tiles("dedupe", "p", "-m", "tiles", "--threshold", "0.99", "--report", "r.html")
    page = (tiles.folder / "r.html").read_text()
    assert page.count("<img") == 2
    assert "data-kind=copies" in page
    assert len(json.loads(done.out)["errors"]) == 2


def test_each_copy_that_cannot_be_used_is_named(tiles):
    folder = tiles.folder / "p"
    folder.mkdir()
    for name in ("a.png", "z.png"):
        (folder / name).write_text("no picture")
    lines = tiles("dedupe", "p", "-m", "tiles").err.splitlines()
    assert [line[:15] for line in lines] == ["Error: p/a.png:", "Error: p/z.png:"]
    assert not any("line " in line for line in lines)


def test_pictures_without_a_modality_are_not_read_as_texts(tiles):
    (tiles.folder / "p").mkdir()
    (tiles.folder / "red.png").rename(tiles.folder / "p" / "red.png")
    for source in ("p", "blue.png"):
        done = tiles("dedupe", source)
        assert done.code == 2
        assert "-m tiles" in done.err


def test_what_is_missing_is_said(tiles):
    (tiles.folder / "none").mkdir()
    done = tiles("dedupe", "none", "-m", "tiles")
    assert (done.code, done.err) == (2, "Error: there is no file in none\n")
    done = tiles("dedupe", "-", *COSINE, stdin="one text\n")
    assert (done.code, done.out) == (0, "nothing to compare: 1 item\n")


def test_every_region_of_a_picture_takes_part(tiles):
    (tiles.folder / "p").mkdir()
    for name in ("red", "blue", "both"):
        (tiles.folder / f"{name}.png").rename(tiles.folder / "p" / f"{name}.png")
    (tiles.folder / "p" / "copy.png").write_bytes((tiles.folder / "p" / "both.png").read_bytes())
    command = ("dedupe", "p", "-m", "tiles", "--threshold", "0.9999")
    done = tiles(*command, "-o", "g.csv", "--pairs", "p.csv", "--json")
    facts = json.loads(done.out)
    assert (facts["items"], facts["copies"], facts["comparisons"]) == (6, 2, 6)
    members = [[(m["text"], m["region"]) for m in g["members"]] for g in facts["groups"]]
    red, blue = "10,10,40,50", "60,10,100,50"
    assert sorted(map(sorted, members)) == [
        [("p/blue.png", "10,10,50,50"), ("p/both.png", blue), ("p/copy.png", blue)],
        [("p/both.png", red), ("p/copy.png", red), ("p/red.png", "10,10,50,50")],
    ]
    assert "6 items in 4 files" in tiles(*command).out
    with (tiles.folder / "g.csv").open() as file:
        assert {row["region"] for row in csv.DictReader(file)} == {red, blue, "10,10,50,50"}
    with (tiles.folder / "p.csv").open() as file:
        assert all(row["left_region"] and row["right_region"] for row in csv.DictReader(file))


def test_every_region_of_a_new_picture_is_looked_up(tiles):
    assert tiles("enrol", "shapes", "-m", "tiles", "blue.png", "--as", "blue").code == 0
    (tiles.folder / "p").mkdir()
    (tiles.folder / "both.png").rename(tiles.folder / "p" / "both.png")
    command = ("dedupe", "p", "-m", "tiles", "--against", "shapes", "--threshold", "0.999")
    checked = json.loads(tiles("dedupe", "p", *command[4:], "--json").out)["checked"]
    assert {row["region"]: row["duplicate"] for row in checked} == {
        "10,10,40,50": False,
        "60,10,100,50": True,
    }


def test_a_killed_run_of_pictures_goes_on_where_it_stopped(tiles):
    cache = tiles.folder / "cache"
    tiles.environment["SIAMKIT_CACHE"] = str(cache)
    (tiles.folder / "p").mkdir()
    for name in ("red", "blue", "both"):
        (tiles.folder / f"{name}.png").rename(tiles.folder / "p" / f"{name}.png")
    command = ("dedupe", "p", "-m", "tiles", "--threshold", "0.9999", "--json")
    wanted = json.loads(tiles(*command).out)
    tiles(*command, "--max-memory", "1M")  # fails, and leaves what has been embedded
    (kept,) = cache.rglob("regions.jsonl")
    lines = kept.read_text().strip().splitlines()
    assert len(lines) == 3
    kept.write_text("\n".join(lines)[:-40])  # the last is cut in half
    assert json.loads(tiles(*command).out) == wanted
    assert not list((cache / "unfinished").iterdir())


def test_the_expected_number_of_false_pairs_is_stated(questions):
    assert "how many are false is not known" in dedupe(questions).out
    facts = json.loads(dedupe(questions, "--json").out)
    assert (facts["comparisons"], facts["expected_false"]) == (10, None)
    judged = ("dedupe", "q.csv", "-m", "letters", "--rerank", "words")
    probabilities = json.loads(questions(*judged, "--json", "--pairs", "p.jsonl").out)
    pairs = map(json.loads, (questions.folder / "p.jsonl").read_text().splitlines())
    doubt = sum(1 - pair["probability"] for pair in pairs)
    assert probabilities["expected_false"] == pytest.approx(doubt, abs=1e-5)
    assert "by the reranker's probabilities" in questions(*judged).out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--expected-false", "1", "--threshold", "0.9"], "give only one of"),
        (["--expected-false", "1", "--fmr", "0.1"], "give only one of"),
        (["--expected-false", "1"], "is not calibrated"),
        (["--fmr", "0.1"], "is not calibrated"),
        (["--expected-false", "0"], "is not in the range"),
        (["--expected-false", "1", "--rerank", "words"], "cannot be combined with a reranker"),
    ],
)
def test_a_number_of_false_pairs_needs_a_calibration(questions, arguments, message):
    done = questions("dedupe", "q.csv", "-m", "letters", *arguments)
    assert done.code in (1, 2)
    assert message in done.err


def test_a_killed_run_goes_on_where_it_stopped(shell):
    cache = shell.folder / "cache"
    shell.environment |= {"SIAMKIT_CACHE": str(cache), "TOYKIT_SLEEP": "0.01"}
    texts = "".join(f"text number {n} of many, {n * n}\n" for n in range(300))
    (shell.folder / "q.txt").write_text(texts)
    process = shell.start("dedupe", "q.txt", *COSINE)
    wait_for_vectors(cache, 64, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    shell.environment["TOYKIT_SLEEP"] = "0"
    before = embedded(cache)
    assert 0 < before < 300
    done = shell("dedupe", "q.txt", *COSINE, "--json")
    assert done.code == 0, done.err
    assert list((cache / "unfinished").iterdir()) == []
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "another")
    assert json.loads(shell("dedupe", "q.txt", *COSINE, "--json").out) == json.loads(done.out)


def test_a_resumed_run_embeds_only_what_is_missing(shell):
    cache = shell.folder / "cache"
    shell.environment |= {"SIAMKIT_CACHE": str(cache), "TOYKIT_SLEEP": "0.005"}
    # What comes last, being longest, breaks the first run and is not embedded yet.
    texts = [f"text {n} {n * n}" for n in range(100)]
    (shell.folder / "q.txt").write_text("\n".join(texts))
    process = shell.start("dedupe", "q.txt", *COSINE)
    wait_for_vectors(cache, 32, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (found,) = cache.rglob("vectors.npy")
    marked = np.load(found, mmap_mode="r+")
    whole = np.flatnonzero(np.abs(np.linalg.norm(marked, axis=1) - 1) < 1e-3)
    marked[whole] = np.eye(1, 64, dtype=np.float32)  # kept rows are now all the same
    marked.flush()
    done = shell("dedupe", "q.txt", *COSINE, "--json")
    largest = json.loads(done.out)["groups"][0]["members"]
    assert len(largest) == len(whole)


def wait_for_vectors(cache, count, process):
    for _ in range(6000):
        if embedded(cache) >= count:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("nothing was embedded")


def embedded(cache) -> int:
    for path in cache.rglob("vectors.npy"):
        try:
            return int((np.linalg.norm(np.load(path, mmap_mode="r"), axis=1) > 0.9).sum())
        except (ValueError, OSError):
            return 0
    return 0


def test_the_report_shows_the_scores_and_escapes_the_texts(questions):
    with (questions.folder / "q.csv").open("a") as file:
        file.write("7,<script>alert(1)</script>\n8,<script>alert(1)</script>\n")
    assert dedupe(questions, "--report", "r.html").code == 0
    page = (questions.folder / "r.html").read_text()
    assert 0 < page.index("<article") < page.index("<svg")  # groups first
    assert "<h2>how do i reset my password</h2>" in page
    assert "threshold 0.900" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert (
        questions(
            "dedupe", "q.csv", "-m", "letters", "--rerank", "words", "--report", "r2.html"
        ).code
        == 0
    )
    assert "probability" in (questions.folder / "r2.html").read_text()


def test_standard_input(shell):
    done = shell("dedupe", "-", *COSINE, "--json", stdin="one text\nanother, quite\none text\n")
    assert groups(done) == [["1", "3"]]


def test_long_texts_are_counted_in_one_line(shell):
    (shell.folder / "q.txt").write_text("a" * 2000 + "\n" + "b" * 3000 + "\nshort\n")
    done = shell("dedupe", "q.txt", *COSINE)
    assert done.err.count("texts are long") == 1
    assert "siamkit: 2 texts are long" in done.err


def test_nothing_to_compare_is_no_error(shell):
    (shell.folder / "q.csv").write_text("id,question\n")
    done = shell("dedupe", "q.csv", *COSINE, "--report", "r.html", "-o", "g.parquet")
    assert done.code == 0, done.err
    assert done.out == "nothing to compare: the source has no rows\n"
    (shell.folder / "q.csv").write_text("id,question\n1,\n2,\n")
    done = shell("dedupe", "q.csv", *COSINE, "--report", "r.html", "--json")
    assert done.code == 1
    assert json.loads(done.out)["groups"] == []
    assert "not readable<td>2" in (shell.folder / "r.html").read_text()


def test_a_source_table_is_never_replaced(shell):
    with sqlite3.connect(shell.folder / "s.db") as db:
        db.execute("CREATE TABLE siamkit_groups (question, mine)")
        db.execute("INSERT INTO siamkit_groups VALUES ('how?', 1)")
    db.close()
    done = shell("dedupe", "s.db", "--column", "question", *COSINE, "-o", "s.db")
    assert done.code == 2
    assert "that siamkit did not write" in done.err


def test_another_detector_does_not_take_up_the_vectors(tiles):
    cache = tiles.folder / "cache"
    tiles.environment["SIAMKIT_CACHE"] = str(cache)
    (tiles.folder / "p").mkdir()
    for name in ("red", "blue"):
        (tiles.folder / f"{name}.png").rename(tiles.folder / "p" / f"{name}.png")
    whole = ("dedupe", "p", "-m", "tiles", "--detector", "none", "--threshold", "0.9", "--json")
    wanted = json.loads(tiles(*whole).out)
    tiles(
        "dedupe", "p", "-m", "tiles", "--threshold", "0.9", "--max-memory", "1M"
    )  # leaves vectors
    assert list(cache.rglob("regions.jsonl"))
    assert json.loads(tiles(*whole).out) == wanted


def test_an_enrolled_file_that_is_gone_is_no_probability_of_zero(shell):
    (shell.folder / "a.txt").write_text("hello there my friend")
    assert shell("enrol", "letters", "a.txt", "--as", "a").code == 0
    (shell.folder / "a.txt").unlink()
    asked = ("query", "letters", "--text", "hello there my friend", "--rerank", "words", "--json")
    done = shell(*asked)
    (match,) = json.loads(done.out)["probes"][0]["regions"][0]["matches"]
    assert match["probability"] is None
    assert "1 enrolled samples whose sources are gone or changed" in done.err


def test_what_drives_a_terminal_is_not_printed(shell):
    done = shell("dedupe", "-", *COSINE, stdin="red \x1b[31m text\nred \x1b[31m text\n")
    assert "red" in done.out
    assert "\x1b" not in done.out
