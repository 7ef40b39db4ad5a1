"""The cache of encoders and detectors: a folder each, written elsewhere and renamed in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from siamkit.errors import BadInput, MissingWeights, PluginError
from siamkit.host import registry
from siamkit.io import foreign
from siamkit.io.atomic import settle, sync
from siamkit.io.cache_root import cache_root, writing_to_cache
from siamkit.io.unfinished import scratch
from siamkit.protocols import Modality
from siamkit.sdk import detector_folder, model_folder
from siamkit.sdk.detector_folder import DetectorCard
from siamkit.sdk.model_folder import Card

BUILT_BY = "built-by.txt"  # the plugin's package and code, or the model that was added
EXAMPLES = "examples.json"  # vectors of some of the plugin's examples, as first embedded
OWN_FILES = (BUILT_BY, EXAMPLES)  # siamkit's files in a folder; the others are the encoder's


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of the cache with a plugin's encoders, or its detectors."""

    plugin: Any
    kind: Literal["encoder", "detector"]
    root: Path

    def folder(self, name: str) -> Path:
        """Return the folder of a named model; it need not exist yet."""
        return self.root / name

    def title(self, name: str) -> str:
        """Return what messages call a model: 'encoder images/fused', 'detector yolo'."""
        return (
            f"encoder {self.plugin.name}/{name}" if self.kind == "encoder" else f"detector {name}"
        )

    def open(self, folder: Path) -> Any:
        """Open a folder by the plugin, which checks every file in it."""
        with registry.calling(self.plugin, f"opening its {self.kind}"):
            return (self.plugin.encoder if self.kind == "encoder" else self.plugin.open)(folder)

    def read_card(self, folder: Path) -> Card | DetectorCard:
        """Read the card alone. Raises MissingWeights."""
        if self.kind == "encoder":
            return model_folder.read_card(folder)
        return detector_folder.read_card(folder)

    def has_files(self, name: str) -> bool:
        """True if the card and the graph of a model are there, whatever is in them."""
        return all((self.folder(name) / file).exists() for file in self._files)

    def names(self) -> list[str]:
        """Return the names of the models that are there, usable or not."""
        names = [card.parent.name for card in self.root.glob(f"*/{self._files[0]}")]
        return sorted(name for name in names if not name.startswith("."))

    @property
    def _files(self) -> tuple[str, str]:
        sdk = model_folder if self.kind == "encoder" else detector_folder
        return sdk.CARD, sdk.GRAPH


def encoder_shelf(plugin: Modality[Any]) -> Shelf:
    """Return the shelf of a modality's encoders.

    Raises PluginError if the plugin's name would lead out of the cache.
    """
    if Path(str(plugin.name)).name != str(plugin.name):
        raise PluginError(f"{registry.describe(plugin)}: its name is not usable as a folder name")
    return Shelf(plugin, "encoder", cache_root() / "encoders" / str(plugin.name))


def detector_shelf(plugin: Any) -> Shelf:
    """Return the shelf of detectors that a region plugin opens; all plugins share its folder."""
    return Shelf(plugin, "detector", cache_root() / "detectors")


def cached_folder(plugin: Modality[Any], name: str) -> Path:
    """Return the folder of a named encoder in the cache; it need not exist yet."""
    return encoder_shelf(plugin).folder(name)


def is_folder(name: str, card: str) -> bool:
    """True for a path of a folder, and for a bare name only if that folder has a card.

    card: the file's name, by which model folders of a kind are known.
    """
    return (Path(name) / card).exists() or (os.sep in name and Path(name).is_dir())


def is_usable(shelf: Shelf, folder: Path) -> bool:
    """True if the plugin can open the folder, which checks every file in it."""
    try:
        shelf.open(folder)
    except Exception:  # of any class: a damaged file may break any reader
        return False
    return True


def usable_card(shelf: Shelf, name: str) -> Card | DetectorCard | None:
    """Return the card of a usable folder; None if it is damaged or absent."""
    folder = shelf.folder(name)
    try:
        return shelf.read_card(folder) if is_usable(shelf, folder) else None
    except MissingWeights:  # a plugin may open a folder that has no card
        return None


def read_provenance(folder: Path) -> str:
    """Return 'ORIGIN:MODEL' or the plugin that built a model; '' if nothing was recorded."""
    try:
        return foreign.read_text(folder / BUILT_BY)
    except BadInput:
        return ""


@writing_to_cache()
def install(
    shelf: Shelf,
    name: str,
    write: Callable[[Path], str],
    *,
    require_replaceable: Callable[[Path, str], None] = lambda folder, provenance: None,
) -> Path:
    """Write a model's folder beside its place in the cache, and rename it in once it opens.

    write: fills an empty folder and returns its provenance.
    require_replaceable: called with a usable folder that another process has put in place
    meanwhile, and with the new provenance. Unless it raises, that folder is replaced.
    """
    folder = shelf.folder(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch(folder.parent) as unfinished:
        ready = unfinished / name
        ready.mkdir()
        with registry.calling(shelf.plugin, f"making {shelf.kind} {name}"):
            provenance = write(ready)
            shelf.open(ready)  # a folder that cannot be opened never reaches the cache
        (ready / BUILT_BY).write_text(provenance, encoding="utf-8")
        settle(ready, private=False)
        for _ in range(10):
            try:
                os.rename(ready, folder)
                break
            except OSError:  # the place is taken: by another process's folder, or a damaged one
                usable = is_usable(shelf, folder)
                if usable and read_provenance(folder) == provenance:
                    break
                if usable:
                    require_replaceable(folder, provenance)
                shutil.rmtree(folder, ignore_errors=True)
    if not is_usable(shelf, folder):
        raise MissingWeights(f"{shelf.title(name)} could not be moved to {folder}")
    sync(folder.parent)
    return folder
