"""Back up, export, import and re-embed galleries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.embed.pipeline import DEFAULT
from siamkit.host import registry
from siamkit.io.places import expand
from siamkit.models import names
from siamkit.store import galleries
from siamkit.types import Progress, ignore_progress
from siamkit.workspace.base import OpenStore

if TYPE_CHECKING:
    from siamkit.flows.backup import Backup
    from siamkit.flows.import_ import Imported
    from siamkit.flows.reembed import Reembedded


class ExchangeMethods(OpenStore):
    """Back up, export, import and re-embed galleries."""

    def backup(self, file: str | Path, *, progress: Progress = ignore_progress) -> Backup:
        """Copy the whole store to a new file, as of now, while others go on using it.

        To restore it, put it into a new folder as `store.db`. Raises BadInput if the file exists.

        Examples:
            >>> ws.backup("copy.db").galleries
            2
        """
        from siamkit.flows.backup import back_up

        return back_up(self.store, expand(Path(file)), progress)

    def export(
        self, gallery: str, folder: str | Path, *, progress: Progress = ignore_progress
    ) -> int:
        """Write a gallery to a new folder of open formats; return the number of samples.

        The folder holds gallery.json, samples.jsonl (one line per sample) and templates.npy,
        (n, dim) float32. It is written as it is read, in the memory of one block of rows.
        Raises BadInput if the folder exists.

        Examples:
            >>> ws.export("questions", "exported")
            5
        """
        from siamkit.flows.export import export_gallery

        exported = galleries.get(self.store, gallery)
        return export_gallery(self.store, exported, expand(Path(folder)), progress)

    def import_(
        self,
        folder: str | Path,
        *,
        as_gallery: str | None = None,
        merge: bool = False,
        media: str | Path | None = None,
        encoder: str | None = None,
        confirm: Callable[[Mapping[str, int]], None] = lambda gains: None,
        progress: Progress = ignore_progress,
    ) -> Imported:
        """Read an exported folder into a new gallery, whole or not at all.

        The store is created if there is none. See docs/security.md for what is believed.
        as_gallery: None takes the name that was exported. merge: add to a gallery that exists,
        which keeps its settings. confirm: called before that with the new samples of each identity
        that the gallery knows; it may raise. media: a folder with the samples' files; without it,
        none of them is ever read. encoder: needed if the export's own is not installed. progress:
        of reading, storing, and building the index at the end.

        Raises BadInput, before anything is stored, for a damaged folder; StoreError for a gallery
        that exists, EncoderMismatch if it holds vectors of another encoder.

        Examples:
            >>> _ = ws.export("questions", "exported")
            >>> ws.import_("exported", as_gallery="copy").new
            5
        """
        from siamkit.flows import import_ as importing
        from siamkit.flows.read_export import read_export

        exported = read_export(expand(Path(folder)), progress)
        exported = importing.with_encoder(exported, encoder)
        name = as_gallery or exported.name
        galleries.require_name(name)  # before a store is created for it
        if self._has_store() and galleries.exists(self.store, name):
            target = importing.require_mergeable(self.store, exported, name, merge=merge)
            confirm(importing.find_gains(self.store, target, exported))
        self.init()
        imported = importing.import_gallery(
            self.store,
            exported,
            name,
            merge=merge,
            media=expand(Path(media)) if media else None,
            progress=progress,
        )
        self._settle_index(name, imported.new + imported.already, progress)
        return imported

    def reembed(
        self,
        gallery: str,
        *,
        encoder: str | None = None,
        drop_missing: bool = False,
        progress: Progress = ignore_progress,
    ) -> Reembedded:
        """Recompute every template of a gallery from the enrolled sources, all or nothing.

        encoder: a name, a folder, or ORIGIN:MODEL; None takes the gallery's own, DEFAULT that of
        its modality.
        drop_missing: drop samples whose source is gone; by default they raise BadInput.

        Examples:
            >>> ws.reembed("questions").samples
            5
        """
        from siamkit.flows.reembed import reembed

        target = galleries.get(self.store, gallery)
        plugin = registry.load("siamkit.modalities", target.space.modality)
        wanted = None if encoder == DEFAULT else encoder or target.encoder
        encoder = names.pin_encoder(plugin, wanted)
        pipeline = self.pipeline(plugin.name, encoder=encoder, detector=target.detector)
        reembedded = reembed(
            self.store, target, pipeline, encoder, drop_missing=drop_missing, progress=progress
        )
        self._settle_index(gallery, reembedded.samples, progress)
        return reembedded
