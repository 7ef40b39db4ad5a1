"""Templates of plugins, and the function that writes a distribution from one.

A modality is `common/` and one of `image/`, `audio/`, `text/`, `vector/`, a region detector is
`detector/`. In files and file names, `newname` stands for the name of the plugin; see `_renamed`.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from siamkit.errors import BadInput
from siamkit.host import registry
from siamkit.io.atomic import writing_folder

TEMPLATES = Path(__file__).parent
DETECTOR = "detector"
KINDS = ("image", "audio", "text", "vector", DETECTOR)
NAME = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME_LETTERS = 40  # letters; a gallery of that name has room for more


def write(name: str, kind: str, folder: Path) -> list[Path]:
    """Write a distribution with a plugin of that name into a new folder; returns its files.

    kind: of the samples of a modality, or "detector".

    Raises BadInput for a name or a folder that is taken or unusable, and then writes nothing.
    """
    _check_name(name)
    if kind not in KINDS:
        raise BadInput(f"no template of kind {kind!r}", hint=f"use one of {', '.join(KINDS)}")
    if folder.exists() or folder.is_symlink():
        raise BadInput(f"{folder} already exists", hint="give another folder with `--output`")
    if not folder.absolute().parent.is_dir():
        raise BadInput(f"{folder.absolute().parent} is not a folder", hint="create it first")
    with writing_folder(folder, private=False) as distribution:
        for part in (kind,) if kind == DETECTOR else ("common", kind):
            for template in sorted((TEMPLATES / part).iterdir()):
                if template.is_file():
                    _copy(template, distribution, name)
    return sorted(folder.iterdir())


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_LETTERS:
        raise BadInput(
            f"{name[: 2 * MAX_NAME_LETTERS]!r} cannot be a plugin's name",
            hint="begin with a letter; use small letters, digits and single hyphens (my-logos),"
            f" {MAX_NAME_LETTERS} characters at most",
        )
    for plugin in registry.all_installed():
        if plugin.name == name:
            raise BadInput(f"{plugin} is already installed", hint="choose another name")
    module = f"siamkit_{name.replace('-', '_')}"
    if find_spec(module) is not None:
        raise BadInput(f"a module {module} already exists", hint="choose another name")


def _copy(template: Path, folder: Path, name: str) -> None:
    text = template.read_text(encoding="utf-8")
    path = folder / _renamed(template.name, name)
    path.write_text(_renamed(text, name), encoding="utf-8")


def _renamed(text: str, name: str) -> str:
    """Replace `NewName` by MyLogos, and `newname` by my_logos in module names, else by my-logos."""
    words = name.split("-")
    spellings = {"NewName": "".join(word.capitalize() for word in words), "newname": name}
    spellings |= {f"{head}newname": head + "_".join(words) for head in ("siamkit_", "test_")}
    return re.sub("(siamkit_|test_)?newname|NewName", lambda match: spellings[match[0]], text)
