"""Galleries, and the identities and samples in them."""

from __future__ import annotations

from collections.abc import Iterator

from siamkit.embed.pipeline import DEFAULT, resolve_detector
from siamkit.errors import UnknownName
from siamkit.flows.forget import delete_gallery, forget
from siamkit.flows.galleries import get_of_modality, imply_modality
from siamkit.host import registry
from siamkit.models import names
from siamkit.store import Gallery, galleries, identity_pages, labels, merges, samples
from siamkit.store.galleries import DEFAULT_INDEX, GalleryExists
from siamkit.store.index_servers import reaching_server, require_no_address
from siamkit.store.labels import Holding
from siamkit.store.merges import Merger
from siamkit.store.samples import Sample
from siamkit.store.saved_indexes import load_backend
from siamkit.workspace.base import OpenStore


class GalleryMethods(OpenStore):
    """Galleries, and the identities and samples in them."""

    def create_gallery(
        self,
        name: str,
        modality: str | None = None,
        *,
        encoder: str | None = None,
        detector: str | None = DEFAULT,
        index: str | None = None,
        index_address: str | None = None,
    ) -> Gallery:
        """Create a gallery, and the store if there is none.

        modality: None takes the one that has this encoder, or else the one named like the gallery.
        encoder: a name, an encoder folder, another model as ORIGIN:MODEL ('timm:resnet50'), or
        None for the modality's own.
        detector: a name, DEFAULT for the modality's own, or None to embed whole samples.
        index: the name of an index backend, or None for the default, FAISS.
        index_address: that of the index's server, which the store keeps for all its galleries.

        Raises NameTaken if the name is taken, BadInput for a bad name, an unknown modality or
        index, MissingWeights if the encoder is not here and cannot be fetched, IndexUnavailable if
        the index's server does not answer.

        Examples:
            >>> ws.create_gallery("staff", "faces").name
            'staff'
        """
        galleries.require_name(name)  # before a store is created for it
        index = index or DEFAULT_INDEX
        backend = load_backend(index)
        require_no_address(backend, index_address)
        if self._has_store() and galleries.exists(self.store, name):  # before an encoder is built
            raise GalleryExists(f"gallery {name!r} already exists")
        modality = modality or imply_modality(name, encoder)
        encoder = names.pin_encoder(registry.load("siamkit.modalities", modality), encoder)
        detector = resolve_detector(modality, detector)
        pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
        gallery_encoder = pipeline.gallery_encoder(encoder)  # may raise
        self.init()
        with reaching_server(self.store, backend, index_address):
            return galleries.create(
                self.store, name, modality, gallery_encoder, detector=detector, index=index
            )

    def gallery(self, name: str, *, modality: str | None = None, create: bool = True) -> Gallery:
        """Open a gallery by name, or create it with a modality's own encoder and detector.

        A gallery named after a modality needs no `modality` to be created. create: False creates
        none.
        Raises UnknownName for an unknown gallery, BadInput if it holds another modality.

        Examples:
            >>> ws.gallery("faces").space.modality
            'faces'
        """
        if not create:
            return get_of_modality(self.store, name, modality)
        existing, modality = self._find(name, modality)
        if existing is not None:
            return existing
        try:
            return self.create_gallery(name, modality)
        except GalleryExists:  # another process was first
            return get_of_modality(self.store, name, modality)

    def galleries(self) -> list[Gallery]:
        """List the galleries of the store, by name.

        Examples:
            >>> [gallery.name for gallery in ws.galleries()]
            ['faces', 'questions']
        """
        return galleries.list_all(self.store)

    def count(self, gallery: str) -> tuple[int, int]:
        """Count the identities and the samples of a gallery.

        Examples:
            >>> ws.count("questions")
            (3, 5)
        """
        return galleries.count(self.store, galleries.get(self.store, gallery))

    def count_all(self) -> tuple[int, int, int]:
        """Count the identities, the samples, and the galleries that hold any, of the store.

        Examples:
            >>> ws.count_all()
            (4, 6, 2)
        """
        return galleries.count_all(self.store)

    def delete_gallery(self, name: str) -> None:
        """Delete a gallery with all its samples, and identities that have no other samples.

        Examples:
            >>> ws.delete_gallery("faces")
            >>> [gallery.name for gallery in ws.galleries()]
            ['questions']
        """
        delete_gallery(self.store, galleries.get(self.store, name))

    def modality_of(self, gallery: str, modality: str | None = None) -> str:
        """Name the modality of a gallery; of a new one, `modality`, or the one named like it.

        Raises UnknownName if there is neither, BadInput if the gallery holds another modality.

        Examples:
            >>> ws.modality_of("questions")
            'questions'
        """
        return self._find(gallery, modality)[1]

    def identities(
        self,
        gallery: str | None = None,
        *,
        after: str = "",
        search: str = "",
        limit: int | None = None,
    ) -> list[Holding]:
        """List the identities of the store, or of one gallery, one item per gallery they are in.

        after: list those whose labels sort behind this one. search: a text that the labels
        contain. limit: identities at most. Without it the list holds all, 300 bytes each;
        `stream_identities` holds one page.

        Examples:
            >>> [(holding.identity, holding.samples) for holding in ws.identities("questions")]
            [('hours', 1), ('refund', 2), ('sign in', 2)]
            >>> [holding.identity for holding in ws.identities(after="hours", limit=1)]
            ['refund']
        """
        holdings: list[Holding] = []
        labels: set[str] = set()
        for holding in self.stream_identities(gallery, after=after, search=search):
            labels.add(holding.identity)
            if limit is not None and len(labels) > limit:
                break
            holdings.append(holding)
        return holdings

    def stream_identities(
        self, gallery: str | None = None, *, after: str = "", search: str = ""
    ) -> Iterator[Holding]:
        """Yield the identities that `identities` lists, by label, a page in memory at a time.

        Each page is read when it is needed, as the store then is.

        Examples:
            >>> sum(holding.samples for holding in ws.stream_identities("questions"))
            5
        """
        only = galleries.get(self.store, gallery) if gallery else None
        return identity_pages.stream_holdings(self.store, only, after, search)

    def identity(self, label: str) -> list[Sample]:
        """List the samples of an identity, in every gallery. Raises UnknownName if it has none.

        Examples:
            >>> [sample.source for sample in ws.identity("hours")]
            ['When are you open?']
        """
        return list(samples.stream_of_label(self.store, label))

    def stream_identity(self, label: str, *, after: int = 0) -> Iterator[Sample]:
        """Yield the samples of an identity, by gallery, then id, a page in memory at a time.

        after: the id of the sample to go on behind. Raises UnknownName if the identity, or a
        sample `after` of it, does not exist.

        Examples:
            >>> [sample.source for sample in ws.stream_identity("hours")]
            ['When are you open?']
        """
        return samples.stream_of_label(self.store, label, after)

    def rename(self, old: str, new: str) -> str:
        """Give an identity another label; return it as stored (NFC, no outer blanks).

        Raises UnknownName if `old` does not exist, NameTaken if `new` does: `merge` makes two
        identities one.

        Examples:
            >>> ws.rename("hours", "opening hours")
            'opening hours'
        """
        labels.rename(self.store, old, new)
        return labels.normalise_label(new)

    def merge(self, old: str, new: str) -> Merger:
        """Give all samples of `old`, in every gallery, to `new`; `undo_merge` takes it back.

        It happens in one transaction, whole or not at all. What both have, the same content and
        region, stays once. Raises UnknownName if an identity does not exist.

        Examples:
            >>> ws.merge("A. Smith", "Alice Smith").samples           # doctest: +SKIP
            3
        """
        return merges.merge(self.store, old, new)

    def undo_merge(self, old: str | None = None) -> Merger:
        """Give the samples of the identity merged last, or of `old`, back to it.

        Samples forgotten since stay forgotten. Raises UnknownName if there is no merger to undo.

        Examples:
            >>> _ = ws.merge("hours", "refund")
            >>> ws.undo_merge().samples
            1
        """
        return merges.undo(self.store, old)

    def forget(self, label: str, *, gallery: str | None = None) -> int:
        """Delete an identity, everywhere or from one gallery; return the number of its samples.

        Vectors, label and sources leave SQLite, the index and freed disk pages.
        Raises UnknownName if there is nothing to delete.

        Examples:
            >>> ws.forget("sign in")
            2
        """
        enrolled = labels.sample_ids(self.store, label)
        doomed = [sample_id for sample_id, name in enrolled if gallery in (None, name)]
        if not doomed:
            raise UnknownName(f"{label!r} has no sample in gallery {gallery!r}")
        deleted = forget(self.store, doomed)
        if not deleted:
            raise UnknownName(f"{label!r} was deleted meanwhile, by another thread or process")
        return deleted

    def forget_sample(self, sample_id: int) -> None:
        """Delete one sample, and its identity if it has no other. Raises UnknownName if absent.

        Examples:
            >>> ws.forget_sample(ws.identity("hours")[0].id)
            >>> ws.count("questions")
            (2, 4)
        """
        samples.require(self.store, sample_id)
        forget(self.store, [sample_id])
