"""Texts out of tables, and rows into them."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from siamkit.errors import BadInput
from siamkit.io import table_write
from siamkit.io.table_read import TextColumns, mark_repeated_ids, open_table, read_texts
from siamkit.io.table_record import BARE
from siamkit.io.table_values import MAX_FIELD_CHARS, as_number

NO_STDIN = io.StringIO()
TEXTS = ["one?", "two,\ntwo?", "drei – ü?"]


def read(path: Path | str, column=None, id=None, table=None, stdin=NO_STDIN):
    return list(read_texts(str(path), stdin, TextColumns(column, id, table)))


def plain(path: Path | str, **columns):
    return [(r.line, r.id, r.text or r.error) for r in read(path, **columns)]


@pytest.fixture
def everywhere(tmp_path):
    """The same three questions in every format."""
    data = {"number": ["q1", "q2", "q3"], "question": TEXTS}
    head, *lines = [("number", "question"), *zip(*data.values(), strict=True)]
    quoted = "\n".join(f'{n},"{q}"' for n, q in lines)
    (tmp_path / "a.csv").write_text(f"{head[0]},{head[1]}\n{quoted}\n", encoding="utf-8")
    (tmp_path / "semicolon.csv").write_text(
        f"{head[0]};{head[1]}\r\n" + quoted.replace(',"', ';"').replace('?"\n', '?"\r\n'),
        "utf-8-sig",
    )
    (tmp_path / "utf16.csv").write_text(f"{head[0]},{head[1]}\n{quoted}\n", encoding="utf-16")
    objects = [dict(zip(head, line, strict=True)) for line in lines]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    pq.write_table(pa.table(data), tmp_path / "a.parquet")
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("CREATE TABLE faq (number TEXT, question TEXT)")
        db.executemany("INSERT INTO faq VALUES (?, ?)", lines)
    db.close()
    return tmp_path


@pytest.mark.parametrize(
    "name", ["a.csv", "semicolon.csv", "utf16.csv", "a.jsonl", "a.parquet", "a.db"]
)
def test_every_format_gives_the_same_texts(everywhere, name):
    rows = read(everywhere / name, column="question", id="number")
    assert [row.id for row in rows] == ["q1", "q2", "q3"]
    assert [row.text for row in rows] == TEXTS


def test_lines_are_those_an_editor_shows(everywhere):
    assert [r.line for r in read(everywhere / "a.csv", column="question")] == [2, 3, 5]


def test_columns_are_guessed_only_where_there_is_no_choice(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,title\n7,hello\n")
    assert plain(path) == [(2, "7", "hello")]
    path.write_text("text,other\nhello,x\n")
    assert plain(path) == [(2, None, "hello")]
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="which of its columns") as raised:
        read(path)
    assert "a, b" in raised.value.hint
    with pytest.raises(BadInput, match="no column 'c'"):
        read(path, column="c")
    with pytest.raises(BadInput, match="no column 'c'"):
        read(path, column="a", id="c")


def test_bad_rows_of_a_csv_are_reported_by_line_and_the_others_are_read(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_bytes(
        b"id,question\n"
        b"1,good\n"
        b"2\n"
        b"3,a,b\n"
        b'4,"quoted"x\n'
        b"5,\n"
        b",no id\n"
        b"6,caf\xe9\n"
        b"\n"
        b"7," + b"x" * (MAX_FIELD_CHARS + 1) + b"\n"
        b"8,also good\n"
    )
    rows = plain(path, column="question")
    assert [line for line, _, _ in rows] == [2, 3, 4, 5, 6, 7, 8, 10, 11]
    faults = {line: text for line, _, text in rows}
    assert faults[2] == "good"
    assert faults[11] == "also good"
    assert faults[3] == "1 fields, where the head has 2"
    assert faults[6] == "its text is empty"
    assert faults[7] == "its id is empty"
    assert faults[8].startswith("its text is not UTF-8 (of a text file, `--encoding windows-1252`")
    assert "1,000,000 characters" in faults[10]


def test_a_quotation_mark_that_is_never_closed_is_reported_where_it_opens(tmp_path):
    path = tmp_path / "open.csv"
    path.write_text('question\nfine\n"open\nrest\nmore\n')
    assert plain(path) == [
        (2, None, "fine"),
        (3, None, "a quotation mark is never closed, so all lines up to 5 are one field"),
    ]


def test_bad_lines_of_json_are_reported_and_the_others_are_read(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text(
        '{"q": "good"}\n{"q": null}\n{"other": 1}\nnot json\n[1]\n{"q": ["x"]}\n'
        '{"q": 42}\n{"q": "\\ud800"}\n"a bare string"\n{"q": true}\n'
    )
    assert [text for _, _, text in plain(path, column="q")] == [
        "good",
        "its text is empty",
        "its text is empty",
        "not JSON: Expecting value: line 1 column 1 (char 0)",
        "neither a JSON object nor a string",
        "its text is not text, but list",
        "42",
        "a text in it is not UTF-8",
        "a bare string",
        "its text is not text, but bool",
    ]


def test_nulls_and_blobs_of_a_database_are_reported(tmp_path):
    with sqlite3.connect(tmp_path / "t.db") as db:
        db.execute('CREATE TABLE "odd ""name" (question)')
        db.executemany(
            'INSERT INTO "odd ""name" VALUES (?)', [("fine",), (None,), (b"\0blob",), (3.5,)]
        )
    db.close()
    assert [text for _, _, text in plain(tmp_path / "t.db")] == [
        "fine",
        "its text is empty",
        "its text is not text, but bytes",
        "3.5",
    ]


def test_one_of_several_tables_of_a_database_must_be_named(tmp_path):
    with sqlite3.connect(tmp_path / "t.db") as db:
        db.execute("CREATE TABLE a (q)")
        db.execute("CREATE TABLE b (q)")
    db.close()
    with pytest.raises(BadInput, match="several tables") as raised:
        read(tmp_path / "t.db")
    assert raised.value.hint == "give `--table`, one of: a, b"
    assert read(tmp_path / "t.db", table="b") == []
    with pytest.raises(BadInput, match="no table 'c'"):
        read(tmp_path / "t.db", table="c")


def test_a_file_that_is_not_a_table_is_refused_in_one_line(tmp_path):
    for name, content in {
        "picture.csv": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "text.parquet": b"hello",
        "text.db": b"this is not a database, by far, and it is long enough to tell" * 20,
        "what.xlsx": b"PK",
        "cut.csv": "question\nhow?\n".encode("utf-16")[:-1],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=name) as raised:
            read(tmp_path / name)
        assert "\n" not in str(raised.value)
    with pytest.raises(BadInput, match="is not a file"):
        read(tmp_path / "absent.csv")
    with pytest.raises(BadInput, match="is not a file"):
        read(tmp_path)


def test_standard_input_is_lines_or_json_or_with_a_column_csv():
    def stdin(text, **columns):
        return [r.text for r in read("-", stdin=io.StringIO(text), **columns)]

    assert stdin("one\n\ntwo\n") == ["one", "two"]
    assert stdin('{"text": "one"}\n{"text": "two"}\n') == ["one", "two"]
    assert stdin("id,q\n1,one\n", column="q") == ["one"]
    assert stdin("") == []


def test_an_id_that_comes_twice_is_an_error_of_the_second(tmp_path):
    (tmp_path / "t.csv").write_text("id,q\n7,one\n8,two\n7,three\n")
    rows = [(r.line, r.error) for r in mark_repeated_ids(read(tmp_path / "t.csv"))]
    assert rows == [(2, ""), (3, ""), (4, "its id '7' is that of line 2 as well")]


@pytest.mark.parametrize(
    "name", ["a.csv", "semicolon.csv", "utf16.csv", "a.jsonl", "a.parquet", "a.db"]
)
def test_records_have_the_columns_asked_for(everywhere, name):
    with open_table(everywhere / name) as table:
        assert table.columns == ["number", "question"]
        assert [record.values for record in table.read("question", "absent")] == [
            {"question": text, "absent": None} for text in TEXTS
        ]


def test_json_lines_may_bring_columns_of_their_own(tmp_path):
    (tmp_path / "t.jsonl").write_text('nonsense\n{"a": 1}\n"bare"\n{"b": 2}\n')
    with open_table(tmp_path / "t.jsonl") as table:
        assert (table.columns, table.has_header) == (["a"], False)
        records = list(table.read("a", "b"))
    assert table.columns == ["a", BARE, "b"]
    assert records[0].error.startswith("not JSON")
    assert [record.values for record in records[1:]] == [
        {"a": 1, "b": None},
        {"a": None, "b": None, BARE: "bare"},
        {"a": None, "b": 2},
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.db"])
def test_an_error_of_the_caller_is_not_taken_for_one_of_the_table(everywhere, name):
    def work():
        with open_table(everywhere / name) as table:
            for _ in table.read("question"):
                raise OSError("of the caller")

    with pytest.raises(OSError, match="of the caller"):
        work()


SCHEMA = {"group": int, "text": str, "score": float, "first": bool}
ROWS = [(1, 'a "b",\nc', 0.5, True), (2, "ü", None, False)]


@pytest.mark.parametrize("name", ["o.csv", "o.tsv", "o.jsonl", "o.parquet", "o.db"])
def test_what_is_written_is_read_back(tmp_path, name):
    table_write.check(tmp_path / name, SCHEMA, table="t")
    for _ in range(2):  # writing over it is fine
        table_write.write(tmp_path / name, SCHEMA, ROWS, table="t")
    assert [r.text for r in read(tmp_path / name, column="text")] == [row[1] for row in ROWS]
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_other_tables_of_a_database_stay(tmp_path):
    with sqlite3.connect(tmp_path / "t.db") as db:
        db.execute("CREATE TABLE mine (q)")
    db.close()
    table_write.write(tmp_path / "t.db", SCHEMA, ROWS, table="t")
    assert read(tmp_path / "t.db", column="q", table="mine") == []


@pytest.mark.parametrize("name", ["o.csv", "o.jsonl", "o.parquet", "o.db"])
def test_a_failure_midway_leaves_nothing(tmp_path, name):
    def breaking():
        yield ROWS[0]
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        table_write.write(tmp_path / name, SCHEMA, breaking(), table="t")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["o.xlsx", "absent/o.csv", "folder.csv"])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path, name):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(BadInput):
        table_write.check(tmp_path / name, SCHEMA, table="t")


def test_a_table_of_another_program_is_not_replaced(tmp_path):
    for name, statement in {
        "a.db": "CREATE TABLE t (mine)",
        "b.db": "CREATE VIEW t AS SELECT 1",
    }.items():
        with sqlite3.connect(tmp_path / name) as db:
            db.execute(statement)
        db.close()
        with pytest.raises(BadInput, match="that siamkit did not write"):
            table_write.check(tmp_path / name, SCHEMA, table="t")
    (tmp_path / "c.db").write_text("no database at all, and long enough to tell" * 20)
    with pytest.raises(BadInput, match="not a valid SQLite database"):
        table_write.check(tmp_path / "c.db", SCHEMA, table="t")


def test_odd_columns_of_a_parquet_file_are_errors_of_their_rows(tmp_path):
    text = pa.array([b"fine", b"caf\xe9"], pa.binary()).view(pa.string())
    when = pa.array([1, 2], pa.timestamp("ns"))
    pq.write_table(pa.table({"id": when, "text": text}), tmp_path / "a.parquet")
    assert [r.error for r in read(tmp_path / "a.parquet", column="text")] == [
        "its id is not text, but bytes"
    ] * 2
    pq.write_table(pa.table({"text": text}), tmp_path / "b.parquet")
    fine, odd = read(tmp_path / "b.parquet")
    assert not fine.error
    assert odd.error.startswith("its text is not UTF-8")
    pq.write_table(pa.table([text, text], names=["q", "q"]), tmp_path / "c.parquet")
    with pytest.raises(BadInput, match="two columns 'q'"):
        read(tmp_path / "c.parquet", column="q")


def test_columns_are_found_in_any_spelling(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\ufeff ID ;TEXT\u00a0;text 2\n1;one;x\n", "utf-8-sig")
    assert plain(path) == [(2, "1", "one")]
    with open_table(path) as table:
        assert (table.find("Text 2"), table.find("text2")) == ("text 2", None)
    path.write_text("Text,TEXT\na,b\n")
    with pytest.raises(BadInput, match="two columns 'text'"):
        read(path, column="text")
    path.write_text("Text,text\na,b\n")
    assert plain(path, column="text") == [(2, None, "b")]  # spelt exactly so
    path = tmp_path / "t.jsonl"
    path.write_text('{"Text": "one"}\n{"TEXT": "two"}\n{"Text": "x", "TEXT": "y"}\n')
    texts = [text for _, _, text in plain(path, column="text")]
    assert texts == ["one", "two", "has two columns 'text'"]
    path.write_text('{"text": "x", "text": "y"}\n')
    assert "more than once" in plain(path, column="text")[0][2]


@pytest.mark.parametrize("missing", ["", "  ", "NA", "N/A", "nan", "NaN", "NULL", "None", "#N/A"])
def test_an_id_or_a_text_that_is_missing_is_a_fault(tmp_path, missing):
    path = tmp_path / "t.csv"
    path.write_text(f"id,text\n{missing},words\n2,{missing}\nNa,none at all\n")
    first, second, third = plain(path)
    for row, what in ((first, "id"), (second, "text")):
        assert row[2].startswith((f"its {what} is empty", f"its {what} is missing"))
    assert third == (4, "Na", "none at all")


def test_rows_of_a_spreadsheet(tmp_path):
    """Rows and columns that are empty do not count, those that hold more than the head do."""
    path = tmp_path / "t.csv"
    path.write_text("\n ;\nid;text;;\n;;;\n1;one;;\n2;two\n3;three;;x\n4;four;\n\n")
    assert plain(path) == [
        (5, "1", "one"),
        (6, "2", "two"),
        (7, None, "4 fields, where the head has 2"),
        (8, "4", "four"),
    ]


def test_a_space_after_each_delimiter_of_the_head_is_none_of_the_values(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('id, text\n1, "a, b"\n2,  c d\n3,e\n')
    assert plain(path) == [(2, "1", "a, b"), (3, "2", "c d"), (4, "3", "e")]
    path.write_text("id, text,other\n1, one,x\n")
    assert plain(path) == [(2, "1", " one")]


def test_a_delimiter_is_counted_outside_quotation_marks(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('"a;b;c","text"\n1,"x;y;z"\n')
    assert plain(path, column="text") == [(2, None, "x;y;z")]
    path.write_text("sep=|\nid|text\n1|a;b,c\n")
    assert plain(path) == [(3, "1", "a;b,c")]


@pytest.mark.parametrize("line", ["How far is it?", "where is my card and why", "a/1.png", "0.75"])
def test_a_first_line_that_is_no_name_is_not_swallowed(tmp_path, line):
    path = tmp_path / "t.csv"
    path.write_text(f"{line}\nanother\n")
    with pytest.raises(BadInput, match="its first line names no column") as caught:
        read(path)
    assert ".txt" in caught.value.hint
    assert read(path, column=line)[0].text == "another"


@pytest.mark.parametrize(
    ("value", "number"),
    [("0.5", 0.5), (" -0,5 ", -0.5), ("+1e-3", 1e-3), (",5", 0.5), (2, 2.0), ("-0,5E2", -50.0)],
)
def test_numbers(value, number):
    assert as_number(value) == number


@pytest.mark.parametrize("value", ["", "1_0", "1.000,5", "1,000.5", "50%", None, True, b"1", "0x1"])
def test_what_is_no_number(value):
    with pytest.raises(ValueError, match=r"number|could not convert"):
        as_number(value)
