"""Look through a gallery: pages of identities, samples with what they show, moves, uploads."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from siamkit.embed.pipeline import DEFAULT
from siamkit.embed.region_choosers import Chooser, only_usable
from siamkit.errors import SiamkitError, StoreError
from siamkit.flows.answer_lists import Batch
from siamkit.io.sources import InMemory
from siamkit.store import Store, galleries, identity_pages, merges, sample_pages, samples, uploads
from siamkit.store.identity_pages import PAGE, IdentityPage
from siamkit.store.labels import normalise_label
from siamkit.store.merges import Merger
from siamkit.store.sample_pages import SamplePage
from siamkit.store.samples import Sample
from siamkit.types import Box, Input, Prompt
from siamkit.workspace.enrolment import EnrolmentMethods
from siamkit.workspace.pictures import PictureMethods

if TYPE_CHECKING:
    from siamkit.flows.enrol import EnrolResult
    from siamkit.flows.find import SearchedPicture

THUMBNAIL = 160  # px: the longer side of a thumbnail
log = logging.getLogger("siamkit")


class LibraryMethods(PictureMethods, EnrolmentMethods):
    """Look through a gallery: pages of identities, samples with what they show, moves, uploads."""

    def list_page(
        self, gallery: str, *, after: str = "", search: str = "", limit: int = PAGE
    ) -> IdentityPage:
        """List the identities of a gallery by label, a page at a time.

        after: the label that the page begins behind. search: a text that the labels contain.

        Examples:
            >>> page = ws.list_page("questions", limit=2)
            >>> [card.identity for card in page.cards], page.after
            (['hours', 'refund'], 'refund')
        """
        target = galleries.get(self.store, gallery)
        return identity_pages.list_page(self.store, target, after, search, limit)

    def list_samples(
        self, gallery: str, *, after: int = 0, identity: str | None = None, limit: int = PAGE
    ) -> SamplePage:
        """List the samples of a gallery, oldest first, a page at a time.

        after: the id that the page begins behind. identity: of this one only.

        Examples:
            >>> page = ws.list_samples("questions", identity="hours")
            >>> [sample.source for sample in page.samples], page.after
            (['When are you open?'], None)
        """
        target = galleries.get(self.store, gallery)
        label = None if identity is None else normalise_label(identity)
        return sample_pages.list_page(self.store, target, after, label, limit)

    def sample(self, sample_id: int) -> Sample:
        """Return an enrolled sample. Raises StoreError if there is none of this id.

        Examples:
            >>> ws.sample(ws.identity("hours")[0].id).identity
            'hours'
        """
        return samples.get(self.store, sample_id)

    def move_sample(self, sample_id: int, label: str) -> Merger:
        """Give a sample to another identity, created if new; `undo_merge` takes it back.

        Examples:
            >>> ws.move_sample(ws.identity("hours")[0].id, "opening hours").new
            'opening hours'
        """
        return merges.move(self.store, sample_id, label)

    def enrol_uploads(
        self,
        gallery: str,
        label: str | Sequence[str] | None,
        items: Sequence[tuple[str, bytes]],
        *,
        modality: str | None = None,
        choose: Chooser = only_usable,
        detector: str | None = DEFAULT,
        prompt: Prompt | None = None,
        look_again: bool = False,
    ) -> list[EnrolResult]:
        """Enrol the content of files that are not on this machine, by (name, content).

        The store keeps a copy, so that it can be shown and embedded again; `forget` deletes it.
        label: of all, or one for each. The other parameters are those of `enrol_many`.

        Examples:
            >>> from pathlib import Path
            >>> content = Path("collins-1.png").read_bytes()
            >>> (result,) = ws.enrol_uploads("faces", "Eileen", [("../photos/ann.png", content)])
            >>> result.source
            'ann.png'
        """
        self.gallery(gallery, modality=modality)  # a copy needs a store
        saved = [
            InMemory(content, uploads.plain_name(name), _save(self.store, content, name))
            for name, content in items
        ]
        labels = [label] * len(saved) if label is None or isinstance(label, str) else label
        pairs = list(zip(labels, saved, strict=True))
        try:
            results = self.enrol_many(
                gallery,
                pairs,
                modality=modality,
                choose=choose,
                detector=detector,
                prompt=prompt,
                look_again=look_again,
            )
            return list(results)
        finally:
            with suppress(OSError):
                uploads.delete_uploads(self.store, [sample.stored_as for sample in saved])

    def content_of(self, sample_id: int) -> bytes | str | None:
        """Return the content of an enrolled sample; None if its file is gone or has changed.

        Examples:
            >>> ws.content_of(ws.identity("hours")[0].id)
            'When are you open?'
        """
        from siamkit.flows.reembed import read_enrolled

        try:
            return read_enrolled(samples.get(self.store, sample_id)).data
        except SiamkitError:
            return None

    def thumbnail(self, sample_id: int, *, side: int = THUMBNAIL) -> bytes | None:
        """Return a JPEG of what an enrolled sample shows, cached in the store.

        None for sounds and texts, and for a picture whose file is gone or has changed. side: px of
        the longer side, at most.

        Examples:
            >>> ws.thumbnail(ws.identity("hours")[0].id) is None
            True
        """
        sample = samples.get(self.store, sample_id)
        path = uploads.thumbnail_path(self.store, sample_id, side)
        with suppress(OSError):
            return path.read_bytes()
        content = None if sample.inline else self.content_of(sample_id)
        if not isinstance(content, bytes):
            return None
        from siamkit.reports.previews import picture_of_region

        picture = picture_of_region(content, sample.read_region(), side)
        if picture is not None and self.store.writable:
            try:
                uploads.save_thumbnail(path, picture)
                samples.require(self.store, sample_id)  # it may have been forgotten meanwhile
            except StoreError:
                path.unlink(missing_ok=True)
                raise
            except OSError as error:
                log.warning(f"a thumbnail cannot be kept: {error}")
        return picture

    def find_like(
        self,
        example: Input,
        pictures: Sequence[Input],
        *,
        box: Box | None = None,
    ) -> Batch[SearchedPicture]:
        """Find in pictures what one example shows, without enrolling it.

        box: around the thing in the example, in px; None for all of it. The modality, encoder and
        detector are those whose search by one example has been measured.

        Examples:
            >>> (picture,) = ws.find_like("collins-1.png", [photo])
            >>> picture.decision.value in ("present", "absent")
            True
        """
        from siamkit.flows.find import example_setup

        modality, encoder, detector = example_setup()
        prompt = None if box is None else Prompt(box=box)
        with (
            tempfile.TemporaryDirectory(prefix="siamkit-") as folder,
            type(self)(folder) as search,
        ):
            search._pipelines, search._detectors = self._pipelines, self._detectors
            search.create_gallery("example", modality, encoder=encoder)
            search.enrol("example", "example", example, detector=None, prompt=prompt)
            return search.find("example", list(pictures), detector=detector)


def _save(store: Store, content: bytes, name: str) -> str:
    """Keep a copy; return its source. Raises StoreError if the disk does not take it."""
    try:
        return uploads.save_upload(store, content, name)
    except OSError as error:
        raise StoreError(f"{name} cannot be kept: {error.strerror or error}") from error
