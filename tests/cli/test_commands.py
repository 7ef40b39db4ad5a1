"""Every command in a process of its own, with a stranger's modalities."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing

import numpy as np
from PIL import Image
from waiting import until

from siamkit.embed import batches
from siamkit.errors import BadInput


def test_query_reports_identity_and_threshold(letters):
    done = letters("query", "letters", "q.txt", "--json")
    assert done.code == 0
    (probe,) = json.loads(done.out)["probes"]
    assert probe["regions"][0]["identity"] == "greet"
    assert (probe["decided_by"], probe["reranker"]) == ("cosine", None)
    assert probe["threshold"] == {
        "value": 0.8,
        "fmr": 0.01,
        "source": "made up for the tests",
        "fpir": None,
    }
    assert "greet" in letters("query", "letters", "q.txt").out


def test_query_exit_codes(letters, tiles):
    (letters.folder / "other.txt").write_text("nothing alike at all, zzz")
    assert letters("query", "letters", "other.txt").code == 3
    assert letters("query", "letters", "other.txt", "q.txt").code == 0
    tiles("enrol", "tiles", "red.png", "--as", "red")
    assert tiles("query", "tiles", "empty.png").code == 4
    assert tiles("query", "tiles", "missing.png").code == 2
    assert tiles("query", "nowhere", "red.png").code == 1


def test_query_gives_one_answer_per_region_and_draws_them(tiles):
    for colour in ("red", "blue"):
        assert tiles("enrol", "tiles", f"{colour}.png", "--as", colour).code == 0
    done = tiles("query", "tiles", "both.png", "--json", "--save-annotated", "out.png")
    regions = json.loads(done.out)["probes"][0]["regions"]
    assert [(r["identity"], r["region"]["where"]) for r in regions] == [
        ("red", [10.0, 10.0, 40.0, 50.0]),
        ("blue", [60.0, 10.0, 100.0, 50.0]),
    ]
    drawn = np.asarray(Image.open(tiles.folder / "out.png").convert("RGB"))
    assert (drawn == (0, 158, 115)).all(axis=2).sum() > 100  # boxes in the colour of the known


def test_labels_in_a_picture_are_numbers_and_words_of_the_table(tiles, monkeypatch):
    from siamkit.reports import answers

    drawn = []
    draw = answers.annotate

    def annotate(image, marks):
        drawn.extend((mark.text, mark.shorter) for mark in marks)
        return draw(image, marks)

    monkeypatch.setattr(answers, "annotate", annotate)
    assert tiles("enrol", "tiles", "blue.png", "--as", "blue").code == 0
    assert tiles("query", "tiles", "both.png", "--save-annotated", "out.png").code == 0
    assert drawn == [("1 not enrolled", ("1",)), ("2 blue", ("2",))]


def test_verify_needs_no_store(letters):
    (letters.folder / "r.txt").write_text("zzzz qqqq")
    done = letters("verify", "-m", "letters", "q.txt", "q.txt", "--json", "--store", "nowhere")
    assert (done.code, json.loads(done.out)["decision"]) == (0, "same")
    assert letters("verify", "-m", "letters", "q.txt", "r.txt").code == 3
    assert letters("verify", "letters", "--as", "greet", "q.txt").code == 0
    assert letters("verify", "letters", "--as", "sum", "q.txt").code == 3
    assert letters("verify", "letters", "q.txt", "r.txt").code == 3
    assert not (letters.folder / "nowhere").exists()


def test_embed_writes_rows_and_lines(letters):
    (letters.folder / "list.jsonl").write_text(
        '{"text": "hello"}\n{"source": "q.txt"}\n{"text": "NaN"}\n{"text": "bye"}\n'
    )
    done = letters("embed", "-m", "letters", "--from", "list.jsonl", "--output", "v.npy")
    assert done.code == 0
    assert "1 of 4" in done.err
    rows = np.load(letters.folder / "v.npy")
    assert (rows.shape, rows.dtype) == ((3, 64), np.float32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    text = [json.loads(line) for line in (letters.folder / "v.jsonl").read_text().splitlines()]
    assert [line.get("row") for line in text] == [0, 1, None, 2]
    assert set(text[0]) == {"source", "row", "region", "quality"}
    assert set(text[2]) == {"source", "error"}


def test_embed_of_nothing_usable_is_an_error(letters):
    (letters.folder / "list.txt").write_text("gone.txt\nalso gone.txt\n")
    done = letters("embed", "-m", "letters", "--from", "list.txt", "--output", "v.npy")
    assert done.code == 1
    assert np.load(letters.folder / "v.npy").shape == (0, 64)


def test_rename_show_list_forget(letters):
    assert letters("rename", "greet", "Grüße/😀").code == 0
    assert [h["identity"] for h in json.loads(letters("list", "--json").out)] == ["Grüße/😀", "sum"]
    sample = json.loads(letters("show", "Grüße/😀", "--json").out)["samples"][0]
    assert sample["source"] == "hello there my friend"
    assert letters("forget", "--sample", str(sample["id"])).code == 0
    assert letters("show", "Grüße/😀").code == 1
    assert letters("query", "letters", "q.txt").out.startswith("not enrolled\nnearest: sum, score")
    assert letters("forget", "nobody").code == 1


def test_a_deleted_index_is_rebuilt(letters):
    letters("query", "letters", "q.txt")
    assert letters("index", "rebuild").out.strip() == "letters: 2 templates, Flat"
    for path in (letters.folder / ".siamkit" / "index" / "faiss").iterdir():
        path.unlink()
    assert letters("query", "letters", "q.txt").code == 0
    (facts,) = json.loads(letters("index", "stats", "--json").out)
    assert (facts["templates"], facts["structure"], facts["exact"]) == (2, "Flat", True)


def test_a_corrupt_index_is_rebuilt_with_one_line_of_notice(letters):
    letters("query", "letters", "q.txt")
    (file,) = (letters.folder / ".siamkit" / "index" / "faiss").glob("*.faiss")
    file.write_bytes(file.read_bytes()[:50])
    done = letters("query", "letters", "q.txt")
    assert done.code == 0
    assert "greet" in done.out
    (line,) = done.err.strip().splitlines()
    assert "index of gallery letters rebuilt from 2 templates" in line
    assert file.name in line
    assert letters("query", "letters", "q.txt").err == ""


def test_a_broken_plugin_is_reported_and_affects_no_other(letters):
    assert "broken" in letters("plugins", "list").out
    done = letters("doctor")
    assert done.code == 1
    assert "this package is broken on purpose" in done.out
    done = letters("enrol", "broken", "q.txt", "--as", "x")
    assert done.code == 1
    assert "toykit 0.1" in done.err


def test_store_may_be_named_before_or_after_the_command_or_in_the_environment(letters):
    letters.environment["SIAMKIT_STORE"] = "third"
    assert letters("--store", "first", "init").code == 0
    assert letters("init", "--store", "second").code == 0
    assert letters("init").code == 0
    assert letters("--store", "first", "galleries", "list", "--json").out.strip() == "[]"
    for name in ("first", "second", "third"):
        assert (letters.folder / name / "store.db").exists()


def test_galleries_are_created_listed_and_deleted(letters):
    assert letters("galleries", "create", "faq", "-m", "letters").code == 0
    assert "already" in letters("galleries", "create", "faq", "-m", "letters").err
    assert letters("galleries", "create", "a/b", "-m", "letters").code == 2
    assert [g["name"] for g in json.loads(letters("galleries", "--json").out)] == ["faq", "letters"]
    refused = letters("galleries", "delete", "letters")
    assert (refused.code, "add `--yes`" in refused.err) == (2, True)
    assert len(json.loads(letters("galleries", "--json").out)) == 2
    assert letters("galleries", "delete", "letters", "--yes").code == 0
    assert json.loads(letters("list", "--json").out) == []
    assert "did you mean 'faq'" in letters("query", "fag", "q.txt").err


def test_group_commands_take_the_store_before_them(letters):
    letters("enrol", "letters", "q.txt", "--as", "x", "--store", "other")
    (facts,) = json.loads(letters("--store", "other", "index", "stats", "--json").out)
    assert facts["templates"] == 1


def test_verify_and_failed_queries_leave_no_store_behind(letters):
    assert letters("verify", "letters", "q.txt", "q.txt", "--store", "none").code == 0
    assert letters("verify", "lettres", "q.txt", "q.txt", "--store", "none").code == 1
    assert letters("query", "letters", "q.txt", "--store", "none").code == 1
    assert letters("import", "nowhere", "--store", "none").code == 2
    assert not (letters.folder / "none").exists()


def test_more_matches_than_there_are_identities(letters):
    done = letters("query", "letters", "q.txt", "-k", "1000000000", "--json")
    assert len(json.loads(done.out)["probes"][0]["regions"][0]["matches"]) == 2


def test_json_stays_json_where_the_terminal_is_not_utf8(letters):
    letters("rename", "greet", "Zo\u00eb\U0001f600")
    letters.environment["PYTHONIOENCODING"] = "latin-1"
    listed = json.loads(letters("list", "--json").out)
    assert listed[0]["identity"] == "Zo\u00eb\U0001f600"


def test_an_annotated_picture_never_replaces_the_probe(tiles):
    tiles("enrol", "tiles", "red.png", "--as", "red")
    before = (tiles.folder / "red.png").read_bytes()
    assert tiles("query", "tiles", "red.png", "--save-annotated", "red.png").code == 2
    assert tiles("query", "tiles", "red.png", "--save-annotated", "red.xyz").code == 2
    assert (tiles.folder / "red.png").read_bytes() == before


def test_an_annotated_picture_is_refused_before_the_query(letters, tiles, monkeypatch):
    tiles("enrol", "tiles", "red.png", "--as", "red")
    monkeypatch.setattr("siamkit.workspace.Workspace.query", None)
    for gallery, file, annotated in (
        ("tiles", "red.png", "no/out.png"),
        ("letters", "q.txt", "out.png"),
    ):
        done = tiles("query", gallery, file, "--save-annotated", annotated)
        assert done.code == 2
        assert "--save-annotated" in done.err


def test_an_answer_is_printed_even_if_it_cannot_be_drawn(tiles, monkeypatch):
    def fail(*_):
        raise BadInput("the disk is full")

    tiles("enrol", "tiles", "red.png", "--as", "red")
    monkeypatch.setattr("siamkit.reports.answers.draw_answers", fail)
    done = tiles("query", "tiles", "red.png", "--save-annotated", "out.png")
    assert done.code == 2
    assert done.out.startswith("red\nscore 1.000, same from 0.999: at most 1 in 100 pairs")


def test_a_wrong_option_is_one_error_for_all_files(letters):
    for files in (["q.txt"], ["q.txt", "q.txt", "q.txt"]):
        done = letters("query", "letters", *files, "--rerank", "none-such", "--json")
        assert done.code in (1, 2)
        assert done.err.count("Error: ") == 1
        assert done.out == ""


def test_each_file_has_its_error_and_hint(tiles):
    tiles("enrol", "tiles", "red.png", "--as", "red")
    done = tiles("query", "tiles", "empty.png", "red.png", "missing.png", "--json")
    assert done.code == 0
    empty, red, missing = json.loads(done.out)["probes"]
    assert "empty.png: nothing was found" in empty["error"]
    assert f"Hint: {empty['hint']}" in done.err
    assert red["regions"][0]["identity"] == "red"
    assert missing["hint"] == ""


def test_an_interrupted_embed_keeps_an_older_result(letters):
    many = "".join(json.dumps({"text": f"text {n}"}) + "\n" for n in range(3000))
    (letters.folder / "many.jsonl").write_text(many)
    (letters.folder / "v.npy").write_bytes(b"older")
    batches = letters.folder / "batches"
    letters.environment |= {"TOYKIT_SLEEP": "0.005", "TOYKIT_TELLS": str(batches)}
    process = letters.start("embed", "-m", "letters", "--from", "many.jsonl", "-o", "v.npy")
    assert until(lambda: batches.exists() and batches.read_text() >= "xxxx")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"rows so far, in v.partial.npy" in err
    assert (letters.folder / "v.npy").read_bytes() == b"older"
    rows = np.load(letters.folder / "v.partial.npy")
    assert len(rows) == len((letters.folder / "v.partial.jsonl").read_text().splitlines())


def test_an_embed_whose_output_has_become_a_directory_loses_no_row(letters, monkeypatch):
    (letters.folder / "list.jsonl").write_text('{"text": "hello"}\n{"text": "bye"}\n')
    embed_all = batches.embed_all

    def embed_and_block_the_output(*arguments):
        yield from embed_all(*arguments)
        (letters.folder / "v.npy").mkdir()

    monkeypatch.setattr(batches, "embed_all", embed_and_block_the_output)
    done = letters("embed", "-m", "letters", "--from", "list.jsonl", "-o", "v.npy")
    assert done.code == 1
    assert "not finished: 2 rows so far, in v.partial.npy" in done.err
    assert "Is a directory" in done.err
    assert len(np.load(letters.folder / "v.partial.npy")) == 2


def test_verify_says_which_of_several_regions_it_compared(tiles):
    done = tiles("verify", "-m", "tiles", "blue.png", "both.png")
    assert done.code == 0, done.err
    verdict, detail, regions = done.out.splitlines()
    assert verdict == "same picture"
    assert detail.startswith(
        "score 1.000, same from 0.999: at most 1 in 50 pairs"
    )  # two were tried
    assert regions == (
        "region 1 of 1 in blue.png (10,10,50,50) with region 2 of 2 in both.png (60,10,100,50)"
    )
    assert tiles("verify", "-m", "tiles", "both.png", "blue.png").code == 0
    right = ("--box", "62,12,100,48")
    assert tiles("verify", "-m", "tiles", "red.png", "both.png", *right).code == 3
    assert tiles("verify", "-m", "tiles", "both.png", "red.png", "--box-a", right[1]).code == 3
    done = tiles("verify", "-m", "tiles", "red.png", "both.png", "--box", "12,10,40,48", "--json")
    assert done.code == 0, done.err
    right = json.loads(done.out)["right"]
    assert (right["seen"], right["region"]["where"]) == (2, [10, 10, 40, 50])
    assert tiles("enrol", "tiles", "red.png", "--as", "red", "-m", "tiles").code == 0
    done = tiles("verify", "tiles", "--as", "red", "both.png", "--json")
    assert (done.code, json.loads(done.out)["right"]["number"]) == (0, 1)
    assert tiles("verify", "tiles", "--as", "red", "both.png", "--box", "62,12,100,48").code == 3
    refused = tiles("verify", "-m", "tiles", "red.png", "both.png", "--box", "500,500,600,600")
    assert refused.code == 2
    assert "box 500,500,600,600" in refused.err


def test_doctor_names_a_gallery_whose_plugin_is_gone(letters):
    assert letters("enrol", "letters", "--text", "hello", "--as", "x", "-m", "letters").code == 0
    letters.environment["PYTHONPATH"] = ""
    done = letters.process("doctor", "--json")
    assert done.code == 1
    (fault,) = [finding for finding in json.loads(done.out) if not finding["ok"]]
    assert fault["check"] == "encoder of letters"
    assert "no plugin 'letters'" in fault["found"]
    assert fault["hint"] == "reinstall the package of letters"


def test_doctor_names_a_gallery_of_another_version_of_the_encoder(letters):
    assert letters("enrol", "letters", "--text", "hello", "--as", "x", "-m", "letters").code == 0
    with closing(sqlite3.connect(letters.folder / ".siamkit/store.db")) as db, db:
        db.execute("UPDATE spaces SET fingerprint = 'letters/1:before'")
    done = letters("doctor", "--json")
    assert done.code == 1
    (fault,) = [found for found in json.loads(done.out) if found["check"] == "encoder of letters"]
    assert "holds templates of letters/1:before" in fault["found"]
    assert fault["hint"] == "`siamkit reembed letters` recomputes its templates"


def test_a_folder_with_nothing_to_enrol_is_an_error(letters):
    (letters.folder / "empty").mkdir()
    done = letters("enrol", "letters", "--from", "empty")
    assert (done.code, done.err) == (2, "Error: there is no file in empty\n")
