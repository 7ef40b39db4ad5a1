"""Check packages, plugins, models and the store, and suggest a repair for each fault."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from siamkit.embed.pipeline import open_encoder
from siamkit.errors import EncoderMismatch, IndexUnavailable, PluginError, SiamkitError
from siamkit.flows.checkups import Checkup
from siamkit.flows.detectors import list_detectors
from siamkit.flows.doctor_index import check_index
from siamkit.flows.forget import finish_erasing
from siamkit.host import registry
from siamkit.host.registry import Plugin
from siamkit.io import unfinished
from siamkit.io.sources import to_text
from siamkit.models import added as added_encoders
from siamkit.models import cache, names
from siamkit.models.detectors import add_command, maker_of
from siamkit.protocols import BuildsEncoders, Modality
from siamkit.store import (
    Gallery,
    Store,
    erasures,
    find_calibrations,
    galleries,
    health,
)
from siamkit.store.database import MOST_NAMED
from siamkit.types import Progress, ignore_progress

RESTORE = "restore a backup: `siamkit backup --help` says how"
PACKAGES = ("siamkit", "faiss-cpu", "onnxruntime", "numpy", "torch")


def examine(root: Path, progress: Progress = ignore_progress) -> Iterator[Checkup]:
    """Check packages, plugins, encoders, detectors, and the store in `root` if there is one.

    Each check runs when it is asked for. progress: told of those that read the whole store.
    """
    yield Checkup("python", True, f"{platform.python_version()} on {platform.platform()}")
    yield Checkup("packages", True, ", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    for plugin in registry.all_installed():
        yield from _plugin(plugin)
    yield from _detectors()
    yield from _unfinished(root)
    if not (root / "store.db").exists():
        yield Checkup("store", True, f"none in {root}")
        return
    try:
        store = Store(root)
    except SiamkitError as error:
        yield Checkup("store", False, str(error), error.hint)
        return
    try:
        try:
            obstacle = finish_erasing(store)
            if store.writable and erasures.pending(store):
                yield _unfinished_deletion(obstacle)
        except SiamkitError as error:
            yield Checkup("deletions", False, str(error), error.hint)
        yield _access(root)
        yield from _store(store, progress)
    finally:
        store.close()


def _unfinished_deletion(obstacle: Exception | None) -> Checkup:
    detail = "traces of a deletion are still on the disk"
    hint = "end the programs that have the store open, and run `siamkit doctor` again"
    if isinstance(obstacle, IndexUnavailable):
        detail = f"traces of a deletion are still on a server: {obstacle}"
        hint = obstacle.hint or "start the server, and run `siamkit doctor` again"
    return Checkup("deletions", False, detail, hint)


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
        elif card := cache.usable_card(cache.encoder_shelf(modality), name):
            yield Checkup(check, True, f"{card.fingerprint}, weights {card.licence}, {folder}")
        else:
            hint = f"siamkit encoders {'build' if name in named else 'add'} {modality.name}"
            yield Checkup(check, False, f"damaged: {folder}", hint)


def _detectors() -> Iterator[Checkup]:
    for detector in list_detectors():
        check = f"detector {detector.name}"
        if detector.state == "absent":
            yield Checkup(check, True, "not built yet; the first use builds it")
        elif detector.state == "built":
            facts = f"{detector.fingerprint}, weights {detector.licence}, {detector.path}"
            yield Checkup(check, True, facts)
        elif detector.state == "damaged":
            is_built = maker_of(detector.name) is not None
            build = f"siamkit detectors build {detector.name}"
            hint = build if is_built else add_command(detector.name).strip("`")
            yield Checkup(check, False, f"damaged: {detector.path}", hint)


def _unfinished(root: Path) -> Iterator[Checkup]:
    """Delete what killed processes left of their outputs, and list it."""
    registers = unfinished.store_register(root), unfinished.user_register()
    if folders := unfinished.abandoned(None, *registers):
        remaining = unfinished.delete_abandoned(None, *registers)
        detail = f"left by killed processes: {', '.join(map(to_text, remaining or folders))}"
        detail += "" if remaining else "; deleted now"
        hint = f"rm -r {' '.join(shlex.quote(to_text(folder)) for folder in remaining)}"
        yield Checkup("unfinished outputs", not remaining, detail, hint if remaining else "")


def _access(root: Path) -> Checkup:
    """Check that nobody else on this machine can read the store."""
    if os.name != "posix":
        return Checkup("access", True, "not checked on this system")
    paths = [] if not root.stat().st_mode & 0o077 else [root / "store.db", *root.rglob("*")]
    shared = [path.stat().st_mode & root.stat().st_mode for path in paths if path.is_file()]
    hint = f"chmod -R go-rwx {shlex.quote(to_text(root))}"
    if any(mode & 0o007 for mode in shared):
        return Checkup("access", False, "everybody on this machine can read the store", hint)
    if any(mode & 0o070 for mode in shared):
        return Checkup("access", True, "shared with a group of users", hint)
    return Checkup("access", True, "its owner alone can read the store")


def _store(store: Store, progress: Progress) -> Iterator[Checkup]:
    for pragma in health.CHECKS:
        progress(f"checking the database: {pragma}", 0, 0)
        yield _attempt(f"store {pragma}", partial(_faults, store, pragma))
    try:
        gallery_names = galleries.names(store)
    except SiamkitError as error:
        yield Checkup("galleries", False, str(error), error.hint)
        return
    for name in gallery_names:
        try:
            gallery = galleries.get(store, name)
        except SiamkitError as error:
            yield Checkup(f"gallery {name}", False, str(error), error.hint)
            continue
        read_samples = partial(_samples, progress=progress)
        checks: dict[str, Callable[[Store, Gallery, str], Checkup]]
        checks = {"gallery": _rows, "samples": read_samples, "calibration": _scale}
        for kind, examine in checks.items():
            yield _attempt(f"{kind} {name}", partial(examine, store, gallery))
        yield from check_index(store, gallery)
        yield from _encoder_of(store, gallery)


def _attempt(check: str, examine: Callable[[str], Checkup]) -> Checkup:
    """Run one check; an error is its outcome, and the others go on."""
    try:
        return examine(check)
    except SiamkitError as error:
        return Checkup(check, False, str(error), error.hint)


def _faults(store: Store, pragma: str, check: str) -> Checkup:
    faults = health.faults(store, pragma)
    detail = f"{len(faults)} faults, first: {faults[0]}" if faults else "ok"
    return Checkup(check, not faults, detail, RESTORE if faults else "")


def _rows(store: Store, gallery: Gallery, check: str) -> Checkup:
    """Check templates against samples, and against the change log."""
    orphans = health.count_templates_without_sample(store, gallery)
    unlogged = health.count_unlogged_changes(store, gallery)
    identities, samples = galleries.count(store, gallery)
    if orphans:
        detail = f"{orphans} templates belong to no sample of the gallery"
        return Checkup(check, False, detail, RESTORE)
    if unlogged:
        detail = f"{unlogged} templates do not match the change log"
        return Checkup(check, False, detail, f"siamkit index rebuild {gallery.name}")
    return Checkup(check, True, f"{identities:,} identities, {samples:,} samples")


def _samples(store: Store, gallery: Gallery, check: str, progress: Progress) -> Checkup:
    """Check every row of samples and templates; name those that take part in nothing."""
    total = 2 * galleries.count(store, gallery)[1]
    step = f"checking {gallery.name}"
    damage = health.damage(store, gallery, lambda done: progress(step, done, total))
    details, hints = [], []
    if damage.rows:
        details.append(f"damaged samples: {_named(store, damage.rows)}")
        hints.append(f"siamkit forget --sample {damage.rows[0]}, likewise the others")
    if damage.templates:
        details.append(f"samples with a damaged or no template: {_named(store, damage.templates)}")
        hints.append(f"siamkit reembed {gallery.name}, or enrol those again from their sources")
    if details:
        return Checkup(check, False, "; ".join(details), "; ".join(hints))
    return Checkup(check, True, "each is as it was written")


def _scale(store: Store, gallery: Gallery, check: str) -> Checkup:
    if fault := galleries.calibration_fault(store, gallery):
        hint = f"siamkit calibrate {gallery.name}"
        return Checkup(check, False, f"damaged, so that it is not used: {fault}", hint)
    if faults := find_calibrations.faults(store, gallery):
        hint = f"siamkit calibrate {gallery.name} --find PICTURES"
        return Checkup(check, False, f"damaged, so that it is not used: {faults[0]}", hint)
    return Checkup(check, True, "ok" if gallery.calibration else "none")


def _named(store: Store, sample_ids: Sequence[int]) -> str:
    named = ", ".join(health.describe(store, i) for i in sample_ids[:MOST_NAMED])
    more = len(sample_ids) - MOST_NAMED
    return f"{named} and {more:,} more" if more > 0 else named


def _encoder_of(store: Store, gallery: Gallery) -> Iterator[Checkup]:
    """Report a gallery whose encoder is gone or has changed: its samples cannot be compared."""
    check = f"encoder of {gallery.name}"
    try:
        modality = registry.load("siamkit.modalities", gallery.space.modality)
        if gallery.encoder and gallery.encoder not in getattr(modality, "encoders", {}):
            names.resolve(modality, gallery.encoder)
        if galleries.count(store, gallery)[1]:
            galleries.require_space(gallery, open_encoder(modality, gallery.encoder).fingerprint)
    except PluginError as error:
        hint = f"reinstall the package of {gallery.space.modality}"
        yield Checkup(check, False, str(error), hint)
    except EncoderMismatch as error:
        yield Checkup(check, False, str(error), error.hint)
    except SiamkitError as error:
        hint = f"bring it back, or: siamkit reembed {gallery.name} --encoder NAME"
        yield Checkup(check, False, str(error), hint)
