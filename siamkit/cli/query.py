"""siamkit query"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import describe_threshold, emit_json, one_line, stderr, table
from siamkit.cli.probes import Probe, answer_each, exit_code, is_default, list_probes
from siamkit.cli.progress import steps
from siamkit.errors import SiamkitError

if TYPE_CHECKING:
    from siamkit.flows.decide import DecisionRule
    from siamkit.flows.query import Answer
    from siamkit.stats.scoring import Fusion
    from siamkit.workspace import Workspace

EXIT_UNKNOWN = 3
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
CHARTS = (".png", ".svg", ".pdf")  # of a timeline


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
  siamkit query voices meeting.wav --timeline       who speaks when?

\b
Exit codes: 0 somebody was identified; 3 nobody reached the threshold; 4 the file holds nothing to
compare. With several files the best outcome counts.
"""
)
@click.argument("gallery")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@options.texts
@click.option(
    "-k",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Matches to show per region.",
)
@options.decision_rule(options.threshold, options.fmr, options.fpir, options.rerank)
@options.fusion
@click.option("--largest", is_flag=True, help="Query only the largest region.")
@click.option(
    "--save-annotated",
    "annotated",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Save the picture with boxes, labels and scores; with --timeline, a chart.",
)
@click.option(
    "--timeline",
    is_flag=True,
    help="Show who speaks when in a recording of any length; strangers are `unknown`.",
)
@click.option(
    "--rttm", type=click.Path(path_type=Path), metavar="FILE", help="Save the timeline as RTTM."
)
@options.store
@options.as_json
def query(gallery: str, rule: DecisionRule, store: Path, as_json: bool, **parameters: Any) -> int:
    """Find who or what is in FILES, or which enrolled text means the same.

    Each region (a face, for example) has one answer: "unknown" if no enrolled identity is close
    enough.
    """
    request = QueryRequest(**parameters)
    probes = list_probes(request.files, request.texts)
    request.check(rule)
    from siamkit import region_choosers

    choose = region_choosers.largest_region if request.largest else region_choosers.all_regions
    k, fusion = request.k, request.fusion
    with options.workspace(store) as ws:
        if request.timeline:
            return _show_timeline(ws, gallery, request, rule, as_json=as_json)
        if request.texts:
            options.check_texts(ws.modality_of(gallery))
        if request.annotated and ws.kind(ws.modality_of(gallery)) != "image":
            raise click.UsageError("--save-annotated needs pictures, or --timeline.")
        results = answer_each(
            probes,
            lambda probe: ws.query(gallery, probe, k=k, rule=rule, fusion=fusion, choose=choose),
            as_json=as_json,
        )
        if as_json:
            emit_json({"gallery": gallery, "probes": [_probe(*result) for result in results]})
        else:
            for _, answers in results:
                if not isinstance(answers, SiamkitError):
                    _print(answers)
        _, answers = results[0]
        if request.annotated and not isinstance(answers, SiamkitError):
            _annotate(ws, gallery, request.files[0], answers, request.annotated)
    return exit_code(
        [answers for _, answers in results], lambda answer: bool(answer.identity), EXIT_UNKNOWN
    )


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """Options of one `query` command: what to look for, and what to save."""

    files: tuple[Path, ...]
    texts: tuple[str, ...]
    k: int
    fusion: Fusion | None
    largest: bool
    annotated: Path | None
    timeline: bool
    rttm: Path | None

    def check(self, rule: DecisionRule) -> None:
        """Raise UsageError for conflicting options, before a long recording is processed."""
        if self.annotated and (self.texts or len(self.files) > 1):
            raise click.UsageError("--save-annotated takes one FILE at a time.")
        if self.timeline:
            self._check_timeline(rule)
        elif self.rttm:
            raise click.UsageError("--rttm needs --timeline.")
        suffixes = CHARTS if self.timeline else PICTURES
        if self.annotated and self.annotated.suffix.lower() not in suffixes:
            names = ", ".join(suffixes)
            raise click.UsageError(f"--save-annotated takes a name that ends in {names}.")
        for option, path in (("--save-annotated", self.annotated), ("--rttm", self.rttm)):
            if path:
                options.check_writable(option, path, *self.files)

    def _check_timeline(self, rule: DecisionRule) -> None:
        by_rate = rule.reranker or rule.fmr or rule.fpir
        if len(self.files) != 1 or self.texts or self.largest or not is_default("k") or by_rate:
            raise click.UsageError(
                "--timeline takes one FILE, and goes with --threshold, --fusion, --rttm and"
                " --save-annotated."
            )
        if self.rttm and self.annotated and self.rttm.absolute() == self.annotated.absolute():
            raise click.UsageError("--rttm and --save-annotated name the same file.")


