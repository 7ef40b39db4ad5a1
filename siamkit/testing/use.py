"""Do what a plugin is for, once over, to see what else it does meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.testing.blank import blank
from siamkit.testing.outcome import NotRun
from siamkit.testing.rows import DIM, KEY, cursor, rows


def modality(plugin: Any) -> str:
    """Decode, crop and embed its examples, together and alone. Returns the fingerprint."""
    from siamkit.embed.pipeline import open_encoder
    from siamkit.types import Region

    encoder = open_encoder(plugin, None)
    crops = [plugin.crop(plugin.load(source), Region()) for _, source in plugin.examples()]
    for batch in (crops[:1], crops):
        encoder.embed(batch)
    return str(encoder.fingerprint)


def detector(plugin: Any) -> None:
    """Look at its examples, or else those of the modalities that use it, and at blank media."""
    from siamkit.testing.subjects import DetectorSubject

    media: list[Any] = []
    with suppress(NotRun):
        media += DetectorSubject(plugin).media
    with suppress(NotRun):
        media += blank(plugin.kind)
    for medium in media:
        plugin.find(medium)


def index(plugin: Any) -> None:
    """Add, save, open again, remove and search."""
    with tempfile.TemporaryDirectory() as root:
        for seq in (1, 2):
            opened, _ = plugin.open(KEY, DIM, root=Path(root), known=lambda _: True)
            opened.add(np.arange(1, 21, dtype=np.int64), rows(20))
            opened.remove(np.array([3], np.int64))
            opened.search(rows(2, seed=1), 3)
            opened.describe()
            opened.save(cursor(seq))
            opened.close()
        plugin.drop(KEY, root=Path(root))


USE: Mapping[str, Callable[[Any], str | None]] = {
    "modality": modality,
    "detector": detector,
    "index": index,
}
