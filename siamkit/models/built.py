"""Encoders that a plugin builds from installed weights: once, and again when its code changes."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from siamkit import __version__
from siamkit.host import registry
from siamkit.models import reference_vectors
from siamkit.models.cache import BUILT_BY, EXAMPLES, cached_folder, made_of, put
from siamkit.protocols import BuildsEncoders
from siamkit.sdk.model_folder import CARD, GRAPH

log = logging.getLogger("siamkit")


def default_name(plugin: Any) -> str | None:
    """The encoder that a modality takes if none is named; None if it carries its own weights."""
    return next(iter(plugin.encoders), None) if isinstance(plugin, BuildsEncoders) else None


def ensure(plugin: Any, name: str) -> Path:
    """The cached folder of a named encoder, built if it is absent, cut short or of other code.

    Two processes may build at once: each builds in a folder of its own, and the first to
    rename it into place wins; the other takes what is there.
    """
    folder = cached_folder(plugin, name)
    if (folder / CARD).exists() and (folder / GRAPH).exists() and _is_current(plugin, folder):
        return folder  # whoever opens it checks it against its fingerprint
    return build(plugin, name)


def build(plugin: Any, name: str) -> Path:
    """Build a named encoder into the cache, in place of a damaged, outdated or absent one.

    Raises PluginError if it gives other vectors than the one before it under the same fingerprint.
    """
    log.warning(f"building encoder {plugin.name}/{name} once, from {plugin.encoders[name]}")
    before = cached_folder(plugin, name) / EXAMPLES

    def make(ready: Path) -> str:
        plugin.build(name, ready)
        reference_vectors.write(plugin, ready, ready / EXAMPLES)
        unused = f"delete {before.parent} if nothing is enrolled"
        if reference_vectors.require_alike(plugin, before, ready / EXAMPLES, otherwise=unused):
            shutil.copyfile(before, ready / EXAMPLES)
        return _origin(plugin)

    folder = put(plugin, name, make)
    log.warning(f"encoder {plugin.name}/{name} is ready in {folder}")
    return folder


def sign(plugin: Any, folder: Path) -> None:
    """Keep beside an encoder that was trained which code prepares its samples, and how it does.

    Of what has no examples, a network by itself, nothing is kept.
    """
    if reference_vectors.write(plugin, folder, folder / EXAMPLES):
        (folder / BUILT_BY).write_text(_origin(plugin), encoding="utf-8")
    else:
        (folder / EXAMPLES).unlink()


def require_same_vectors(plugin: Any, folder: Path) -> None:
    """Raise PluginError where other code than an encoder was trained with changes its vectors."""
    if not (folder / EXAMPLES).exists() or _is_current(plugin, folder):
        return
    with tempfile.TemporaryDirectory() as made:
        now = Path(made) / EXAMPLES
        if reference_vectors.write(plugin, folder, now):
            kept = reference_vectors.require_alike(
                plugin, folder / EXAMPLES, now, otherwise="take its code back, or train again"
            )
            with suppress(OSError):  # not ours to write in: it is looked at again next time
                if not kept:
                    shutil.copyfile(now, folder / EXAMPLES)
                (folder / BUILT_BY).write_text(_origin(plugin), encoding="utf-8")


def _is_current(plugin: Any, folder: Path) -> bool:
    """False for a folder that other code of the plugin built: its recipe may have changed."""
    return made_of(folder) == _origin(plugin)


def _origin(plugin: Any) -> str:
    """Package and version, siamkit's, and the code, which is written under one version."""
    module = type(plugin).__module__
    made = f"siamkit {__version__}, code {_code(module.partition('.')[0])}"
    if not any(found.name == plugin.name for found in registry.found("siamkit.modalities")):
        return f"{module}, {made}"  # of a class that is tried before it is installed
    found = registry.find("siamkit.modalities", plugin.name)
    return f"{found.package} {found.version}, {made}"


def _code(package: str) -> str:
    """A hash of all modules of an imported package: each may prepare its samples."""
    digest, top = hashlib.sha256(), sys.modules.get(package)
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    for file in files or [Path(getattr(top, "__file__", None) or "")]:
        with suppress(OSError):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
