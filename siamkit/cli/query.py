"""siamkit query"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import options, query_results
from siamkit.cli.answer_request import AnswerRequest
from siamkit.cli.output import emit_json, one_line, stderr
from siamkit.cli.probes import answer_probes, ask_one, is_default, list_probes
from siamkit.cli.saving import open_saving
from siamkit.errors import SiamkitError
from siamkit.io.commands import suggest

if TYPE_CHECKING:
    from siamkit.stats.scoring import Fusion


@click.command(
    epilog="""\b
Examples:
  siamkit query faces door.jpg                      who is this?
  siamkit query faces party.jpg --save-annotated out.jpg
  siamkit query faces photos/ -o who.csv --report who.html
  siamkit query faces *.jpg -k 1 --json             for a program
  siamkit query faces door.jpg --threshold 0.95     stricter than the default
  siamkit query faces door.jpg --fpir 0.05          1 in 20 strangers is identified
  siamkit query faq --text 'How do I sign in?'      has this been asked before?
  siamkit query faq --from new.csv --column question
  siamkit query voices hello.wav                    who says this?

\b
FILES may be folders, and patterns in quotes: 'photos/**/*.jpg'.
Exit codes: 0 somebody was identified; 5 nobody was, and an answer is inconclusive; 3 nobody is
enrolled; 4 the file holds nothing to compare. With several files the best outcome counts.
"""
)
@click.argument("gallery")
@options.probes
@options.top_k("Matches to show per region; in JSON, all are.")
@options.decision_rule(options.threshold, options.fmr, options.fpir, options.rerank)
@options.fusion
@options.other_detector
@click.option("--largest", is_flag=True, help="Query only the largest region.")
@options.answer_files()
@options.page
@options.verbose
@options.workspace
@options.as_json
def query(
    ws: sk.Workspace, gallery: str, rule: sk.DecisionRule, as_json: bool, **values: Any
) -> int:
    """Find who or what is in FILES, or which enrolled text means the same.

    Each region (a face, for example) has one answer: an identity, "not enrolled", or
    "inconclusive".
    """
    request = QueryRequest(**values)
    probes = list_probes(ws, gallery, request, request.outputs.paths)
    asked: dict[str, Any] = {
        "k": request.k,
        "rule": rule,
        "fusion": request.fusion,
        "choose": options.choose_regions(request.largest),
        "detector": options.default_or_none(request.detector),
    }
    replies: Iterator[tuple[Any, Any]]
    if probes.is_batch:
        queried = ws.query_many(gallery, probes.to_ask(), **asked)
        replies = ((outcome.answers, outcome.error) for outcome in queried)
    else:
        replies = ask_one(probes, lambda probe: ws.query(gallery, probe, **asked))
    nouns = ws.nouns(ws.modality_of(gallery))
    view = query_results.View(
        nouns,
        matches=request.k if request.verbose or not is_default("k") else 0,
        is_verbose=request.verbose,
        is_text=ws.kind(ws.modality_of(gallery)) == "text",
    )
    saving = open_saving(ws, gallery, probes, request.outputs, f"Answers of the gallery {gallery}")
    emit = (lambda facts: emit_json({"gallery": gallery, "probes": facts})) if as_json else None
    tally = answer_probes(probes, replies, view.shown, saving, emit)
    if ws.kind(ws.modality_of(gallery)) == "audio" and not probes.is_batch:
        _note_speakers(ws, gallery, probes.sources)
    return tally.exit_code()


@dataclass(frozen=True, slots=True)
class QueryRequest(AnswerRequest):
    """Options of one `query` command."""

    fusion: Fusion | None


def _note_speakers(ws: sk.Workspace, gallery: str, sources: Iterable[Path | str]) -> None:
    """Say of each recording with several speakers that its answer is about all of them."""
    for file in sources:
        with suppress(SiamkitError):  # as its answer has reported
            count = ws.count_speakers(gallery, file)
            if count > 1:
                stderr(
                    f"Note: {one_line(str(file), 100)} has {count} speakers or more, and this is"
                    " one answer for all of them:"
                    f" `{suggest('timeline', str(file), gallery)}` tells them apart"
                )
