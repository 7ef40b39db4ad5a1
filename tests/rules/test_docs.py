"""Every command's help has an example, and what the pages show is what their commands print."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pages
import pytest
from console import Console

import siamkit as sk
from siamkit.cli import COMMANDS, cli


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")


ALL = dict(commands(cli))


def test_help_lists_every_command_in_a_short_line():
    commands = Path(pages.ROOT / "siamkit" / "cli").glob("*.py")
    modules = {
        path.stem.rstrip("_").replace("_", "-")
        for path in commands
        if "@click." in path.read_text()
    }
    assert set(COMMANDS) <= modules
    assert all(len(line) <= 45 for line in COMMANDS.values())


def named_options(text: str) -> Iterator[tuple[str, str]]:
    """(command, option) of each `siamkit …` in the code of a page, and ('', option) of others."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    for block in pages.BLOCK.finditer(text):
        if block["language"] == "console":
            for command, _ in pages.commands(block["body"]):
                yield from options_of(command)
    for span in re.findall(
        r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    ):
        yield from options_of(span)


def options_of(line: str) -> Iterator[tuple[str, str]]:
    called = re.match(r"siamkit ([a-z-]+)(?: ([a-z-]+))?", line)
    name = " ".join(filter(None, called.groups())) if called else ""
    name = name if name in ALL else name.partition(" ")[0]
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line):
        if called or line.startswith("--"):
            yield name, option


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_a_page_names_only_options_that_exist(page):
    every = {name for command in ALL.values() for name in names_of(command)}
    others = "docs" in page.parts and page.parent.name not in ("howto", "tutorials")
    for command, option in named_options(page.read_text()):
        if others and not command:
            continue  # of another program
        known = names_of(ALL[command]) if command in ALL else every
        assert option in known | names_of(cli) | {"--help"}, (command, option)


def names_of(command: click.Command) -> set[str]:
    return {name for p in command.params for name in (*p.opts, *p.secondary_opts)}


@pytest.mark.parametrize("name", [n for n, c in ALL.items() if " " not in n])
def test_help_has_examples(name):
    epilog = ALL[name].epilog or ""
    assert "Example" in epilog
    assert f"siamkit {name}" in epilog


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_a_page_shows_what_its_commands_print(page, tmp_path):
    text = page.read_text()
    ran = pages.run(text, tmp_path) if pages.runs(text) else text
    assert pages.comparable(ran) == pages.comparable(text)


@pytest.mark.parametrize(
    ("tutorial", "needed"),
    [
        ("faces", ["enrol", "query", "verify", "dedupe", "list", "forget"]),
        ("duplicates", ["dedupe", "enrol", "query"]),
        ("signatures", ["verify", "enrol", "query"]),
        ("voices", ["timeline", "enrol", "query", "verify", "dedupe"]),
        ("training", ["train", "verify", "galleries", "enrol", "calibrate"]),
    ],
)
def test_the_tutorials_do_the_five_jobs_from_their_text_alone(tutorial, needed):
    """Each begins in an empty folder and leaves no step out; the test above runs it."""
    text = (pages.ROOT / "docs" / "tutorials" / f"{tutorial}.md").read_text()
    blocks = list(pages.BLOCK.finditer(text))
    assert not any(block["reason"] for block in blocks)
    run = [
        command
        for b in blocks
        if b["language"] == "console"
        for command, _ in pages.commands(b["body"])
    ]
    assert run[:2] == [f"mkdir try-{tutorial} && cd try-{tutorial}", f"python ../{pages.SAMPLES}"]
    assert set(needed) <= {word for c in run for word in re.findall(r"\bsiamkit ([\w-]+)", c)}


def program_of(page: str, *, package: str) -> dict[str, Any]:
    """Run the program of a page that imports a package; return the names it binds."""
    text = (pages.ROOT / "docs" / page).read_text()
    blocks = (block["body"] for block in pages.BLOCK.finditer(text))
    (program,) = (body for body in blocks if f"\nfrom {package} import" in body)
    names: dict[str, Any] = {"__name__": "app"}
    exec(program, names)
    return names


