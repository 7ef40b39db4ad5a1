"""Lists of sources: labelled tables in every format, and lists of paths."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from siamkit.embed.manifests import read_labelled_sources, read_source_list
from siamkit.errors import BadInput

NO_STDIN = io.StringIO()


@pytest.fixture
def manifests(tmp_path):
    """The same two rows in every format; one label is a number."""
    text = "label,path\nanna,a/1.png\n7,b.png\n"
    (tmp_path / "m.csv").write_text(text, encoding="utf-8-sig")
    (tmp_path / "wide.csv").write_text(text.replace(",", ";"), encoding="utf-16")
    (tmp_path / "m.tsv").write_text(text.replace(",", "\t"))
    (tmp_path / "plain.txt").write_text(text)
    rows = [{"label": "anna", "path": "a/1.png"}, {"label": 7, "path": "b.png"}]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    columns = {"path": ["a/1.png", "b.png"], "label": ["anna", "7"], "picture": [b"", b""]}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    with sqlite3.connect(tmp_path / "m.db") as db:
        db.execute("CREATE TABLE people (label, path)")
        db.executemany("INSERT INTO people VALUES (?, ?)", [tuple(row.values()) for row in rows])
    db.close()
    return tmp_path


@pytest.mark.parametrize(
    "name", ["m.csv", "wide.csv", "m.tsv", "plain.txt", "m.jsonl", "m.parquet", "m.db"]
)
def test_every_format_gives_the_same_sources(manifests, name):
    assert read_labelled_sources(str(manifests / name), NO_STDIN) == [
        ("anna", manifests / "a/1.png"),
        ("7", manifests / "b.png"),
    ]


def test_every_bad_row_is_named(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('label,path\nanna,\nbert,b.png,x\ncara,c.png\n ,e.png\ndora,"open\n')
    with pytest.raises(BadInput) as caught:
        read_labelled_sources(str(path), NO_STDIN)
    assert str(caught.value) == (
        f"{path} has 4 bad lines: line 2: there is no path; line 3: 3 fields, where the head has"
        " 2; line 5: there is no label;"
        " line 6: a quotation mark is never closed, so all lines up to 6 are one field"
    )


def test_only_the_first_bad_rows_are_named(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"label": null, "path": "a"}\n' * 25)
    with pytest.raises(BadInput, match=r"25 bad lines: line 1: .*line 20: .*and 5 more$"):
        read_labelled_sources(str(path), NO_STDIN)


def test_a_path_keeps_bytes_that_are_not_utf8(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"label,path\nanna,caf\xe9.png\n")
    [(_, path)] = read_labelled_sources(str(tmp_path / "m.csv"), NO_STDIN)
    assert path == tmp_path / "caf\udce9.png"


def test_texts_come_as_json_lines():
    stdin = io.StringIO('{"label": "anna", "text": "hello"}\n{"label": "b", "path": "c.png"}\n')
    assert read_labelled_sources("-", stdin) == [("anna", "hello"), ("b", Path("c.png"))]


LINES = ["a b.png", '{"source": "c.png"}', '{"text": "hello", "source": "line 3"}']
SOURCES = [Path("a b.png"), Path("c.png"), "hello"]


def test_a_list_of_sources_is_paths_or_json_lines(tmp_path):
    (tmp_path / "list").write_text("\n".join(LINES) + "\n\n")
    assert read_source_list(str(tmp_path / "list"), NO_STDIN) == SOURCES
    (tmp_path / "list.csv").write_text("a,b.png\n")
    assert read_source_list(str(tmp_path / "list.csv"), NO_STDIN) == [Path("a,b.png")]
    assert read_source_list("-", io.StringIO("\n".join(LINES))) == SOURCES
    assert read_source_list("-", io.StringIO("\n".join(LINES[1:]))) == SOURCES[1:]


@pytest.mark.parametrize(
    ("line", "fault"), [('{"x": 1}', 'neither "source" nor "text"'), ("{not json", "not JSON")]
)
def test_lines_that_are_no_sources_are_named(tmp_path, line, fault):
    (tmp_path / "list.txt").write_text(f"a.png\n{line}\n")
    with pytest.raises(BadInput, match=f"list.txt, line 2: {fault}"):
        read_source_list(str(tmp_path / "list.txt"), NO_STDIN)
    with pytest.raises(BadInput, match=f"standard input, line 1: {fault}"):
        read_source_list("-", io.StringIO(line))
