"""Tools that an assistant may call. Their docstrings and annotations are what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from siamkit.flows.decide import DEFAULT_RULE, DecisionRule
from siamkit.flows.dedupe_items import Item
from siamkit.mcp.samples import SHOWN, Samples
from siamkit.reports.answer_rows import rows_of_answers
from siamkit.reports.facts import plain
from siamkit.workspace import Workspace

MAX_SAMPLES = 500  # in one call: the answer has to fit into a conversation
PAGE = 100  # identities in one answer
Facts = dict[str, Any]
Gallery = Annotated[str, Field(description="Name of a gallery, see list_galleries")]
Modality = Annotated[
    str, Field(description="Name of a gallery or a modality: faces, voices, signatures, …")
]
Sample = Annotated[
    str,
    Field(
        description="A file in a folder that the user allows, or data:…;base64,…; where samples"
        " are texts, the text itself"
    ),
]
SampleList = Annotated[list[Sample], Field(min_length=1, max_length=MAX_SAMPLES)]
Rate = Annotated[
    float | None,
    Field(gt=0, lt=1, description="Error rate to accept, instead of the gallery's own"),
]


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools, on one store. Each returns what the command line's --json prints.

    An `answer` for people stands before it.
    """

    ws: Workspace
    samples: Samples

    def list_galleries(self) -> Facts:
        """List the galleries with what they hold: their modality, identities and samples."""
        galleries = []
        for gallery in self.ws.galleries():
            identities, samples = self.ws.count(gallery.name)
            modality = gallery.space.modality
            counts = {"identities": identities, "samples": samples}
            galleries.append({"name": gallery.name, "modality": modality, **counts})
        return {"galleries": galleries}

    def list_identities(
        self,
        gallery: Gallery,
        containing: Annotated[str, Field(description="Part of the label, in any case")] = "",
        after: Annotated[str, Field(description="`next` of the page before")] = "",
    ) -> Facts:
        """List the identities of a gallery by label, a hundred at a time."""
        page = self.ws.list_page(gallery, after=after, search=containing, limit=PAGE)
        rows = [{"identity": card.identity, "samples": card.samples} for card in page.cards]
        total = {} if containing else {"total": self.ws.count(gallery)[0]}
        return {**total, "next": page.after, "identities": rows}

    def query(
        self,
        gallery: Gallery,
        sample: Sample,
        k: Annotated[int, Field(ge=1, le=50, description="Matches per region")] = 5,
        fpir: Rate = None,
    ) -> Facts:
        """Find who or what a sample shows, or which enrolled text means the same.

        Each region, such as a face, has one answer: an identity, "not enrolled" or "inconclusive".
        Only `identity` names somebody; the nearest match of an unknown sample is somebody else.
        """
        kind = self._kind(gallery)
        rule = DecisionRule(fpir=fpir) if fpir else DEFAULT_RULE
        answers = self.ws.query(gallery, self.samples.take(sample, kind), k=k, rule=rule)
        nouns = self.ws.nouns(self.ws.modality_of(gallery))
        verdicts = [row.verdict for row in rows_of_answers(answers, nouns)]
        return {"answer": "; ".join(verdicts), "gallery": gallery, **answers.to_dict()}

    def verify(
        self, gallery_or_modality: Modality, a: Sample, b: Sample, fmr: Rate = None
    ) -> Facts:
        """Verify whether two samples are the same: one person, one writer, one question."""
        kind = self._kind(gallery_or_modality)
        rule = DecisionRule(fmr=fmr) if fmr else DEFAULT_RULE
        left, right = self.samples.take(a, kind), self.samples.take(b, kind)
        verification = self.ws.verify(gallery_or_modality, left, right, rule=rule)
        return {"answer": str(verification), **verification.to_dict()}

    def find(self, gallery: Gallery, picture: Sample) -> Facts:
        """Find every place in a picture that shows something enrolled in a gallery of pictures."""
        searched = self.ws.find(gallery, self.samples.take(picture, "image"))
        names = ", ".join(searched.identities) or "nothing that is enrolled"
        return {"answer": names, "gallery": gallery, **searched.to_dict()}

    def find_duplicates(self, modality: Modality, samples: SampleList) -> Facts:
        """Find the samples of a list that are the same as others of it, in groups."""
        modality = self.ws.modality_of(modality)
        kind = self.ws.kind(modality)
        deduped = self.ws.dedupe(self.samples.take_each(samples, kind), modality=modality)
        return {"answer": f"groups of duplicates: {deduped.groups}", **deduped.to_dict()}

    def find_enrolled(self, gallery: Gallery, samples: SampleList) -> Facts:
        """Find the samples of a list that are enrolled already, as duplicates of what is there."""
        sources = self.samples.take_each(samples, self._kind(gallery))
        named = zip(samples, sources, strict=True)
        items = [Item(line, name[:SHOWN], source) for line, (name, source) in enumerate(named, 1)]
        lookups = list(self.ws.against(gallery, items))
        count = len({lookup.item.line for lookup in lookups if lookup.duplicate})
        rows = [
            {
                "line": lookup.item.line,
                "sample": lookup.item.id,
                "enrolled": lookup.duplicate,
                "match": plain(lookup.match) if lookup.match else None,
                "error": str(lookup.error) if lookup.error else None,
                "left_out": lookup.left_out or None,
            }
            for lookup in lookups
        ]
        answer = f"{count} of {len(samples)} are enrolled"
        return {"answer": answer, "gallery": gallery, "samples": rows}

    def enrol(
        self,
        gallery: Gallery,
        label: Annotated[str, Field(description="The identity: a name or an id")],
        samples: SampleList,
    ) -> Facts:
        """Enrol samples of one identity under a label; they are stored when this returns."""
        sources = list(self.samples.take_each(samples, self._kind(gallery)))
        batch = self.ws.enrol(gallery, label, sources)
        count = sum(result.error is None for result in batch)
        return {"answer": f"{count} of {len(samples)} enrolled", **batch.to_dict()}

    def _kind(self, gallery_or_modality: str) -> str:
        return self.ws.kind(self.ws.modality_of(gallery_or_modality))
