"""Text files of other programs: what is recognised, what is named, and what is never guessed."""

from __future__ import annotations

import io

import pytest

from siamkit.errors import BadInput
from siamkit.io import encodings
from siamkit.io.table_read import TextColumns, open_table, read_texts

TABLE = "id,text\n1,Grüße aus Köln\n2,一二三 你好\n3,Привет, мир\n".replace("Привет, мир", "Привет")
TEXTS = ["Grüße aus Köln", "一二三 你好", "Привет"]


def read(path, **columns):
    return [(r.text, r.error) for r in read_texts(str(path), None, TextColumns("text", **columns))]


@pytest.mark.parametrize(
    "codec",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "gb18030"],
)
def test_unicode_in_every_form(tmp_path, codec):
    marks = {"utf-32-le": b"\xff\xfe\0\0"}
    (tmp_path / "t.csv").write_bytes(marks.get(codec, b"") + TABLE.encode(codec))
    options = {"encoding": codec} if codec == "gb18030" else {}
    assert read(tmp_path / "t.csv", **options) == [(text, "") for text in TEXTS]


@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_without_a_mark_in_scripts_without_ascii(tmp_path, order):
    """A character such as U+4E00 has a NUL byte, where the other order has one of ASCII."""
    content = "text\n" + "一二三一二三一二三\n" * 2000
    (tmp_path / "t.csv").write_bytes(content.encode(f"utf-16-{order}"))
    rows = read(tmp_path / "t.csv")
    assert (len(rows), {*rows}) == (2000, {("一二三一二三一二三", "")})


def test_a_mark_wins_over_the_option(tmp_path):
    (tmp_path / "t.csv").write_bytes("text\nGrüße\n".encode("utf-8-sig"))
    assert read(tmp_path / "t.csv", encoding="windows-1252") == [("Grüße", "")]


def test_what_is_not_utf_8_is_a_fault_that_names_the_encoding(tmp_path):
    lines = ["plain", "Größe", "l’été", "Привет мир", "€ 5"]
    codecs = ["ascii", "cp1252", "cp1252", "cp1251", "cp1252"]
    raw = [line.encode(codec) for line, codec in zip(lines, codecs, strict=True)]
    (tmp_path / "t.csv").write_bytes(b"text\n" + b"\n".join(raw) + "\nGröße ".encode() + b"\xe9\n")
    rows = read(tmp_path / "t.csv")
    assert rows[0] == ("plain", "")
    named = ["windows-1252" in error for _, error in rows]
    assert named == [False, True, True, False, True, False]
    assert "windows-1251" in rows[3][1]
    assert "mixes two encodings" in rows[5][1]
    assert all("is not UTF-8" in error for _, error in rows[1:])


def test_a_named_encoding_is_that_of_the_lines_that_are_not_utf_8(tmp_path):
    raw = "text\nGröße\n".encode() + "Größe “x”\n".encode("cp1252") + "l’été €\n".encode()
    (tmp_path / "t.csv").write_bytes(raw)
    assert read(tmp_path / "t.csv", encoding="windows-1252") == [
        ("Größe", ""),
        ("Größe “x”", ""),
        ("l’été €", ""),
    ]


def test_a_multibyte_encoding_is_that_of_the_whole_file(tmp_path):
    """学 in GBK is a valid UTF-8 character, but another one."""
    (tmp_path / "t.csv").write_bytes("text\n学\n学校\n".encode("gbk"))
    assert read(tmp_path / "t.csv", encoding="gbk") == [("学", ""), ("学校", "")]


@pytest.mark.parametrize("name", ["klingon", "base64", "rot13", "utf-8\0", "../x", ""])
def test_unknown_encodings_are_refused(name):
    with pytest.raises(BadInput, match="is not known"):
        encodings.require_known(name)


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"PK\x03\x04", "ZIP"), (b"\xd0\xcf\x11\xe0", "Office"), (b"PAR1", "Parquet"),
     (b"SQLite format 3\0", "SQLite"), (b"\x1f\x8b", "gzip"), (b"%PDF-1.4", "PDF")],
)  # fmt: skip
def test_a_file_of_another_kind_is_named(tmp_path, head, kind):
    (tmp_path / "t.csv").write_bytes(head + b"\0text\n" * 99)
    with pytest.raises(BadInput, match=kind) as caught, open_table(tmp_path / "t.csv"):
        pass
    assert ".csv" in caught.value.hint


@pytest.mark.timeout(20)
def test_a_line_without_end_is_refused(tmp_path):
    with (tmp_path / "t.csv").open("wb") as file:
        file.write(b"text\n" + b"x" * encodings.MAX_LINE_CHARS)
        file.truncate(1 << 34)
    with pytest.raises(BadInput, match="line 2: more than 8,388,608 characters"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_standard_input_is_recognised_too(codec):
    stdin = io.TextIOWrapper(io.BytesIO("id,text\n1,Grüße\n".encode(codec)), encoding="ascii")
    rows = read_texts("-", stdin, TextColumns("text"))
    assert [(row.id, row.text) for row in rows] == [("1", "Grüße")]
