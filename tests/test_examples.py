"""Every public name has an example, and every example does what it says."""

from __future__ import annotations

import doctest
import inspect
from contextlib import chdir

import pytest
from docexamples import Examples

import siamkit as sk

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
WITHOUT = {"DEFAULT", "Input", "__version__"}  # a string, a type and a version
MODULES = {"painting_events", "region_choosers", "region_formats", "training_events"}
MODULES |= {"training_log"}
NAMES = sorted(set(sk.__all__) - WITHOUT - MODULES)
METHODS = [name for name, _ in inspect.getmembers(sk.Workspace) if not name.startswith("_")]


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return Examples(tmp_path_factory.mktemp("examples"))


def parse(owner, name):
    text = inspect.getdoc(inspect.getattr_static(owner, name, None) or getattr(owner, name)) or ""
    return doctest.DocTestParser().get_doctest(text, {}, name, None, 0)


def is_run(example):
    return not example.options.get(doctest.SKIP)


@pytest.mark.parametrize(
    ("owner", "name"),
    [*((sk, name) for name in NAMES), *((sk.Workspace, name) for name in METHODS)],
    ids=[*NAMES, *METHODS],
)
def test_an_example_does_what_it_says(owner, name, examples, tmp_path):
    example = parse(owner, name)
    assert example.examples, "it has no example"
    if not any(map(is_run, example.examples)):
        return
    with chdir(tmp_path):
        example.globs = examples.names(tmp_path)
        report: list[str] = []
        doctest.DocTestRunner(optionflags=FLAGS).run(example, out=report.append)
    assert not report, "".join(report)


def test_most_examples_are_run():
    parsed = [parse(sk, name) for name in NAMES] + [parse(sk.Workspace, name) for name in METHODS]
    run = sum(any(map(is_run, each.examples)) for each in parsed)
    assert run >= 0.7 * len(parsed)
