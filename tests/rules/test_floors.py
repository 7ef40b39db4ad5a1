"""Who may import whom: tools/floors.py has the list, docs/architecture.md shows it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import floors
import pytest
from floors import HEIGHTS

import siamkit

ROOT = Path(__file__).parents[2]
PLUGINS_MAY_USE = {"errors", "types", "protocols", "sdk"}
# A plugin that uses another one's public names.
BUILT_ON = {"siamkit_segments": "siamkit_objects", "siamkit_faces": "siamkit_facefinder"}
# Modules that a user asks for by name, once.
WITH_TORCH = {
    *("export", "crossencoder", "training"),
    *("export_check", "export_sam", "export_torchvision"),
    *("export_transformers",),
    *("torchvision_weights", "transformers_models"),
}
# Of siamkit/train, what people meet before a run begins, or read after it.
WITHOUT_TORCH = {
    "config",
    "curves",
    "data",
    "events",
    "examples",
    "folder",
    "intake",
    "plot",
    "prepare",
    "record",
    "run",
    "settings",
    "split",
    "targets",
}
# Commands and examples use the public names of `siamkit`, and these modules; io and sdk hold the
# formats of the files that commands read and write.
DOOR = {"cli", "mcp", "serve", "workspace", "reports", "errors", "types", "io", "sdk"}
BELOW_THE_DOOR = {
    "examples/train_characters.py": "is a modality too, and trains it uninstalled",
    "siamkit/cli/__init__.py": "claims standard output before any command runs",
    "siamkit/cli/calibrate.py": "reads thresholds off a calibration, and writes it",
    "siamkit/cli/plugins.py": "lists names without importing a Workspace, which takes 0.1 s",
}
TORCH_IN_SDK = {"efficientnet_lite0", "torch_export"}
TRAINING_ONLY = {"torch", "torchvision", "timm", "sentence_transformers", "transformers"}


def imports(path: Path, *, typing_too: bool = False) -> Iterator[str]:
    """Every module that a file imports, anywhere in it; those for type checkers only if asked."""
    tree = ast.parse(path.read_text())
    skipped = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.If)
            and ast.unparse(node.test) == "TYPE_CHECKING"
            and not typing_too
        ):
            skipped |= {id(child) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "siamkit":
                yield from (f"siamkit.{alias.name}" for alias in node.names)
            else:
                yield node.module


def python_files(*folders: str) -> list[Path]:
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


TEMPLATES = [p for p in python_files("siamkit/scaffold") if p.name != "__init__.py"]
CORE = [p for p in python_files("siamkit") if p not in TEMPLATES]


def test_every_folder_and_module_of_the_core_has_a_floor():
    names = {
        p.stem for p in (ROOT / "siamkit").iterdir() if p.name[0] not in "_." and p.stem != "py"
    }
    assert names - {"py"} == set(HEIGHTS)  # py.typed


def test_the_documented_floors_are_these():
    page = floors.ARCHITECTURE.read_text()
    assert page == floors.with_table(page), "python tools/floors.py"
    assert floors.PICTURE.read_text() == floors.drawing(), "python tools/floors.py"


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_core_imports_downwards_only(path):
    own = path.relative_to(ROOT / "siamkit").parts[0].removesuffix(".py")
    for module in imports(path):
        parts = module.split(".")
        if (own != "train" or path.stem in WITHOUT_TORCH) and path.stem not in TORCH_IN_SDK:
            assert parts[0] not in TRAINING_ONLY, f"{path} imports {module}"
        assert not parts[0].startswith("siamkit_"), f"core knows {module} by name"
        if module == "siamkit":  # `sk.Workspace` and the like, which lie above every other floor
            assert own == "cli", f"{path} imports the public names"
            continue
        if parts[0] == "siamkit" and own in HEIGHTS and parts[1] in HEIGHTS and parts[1] != own:
            assert HEIGHTS[parts[1]] < HEIGHTS[own], f"{own} imports {module}, on no lower floor"


@pytest.mark.parametrize(
    "path", python_files("plugins", "indexes"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_plugins_use_nothing_that_a_strangers_could_not(path):
    package = path.relative_to(ROOT).parts[1]
    for module in imports(path, typing_too=True):
        parts = module.split(".")
        if path.stem not in WITH_TORCH:
            assert parts[0] not in TRAINING_ONLY, f"{path} imports {module}"
        if parts[0] == "siamkit":
            assert parts[1] in PLUGINS_MAY_USE, f"{path} imports {module}"
        if parts[0].startswith("siamkit_"):
            is_base = module == BUILT_ON.get(package)
            assert parts[0] == package or is_base, f"{path} reaches into {parts[0]}"


@pytest.mark.parametrize(
    "path",
    [*python_files("siamkit/cli"), *sorted((ROOT / "examples").glob("*.py"))],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_commands_and_examples_use_the_door(path):
    public = {f"siamkit.{name}" for name in siamkit.__all__}
    below = [
        module
        for module in imports(path)
        if module.startswith("siamkit.")
        and module not in public
        and module.split(".")[1] not in DOOR
    ]
    assert bool(below) == (str(path.relative_to(ROOT)) in BELOW_THE_DOOR), below


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(ROOT)))
def test_templates_are_plugins(path):
    for module in imports(path, typing_too=True):
        parts = module.split(".")
        assert parts[0] not in TRAINING_ONLY
        if parts[0] == "siamkit":
            assert parts[1] in PLUGINS_MAY_USE | {"testing"}, f"{path} imports {module}"


def test_core_names_no_modality():
    """Formats of annotations have a key or a folder "images", which is not the modality."""
    for path in python_files("siamkit"):
        if path.name in ("coco.py", "coco_read.py", "voc.py", "yolo.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in {"faces", "images", "signatures", "voices", "questions"}, (
                    path
                )
