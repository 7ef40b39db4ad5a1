"""Every example of every `--help` runs, on a store like the one that it speaks of."""

from __future__ import annotations

import glob
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import examplekit
import pytest

import siamkit as sk
from siamkit.cli import cli
from siamkit.host import registry

EXAMPLE = re.compile(r"^ {2,}(siamkit .*?)(?: {2,}.*| > .*)?$", re.MULTILINE)
# Those that are only parsed, by a pattern, and why.
PARSED = {
    r"siamkit train (?!config)": "needs siamkit[train]",
    r" --encoder (run|runs|mine)/": "needs an encoder that was trained",
    r" --record ": "needs a microphone",
    r" --index-address ": "needs a server",
    r"siamkit (mcp|serve)": "answers until it is stopped",
    r" --layers ": "needs an encoder that is a network",
    r"siamkit style .* --(optimise|reconstruct)": "needs siamkit[train]",
    r"siamkit detectors (add (?!--help)|path yolo)": "needs a network of somebody else's",
    r" --workers ": "needs siamkit[ray], and a cluster",
    r"siamkit COMMAND": "stands for all of them",
}
NEW = ("init", "galleries create", "import staff-backup/")  # what they create must be absent
# What has been run before: commands, by the beginning of an example.
BEFORE = {
    "merge": ["enrol faq --text 'A' --as 'A. Smith'", "enrol faq --text 'B' --as 'Alice Smith'"],
    "merge --undo": ["merge 'A. Smith' 'Alice Smith'"],
    "enrol voices --from-timeline": ["timeline talk.wav -o talk.json"],
    "find logos street.jpg --fpir": ["calibrate logos --find street_scenes/"],
    "doctor --store restored": ["init --store restored"],
    "doctor --store archive": ["init --store archive"],
    "audit staff --drift": ["calibrate staff"],
    "import more-staff/": ["enrol more leaf.jpg --as cleo -m faces", "export more more-staff/"],
}
LARGE = ("--fmr", "--fpir", "--expected-false", "--probe")
ANSWERS = {0, 3, 4, 5}  # exit codes


def walk(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from walk(command, f"{prefix}{name} ")


def examples() -> list[str]:
    """Return the examples of all help texts, each once."""
    texts = [cli.epilog or "", *(command.epilog or "" for _, command in walk(cli))]
    lines = (match[1] for text in texts for match in EXAMPLE.finditer(text.replace("Start ", "  ")))
    return list(dict.fromkeys(line.strip().removesuffix(";") for line in lines))


EXAMPLES = examples()
ONLY_PARSED = [e for e in EXAMPLES if any(re.search(pattern, e) for pattern in PARSED)]


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "all_installed", examplekit.plugins)
        patch.setenv("SIAMKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield patch


@pytest.fixture(scope="module")
def files(toys, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    examplekit.write_files(folder)
    examplekit.write_labelled(folder)
    return folder


@pytest.fixture(scope="module")
def small(files, shell_in) -> Path:
    """The files, and a store whose samples were enrolled from them."""
    for command in examplekit.STORE:
        done = shell_in(files)(*shlex.split(command))
        assert done.code == 0, (command, done.err)
    return files


@pytest.fixture(scope="module")
def large(small, toys, shell_in, tmp_path_factory) -> Path:
    """The same with many identities among the faces, calibrated."""
    folder = tmp_path_factory.mktemp("large")
    shutil.copytree(small, folder, dirs_exist_ok=True)
    with sk.Workspace(folder / ".siamkit") as ws:
        for gallery, count, dim in (("staff", examplekit.MANY, 48), ("voices", 40, 32)):
            list(ws.add_templates(gallery, *examplekit.many(count, dim)))
    shell = shell_in(folder)
    toys.setattr(examplekit.Faces, "calibration", folder / "faces.json")
    for command in (
        "calibrate staff -o faces.json",
        "calibrate voices",
        "galleries delete faces --yes",
        "enrol faces alice.jpg --as alice",
    ):
        done = shell(*command.split())
        assert done.code == 0, (command, done.err)
    return folder


def copy(base: Path, folder: Path) -> None:
    """Copy the store, and link what examples only read."""
    for path in base.iterdir():
        if path.name in examplekit.CHANGED:
            copy_one = shutil.copytree if path.is_dir() else shutil.copy
            copy_one(path, folder / path.name)
        else:
            (folder / path.name).symlink_to(path)


def test_few_examples_are_only_parsed():
    assert len(EXAMPLES) > 150
    assert len(ONLY_PARSED) <= 50


@pytest.mark.parametrize("example", ONLY_PARSED)
def test_an_example_that_cannot_run_here_is_one_of_the_command(example):
    words = shlex.split(example)[1:]
    if words[0] == "COMMAND":
        return
    command: click.Command = cli
    while isinstance(command, click.Group) and words[0] in command.list_commands(None):
        command = command.get_command(None, words.pop(0))
    parent = click.Context(cli, **cli.context_settings)  # or it forgets for good that -h is help
    command.make_context(command.name, words, parent=parent)  # raises UsageError


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e not in ONLY_PARSED])
def test_an_example_runs(example, small, large, shell_in, tmp_path):
    words = example.removeprefix("siamkit ")
    shell = shell_in(tmp_path)
    base = large if any(word in words for word in LARGE) else small
    copy(base, tmp_path)
    if words.startswith(NEW):
        shutil.rmtree(tmp_path / ".siamkit")
    if words.startswith("export"):
        shutil.rmtree(tmp_path / "staff-backup")
    for table in ("trials.csv", "pairs.csv"):
        kind = "questions" if "-m questions" in words else "faces"
        shutil.copy(tmp_path / kind / table, tmp_path)
    for start, commands in BEFORE.items():
        for command in commands if words.startswith(start) else ():
            assert shell(*shlex.split(command)).code == 0
    arguments = [
        path
        for word in shlex.split(words)
        for path in (sorted(glob.glob(word, root_dir=tmp_path)) if "*" in word else [word])
    ]
    done = shell(*arguments)
    is_toy_checked = words.startswith("plugins check")  # by rules that a toy does not keep
    assert done.code in ANSWERS or (is_toy_checked and done.code == 1), done.err
