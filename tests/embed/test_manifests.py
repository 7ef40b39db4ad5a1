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
    pairs = [("anna", manifests / "a/1.png"), ("7", manifests / "b.png")]
    assert read_labelled_sources(str(manifests / name), NO_STDIN) == (pairs, [])


def test_every_bad_row_is_a_fault_and_the_others_are_read(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('label,path\nanna,\nbert,b.png,x\ncara,c.png\n ,e.png\ndora,"open\n')
    pairs, faults = read_labelled_sources(str(path), NO_STDIN)
    assert pairs == [("cara", tmp_path / "c.png")]
    assert [str(fault) for fault in faults] == [
        "line 2: there is no path",
        "line 3: 3 fields, where the head has 2",
        "line 5: its label is empty",
        "line 6: a quotation mark is never closed, so all lines up to 6 are one field",
    ]


def test_only_the_first_bad_rows_are_named(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"label": null, "path": "a"}\n' * 25)
    with pytest.raises(BadInput, match=r"25 bad lines: line 1: .*line 20: .*and 5 more$"):
        read_labelled_sources(str(path), NO_STDIN)


def test_a_path_keeps_bytes_that_are_not_utf8(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"label,path\nanna,caf\xe9.png\n")
    [(_, path)], _ = read_labelled_sources(str(tmp_path / "m.csv"), NO_STDIN)
    assert path == tmp_path / "caf\udce9.png"


def test_texts_come_as_json_lines():
    stdin = io.StringIO('{"label": "anna", "text": "hello"}\n{"label": "b", "path": "c.png"}\n')
    pairs, _ = read_labelled_sources("-", stdin)
    assert pairs == [("anna", "hello"), ("b", Path("c.png"))]


LINES = ["a b.png", '{"source": "c.png"}', '{"text": "hello", "source": "line 3"}']
SOURCES = [Path("a b.png"), Path("c.png"), "hello"]


def sources(origin: Path | str, stdin=NO_STDIN):
    return read_source_list(str(origin), stdin)


def test_a_list_of_sources_is_paths_or_json_lines(tmp_path):
    (tmp_path / "list").write_text("\n".join(LINES) + "\n\n")
    assert sources(tmp_path / "list") == (SOURCES, [])
    (tmp_path / "list.csv").write_text("a,b.png\n")
    assert sources(tmp_path / "list.csv") == ([Path("a,b.png")], [])
    assert sources("-", io.StringIO("\n".join(LINES))) == (SOURCES, [])
    assert sources("-", io.StringIO("\n".join(LINES[1:]))) == (SOURCES[1:], [])


@pytest.mark.parametrize(
    ("line", "fault"),
    [('{"x": 1}', 'neither "source" nor "path" nor "text"'), ("{not json", "not JSON")],
)
def test_lines_that_are_no_sources_are_named(tmp_path, line, fault):
    (tmp_path / "list.txt").write_text(f"a.png\n{line}\n")
    paths, faults = sources(tmp_path / "list.txt")
    assert paths == [Path("a.png")]
    assert str(faults[0]).startswith(f"line 2: {fault}")
    with pytest.raises(BadInput, match=f"standard input, line 1: {fault}"):
        sources("-", io.StringIO(line))
