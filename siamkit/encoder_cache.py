"""Named encoders: built once from installed weights, then kept in the user's cache."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from siamkit import encoder_examples, registry
from siamkit.encoders import CARD, GRAPH
from siamkit.errors import BadInput, MissingWeights, PluginError
from siamkit.protocols import AddsEncoders, BuildsEncoders
from siamkit.sources import files_under

BUILT_BY = "built-by.txt"  # what of the plugin made it, or the model that was added
EXAMPLES = "examples.json"  # the vectors of some of the plugin's examples, as it was built
ADDED = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")  # a name that an added encoder may have
ABANDONED = 86_400.0  # seconds after which a folder that is being made is nobody's
OWN = (BUILT_BY, EXAMPLES)  # files in a folder that are of the cache, not of the encoder
log = logging.getLogger("siamkit")


def cache_root() -> Path:
    """Where built encoders live: SIAMKIT_CACHE, else the platform's cache directory."""
    if given := os.environ.get("SIAMKIT_CACHE"):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("siamkit")


def default_name(plugin: Any) -> str | None:
    """The encoder that a modality takes if none is named; None if it carries its own weights."""
    return next(iter(plugin.encoders), None) if isinstance(plugin, BuildsEncoders) else None


def lasting(plugin: Any, wanted: str | None) -> str | None:
    """An encoder as a gallery keeps it: a folder by its whole path, so that it opens anywhere.

    Of another model, 'ORIGIN:MODEL', one is made, and kept by its name. Raises as `add` does.
    """
    if wanted is None or wanted in (*getattr(plugin, "encoders", {}), *added(plugin)):
        return wanted
    if _is_folder(wanted):
        return str(Path(wanted).resolve())
    return add(plugin, wanted).name if wanted.partition(":")[0] in origins(plugin) else wanted


def origins(plugin: Any) -> Mapping[str, str]:
    return plugin.origins if isinstance(plugin, AddsEncoders) else {}


def resolve(plugin: Any, wanted: str | None) -> Path | None:
    """The encoder folder for a name, a folder's path, or None for the modality's default.

    A named encoder that is not in the cache yet, or is damaged there, is built first, and a
    line is logged. Returns None if the plugin carries its own weights.
    Raises MissingWeights for a name that nobody knows, PluginError for a trained encoder that the
    plugin's code of today gives other vectors.
    """
    names: Mapping[str, str] = getattr(plugin, "encoders", {})
    wanted = wanted or default_name(plugin)
    if wanted is None:
        return None
    if wanted in names:
        return ensure(plugin, wanted)
    if wanted in added(plugin):
        return cached_folder(plugin, wanted)
    if _is_folder(wanted):
        _require_same_vectors(plugin, Path(wanted))
        return Path(wanted)
    again = f"; {adding(plugin, wanted)} makes one"
    raise MissingWeights(
        f"no encoder {wanted!r} for {plugin.name}: neither a folder nor a known name",
        hint=f"known names: {', '.join([*names, *added(plugin)]) or 'none'}"
        f"{again if origins(plugin) and ADDED.fullmatch(wanted) else ''}",
    )


def _is_folder(wanted: str) -> bool:
    """A bare name is that of an encoder, unless an encoder folder bears it."""
    return (Path(wanted) / CARD).exists() or (os.sep in wanted and Path(wanted).is_dir())


def cached_folder(plugin: Any, name: str) -> Path:
    """Where a named encoder lives once it is built, whether or not it is.

    Raises PluginError for a plugin's name that would leave the cache.
    """
    if Path(str(plugin.name)).name != str(plugin.name):
        raise PluginError(f"{registry.who(plugin)}: its name is that of another folder")
    return cache_root() / "encoders" / str(plugin.name) / name


def added(plugin: Any) -> list[str]:
    """The encoders of a modality that `add` has put into the cache."""
    names = getattr(plugin, "encoders", {})
    folders = (cache_root() / "encoders" / str(plugin.name)).glob(f"*/{CARD}")
    return sorted(
        name for folder in folders if (name := folder.parent.name)[0] != "." and name not in names
    )


