"""Characters that deceive become escapes, words keep theirs, and formulas are defused."""

from __future__ import annotations

import csv
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamkit.io import table_write
from siamkit.io.printable import blank, csv_cell, json_text, original_cell, printable
from siamkit.io.table_read import open_table

# Signs of category Cf that have a shape of their own, such as the Arabic end of ayah.
VISIBLE = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
VISIBLE |= set(range(0x13430, 0x13440))
HIDDEN = [
    char
    for char in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and ord(char) not in VISIBLE
]
WORDS = ["می‌خواهم", "क्‍ष", "നന്‍", "👩🏽‍💻", "🏳️‍🌈", "1️⃣", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "葛󠄀", "Łódź", "e\u0301"]
FORMULAS = [
    "=1+1",
    "+49 170",
    "-a",
    "@x",
    "\tx",
    "\rx",
    "\nx",
    " =1",
    '"=1',
    "＝1",
    "－1",
    "'=1",
    "-",
]
HARMLESS = ["-0.5", "+1", "-1,5", "-1e-3", ".5", "a=b", "'tis", "'", "", "日本", "x@y.org"]


def test_every_hidden_character_becomes_an_escape():
    assert [hex(ord(char)) for char in HIDDEN if char in printable(f"a{char}b")] == []
    fillers = "\u3164\u115f\uffa0\u034f\ufe0f\u17b4"
    assert printable(fillers).isascii()


def test_escapes_are_those_of_python():
    assert printable("\x1b[2J\x9b\x7f\r\n\t") == r"\x1b[2J\x9b\x7f\r\n\t"
    assert printable("a\u202eb\ud800\U000e0041") == r"a\u202eb\ud800\U000e0041"
    assert printable("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"
    assert printable(r"C:\x\y") == r"C:\x\y"


@pytest.mark.parametrize("word", WORDS)
def test_joiners_that_spell_a_word_or_an_emoji_stay(word):
    assert printable(word) == word
    assert blank(f" {word}\x1b ") == word


def test_joiners_between_other_letters_are_shown():
    assert printable("ali\u200dce") == r"ali\u200dce"
    assert printable("а\u200cб") == r"а\u200cб"
    assert printable("a\ufe0f") == r"a\ufe0f"


@given(st.text(st.characters()), st.booleans())
def test_json_reads_back_exactly_and_acts_on_no_terminal(text, ascii_only):
    written = json_text({text: [text]}, indent=2, ascii_only=ascii_only)
    assert json.loads(written) == {text: [text]}
    assert printable(written, lines=True) == written


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_marked_and_read_back(text):
    assert csv_cell(text) == "'" + text
    assert original_cell(csv_cell(text)) == text


@pytest.mark.parametrize("value", [*HARMLESS, -0.5, -1, None, True])
def test_other_cells_stay(value):
    assert csv_cell(value) == value


@given(st.text("'\"=+-@ \t\r\n1.,ea＝"))
def test_every_cell_reads_back(text):
    assert original_cell(csv_cell(text)) == text


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_table_of_formulas_reads_back(tmp_path, suffix):
    texts = [*FORMULAS, *HARMLESS]
    path = tmp_path / f"t{suffix}"
    table_write.write(path, {"n": float, "x": str}, [[-0.5, t] for t in texts], table="t")
    with open_table(path) as table:
        assert [record.values["x"] for record in table.read("x")] == texts
    if suffix == ".csv":
        with path.open(newline="") as file:
            cells = list(csv.reader(file))[1:]
        assert {row[0] for row in cells} == {"-0.5"}
        assert not any(row[1].startswith(("=", "@", "\t", "\r", "＝")) for row in cells)
        table_write.write(path, {"x": str}, [["=1+1"]], table="t", raw=True)
        assert path.read_text() == "x\n=1+1\n"
