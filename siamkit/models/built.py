"""Models that a plugin builds from installed weights: once, and again when its code changes."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from siamkit import __version__
from siamkit.errors import PluginError
from siamkit.host import registry
from siamkit.io.atomic import replacing
from siamkit.models import reference_vectors
from siamkit.models.cache import (
    BUILT_BY,
    EXAMPLES,
    Shelf,
    cached_folder,
    detector_shelf,
    encoder_shelf,
    install,
    read_provenance,
)
from siamkit.protocols import BuildsEncoders, Modality

log = logging.getLogger("siamkit")


def default_name(plugin: Modality[Any]) -> str | None:
    """Return the name of a modality's default encoder; None if it carries its own weights."""
    if not isinstance(plugin, BuildsEncoders) or getattr(plugin, "ships_default", False):
        return None
    return next(iter(plugin.encoders), None)


def ensure_built(plugin: Modality[Any], name: str) -> Path:
    """Return the cached folder of a named encoder, built first if absent, incomplete or outdated.

    Two processes may build at once: each builds in a folder of its own, the first to rename it
    into place wins, and the other uses that folder.
    """
    shelf = encoder_shelf(plugin)
    return shelf.folder(name) if is_built(shelf, name) else build_encoder(plugin, name)


def ensure_detector_built(plugin: Any, name: str) -> Path:
    """Do the same for a detector of a plugin that is BuildsDetectors."""
    shelf = detector_shelf(plugin)
    return shelf.folder(name) if is_built(shelf, name) else build_detector(plugin, name)


def is_built(shelf: Shelf, name: str) -> bool:
    """True if a model's files are there, built by the plugin's present code.

    Opening them checks them against their fingerprint.
    """
    return shelf.has_files(name) and _is_current(shelf.plugin, shelf.folder(name))


def build_encoder(plugin: Modality[Any], name: str) -> Path:
    """Build a named encoder into the cache, in place of a damaged, outdated or absent one.

    Raises PluginError if its vectors differ from those of the one before under one fingerprint.
    """
    if not isinstance(plugin, BuildsEncoders):
        raise PluginError(f"{registry.describe(plugin)} names encoders but has no build()")
    before = cached_folder(plugin, name) / EXAMPLES

    def write(ready: Path) -> str:
        plugin.build(name, ready)
        after = ready / EXAMPLES
        reference_vectors.write_vectors(plugin, ready, after)
        delete = f"delete {before.parent} if nothing is enrolled"
        if reference_vectors.require_alike(plugin, before, after, alternative=delete):
            shutil.copyfile(before, after)
        return _provenance(plugin)

    return _build(encoder_shelf(plugin), name, plugin.encoders[name], write)


def build_detector(plugin: Any, name: str) -> Path:
    """Build a named detector into the cache, in place of a damaged, outdated or absent one."""

    def write(ready: Path) -> str:
        plugin.build(name, ready)
        return _provenance(plugin)

    return _build(detector_shelf(plugin), name, plugin.detectors[name], write)


def _build(shelf: Shelf, name: str, origin: str, write: Callable[[Path], str]) -> Path:
    log.warning(f"building {shelf.title(name)} once, from {origin}")
    folder = install(shelf, name, write)
    log.warning(f"{shelf.title(name)} is ready in {folder}")
    return folder


def record_reference(plugin: Modality[Any], folder: Path) -> None:
    """Write, beside a trained encoder, vectors of examples and the code that prepares samples.

    Writes neither if the modality has no examples, as for a bare network.
    """
    if reference_vectors.write_vectors(plugin, folder, folder / EXAMPLES):
        (folder / BUILT_BY).write_text(_provenance(plugin), encoding="utf-8")
    else:
        (folder / EXAMPLES).unlink()


def require_same_vectors(plugin: Modality[Any], folder: Path) -> None:
    """Raise PluginError if the plugin's code has changed since training, and its vectors too."""
    if not (folder / EXAMPLES).exists() or _is_current(plugin, folder):
        return
    alternative = "restore the plugin's code, or train again"
    with tempfile.TemporaryDirectory() as scratch:
        before, after = folder / EXAMPLES, Path(scratch) / EXAMPLES
        if reference_vectors.write_vectors(plugin, folder, after):
            keep_before = reference_vectors.require_alike(
                plugin, before, after, alternative=alternative
            )
            with suppress(OSError):  # a folder that cannot be written is checked again next time
                if not keep_before:
                    with replacing(before, private=False) as temporary:
                        shutil.copyfile(after, temporary)
                with replacing(folder / BUILT_BY, private=False) as temporary:
                    temporary.write_text(_provenance(plugin), encoding="utf-8")


def _is_current(plugin: Modality[Any], folder: Path) -> bool:
    """False if other code of the plugin built the folder: its recipe may have changed."""
    return read_provenance(folder) == _provenance(plugin)


def _provenance(plugin: Modality[Any]) -> str:
    """Return the plugin's package and version, siamkit's version, and a hash of the code.

    The hash is there because code is edited without a new version number.
    """
    module = type(plugin).__module__
    versions = f"siamkit {__version__}, code {_hash_code(module.partition('.')[0])}"
    entry = registry.entry_of(plugin)
    if entry is None:  # a class that is tried before it is installed
        return f"{module}, {versions}"
    return f"{entry.package} {entry.version}, {versions}"


def _hash_code(package: str) -> str:
    """Hash all modules of an imported package: each may take part in preparing samples."""
    digest, top = hashlib.sha256(), sys.modules.get(package)
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    for file in files or [Path(getattr(top, "__file__", None) or "")]:
        with suppress(OSError):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
