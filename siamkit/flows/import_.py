"""Import: check all of an exported folder, then store it in one transaction.

The folder may be anybody's. It names no place that siamkit reads later: files only below a folder
that the user names, an encoder's folder only if the user names that.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from siamkit.embed.pipeline import open_encoder
from siamkit.errors import BadInput, EncoderMismatch, MissingWeights, NameTaken, SiamkitError
from siamkit.flows.read_export import Export
from siamkit.host import registry
from siamkit.io import sources
from siamkit.models import built, detectors, names
from siamkit.models.added import list_added
from siamkit.models.cache import cached_folder
from siamkit.protocols import Modality
from siamkit.sdk.model_folder import read_card
from siamkit.store import (
    Gallery,
    Store,
    find_calibrations,
    galleries,
    incoming,
    samples,
    saved_indexes,
)
from siamkit.store.galleries import DEFAULT_INDEX
from siamkit.store.samples import NewSample
from siamkit.types import Progress, ignore_progress

SAMPLES_PER_BLOCK = 5_000  # in memory at once
MOST_PARTS = 32  # of a source, from its end, that are looked for below a folder

log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True)
class Imported:
    """Outcome of an import.

    Examples:
        >>> _ = ws.export("questions", "exported")
        >>> ws.import_("exported", as_gallery="copy").new
        5
    """

    gallery: str
    new: int  # samples that were added
    already: int  # samples that the gallery held before
    gained: Mapping[str, int]  # new samples of each identity that the gallery knew before


def import_gallery(
    store: Store,
    exported: Export,
    name: str | None = None,
    *,
    merge: bool = False,
    media: Path | None = None,
    progress: Progress = ignore_progress,
) -> Imported:
    """Add an export to a gallery, created unless it exists: all of its samples, or none.

    name: None takes the name that was exported. merge: add to a gallery that exists. It keeps its
    samples, settings, threshold and calibration. media: a folder; the source of each sample becomes
    a file below it that ends like the exported one, or no file at all.
    Raises NameTaken for a gallery that exists, without `merge`; EncoderMismatch if it holds
    vectors of another encoder.
    """
    name = name or exported.name
    index = _installed_index(exported.index, name)
    with store.write():
        if galleries.exists(store, name):
            gallery = require_mergeable(store, exported, name, merge=merge)
        else:
            gallery = galleries.insert(
                store,
                name,
                exported.modality,
                exported.encoder,
                detector=_known_detector(exported, name),
                index=index,
            )
            for search in reversed(exported.find_calibrations):  # the newest last, as they came
                find_calibrations.add(store, gallery, search)
        gained = find_gains(store, gallery, exported)
        owns_elsewhere: dict[str, bool] = {}  # by label; each is asked for once
        new = done = 0
        for block in _blocks(exported):
            for label in dict.fromkeys(sample.identity for sample in block):
                if label not in owns_elsewhere:
                    owns_elsewhere[label] = incoming.is_owner(store, label, besides=gallery)
            placed = [_with_media(sample, media) for sample in block]
            vectors = exported.vectors[done : done + len(block)]
            ids = samples.insert(store, gallery, exported.encoder.fingerprint, placed, vectors)
            new, done = new + sum(i is not None for i in ids), done + len(block)
            progress(f"importing {name}", done, len(exported.vectors))
    _note_shared([label for label, is_shared in owns_elsewhere.items() if is_shared])
    return Imported(gallery.name, new, done - new, gained)


def require_mergeable(store: Store, exported: Export, name: str, *, merge: bool) -> Gallery:
    """Return an existing gallery. Raises StoreError without `merge`, or EncoderMismatch."""
    gallery = galleries.get(store, name)
    if not merge:
        raise NameTaken(
            f"gallery {name!r} already exists",
            hint="`--merge` adds to it, `--as-gallery NAME` makes another",
        )
    if gallery.space.fingerprint != exported.encoder.fingerprint:
        raise EncoderMismatch(
            f"gallery {name!r} holds templates of {gallery.space.fingerprint},"
            f" the export those of {exported.encoder.fingerprint}",
            hint="give another name: `--as-gallery NAME`",
        )
    return gallery


def find_gains(store: Store, gallery: Gallery, exported: Export) -> dict[str, int]:
    """Count the samples that an import would add to each identity of a gallery."""
    counts: Counter[str] = Counter()
    if not galleries.count(store, gallery)[1]:
        return {}
    with store.read():
        for block in _blocks(exported):
            counts.update(incoming.count_new(store, gallery, block))
    return dict(sorted(counts.items()))


def _blocks(exported: Export) -> Iterator[list[NewSample]]:
    rows = exported.samples()
    return iter(lambda: [*islice(rows, SAMPLES_PER_BLOCK)], [])


def _note_shared(shared: Sequence[str]) -> None:
    """Log which identities of the export own samples in other galleries of this store."""
    if shared:
        log.warning(
            f"{len(shared):,} identities of the import own samples in other galleries too:"
            f" {sources.shorten(', '.join(sorted(shared)[:10]))}"
        )


def _with_media(sample: NewSample, folder: Path | None) -> NewSample:
    """Let a sample's source be a file below `folder` that ends like it, or no file at all."""
    if sample.inline:
        return sample
    return replace(sample, source=_place_below(folder, sample.source))


