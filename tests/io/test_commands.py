"""Suggested commands run as they are printed, whatever the words of the user."""

from __future__ import annotations

import shlex

import pytest

from siamkit.io.commands import suggest


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("anna", "bob"), "siamkit merge anna bob"),
        (("my talk.flac", "it's"), """siamkit merge 'my talk.flac' 'it'"'"'s'"""),
        (("-x", "c"), "siamkit merge -- -x c"),
        (("c", "--undo"), "siamkit merge -- c --undo"),
    ],
    ids=str,
)
def test_words_are_quoted_and_are_no_options(words, command):
    assert suggest("merge", *words) == command
    assert shlex.split(command)[-2:] == list(words)


def test_a_label_with_a_dash_is_merged_and_given_back_by_the_printed_commands(shell):
    assert shell("enrol", "letters", "--text", "hello there", "--as=-x").code == 0
    warning = shell("enrol", "letters", "--text", "hello there", "--as=c").err
    merged = shell(*shlex.split(warning.split("`")[1])[1:]).out.splitlines()
    assert merged[0].startswith("merged c into -x"), merged
    assert shell("merge", "--", "-x", "c").code == 1  # c is gone
    assert shell(*shlex.split(merged[1])[2:]).code == 0
    merged = shell("merge", "--", "-x", "c").out.splitlines()
    assert shell(*shlex.split(merged[1])[2:]).out.startswith("gave back to -x, from c")
