"""siamkit query"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import describe_threshold, echo, emit_json, one_line, stderr
from siamkit.cli.probes import (
    answer_each,
    answered,
    exit_code,
    list_facts,
    list_probes,
    print_regions,
    region_facts,
)
from siamkit.errors import SiamkitError
from siamkit.io.places import here

if TYPE_CHECKING:
    from siamkit.stats.scoring import Fusion

PICTURES = (".jpg", ".jpeg", ".png", ".webp")


@click.command(
    epilog="""\b
Examples:
  siamkit query faces door.jpg                      who is this?
  siamkit query faces party.jpg --save-annotated out.jpg
  siamkit query faces *.jpg -k 1 --json             for a program
  siamkit query faces door.jpg --threshold 0.95     stricter than the default
  siamkit query faces door.jpg --fpir 0.001         1 in 1 000 strangers is identified
  siamkit query faq --text 'How do I sign in?'      has this been asked before?
  siamkit query voices hello.wav                    who says this?

\b
Exit codes: 0 somebody was identified; 3 nobody reached the threshold; 4 the file holds nothing to
compare. With several files the best outcome counts.
"""
)
@click.argument("gallery")
@options.files
@options.texts
@options.top_k("Matches to show per region.")
@options.decision_rule(options.threshold, options.fmr, options.fpir, options.rerank)
@options.fusion
@options.other_detector
@click.option("--largest", is_flag=True, help="Query only the largest region.")
@options.path(
    "--save-annotated",
    "annotated",
    help="Save the picture with boxes, labels and scores.",
)
@options.page
@options.workspace
@options.as_json
def query(
    ws: sk.Workspace, gallery: str, rule: sk.DecisionRule, as_json: bool, **values: Any
) -> int:
    """Find who or what is in FILES, or which enrolled text means the same.

    Each region (a face, for example) has one answer: "unknown" if no enrolled identity is close
    enough.
    """
    request = QueryRequest(**values)
    probes = list_probes(ws, gallery, request.files, request.texts)
    request.check()
    choose = options.choose_regions(request.largest)
    k, fusion = request.k, request.fusion
    detector = options.default_or_none(request.detector)
    if request.annotated and ws.kind(ws.modality_of(gallery)) != "image":
        raise click.UsageError("--save-annotated needs pictures.")
    results = answer_each(
        probes,
        lambda probe: ws.query(
            gallery, probe, k=k, rule=rule, fusion=fusion, choose=choose, detector=detector
        ),
        as_json=as_json,
    )
    if as_json:
        emit_json({"gallery": gallery, "probes": list_facts(results, _facts)})
    else:
        for answers in answered(results):
            _print(answers)
    if ws.kind(ws.modality_of(gallery)) == "audio":
        _note_speakers(ws, gallery, request.files)
    if request.annotated:  # takes one file
        for answers in answered(results):
            _annotate(ws, gallery, request.files[0], answers, request.annotated)
    return exit_code(results, lambda answer: bool(answer.identity))


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """Options of one `query` command: what to look for, and what to save."""

    files: tuple[Path, ...]
    texts: tuple[str, ...]
    k: int
    fusion: Fusion | None
    largest: bool
    detector: str | None
    annotated: Path | None

    def check(self) -> None:
        """Raise UsageError for conflicting options, before a long recording is processed."""
        if self.annotated and (self.texts or len(self.files) > 1):
            raise click.UsageError("--save-annotated takes one FILE at a time.")
        if self.annotated:
            if self.annotated.suffix.lower() not in PICTURES:
                names = ", ".join(PICTURES)
                raise click.UsageError(f"--save-annotated takes a name that ends in {names}.")
            checks.require_writable("--save-annotated", self.annotated, *self.files)


def _note_speakers(ws: sk.Workspace, gallery: str, files: Iterable[Path]) -> None:
    """Say of each recording with several speakers that its answer is about all of them."""
    for file in files:
        with suppress(SiamkitError):  # as its answer has reported
            count = ws.count_speakers(gallery, file)
            if count > 1:
                stderr(
                    f"Note: {one_line(str(file), 100)} has {count} speakers or more, and this is"
                    " one answer for all of them:"
                    f" `siamkit timeline {file} {gallery}` tells them apart"
                )


def _annotate(
    ws: sk.Workspace, gallery: str, file: Path, answers: list[sk.Answer], annotated: Path
) -> None:
    from siamkit.reports.query import save_annotated

    pipeline = ws.pipeline_of(ws.gallery(gallery))
    save_annotated(pipeline.load(pipeline.read(file)), answers, annotated)
    stderr(f"saved {annotated}")


def _facts(answers: list[sk.Answer]) -> dict[str, Any]:
    threshold = answers[0].threshold
    return {
        "decided_by": answers[0].decided_by,
        "reranker": answers[0].reranker,
        "threshold": {**asdict(threshold), "value": round(threshold.value, 6)}
        if threshold
        else None,
        "different_below": _round(answers[0].different_below),
        "regions": [
            {
                **region_facts(answer),
                "identity": answer.identity,
                "decision": answer.decision,
                "objection": answer.objection and asdict(answer.objection),
                "advice": answer.advice,
                "matches": [
                    {
                        **asdict(match),
                        "score": _round(match.score),
                        "probability": _round(match.probability),
                        "normalised": _round(match.normalised),
                    }
                    for match in answer.matches
                ],
            }
            for answer in answers
        ],
    }


def _round(score: float | None) -> float | None:
    return None if score is None else round(score, 6)


def _identity(answer: sk.Answer) -> str:
    if objection := answer.objection:
        is_different = objection.decision == sk.Decision.DIFFERENT
        answered = "unknown" if is_different else "inconclusive"
        return f"{answered}: {objection.reason}"
    if answer.decision == sk.Decision.INCONCLUSIVE:
        return f"{answer.matches[0].identity}? (inconclusive)"
    return answer.identity or "unknown"


def _print(answers: list[sk.Answer]) -> None:
    folder = here()
    matches = [match for answer in answers for match in answer.matches]
    optional = {"S-norm": "normalised", "probability": "probability"}
    scores = {
        head: field
        for head, field in optional.items()
        if any(getattr(match, field) is not None for match in matches)
    }

    def cells(answer: sk.Answer) -> list[list[Any]]:
        return [
            [
                one_line(match.identity, 50),
                match.score,
                *(getattr(match, field) for field in scores.values()),
                one_line(match.source.removeprefix(folder), 100),
            ]
            for match in answer.matches
        ]

    note = describe_threshold(answers[0].threshold)
    head = ["identity", "nearest", "score", *scores, "enrolled from"]
    print_regions(answers, _identity, note, head, cells)
    for advice in dict.fromkeys(answer.advice for answer in answers if answer.advice):
        echo(advice)
