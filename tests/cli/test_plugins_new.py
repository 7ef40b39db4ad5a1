"""`siamkit plugins new` of every kind: it passes its own tests, and enrols, queries and trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib import import_module, invalidate_caches
from pathlib import Path

import pytest

from siamkit.errors import BadInput
from siamkit.host import registry
from siamkit.scaffold import DETECTOR, KINDS, TEMPLATES, write
from siamkit.testing import check_detector
from siamkit.types import Prompt

TINY = {
    "pretrained": "false",
    "backbone": "test_efficientnet",
    "steps": "12",
    "warmup": "0.2",
    "identities": "4",
    "samples": "3",
    "evaluate_every": "0.5",
    "precision": "fp32",
    "device": "cpu",
    "compare": "false",
}
HEAD = TINY | {"backbone": "encoder", "pretrained": "true"}


@pytest.fixture
def isolated(shell, monkeypatch):
    """A shell with a cache of its own, which finds what `install` puts in its folder `site`."""
    site = str(shell.folder / "site")
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    shell.environment["PYTHONPATH"] += os.pathsep + site
    with monkeypatch.context() as patch:
        patch.syspath_prepend(site)
        yield shell
    registry.all_installed.cache_clear()


def install(shell, name):
    """Put metadata and modules where an editable install does."""
    folder, site = shell.folder / name, shell.folder / "site"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
            for group, points in project["entry-points"].items()
        )
    )
    for module in folder.glob("siamkit_*.py"):
        (site / module.name).symlink_to(module)
    invalidate_caches()
    registry.all_installed.cache_clear()


def python(shell, *arguments, folder="."):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=shell.folder / folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("name", ["my-newname", "newname2"])
def test_a_name_may_be_that_of_the_template(name, tmp_path):
    write(name, "text", tmp_path / "new")
    module = f"siamkit_{name.replace('-', '_')}"
    assert (tmp_path / "new" / f"{module}.py").exists()
    assert f"from {module} import" in (tmp_path / "new" / "make_samples.py").read_text()


@pytest.mark.parametrize("kind", sorted({*KINDS} - {DETECTOR}))
def test_a_new_plugin_works_at_once(kind, isolated):
    name, folder = f"my-{kind}", f"siamkit-my-{kind}"
    written = isolated("plugins", "new", name, "--kind", kind)
    assert written.code == 0, written.err
    assert f"pip install -e {folder}" in written.out
    install(isolated, folder)

    tests = python(isolated, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=folder)
    assert tests.returncode == 0, tests.stdout
    assert "failed" not in tests.stdout

    listed = json.loads(isolated("plugins", "list", "--json").out)
    assert [p["package"] for p in listed if p["name"] == name] == [folder]

    assert python(isolated, f"{folder}/make_samples.py").returncode == 0
    enrolled = isolated("enrol", name, "--from", "samples")
    assert enrolled.code == 0, enrolled.err
    write_queries(isolated, name)
    assert best_matches(isolated, name) == ["a", "b"]

    settings = TINY if kind == "image" else HEAD
    sets = [f"--set={key}={value}" for key, value in settings.items()]
    trained = isolated("train", "samples", "-m", name, "-o", "run", *sets)
    assert trained.code == 0, trained.err
    moved = isolated("reembed", name, "--encoder", "run/encoder")
    assert moved.code == 0, moved.err
    assert best_matches(isolated, name) == ["a", "b"]


def test_a_new_detector_keeps_every_rule(shell, monkeypatch):
    folder = shell.folder / "siamkit-my-shapes"
    assert shell("plugins", "new", "my-shapes", "--kind", "detector").code == 0
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["siamkit.regions"]
    assert points == {"my-shapes": "siamkit_my_shapes:MyShapesDetector"}
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    detector = import_module("siamkit_my_shapes").MyShapesDetector()
    skipped = {result.check for result in check_detector(detector) if result.state == "skipped"}
    assert skipped <= {"no_network"}
    regions = detector.find_prompted(detector.examples()[0], Prompt(points=((40, 60),)))
    assert [region.label for region in regions] == ["shape"]


def test_changed_code_is_never_compared_with_what_it_made_before(isolated):
    assert isolated("plugins", "new", "marks", "--kind", "image").code == 0
    install(isolated, "siamkit-marks")
    assert python(isolated, "siamkit-marks/make_samples.py").returncode == 0
    assert isolated("enrol", "marks", "--from", "samples").code == 0
    cold, module = isolated.process, isolated.folder / "siamkit-marks" / "siamkit_marks.py"
    before = module.read_text()

    changed = before.replace("np.asarray(scaled", "255 - np.asarray(scaled")
    module.write_text(changed)
    for command in (("query", "marks", "samples/a/0"), ("plugins", "check", "marks")):
        refused = cold(*command)
        assert refused.code == 1
        assert "into different vectors, but its fingerprint is still" in refused.out + refused.err
        assert "package siamkit-marks 0.1.0" in refused.out + refused.err
    module.write_text(before)
    assert cold("query", "marks", "samples/a/0").code == 3

    module.write_text(
        changed.replace('"version": 1', '"version": 2').replace("DIM = 48", "DIM = 32")
    )
    checked = cold("plugins", "check", "marks")
    assert checked.code == 0, checked.out
    refused = cold("query", "marks", "samples/a/0")
    assert refused.code == 1
    assert "siamkit reembed marks" in refused.err
    assert cold("reembed", "marks").code == 0
    assert cold("query", "marks", "samples/a/0").code == 3


def test_a_trained_encoder_is_not_served_by_other_code(isolated):
    assert isolated("plugins", "new", "notes", "--kind", "text").code == 0
    install(isolated, "siamkit-notes")
    assert python(isolated, "siamkit-notes/make_samples.py").returncode == 0
    sets = [f"--set={key}={value}" for key, value in HEAD.items()]
    trained = isolated("train", "samples", "-m", "notes", "-o", "run", *sets)
    assert trained.code == 0, trained.err
    pair = ("verify", "-m", "notes", "samples/a/0", "samples/a/1", "--encoder", "run/encoder")
    score = isolated.process(*pair, "--json").out
    module = isolated.folder / "siamkit-notes" / "siamkit_notes.py"
    before = module.read_text()

    module.write_text(before + "# a word that changes nothing\n")
    assert isolated.process(*pair, "--json").out == score
    module.write_text(
        before.replace("counts = np.full", "medium = medium[::2]\n    counts = np.full")
    )
    refused = isolated.process(*pair)
    assert refused.code == 1
    assert "into different vectors" in refused.err
    assert "restore the plugin's code, or train again" in refused.err
    assert "package siamkit-notes 0.1.0" in refused.err


def write_queries(shell, name):
    """Write two samples of the identities a and b that are not enrolled."""
    sample = import_module(f"siamkit_{name.replace('-', '_')}").sample
    for identity in (0, 1):
        (shell.folder / f"q{identity}").write_bytes(sample(identity, 9))


def best_matches(shell, gallery):
    """Query with both; returns the identity of each best match."""
    done = shell("query", gallery, "q0", "q1", "--json")
    assert done.code in (0, 3), done.err  # 3: before training there is no threshold
    probes = json.loads(done.out)["probes"]
    return [probe["regions"][0]["matches"][0]["identity"] for probe in probes]


def test_what_is_written_is_a_distribution_that_pip_builds(tmp_path):
    setuptools = pytest.importorskip("setuptools", "77", reason="needs setuptools 77")
    assert setuptools
    write("sketches", "vector", tmp_path / "new")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--no-index", "--disable-pip-version-check"),
            *("--target", tmp_path / "site", tmp_path / "new"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (info,) = (tmp_path / "site").glob("siamkit_sketches-0.1.0.dist-info")
    points = (info / "entry_points.txt").read_text()
    assert "sketches = siamkit_sketches:SketchesModality" in points
    assert (tmp_path / "site" / "siamkit_sketches.py").exists()


@pytest.mark.parametrize(
    "name", ["", "Logos", "2d", "my_logos", "a--b", "a-", "../x", "naïve", "x y", "a" * 41]
)
def test_a_bad_name_writes_nothing(name, tmp_path):
    with pytest.raises(BadInput, match="cannot be a plugin's name"):
        write(name, "image", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match=r"plugin letters .*package toykit.* is already installed"):
        write("letters", "text", tmp_path / "new")
    (tmp_path / "siamkit_logos.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match="a module siamkit_logos already exists"):
        write("logos", "text", tmp_path / "new")


def test_a_folder_that_is_there_is_left_alone(isolated):
    (isolated.folder / "siamkit-logos").mkdir()
    refused = isolated("plugins", "new", "logos", "--kind", "image")
    assert refused.code == 2
    assert "siamkit-logos already exists" in refused.err
    refused = isolated("plugins", "new", "logos", "--kind", "image", "--output", "nowhere/logos")
    assert refused.code == 2
    assert "is not a folder" in refused.err
    assert [path.name for path in isolated.folder.iterdir()] == ["siamkit-logos"]


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def fail(path, *rest, **more):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="No space"):
        write("logos", "image", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_names_become_those_of_modules_and_classes(tmp_path):
    files = {path.name for path in write("my-logos", "image", tmp_path / "new")}
    common = {"pyproject.toml", "README.md", "make_samples.py"}
    assert files == common | {"siamkit_my_logos.py", "test_my_logos.py"}
    text = "".join(path.read_text() for path in (tmp_path / "new").iterdir())
    assert "newname" not in text.lower()
    assert 'name = "my-logos"' in text
    assert "class MyLogosModality:" in text


def test_every_template_is_of_a_kind():
    folders = {path.name for path in TEMPLATES.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == {*KINDS, "common"}
