"""Show the samples that a run was prepared from: crops, texts and sounds."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import BadInput, SiamkitError
from siamkit.host import registry
from siamkit.io import foreign
from siamkit.io.sources import IMPORTED, to_path
from siamkit.reports.html import escaped
from siamkit.reports.previews import AS_IS, MAX_BYTES, TEXT, data_address, playable, thumbnail
from siamkit.sdk.media import load_image
from siamkit.train.data import load
from siamkit.train.folder import FACTS, ORIGIN

if TYPE_CHECKING:
    from siamkit.train.data import Dataset

NAME = 60  # characters of a file's name


class Samples:
    """The samples of a run, by their rows in its data set."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._state = self._data_state()

    def is_current(self) -> bool:
        """True until other data are prepared in the folder of the run."""
        return self._state == self._data_state()

    def _data_state(self) -> int:
        path = self._run / FACTS
        return path.stat().st_mtime_ns if path.exists() else 0

    @cached_property
    def dataset(self) -> Dataset:
        """The prepared data. Raises BadInput if it is absent or incomplete."""
        if (prepared := load(self._run)) is None:
            raise BadInput("its prepared data are absent or incomplete")
        return prepared.dataset

    @cached_property
    def _kind(self) -> str:
        """The kind of the samples: "image", "audio" or "text"; empty without the plugin."""
        try:
            origin = foreign.require_object(foreign.read_json(self._run / ORIGIN), "modality")
            return registry.load("siamkit.modalities", origin["modality"]).kind
        except (SiamkitError, ValueError):
            return ""

    def show(self, row: int, *, embedded: bool) -> str:
        """Return a sample as HTML: a text, a picture, a player, or the name of what is gone.

        embedded: needs no other file; else `sample/ROW` is to be answered with `file`.
        """
        source = self.dataset.sources[row]
        if self._kind == "text":
            return f"<blockquote>{escaped(source, TEXT)}</blockquote>"
        name = escaped("/".join(to_path(source).parts[-2:]), NAME)
        address = f"sample/{row}" if self._is_shown(row) else ""
        if address and embedded:
            content = self.file(row, AS_IS)
            address = data_address(*content) if content else ""
        if not address:
            return f"<figure><p class='soft gone'>no preview</p><small>{name}</small></figure>"
        medium = f'<audio controls preload="none" src="{address}"></audio>'
        if self._kind == "image":
            medium = f'<img alt="{name}" loading="lazy" src="{address}">'
        return f"<figure>{medium}<small>{name}</small></figure>"

    def file(self, row: int, as_is: int = MAX_BYTES) -> tuple[str, bytes] | None:
        """Return the MIME type and the content of a picture or a sound; None if there is none.

        as_is: bytes up to which a sound keeps its format.
        """
        if not self._is_shown(row):
            return None
        from PIL import Image as pil

        try:
            if self._has_crops:
                pixels = np.asarray(self.dataset.arrays[row])
            else:
                content = foreign.read_bytes(self._path(row), MAX_BYTES)
                if self._kind == "audio":
                    sound = playable(content, as_is)
                    return sound and sound[:2]
                pixels = load_image(content).pixels
            return "image/jpeg", thumbnail(pil.fromarray(pixels))
        except SiamkitError:
            return None

    @property
    def _has_crops(self) -> bool:
        """True if the arrays are pictures: what the network was given of each sample."""
        arrays = self.dataset.arrays
        is_picture = arrays.ndim == 3 or (arrays.ndim == 4 and arrays.shape[3] == 3)
        return self._kind == "image" and is_picture and arrays.dtype == np.uint8

    def _is_shown(self, row: int) -> bool:
        if self._has_crops:
            return True
        is_ours = not self.dataset.sources[row].startswith(IMPORTED)
        return self._kind in ("image", "audio") and is_ours and self._path(row).is_file()

    def _path(self, row: int) -> Path:
        return to_path(self.dataset.sources[row])