def _show_timeline(
    ws: Workspace, gallery: str, request: QueryRequest, rule: DecisionRule, *, as_json: bool
) -> int:
    """Print and save a timeline; returns the exit code."""
    from siamkit.cli import timeline

    with steps() as progress:
        turns = ws.timeline(
            gallery, request.files[0], rule=rule, fusion=request.fusion, progress=progress
        )
    timeline.show(gallery, turns, as_json=as_json)
    timeline.save(turns, rttm=request.rttm, chart=request.annotated)
    return 0 if any(turn.identity for turn in turns.turns) else EXIT_UNKNOWN


def _annotate(
    ws: Workspace, gallery: str, file: Path, answers: list[Answer], annotated: Path
) -> None:
    from siamkit.reports.query import save_annotated

    pipeline = ws.pipeline_of(ws.gallery(gallery))
    save_annotated(pipeline.load(pipeline.read(file)), answers, annotated)
    stderr(f"saved {annotated}")


def _probe(probe: Probe, answers: list[Answer] | SiamkitError) -> dict[str, Any]:
    from siamkit.io import sources
    from siamkit.sdk import regions

    name = probe if isinstance(probe, str) else sources.to_text(probe)
    if isinstance(answers, SiamkitError):
        return {"source": name, "error": str(answers), "hint": answers.hint}
    threshold = answers[0].threshold
    return {
        "source": name,
        "decided_by": answers[0].decided_by,
        "reranker": answers[0].reranker,
        "threshold": {**asdict(threshold), "value": round(threshold.value, 6)}
        if threshold
        else None,
        "different_below": _round(answers[0].different_below),
        "regions": [
            {
                "region": regions.to_dict(answer.region),
                "quality": round(answer.quality.score, 4) if answer.quality else None,
                "identity": answer.identity,
                "decision": answer.decision,
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


def _identity(answer: Answer) -> str:
    if answer.decision == "can't tell":
        return f"{answer.matches[0].identity}? (can't tell)"
    return answer.identity or "unknown"


def _relative(source: str) -> str:
    """Shorten a path below the working directory."""
    return source.removeprefix(os.path.join(os.getcwd(), ""))


def _print(answers: list[Answer]) -> None:
    """Print a table of regions and their matches; without regions if the whole sample is one."""
    from siamkit import region_choosers

    whole_sample = len(answers) == 1 and answers[0].region.where is None
    summary = _identity(answers[0]) if whole_sample else f"{len(answers)} found"
    threshold = describe_threshold(answers[0].threshold)
    click.echo(f"{one_line(answers[0].source, 100)}: {one_line(summary, 100)} ({threshold})")
    matches = [match for answer in answers for match in answer.matches]
    has_snorm = any(match.normalised is not None for match in matches)
    has_probability = any(match.probability is not None for match in matches)
    scores = ["score", *["S-norm"] * has_snorm, *["probability"] * has_probability]
    rows: list[list[Any]] = []
    for number, answer in enumerate(answers, 1):
        box = region_choosers.describe_region(answer.region) if answer.region.where else "whole"
        name = one_line(_identity(answer), 50)
        for rank, match in enumerate(answer.matches, 1):
            region = (number, box, name) if rank == 1 else ("", "", "")
            values: list[float | None] = [match.score]
            values += [match.normalised] * has_snorm
            values += [match.probability] * has_probability
            source = one_line(_relative(match.source), 100)
            rows.append([*region, rank, one_line(match.identity, 50), *values, source])
        if not answer.matches:
            rows.append([number, box, name, None, None, *[None] * len(scores), None])
    head = ["#", "region", "identity", "rank", "nearest", *scores, "enrolled from"]
    skipped = 3 if whole_sample else 0
    table(head[skipped:], [row[skipped:] for row in rows])
