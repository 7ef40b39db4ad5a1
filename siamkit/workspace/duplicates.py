"""Find duplicates among many items, and items that are enrolled."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.embed.pipeline import DEFAULT
from siamkit.flows.decide import DEFAULT_RULE, DecisionRule
from siamkit.io.places import expand, expand_text
from siamkit.sdk.inputs import take_or_refuse
from siamkit.types import Fault, Input, Progress, Threshold, ignore_progress
from siamkit.workspace.base import OpenStore

if TYPE_CHECKING:
    from siamkit.flows.against import GalleryLookup
    from siamkit.flows.dedupe import Deduped
    from siamkit.flows.dedupe_items import Item
    from siamkit.io.table_read import TextColumns


class DuplicateMethods(OpenStore):
    """Find duplicates among many items, and items that are enrolled."""

    def dedupe(
        self,
        items: Iterable[Item | Input],
        *,
        modality: str,
        encoder: str | None = None,
        detector: str | None = DEFAULT,
        rule: DecisionRule = DEFAULT_RULE,
        max_memory: int | None = None,
        progress: Progress = ignore_progress,
        workers: int | str | None = None,
    ) -> Deduped:
        """Find the duplicates among many texts or files. See siamkit.flows.dedupe.

        rule: by default the cosine decides, by the encoder's threshold; or by the one at which one
        false pair is expected among all, where the encoder's calibration tells. With
        expected_false, that many are expected; fmr is the rate of a single pair. max_memory: bytes
        that this process may use in all; None for most of what is free. workers: see `enrol_many`;
        they embed, and this process compares.

        Examples:
            >>> texts = ["How do I log in?", "How can I log in?", "When are you open?"]
            >>> deduped = ws.dedupe(texts, modality="questions")
            >>> [(member.group, member.item.shown) for member in deduped.members]
            [(1, 'How do I log in?'), (1, 'How can I log in?')]
        """
        from siamkit.flows.dedupe import dedupe
        from siamkit.flows.dedupe_items import Item
        from siamkit.flows.grouping import open_match_rule

        pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
        kind = pipeline.modality.kind
        numbered = (
            item
            if isinstance(item, Item)
            else Item(number, str(number), take_or_refuse(item, f"items[{number - 1}]", kind))
            for number, item in enumerate(items, 1)
        )
        match_rule = open_match_rule(pipeline, rule)
        with self._embedding(workers, pipeline, (modality, encoder, detector)) as embed_all:
            return dedupe(
                pipeline,
                numbered,
                match_rule,
                max_memory=max_memory,
                progress=progress,
                embed_all=embed_all,
            )

    @staticmethod
    def dedupe_matrix(
        path: str | Path,
        threshold: float,
        *,
        max_memory: int | None = None,
        progress: Progress = ignore_progress,
    ) -> Deduped:
        """Find the duplicates among the rows of an (n, dim) .npy matrix of floats.

        threshold: the cosine at or above which two rows count as the same.

        Examples:
            >>> import numpy
            >>> numpy.save("rows.npy", numpy.eye(4, dtype="float32")[[0, 1, 1, 2]])
            >>> ws.dedupe_matrix("rows.npy", 0.9).groups
            1
        """
        from siamkit.flows.dedupe_rows import dedupe_matrix
        from siamkit.flows.grouping import MatchRule

        rule = MatchRule(Threshold(threshold))
        matrix = expand(Path(path))
        return dedupe_matrix(matrix, rule, max_memory=max_memory, progress=progress)

    @staticmethod
    def list_items(
        source: str | Path, modality: str, columns: TextColumns, faults: list[Fault]
    ) -> Iterator[Item]:
        """Yield the items to dedupe of a table of texts, a folder, or a list of files.

        source: '-' is standard input. faults: rows without a usable text are appended.

        Examples:
            >>> columns, faults = sk.TextColumns(text="text"), []
            >>> items = ws.list_items("questions.csv", "questions", columns, faults)
            >>> next(items).shown
            'How do I log in?'
        """
        from siamkit.flows.list_items import list_items

        return list_items(expand_text(str(source)), sys.stdin, columns, modality, faults)

    def against(
        self, gallery: str, items: Iterable[Item], *, rule: DecisionRule = DEFAULT_RULE
    ) -> Iterator[GalleryLookup]:
        """Find the items, or regions of them, that are already enrolled. See siamkit.flows.against.

        rule: by default the cosine decides, by the threshold of a query in a gallery of this size.
        expected_false: among all items.

        Examples:
            >>> (lookup,) = ws.against("questions", [sk.Item(1, "1", "How do I log in?")])
            >>> lookup.duplicate, lookup.match.identity
            (True, 'sign in')
        """
        from siamkit.flows.against import against

        live, pipeline = self._open_gallery(gallery)
        yield from against(live, pipeline, items, rule)
