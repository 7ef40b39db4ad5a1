"""Excel workbooks: what a cell means, which sheet, and what is refused."""

from __future__ import annotations

import datetime
import sys
import zipfile

import pytest

from siamkit.errors import BadInput, MissingPackage
from siamkit.io import table_sheet
from siamkit.io.table_read import TextColumns, read_texts

openpyxl = pytest.importorskip("openpyxl")


def save(path, *rows, **sheets):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for title, others in sheets.items():
        sheet = book.create_sheet(title)
        for row in others:
            sheet.append(row)
    book.save(path)
    return str(path)


def read(path, **columns):
    return [
        (r.line, r.id, r.text or r.error)
        for r in read_texts(path, None, TextColumns("text", **columns))
    ]


def test_cells_are_what_they_show(tmp_path):
    day = datetime.datetime(2024, 5, 1)
    path = save(
        tmp_path / "t.xlsx",
        [None, None],
        ["ID", " Text ", None],
        [1, "one"],
        [2.0, 5.0],
        [None, None],
        [3.5, day],
        [day, datetime.time(9, 30)],
        ["a", True],
        [None, "no id"],
        ["b", None],
        ["c", "#N/A"],
        ["d", "=1+1"],  # a formula that no program has computed
        ["'e", "'=1"],
    )
    assert read(path) == [
        (3, "1", "one"),
        (4, "2", "5"),
        (6, "3.5", "2024-05-01"),
        (7, "2024-05-01", "09:30:00"),
        (8, "a", "its text is not text, but bool"),
        (9, None, "its id is empty"),
        (10, "b", "its text is empty"),
        (11, "c", "its text is missing: #N/A"),
        (12, "d", "its text is empty"),
        (13, "'e", "'=1"),
    ]


def test_the_value_that_was_saved_with_a_formula_counts(tmp_path):
    path = save(tmp_path / "t.xlsx", ["id", "text"], ["a", "=UPPER(A2)"])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b'<c r="B2">', b'<c r="B2" t="str">')
    for empty in (b"<v></v>", b"<v />", b"<v/>"):
        parts[sheet] = parts[sheet].replace(empty, b"<v>ONE</v>")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert read(path) == [(2, "a", "ONE")]


def test_the_only_sheet_that_is_filled_is_read_and_others_are_named(tmp_path):
    rows = [["text"], ["one"]]
    path = save(tmp_path / "a.xlsx", notes=rows)  # the first sheet is empty
    assert read(path) == [(2, None, "one")]
    path = save(tmp_path / "b.xlsx", ["text"], ["first"], more=rows)
    assert read(path, table="more") == [(2, None, "one")]
    with pytest.raises(BadInput, match="several sheets") as caught:
        read(path)
    assert caught.value.hint == "give `--table`, one of: Sheet, more"
    with pytest.raises(BadInput, match="no sheet 'x'"):
        read(path, table="x")


def test_what_is_no_workbook_is_refused_in_one_line(tmp_path, monkeypatch):
    good = save(tmp_path / "good.xlsx", ["text"], ["one"])
    content = (tmp_path / "good.xlsx").read_bytes()
    broken = {
        "empty.xlsx": b"",
        "zip.xlsx": b"PK\x03\x04" + b"\0" * 600,
        "cut.xlsx": content[: len(content) // 2],
        "flipped.xlsx": bytes([*content[:300], *(b ^ 1 for b in content[300:900]), *content[900:]]),
        "old.xlsx": b"\xd0\xcf\x11\xe0" + b"\0" * 600,
    }
    for name, raw in broken.items():
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(BadInput, match=name) as caught:
            read(str(tmp_path / name))
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(table_sheet, "MAX_UNPACKED", 100)
    with pytest.raises(BadInput, match="unpacked, it has"):
        read(good)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("t.xls", ".xlsx"), ("t.ods", ".xlsx"), ("t.json", ".jsonl"), ("t.csv.gz", "unpack")],
)
def test_other_tables_get_a_hint(tmp_path, name, hint):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(BadInput, match="unknown kind of table") as caught:
        read(str(tmp_path / name))
    assert hint in caught.value.hint


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    path = save(tmp_path / "t.xlsx", ["text"], ["one"])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingPackage, match="needs the package openpyxl") as caught:
        read(path)
    assert "siamkit[xlsx]" in caught.value.hint