def add(plugin: Any, spec: str, name: str | None = None) -> Path:
    """Make an encoder folder of another model, 'ORIGIN:MODEL', and keep it under a name.

    name: None takes the model's own. Raises BadInput for a modality, an origin or a name that
    cannot be used, MissingWeights where the model is not to be had.
    """
    known, whose = origins(plugin), str(plugin.name)
    origin, _, model = spec.partition(":")
    if not isinstance(plugin, AddsEncoders) or origin not in known or not model:
        raise BadInput(
            f"{plugin.name} cannot make an encoder of {spec!r}",
            hint="; ".join(f"{o}:NAME is {what}" for o, what in known.items())
            or f"{plugin.name} take no other models",
        )
    if (place := Path(model).expanduser()).is_dir():  # the same words may mean another elsewhere
        model = str(place.resolve())
        spec = f"{origin}:{model}"
    if name is None:
        name = re.sub(r"[^a-z0-9.-]+", "-", Path(model).name.lower()).strip("-.")[:64]
    if name in getattr(plugin, "encoders", {}):
        raise BadInput(
            f"{whose} have an encoder {name!r} of their own", hint=_by_another(plugin, spec)
        )
    if not ADDED.fullmatch(name):
        raise BadInput(
            f"{name[:80]!r} cannot be an encoder's name: small letters, digits, dots and hyphens,"
            " 64 at most",
            hint=_by_another(plugin, spec),
        )

    def made_by() -> str:
        return f"{spec}, content {_content(place)}" if place.is_dir() else spec

    def make(ready: Path) -> str:
        plugin.add(origin, model, ready)
        return made_by()

    folder = cached_folder(plugin, name)
    if is_sound(plugin, folder):
        _require_made_by(plugin, folder, made_by())
        return folder
    return _put(plugin, name, make)


def adding(plugin: Any, name: str) -> str:
    """The command that adds an encoder again, with its model if the cache still tells it."""
    spec = _spec(added_of(cached_folder(plugin, name)))
    if spec.partition(":")[0] not in origins(plugin):  # not in the cache, or built by a plugin
        spec = "ORIGIN:MODEL"
    return _command(plugin, spec, name)


def _by_another(plugin: Any, spec: str) -> str:
    """What to do where a name is not to be had; true of every command."""
    return f"{_command(plugin, spec, 'another')}, then --encoder another"


def _command(plugin: Any, spec: str, name: str) -> str:
    return f"`siamkit encoders add {plugin.name} {shlex.quote(spec)} --name {name}`"


def _spec(made_by: str) -> str:
    """The 'ORIGIN:MODEL' of what an added encoder was made of."""
    return re.sub(r", content [0-9a-f]+$", "", made_by)