@pytest.mark.parametrize("package", ["flask", "fastapi"])
def test_the_web_services_answer(package, tmp_path, monkeypatch):
    pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    pages.copy_samples(tmp_path)
    sk.Workspace("people").enrol("faces", "Grace Hopper", "hopper.jpg")
    app = program_of("howto/web.md", package=package)["app"]
    if package == "flask":
        client = app.test_client()
    else:
        client = pytest.importorskip("fastapi.testclient").TestClient(app)

    def post(name: str) -> tuple[int, Any]:
        body = (tmp_path / name).read_bytes()
        sent = {"data": body} if package == "flask" else {"content": body}
        answer = client.post("/who", **sent, headers={"Content-Type": "image/jpeg"})
        return answer.status_code, answer.json if package == "flask" else answer.json()

    status, people = post("both.jpg")
    assert status == 200
    assert [person["identity"] for person in people] == [None, "Grace Hopper"]
    assert people[1]["probability"] > 0.9
    assert len(people[1]["box"]) == 4
    status, refusal = post("coffee.jpg")
    assert status == 422
    assert refusal["error"]


def test_programs_of_other_tools_are_no_shorter_than_their_twins():
    text = (pages.ROOT / "docs" / "migrating.md").read_text()
    *_, last = sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert last.startswith("Paraphrase mining")
    assert len(sections) == 4
    for section in sections:
        blocks = list(pages.BLOCK.finditer(section))
        lines = [sum(map(bool, block["body"].splitlines())) for block in blocks[:2]]
        assert blocks[0]["reason"]
        assert not blocks[1]["reason"]
        assert lines[1] <= lines[0], section[:20]


def test_what_an_ellipsis_stands_for():
    assert pages.same("a ... c\n", "a b c\n")
    assert not pages.same("a ... c\n", "a b\n")
    assert pages.same("a\n...\nz\n", "a\nb\nc\nz\n")
    assert pages.same("a\n...\n", "a\n")
    assert not pages.same("a\n...\nz\n", "a\nb\n")
    assert pages.same("0.1234 ...\n", "0.1235 and more\n")


def test_blocks_that_are_not_run_are_few_and_say_why():
    left_out = [
        (page.name, block["reason"])
        for page in pages.PAGES
        for block in pages.BLOCK.finditer(page.read_text())
        if block["reason"] and block["language"] == "console"
    ]
    assert len(left_out) <= 16, left_out
    assert all(len(reason.split()) >= 3 for _, reason in left_out)


def test_pictures_are_drawn_from_what_is_true_now():
    drawn = runpy.run_path(str(pages.ROOT / "tools" / "pictures.py"))["PICTURES"]
    for path, draw in drawn.items():
        assert path.read_text() == draw(), "python tools/pictures.py"


def test_the_first_example_runs(tmp_path):
    program = [sys.executable, pages.ROOT / "examples" / "enrol_and_query.py"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_demo_runs(tmp_path, monkeypatch):
    """Its commands run one after the other in one process."""
    monkeypatch.syspath_prepend(pages.ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    demo = import_module("demo")
    console = Console(pages.environment() | {"SIAMKIT_STORE": demo.ENVIRONMENT["SIAMKIT_STORE"]})

    def run(command, **_):
        out, err = tmp_path / "out.txt", tmp_path / "err.txt"
        out.unlink(missing_ok=True)
        code = console(tmp_path, str(out), str(err), *map(str, command[3:]))
        return subprocess.CompletedProcess(command, code, out.read_text())

    monkeypatch.setattr(demo, "subprocess", SimpleNamespace(run=run, PIPE=None))
    try:
        demo.main()
    finally:
        console.close()
    sheet = (tmp_path / "demo-out" / "contact-sheet.html").read_text()
    assert sheet.count("<b>Grace Hopper</b>") == sheet.count("<b>Eileen Collins</b>") == 3


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["nowhere.csv", "question"], "nowhere.csv cannot be read"),
        (["picture.csv", "question"], "picture.csv cannot be read"),
        (["empty.csv", "question"], "has no column 'question'"),
        (["short.csv", "text"], "has no column 'text'"),
    ],
)
def test_an_example_names_a_table_that_does_not_do(tmp_path, given, named):
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "short.csv").write_text("question,day\n\n")
    done = subprocess.run(
        [sys.executable, pages.ROOT / "examples" / "duplicates.py", *given],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    error, hint = done.stderr.splitlines()
    assert error.startswith("Error: ")
    assert named in error
    assert hint.startswith("Hint: ")
    assert not (tmp_path / "kept.csv").exists()
