"""Review a gallery: decide on duplicates, audit findings and unknown regions, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from siamkit.embed.region_choosers import all_regions, ignoring_quality, largest_region
from siamkit.errors import BadInput, SiamkitError
from siamkit.io import sources
from siamkit.io.sources import InMemory
from siamkit.sdk import regions
from siamkit.store import change_log, galleries, reviews, uploads
from siamkit.store.reviews import Choice, Review, Unknown
from siamkit.types import Decision, Prompt
from siamkit.workspace.library import LibraryMethods
from siamkit.workspace.measuring import MeasuringMethods
from siamkit.workspace.queries import QueryMethods

if TYPE_CHECKING:
    from siamkit.flows.answer import Answer
    from siamkit.flows.review import ReviewItem


class ReviewMethods(MeasuringMethods, QueryMethods, LibraryMethods):
    """Review a gallery: decide on duplicates, audit findings and unknown regions, one by one."""

    def review(self, gallery: str, queue: str) -> list[ReviewItem]:
        """List what waits for a decision: "duplicates" or "findings" of an audit.

        Examples:
            >>> [item.left.identity for item in ws.review("questions", "findings")]
            ['refund', 'sign in']
        """
        from siamkit.flows.review import list_items

        target = galleries.get(self.store, gallery)
        return list_items(self.store, target, self.audit(gallery), queue)

    def decide(self, gallery: str, subject: str, choice: Choice) -> None:
        """Store a decision about an item of `review`, and act on it; `undo_decision` takes it back.

        The same: two identities become one, or a sample moves to the one that it is like.

        Examples:
            >>> item = ws.review("questions", "findings")[0]
            >>> ws.decide("questions", item.subject, "same")
            >>> len(ws.review("questions", "findings"))
            1
        """
        from siamkit.flows.review import decide

        decide(self.store, galleries.get(self.store, gallery), subject, choice)

    def undo_decision(self, gallery: str) -> Review:
        """Take the last decision about a gallery back, with what it did.

        Examples:
            >>> item = ws.review("questions", "findings")[0]
            >>> ws.decide("questions", item.subject, "skip")
            >>> ws.undo_decision("questions").decision
            'skip'
        """
        from siamkit.flows.review import undo

        return undo(self.store, galleries.get(self.store, gallery))

    def last_change(self, gallery: str) -> int:
        """Return the number of the last sample enrolled in or forgotten from a gallery, as a stamp.

        Examples:
            >>> ws.last_change("questions") > 0
            True
        """
        return change_log.last_change(self.store, galleries.get(self.store, gallery)).seq

    def reviews(self, gallery: str) -> list[Review]:
        """List the decisions about a gallery, oldest first.

        Examples:
            >>> len(ws.reviews("questions"))
            0
        """
        return reviews.list_all(self.store, galleries.get(self.store, gallery))

    def doomed(self, gallery: str) -> list[int]:
        """List the ids of samples that decisions have marked to be forgotten.

        Examples:
            >>> ws.doomed("questions")
            []
        """
        from siamkit.flows.review import doomed

        return doomed(self.store, galleries.get(self.store, gallery))

    def add_unknowns(self, gallery: str, items: Sequence[tuple[str, bytes]]) -> list[int]:
        """Let every region in which nobody enrolled is found wait for a decision.

        items: (name, content) of files; one that cannot be used is left out. Returns the ids.
        Raises the error of the first file if none can be used.

        Examples:
            >>> from pathlib import Path
            >>> photo = Path("cameraman-1.png").read_bytes()
            >>> ws.add_unknowns("faces", [("man.png", photo)])
            [1]
        """
        target = galleries.get(self.store, gallery)
        probes = [InMemory(content, uploads.plain_name(name)) for name, content in items]
        waiting = []
        batch = self.query(gallery, probes, k=1)
        if batch.errors and len(batch.errors) == len(probes):
            raise batch.errors[0]
        for probe, answers in zip(probes, batch, strict=True):
            strangers = [answer for answer in answers if answer.decision != Decision.SAME]
            if not strangers:
                continue
            source = uploads.save_upload(self.store, probe, probe.name)
            digest = sources.read(probe).digest
            for answer in strangers:
                region = regions.to_json(answer.region)
                number = reviews.add_unknown(self.store, target, source, digest, region)
                waiting += [] if number is None else [number]
            uploads.delete_uploads(self.store, [source])  # unless something waits in it
        return waiting

    def unknowns(self, gallery: str, *, skipped: bool = False) -> list[Unknown]:
        """List the regions that wait because nobody enrolled was found, without the decided ones.

        skipped: also those that a decision has skipped, whose files the store keeps.

        Examples:
            >>> ws.unknowns("faces")
            []
        """
        target = galleries.get(self.store, gallery)
        decided = {
            review.subject
            for review in reviews.list_all(self.store, target)
            if not (skipped and review.decision == "skip")
        }
        waiting = reviews.unknowns(self.store, target)
        return [unknown for unknown in waiting if f"unknown {unknown.id}" not in decided]

    def ask_unknown(self, gallery: str, unknown: Unknown) -> Answer:
        """Query with a region that waits, in the gallery as it is now.

        Examples:
            >>> ws.ask_unknown("faces", ws.unknowns("faces")[0])  # doctest: +SKIP
        """
        answers = self.query(gallery, sources.to_path(unknown.source), k=3)
        where = unknown.read_region().where
        same_place = (answer for answer in answers if answer.region.where == where)
        return next(same_place, answers[0])

    def decide_unknown(self, gallery: str, unknown_id: int, choice: Choice, label: str = "") -> str:
        """Enrol a region that waits, unless it is skipped; return its label, '' if skipped.

        "same": as the nearest identity. "different": under `label`, or else as 'unknown N'.
        `undo_decision` takes it back.

        Examples:
            >>> ws.decide_unknown("faces", 1, "different", "ann")  # doctest: +SKIP
            'ann'
        """
        target = galleries.get(self.store, gallery)
        unknown = reviews.unknown(self.store, target, unknown_id)
        subject, region = f"unknown {unknown_id}", unknown.read_region()
        if choice == "skip":
            reviews.add(self.store, target, subject, "skip")
            return ""
        if choice == "same":
            matches = self.ask_unknown(gallery, unknown).matches
            if not matches:
                raise BadInput("nobody is enrolled whom it could be")
            label = matches[0].identity
        label = label.strip() or f"unknown {unknown_id}"
        prompt = Prompt(box=region.where) if region.where and len(region.where) == 4 else None
        choose = ignoring_quality(all_regions if prompt else largest_region)
        path = sources.to_path(unknown.source)
        result = self.enrol(gallery, label, path, choose=choose, prompt=prompt)
        sample_id = result.sample_ids[0] if result.sample_ids else None
        reviews.add(self.store, target, subject, choice, sample_id=sample_id)
        return label

    def drop_unknown(self, gallery: str, unknown_id: int) -> None:
        """Delete a region that waits or was skipped, and the copy of its file if nothing needs it.

        Examples:
            >>> ws.drop_unknown("faces", 1)  # doctest: +SKIP
        """
        target = galleries.get(self.store, gallery)
        unknown = reviews.unknown(self.store, target, unknown_id)
        reviews.delete_unknown(self.store, target, unknown_id)
        with suppress(OSError, SiamkitError):
            uploads.delete_uploads(self.store, [unknown.source])
