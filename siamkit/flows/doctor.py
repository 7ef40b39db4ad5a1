"""Doctor: is everything here in order, and if not, what would mend it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from siamkit.errors import PluginError, SiamkitError
from siamkit.host import registry
from siamkit.host.import_check import probe_all
from siamkit.models import added as added_encoders
from siamkit.models import cache, names
from siamkit.protocols import BuildsEncoders
from siamkit.store import Gallery, Store, galleries
from siamkit.store.live_index import LiveIndex

PACKAGES = ("siamkit", "faiss-cpu", "onnxruntime", "numpy", "torch")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    ok: bool
    found: str
    hint: str = ""


def examine(root: Path) -> Iterator[Finding]:
    """Look at packages, plugins, encoders, and the store if there is one."""
    yield Finding("python", True, f"{platform.python_version()} on {platform.platform()}")
    yield Finding("packages", True, ", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    for plugin, probe in probe_all(anew=True):
        hint = f"reinstall or remove the package {plugin.package}" if probe.fault else ""
        found = probe.fault or plugin.value
        yield Finding(f"plugin {plugin.name}", not probe.fault, found, hint)
        if probe.usable and plugin.group == "siamkit.modalities":
            yield from _encoders(plugin.name)
    if not (root / "store.db").exists():
        yield Finding("store", True, f"none in {root}")
        return
    try:
        store = Store(root)
    except SiamkitError as error:
        yield Finding("store", False, str(error), error.hint)
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


def _encoders(modality: str) -> Iterator[Finding]:
    plugin = registry.load("siamkit.modalities", modality)
    named = plugin.encoders if isinstance(plugin, BuildsEncoders) else {}
    for name in [*named, *added_encoders.list_added(plugin)]:
        folder = cache.cached_folder(plugin, name)
        check = f"encoder {modality}/{name}"
        if not folder.exists():
            yield Finding(check, True, "not built yet; the first use builds it")
        elif card := cache.usable_card(plugin, folder):
            yield Finding(check, True, f"{card.fingerprint}, weights {card.licence}, {folder}")
        else:
            again = "build" if name in named else "add"
            yield Finding(
                check, False, f"damaged: {folder}", f"siamkit encoders {again} {modality}"
            )


def _store(store: Store) -> Iterator[Finding]:
    db = store.connection
    for pragma in ("integrity_check", "foreign_key_check"):
        rows = db.execute(f"PRAGMA {pragma}").fetchall()
        bad = [row for row in rows if row[0] != "ok"]
        found = f"{len(bad)} faults, first: {bad[0]}" if bad else "ok"
        yield Finding(f"store {pragma}", not bad, found, "restore a backup" if bad else "")
    for gallery in galleries.list_all(store):
        yield _samples(store, gallery)
        yield _index(store, gallery)
        yield from _served(gallery)


def _samples(store: Store, gallery: Gallery) -> Finding:
    """Every sample must have a template, and the change log must end where the templates are."""
    (lacking,) = store.connection.execute(
        "SELECT count(*) FROM samples s LEFT JOIN templates t ON t.sample_id = s.id"
        " WHERE s.gallery_id = ? AND t.id IS NULL",
        (gallery.id,),
    ).fetchone()
    (drifted,) = store.connection.execute(
        "SELECT count(*) FROM (SELECT template_id, sum(iif(op = 'add', 1, -1)) AS live"
        " FROM changes WHERE gallery_id = ? GROUP BY template_id) c"
        " LEFT JOIN templates t ON t.id = c.template_id WHERE (t.id IS NOT NULL) <> c.live",
        (gallery.id,),
    ).fetchone()
    identities, samples = galleries.count(store, gallery)
    check = f"gallery {gallery.name}"
    if lacking or drifted:
        return Finding(
            check,
            False,
            f"{lacking} samples without a template, {drifted} changes that the log has missed",
            f"siamkit index rebuild {gallery.name}" if not lacking else "restore a backup",
        )
    return Finding(check, True, f"{identities:,} identities, {samples:,} samples")


def _served(gallery: Gallery) -> Iterator[Finding]:
    """What its vectors are made by must be there still."""
    check, again = f"encoder of {gallery.name}", f"siamkit reembed {gallery.name} --encoder NAME"
    try:
        plugin = registry.load("siamkit.modalities", gallery.space.modality)
        if gallery.encoder and gallery.encoder not in getattr(plugin, "encoders", {}):
            names.resolve(plugin, gallery.encoder)
    except SiamkitError as error:
        lost = f"reinstall the package of {gallery.space.modality}"
        hint = lost if isinstance(error, PluginError) else f"bring it back, or: {again}"
        yield Finding(check, False, str(error), hint)


def _index(store: Store, gallery: Gallery) -> Finding:
    try:
        live = LiveIndex(store, gallery, save=False)
    except SiamkitError as error:
        return Finding(f"index {gallery.name}", False, str(error), error.hint)
    _, samples = galleries.count(store, gallery)
    found = f"{live.index.describe()['structure']}, {len(live.index):,} templates"
    if len(live.index) == samples:
        return Finding(f"index {gallery.name}", True, found)
    return Finding(
        f"index {gallery.name}",
        False,
        f"{found}, but {samples:,} samples",
        f"siamkit index rebuild {gallery.name}",
    )
