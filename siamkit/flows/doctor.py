"""Check packages, plugins, encoders and the store, and suggest a repair for each fault."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from siamkit.errors import PluginError, SiamkitError
from siamkit.host import registry
from siamkit.host.registry import Plugin
from siamkit.models import added as added_encoders
from siamkit.models import cache, names
from siamkit.protocols import BuildsEncoders, Modality
from siamkit.store import Gallery, Store, galleries, health
from siamkit.store.live_index import LiveIndex

PACKAGES = ("siamkit", "faiss-cpu", "onnxruntime", "numpy", "torch")


@dataclass(frozen=True, slots=True)
class Checkup:
    """The outcome of one check; `hint` is the remedy if it failed."""

    check: str
    ok: bool
    detail: str
    hint: str = ""


def examine(root: Path) -> Iterator[Checkup]:
    """Check packages, plugins, encoders, and the store in `root` if there is one."""
    yield Checkup("python", True, f"{platform.python_version()} on {platform.platform()}")
    yield Checkup("packages", True, ", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    for plugin in registry.all_installed():
        yield from _plugin(plugin)
    if not (root / "store.db").exists():
        yield Checkup("store", True, f"none in {root}")
        return
    try:
        store = Store(root)
    except SiamkitError as error:
        yield Checkup("store", False, str(error), error.hint)
        return
    try:
        yield from _store(store)
    finally:
        store.close()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _plugin(plugin: Plugin) -> Iterator[Checkup]:
    check = f"plugin {plugin.name}"
    try:
        loaded: Any = registry.load(plugin.group, plugin.name)
    except PluginError as error:
        yield Checkup(check, False, str(error), error.hint)
        return
    yield Checkup(check, True, plugin.value)
    if plugin.group == "siamkit.modalities":
        yield from _encoders(loaded)


def _encoders(modality: Modality[Any]) -> Iterator[Checkup]:
    named = modality.encoders if isinstance(modality, BuildsEncoders) else {}
    for name in [*named, *added_encoders.list_added(modality)]:
        folder = cache.cached_folder(modality, name)
        check = f"encoder {modality.name}/{name}"
        if not folder.exists():
            yield Checkup(check, True, "not built yet; the first use builds it")
        elif card := cache.usable_card(modality, folder):
            yield Checkup(check, True, f"{card.fingerprint}, weights {card.licence}, {folder}")
        else:
            hint = f"siamkit encoders {'build' if name in named else 'add'} {modality.name}"
            yield Checkup(check, False, f"damaged: {folder}", hint)


def _store(store: Store) -> Iterator[Checkup]:
    for pragma in health.CHECKS:
        faults = health.faults(store, pragma)
        detail = f"{len(faults)} faults, first: {faults[0]}" if faults else "ok"
        hint = "restore a backup" if faults else ""
        yield Checkup(f"store {pragma}", not faults, detail, hint)
    for gallery in galleries.list_all(store):
        yield _samples(store, gallery)
        yield _index(store, gallery)
        yield from _missing_encoder(gallery)


def _samples(store: Store, gallery: Gallery) -> Checkup:
    """Check samples against templates, and templates against the change log."""
    without_template = health.count_samples_without_template(store, gallery)
    unlogged = health.count_unlogged_changes(store, gallery)
    identities, samples = galleries.count(store, gallery)
    check = f"gallery {gallery.name}"
    if without_template or unlogged:
        detail = (
            f"{without_template} samples without a template, {unlogged} templates that do not match"
            " the change log"
        )
        rebuild = f"siamkit index rebuild {gallery.name}"
        return Checkup(check, False, detail, "restore a backup" if without_template else rebuild)
    return Checkup(check, True, f"{identities:,} identities, {samples:,} samples")


def _missing_encoder(gallery: Gallery) -> Iterator[Checkup]:
    """Report a gallery whose modality or encoder is gone: its samples cannot be compared."""
    try:
        modality = registry.load("siamkit.modalities", gallery.space.modality)
        if gallery.encoder and gallery.encoder not in getattr(modality, "encoders", {}):
            names.resolve(modality, gallery.encoder)
    except PluginError as error:
        hint = f"reinstall the package of {gallery.space.modality}"
        yield Checkup(f"encoder of {gallery.name}", False, str(error), hint)
    except SiamkitError as error:
        hint = f"bring it back, or: siamkit reembed {gallery.name} --encoder NAME"
        yield Checkup(f"encoder of {gallery.name}", False, str(error), hint)


def _index(store: Store, gallery: Gallery) -> Checkup:
    check = f"index {gallery.name}"
    try:
        live = LiveIndex(store, gallery, save=False)
    except SiamkitError as error:
        return Checkup(check, False, str(error), error.hint)
    _, samples = galleries.count(store, gallery)
    detail = f"{live.index.describe()['structure']}, {len(live.index):,} templates"
    if len(live.index) == samples:
        return Checkup(check, True, detail)
    hint = f"siamkit index rebuild {gallery.name}"
    return Checkup(check, False, f"{detail}, but {samples:,} samples", hint)
