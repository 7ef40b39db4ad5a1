"""Model folders that go to another machine: all of their files, by value, under their hash.

A model that a plugin builds is built there, from the plugin's own weights. This is for the others:
an encoder that was trained, or a model that was added.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from siamkit.io.cache_root import cache_root, writing_to_cache
from siamkit.io.folders import files_under
from siamkit.io.unfinished import scratch
from siamkit.models import detectors, names
from siamkit.models.cache import detector_shelf, is_folder
from siamkit.protocols import Modality
from siamkit.sdk import detector_folder

UNUSED = 14 * 86_400  # seconds after which a folder that no run has opened is deleted
Files = Mapping[str, bytes]  # by relative path


def encoder_to_ship(plugin: Modality[Any], encoder: str | None) -> Path | None:
    """Return the folder of an encoder that another machine cannot build itself; None if it can."""
    if encoder is None or encoder in getattr(plugin, "encoders", {}):
        return None
    return names.resolve(plugin, encoder)


def detector_to_ship(detector: str | None) -> Path | None:
    """Return the folder of a detector that another machine cannot build itself; None if it can."""
    if detector is None or detectors.is_plugin(detector) or detectors.maker_of(detector):
        return None
    if detector in detectors.cached_names():
        return detector_shelf(None).folder(detector)
    return Path(detector) if is_folder(detector, detector_folder.CARD) else None


def read_files(folder: Path) -> Files:
    """Read all files of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_under(folder)}


def hash_files(files: Files) -> str:
    """Return a hash of names and contents."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\n".encode("utf-8", "surrogateescape"))
        digest.update(hashlib.sha256(files[name]).digest())
    return digest.hexdigest()[:24]


@writing_to_cache()
def install_files(digest: str, fetch: Callable[[], Files]) -> Path:
    """Return the folder in this machine's cache with the files of that hash, fetched if need be."""
    root = cache_root() / "shipped"
    root.mkdir(parents=True, exist_ok=True)
    _delete_unused(root)
    folder = root / digest
    if folder.is_dir() and hash_files(read_files(folder)) == digest:
        os.utime(folder)  # it is in use
        return folder
    shutil.rmtree(folder, ignore_errors=True)  # damaged
    files = fetch()
    with scratch(root) as unfinished:
        for name, content in files.items():
            path = unfinished / digest / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with suppress(OSError):  # another worker of this machine was faster
            os.rename(unfinished / digest, folder)
    return folder


def _delete_unused(root: Path) -> None:
    with suppress(OSError):
        for folder in root.iterdir():
            if time.time() - folder.stat().st_mtime > UNUSED:
                shutil.rmtree(folder, ignore_errors=True)