def _place_below(folder: Path | None, source: str) -> str:
    source = source.removeprefix(sources.IMPORTED)
    path = Path(source)
    parts = path.parts[1:] if path.anchor else path.parts
    if folder is not None and ".." not in parts and "\0" not in source:
        for start in range(max(0, len(parts) - MOST_PARTS), len(parts)):
            with suppress(OSError):  # a name that is too long, or a folder that is not ours to read
                path = sources.to_path(str(sources.absolute(folder).joinpath(*parts[start:])))
                if path.is_file():
                    return sources.to_text(path)
    return sources.IMPORTED + source


def with_encoder(exported: Export, encoder: str | None) -> Export:
    """Let a gallery's encoder be one that is installed here, or that the user names.

    encoder: a name or a folder; None takes the export's, unless that is a folder. Raises BadInput
    for an encoder that only the export names, and for templates that an installed encoder, or
    another modality, cannot have made; EncoderMismatch if the user's makes others.
    """
    stated = exported.encoder
    plugin = _installed_modality(exported)
    if encoder is None:
        if stated.name is not None and (plugin is None or stated.name not in _names(plugin)):
            raise BadInput(
                f"the export uses the encoder {stated.name!r}, which is not installed here",
                hint="name it: `--encoder NAME`, or a FOLDER that you trust",
            )
        if plugin is not None:
            _require_dim(exported, _installed_dims(plugin, stated.name))
        return exported
    if plugin is None:
        raise BadInput(f"modality {exported.modality} is not installed here: it has no encoder")
    pinned = names.pin_encoder(plugin, encoder)
    opened = open_encoder(plugin, pinned)
    if opened.fingerprint != stated.fingerprint:
        raise EncoderMismatch(
            f"encoder {encoder} is {opened.fingerprint}, but the export's is {stated.fingerprint}"
        )
    _require_dim(exported, {opened.fingerprint: opened.dim})
    return replace(exported, encoder=replace(stated, name=pinned))


def _installed_modality(exported: Export) -> Modality[Any] | None:
    """Return the modality's plugin, None if it is not installed.

    Raises BadInput if the fingerprint names another modality.
    """
    prefix = exported.encoder.fingerprint.partition("/")[0]
    installed = {plugin.name for plugin in registry.installed("siamkit.modalities")}
    if prefix != exported.modality and prefix in installed:
        raise BadInput(
            f"the export holds {exported.modality}, but its encoder {exported.encoder.fingerprint}"
            f" is one of {prefix}",
            hint="export the gallery again",
        )
    if exported.modality not in installed:
        return None
    return registry.load("siamkit.modalities", exported.modality)


def _names(plugin: Modality[Any]) -> list[str]:
    return [*getattr(plugin, "encoders", {}), *list_added(plugin)]


def _installed_dims(plugin: Modality[Any], encoder: str | None) -> dict[str, int]:
    """Return the dimension of each fingerprint that a modality has here. Builds no encoder."""
    dims = {}
    for name in _names(plugin):
        with suppress(MissingWeights):
            card = read_card(cached_folder(plugin, name))
            dims[card.fingerprint] = card.dim
    if encoder is None and built.default_name(plugin) is None:
        with suppress(SiamkitError):
            opened = open_encoder(plugin, None)
            dims[opened.fingerprint] = opened.dim
    return dims


def _require_dim(exported: Export, dims: Mapping[str, int]) -> None:
    stated = exported.encoder
    if (dim := dims.get(stated.fingerprint, stated.dim)) != stated.dim:
        raise BadInput(
            f"the export holds vectors of {stated.dim} numbers,"
            f" but {stated.fingerprint} makes {dim}",
            hint="export the gallery again",
        )


def _known_detector(exported: Export, gallery: str) -> str | None:
    """Return the detector of the export, or the modality's own if it has no name here.

    A name that is not known would mean a folder of that name, wherever a command runs.
    """
    name = exported.detector
    if name is None or detectors.is_plugin(name) or name in detectors.cached_names():
        return name
    default = None
    with suppress(SiamkitError):  # without the modality, nothing can be enrolled either
        default = registry.load("siamkit.modalities", exported.modality).detector
    log.warning(f"no detector {name!r} here: gallery {gallery} uses {default or 'none'} instead")
    return default


def _installed_index(index: str, gallery: str) -> str:
    """Return the index of the export, or the default if it is not installed here."""
    try:
        saved_indexes.load_backend(index)
    except SiamkitError as error:
        log.warning(f"{error}: gallery {gallery} uses {DEFAULT_INDEX} instead")
        return DEFAULT_INDEX
    return index
