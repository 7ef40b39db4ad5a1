"""Tables fit the terminal; in a file or a pipe they are whole."""

from __future__ import annotations

import pytest

from siamkit.cli import streaming
from siamkit.cli.layout import display_width, lay_out, shorten_middle

HEAD = ["id", "path", "what to do"]
ROWS = [
    ["12", "/srv/photographs/2024/spring/portraits/alice.jpg", "look at it, then enrol it again"],
    ["3", "b.png", "-"],
]


def lines(width):
    return list(lay_out(HEAD, ROWS, [True, False, False], width))


def test_a_pipe_gets_everything():
    whole = lines(None)
    assert len(whole) == 3
    assert ROWS[0][1] in whole[1]
    assert ROWS[0][2] in whole[1]
    assert lines(200) == whole


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_line_is_wider_than_the_terminal_and_nothing_but_paths_is_cut(width):
    shown = lines(width)
    assert all(len(line) <= width for line in shown)
    words = " ".join(shown)
    assert all(word in words for word in ROWS[0][2].replace(",", "").split())
    assert "alice.jpg" in words or "lice.jpg" in words
    assert "…" in words


def test_a_path_keeps_its_beginning_and_its_end():
    assert shorten_middle("/srv/photographs/2024/alice.jpg", 16) == "/srv/…/alice.jpg"
    assert shorten_middle("short.jpg", 16) == "short.jpg"


def test_wide_characters_take_two_columns():
    assert display_width("日本語") == 6
    table = list(lay_out(["name", "n"], [["日本語", "1"], ["abc", "2"]], [False, True], None))
    assert {display_width(line) for line in table} == {9}


def test_commands_print_tables_of_the_terminals_width(letters, monkeypatch):
    (letters.folder / ("long" * 20 + ".txt")).write_text("words to learn")
    assert letters("enrol", "letters", "long" * 20 + ".txt", "--as", "greet").code == 0
    whole = letters("show", "greet").out
    monkeypatch.setattr(streaming, "terminal_width", lambda: 60)
    narrow = letters("show", "greet").out
    assert max(map(len, narrow.splitlines()[:-1])) <= 60 < max(map(len, whole.splitlines()))


def test_long_lists_end_with_totals_and_take_a_limit(letters):
    assert letters("list").out.splitlines()[-1] == "2 identities, 2 samples, 1 gallery"
    limited = letters("list", "--limit", "1").out.splitlines()
    assert limited[-2:] == [
        "… and more: siamkit list --limit 1 --after greet",
        "2 identities, 2 samples, 1 gallery",
    ]
    assert len(limited) == 4
    assert "1 sample, 1 gallery\n" in letters("show", "greet").out
    assert "1 gallery, 2 samples\n" in letters("galleries").out
    assert letters("list", "--limit", "0").code == 2


def test_a_threshold_says_where_it_comes_from(letters):
    line = letters("show", "greet").out.splitlines()[-1]
    assert line.startswith("letters: same text from 0.")
    assert "pairs of different texts would pass, measured on made up for the tests" in line
    assert "pairs of different identities would pass" in letters("galleries").out


def test_an_unknown_label_names_the_nearest_or_the_gallery(letters):
    assert "Hint: did you mean 'greet'?" in letters("show", "gret").err
    assert "'letters' is a gallery: `siamkit list letters`" in letters("show", "letters").err
    assert "`siamkit list` shows all" in letters("forget", "xyzzy").err