def _content(folder: Path) -> str:
    """A hash of all files of a folder with their names."""
    digest = hashlib.sha256()
    for path in files_under(folder):
        digest.update(str(path.relative_to(folder)).encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _require_made_by(plugin: Any, folder: Path, made_by: str) -> None:
    """Raise BadInput for an encoder that was added of something else."""
    if (before := added_of(folder)) != made_by:
        spec = _spec(made_by)
        other = "what that folder held before" if before.startswith(f"{spec}, ") else before
        raise BadInput(
            f"there is an encoder {folder.name!r} already, of {other}",
            hint=_by_another(plugin, spec),
        )


def is_sound(plugin: Any, folder: Path) -> bool:
    """True if the plugin can open the folder, which checks every file of it."""
    try:
        plugin.encoder(folder)
    except (Exception, SystemExit):  # of whatever kind: a damaged file may break any reader
        return False
    return True


def ensure(plugin: Any, name: str) -> Path:
    """The cached folder of a named encoder, built if it is absent or damaged.

    Two processes may build at once: each builds in a folder of its own, and the first to
    rename it into place wins; the other takes what is there.
    """
    folder = cached_folder(plugin, name)
    if (folder / CARD).exists() and (folder / GRAPH).exists() and _is_current(plugin, folder):
        return folder  # whoever opens it checks it against its fingerprint
    return build(plugin, name)


def _is_current(plugin: Any, folder: Path) -> bool:
    """False for a folder that other code of the plugin built: its recipe may have changed."""
    return added_of(folder) == _origin(plugin)


def sign(plugin: Any, folder: Path) -> None:
    """Keep beside an encoder that was trained which code prepares its samples, and how it does."""
    encoder_examples.write(plugin, folder, folder / EXAMPLES)
    (folder / BUILT_BY).write_text(_origin(plugin), encoding="utf-8")


def _require_same_vectors(plugin: Any, folder: Path) -> None:
    """Raise PluginError where other code than an encoder was trained with changes its vectors."""
    if added_of(folder) in ("", _origin(plugin)):
        return
    with tempfile.TemporaryDirectory() as made:
        now = Path(made) / EXAMPLES
        if encoder_examples.write(plugin, folder, now):
            encoder_examples.require_alike(
                plugin, folder / EXAMPLES, now, otherwise="take its code back, or train again"
            )
            with suppress(OSError):  # not ours to write in: it is looked at again next time
                sign(plugin, folder)


def added_of(folder: Path) -> str:
    """What an encoder in the cache was made of: 'ORIGIN:MODEL', or a plugin's package."""
    try:
        return (folder / BUILT_BY).read_text(encoding="utf-8")
    except (OSError, ValueError):  # ValueError: not UTF-8, or a NUL byte in the path
        return ""


def _origin(plugin: Any) -> str:
    """Package, version, and the code of the modality, which is written under one version."""
    module = type(plugin).__module__
    try:
        code = Path(str(getattr(sys.modules[module], "__file__", ""))).read_bytes()
    except (OSError, KeyError):
        code = b""
    made = f"code {hashlib.sha256(code).hexdigest()[:12]}"
    if not any(found.name == plugin.name for found in registry.found("siamkit.modalities")):
        return f"{module}, {made}"  # of a class that is tried before it is installed
    found = registry.find("siamkit.modalities", plugin.name)
    return f"{found.package} {found.version}, {made}"


def build(plugin: Any, name: str) -> Path:
    """Build a named encoder into the cache, in place of a damaged, outdated or absent one.

    Raises PluginError if it gives other vectors than the one before it under the same fingerprint.
    """
    log.warning(f"building encoder {plugin.name}/{name} once, from {plugin.encoders[name]}")
    before = cached_folder(plugin, name) / EXAMPLES

    def make(ready: Path) -> str:
        plugin.build(name, ready)
        encoder_examples.write(plugin, ready, ready / EXAMPLES)
        unused = f"delete {before.parent} if nothing is enrolled"
        encoder_examples.require_alike(plugin, before, ready / EXAMPLES, otherwise=unused)
        return _origin(plugin)

    folder = _put(plugin, name, make)
    log.warning(f"encoder {plugin.name}/{name} is ready in {folder}")
    return folder


def _put(plugin: Any, name: str, make: Callable[[Path], str]) -> Path:
    """Have a folder made, and move it to its place in the cache once it is sound.

    make: fills an empty folder, and says what it was made of.
    """
    folder = cached_folder(plugin, name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(".*-*"):  # by a process that was killed
        with suppress(FileNotFoundError):  # its process has ended in order meanwhile
            if time.time() - left.stat().st_mtime > ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as made:
        ready = Path(made) / name
        ready.mkdir()
        with registry.at_work(plugin, f"making encoder {name}"):
            made_by = make(ready)
        (ready / BUILT_BY).write_text(made_by, encoding="utf-8")
        plugin.encoder(ready)  # a folder that cannot be opened never reaches the cache
        for _ in range(10):
            try:
                os.rename(ready, folder)
                break
            except OSError:  # the place is taken: by another process's folder, or a damaged one
                sound = is_sound(plugin, folder)
                if sound and added_of(folder) == made_by:
                    break
                if sound and name not in getattr(plugin, "encoders", {}):
                    _require_made_by(plugin, folder, made_by)
                shutil.rmtree(folder, ignore_errors=True)
    if not is_sound(plugin, folder):
        raise MissingWeights(f"encoder {plugin.name}/{name} could not be put into {folder}")
    return folder
