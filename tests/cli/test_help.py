"""What `siamkit --help` shows, and the words that people type instead of a command's own."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from siamkit.cli import COMMANDS, cli, spellings


def test_the_help_fits_one_screen_and_names_every_command(shell):
    lines = shell("--help").out.splitlines()
    assert len(lines) <= 54
    assert max(map(len, lines)) <= 80
    shown = [line[11:].split()[0] for line in lines if line[11:26].strip() and len(line) > 27]
    assert set(COMMANDS) <= set(shown)
    assert [line.split()[0] for line in lines if line[:1].isupper() and "  " in line][:7] == [
        "Ask", "Enrol", "Galleries", "Measure", "Make", "Serve", "System",
    ]  # fmt: skip


def test_no_line_of_a_command_is_cut(shell):
    out = shell("--help").out
    assert all(len(line) <= 45 for line in COMMANDS.values())
    assert all(f"{name:<16}{line}\n" in out for name, line in COMMANDS.items())


@pytest.mark.parametrize(
    "group", ["galleries", "index", "encoders", "detectors", "plugins", "train"]
)
def test_no_line_of_a_command_below_a_group_is_cut(shell, group):
    out = shell(group, "--help").out
    lines = out.partition("\nCommands:\n")[2].partition("\n\n")[0].splitlines()
    assert len(lines) >= 2
    assert all(len(line.split(maxsplit=1)[1]) <= 45 for line in lines)
    assert not any(line.endswith("...") for line in lines)


@pytest.mark.parametrize("group", [[], ["encoders"], ["train"]], ids=str)
def test_a_group_alone_prints_its_help(shell, group):
    done = shell(*group)
    assert done.code == 2
    assert done.err == shell(*group, "--help").out


@pytest.mark.parametrize("word", spellings.COMMANDS)
def test_another_word_runs_the_command_and_is_not_in_the_help(shell, word):
    command = spellings.COMMANDS[word]
    assert word not in COMMANDS
    done = shell(word, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: siamkit {command} ")
    assert f"\n           {word} " not in shell("--help").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serach", "faces"], "No such command 'serach'. Did you mean query?"),
        (["veryfy"], "Did you mean verify?"),
        (["xyzzy"], "No such command 'xyzzy'."),
        (["galleries", "crate", "x"], "Did you mean create?"),
        (["encoders", "lst"], "Did you mean list?"),
        (["query", "faces", "a.jpg", "--treshold", "1"], "Did you mean --threshold?"),
        (["query", "faces", "a.jpg", "--top-k", "1"], "No such option '--top-k'. Did you mean -k?"),
        (["enrol", "faces", "a.jpg", "--label", "x"], "Did you mean --as?"),
        (["train", "people/", "-m", "faces", "--out", "run"], "Did you mean --output?"),
        (["train", "run", "people/", "-m", "faces"], "`train run DATA` is written `train DATA`."),
        (["doctor", "--xyzzy"], "No such option '--xyzzy'."),
    ],
    ids=" ".join,
)
def test_a_misspelt_word_names_the_nearest(shell, arguments, words):
    done = shell(*arguments)
    assert done.code == 2
    assert f"Error: {words}" in done.err or done.err.endswith(f"{words}\n")


def test_short_words_work_below_a_group_too(letters):
    assert letters("galleries", "ls").out == letters("galleries", "list").out
    assert letters("galleries", "rm", "letters", "--yes").code == 0


def test_help_is_a_command_as_well(shell):
    assert shell("help").out == shell("--help").out
    assert shell("help", "galleries", "create").out == shell("galleries", "create", "-h").out


def named_commands() -> set[str]:
    """Return what the program's own messages quote as `siamkit …`."""
    root = Path(__file__).parents[2]
    quoted = set()
    for folder in ("siamkit", "plugins", "indexes"):
        for path in (root / folder).rglob("*.py"):
            text = re.sub(r'"\s*\n\s*f?"', "", path.read_text())  # strings over several lines
            quoted |= set(re.findall(r"`siamkit ([a-z][^`\n]*)`", text))
    return quoted


def test_messages_name_only_commands_and_options_that_exist():
    named = named_commands()
    assert len(named) > 50
    for line in named:
        words = line.split()
        if words[0] == "help":
            continue
        command: click.Command = cli
        while (
            isinstance(command, click.Group) and words and words[0] in command.list_commands(None)
        ):
            command = command.get_command(None, words.pop(0))
        assert command is not cli, line
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)) <= known, line
