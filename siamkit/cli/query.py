"""siamkit query"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import cut, describe_threshold, emit_json, stderr, table
from siamkit.cli.probes import ask, exit_code
from siamkit.errors import SiamkitError

if TYPE_CHECKING:
    from siamkit.flows.decide import DecisionRule
    from siamkit.flows.query import Answer
    from siamkit.workspace import Workspace

EXIT_NOBODY = 3
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
DRAWN = (".png", ".svg", ".pdf")  # of a timeline


@click.command(
    epilog="""\b
Examples:
  siamkit query faces door.jpg                      who is this?
  siamkit query faces party.jpg --save-annotated out.jpg
  siamkit query faces *.jpg -k 1 --json             for a program
  siamkit query faces door.jpg --threshold 0.95     stricter than the default
  siamkit query faces door.jpg --fpir 0.001         a stranger passes once in 1 000 searches
  siamkit query faq --text 'How do I sign in?'      is this asked already?
  siamkit query voices hello.wav                    who says this?
  siamkit query voices meeting.wav --timeline       who of the enrolled speaks when?

\b
Exit codes: 0 somebody was identified; 3 nobody reached the threshold; 4 nothing to compare was
found in the file. Of several files the best outcome counts.
"""
)
@click.argument("gallery")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@options.texts
@click.option(
    "-k", default=5, show_default=True, type=click.IntRange(min=1), help="Matches a region."
)
@options.decision_rule(options.threshold, options.fmr, options.fpir, options.rerank)
@options.fusion
@click.option("--largest", is_flag=True, help="Look at the largest region only.")
@click.option(
    "--save-annotated",
    "annotated",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Save the picture with boxes, labels and scores; of --timeline, a chart of it.",
)
@click.option(
    "--timeline",
    is_flag=True,
    help="Who of the enrolled is heard when in a recording of any length. Others are `unknown`.",
)
@click.option(
    "--rttm", type=click.Path(path_type=Path), metavar="FILE", help="Save the timeline as RTTM."
)
@options.store
@options.as_json
def query(
    gallery: str,
    files: tuple[Path, ...],
    texts: tuple[str, ...],
    k: int,
    rule: DecisionRule,
    fusion: Any,
    largest: bool,
    annotated: Path | None,
    timeline: bool,
    rttm: Path | None,
    store: Path,
    as_json: bool,
) -> int:
    """Who or what is in FILES, or what does a text mean?

    One answer a region (a face, say); "unknown" if nobody enrolled is near enough.
    """
    if not files and not texts:
        raise click.UsageError("Give FILES or --text.")
    if annotated and (texts or len(files) > 1):
        raise click.UsageError("--save-annotated takes one FILE at a time.")
    source = click.get_current_context().get_parameter_source("k")
    many = source is not click.core.ParameterSource.DEFAULT
    other = bool(texts or largest or many or rule.reranker or rule.fmr or rule.fpir)
    _check_timeline(timeline, files, rttm, annotated, other=other)
    drawn = DRAWN if timeline else PICTURES
    if annotated and annotated.suffix.lower() not in drawn:
        raise click.UsageError(f"--save-annotated takes a name that ends in {', '.join(drawn)}.")
    if annotated and annotated.exists() and files[0].exists() and annotated.samefile(files[0]):
        raise click.UsageError("--save-annotated would write over the probe itself.")
    from siamkit import region_choosers

    choose = region_choosers.largest_region if largest else region_choosers.all_regions
    with options.workspace(store) as ws:
        if timeline:
            from siamkit.cli.timeline import show

            known = show(
                ws,
                gallery,
                files[0],
                rule=rule,
                fusion=fusion,
                rttm=rttm,
                picture=annotated,
                as_json=as_json,
            )
            return 0 if known else EXIT_NOBODY
        if texts:
            options.check_texts(ws.modality_of(gallery))
        probes: list[Path | str] = [*files, *texts]
        results = ask(
            probes,
            lambda probe: ws.query(gallery, probe, k=k, rule=rule, fusion=fusion, choose=choose),
            as_json=as_json,
        )
        if annotated and not isinstance(results[0][1], SiamkitError):
            _annotate(ws, gallery, files[0], results[0][1], annotated)
    if as_json:
        emit_json({"gallery": gallery, "probes": [_probe(*result) for result in results]})
    else:
        for _, found in results:
            if not isinstance(found, SiamkitError):
                _print(found)
    return exit_code([found for _, found in results], lambda a: bool(a.identity), EXIT_NOBODY)


def _check_timeline(
    timeline: bool,
    files: tuple[Path, ...],
    rttm: Path | None,
    picture: Path | None,
    *,
    other: bool,
) -> None:
    """Raise UsageError before an hour is listened to in vain."""
    if rttm and not timeline:
        raise click.UsageError("--rttm goes with --timeline.")
    if timeline and (len(files) != 1 or other):
        raise click.UsageError(
            "--timeline takes one FILE, and goes with --threshold, --fusion, --rttm and"
            " --save-annotated."
        )
    for out in (rttm, picture) if timeline else ():
        if out and (out.is_dir() or not out.parent.is_dir()):
            raise click.UsageError(f"{out} cannot be written: no such folder, or a folder itself.")
    if rttm and picture and rttm.absolute() == picture.absolute():
        raise click.UsageError("--rttm and --save-annotated name one file.")
    if rttm and rttm.exists() and files[0].exists() and rttm.samefile(files[0]):
        raise click.UsageError("--rttm would write over the recording itself.")


def _annotate(
    ws: Workspace, gallery: str, file: Path, answers: list[Answer], annotated: Path
) -> None:
    from siamkit.reports import query as annotate

    pipeline = ws.pipeline_of(ws.gallery(gallery))
    annotate.save(pipeline.load(pipeline.read(file)), answers, annotated)
    stderr(f"saved {annotated}")


def _probe(probe: Path | str, found: list[Answer] | SiamkitError) -> dict[str, Any]:
    from siamkit.io import sources
    from siamkit.sdk import regions

    name = probe if isinstance(probe, str) else sources.to_text(probe)
    if isinstance(found, SiamkitError):
        return {"source": name, "error": str(found)}
    return {
        "source": name,
        "threshold": asdict(found[0].threshold) if found[0].threshold else None,
        "different_below": found[0].different_below,
        "regions": [
            {
                "region": regions.to_dict(answer.region),
                "quality": round(answer.quality.score, 4) if answer.quality else None,
                "identity": answer.identity,
                "decision": answer.decision,
                "matches": [
                    {**asdict(match), "score": round(match.score, 6)} for match in answer.matches
                ],
            }
            for answer in found
        ],
    }


def _named(answer: Answer) -> str:
    if answer.decision == "can't tell":
        return f"{answer.matches[0].identity}? (can't tell)"
    return answer.identity or "unknown"


def _near(source: str) -> str:
    """A path from here, if it lies below; else what the store says."""
    here = os.path.join(os.getcwd(), "")
    return source.removeprefix(here)


def _print(answers: list[Answer]) -> None:
    """A table of regions and their nearest; without the regions where the sample is one."""
    from siamkit import region_choosers

    whole = len(answers) == 1 and answers[0].region.where is None
    found = _named(answers[0]) if whole else f"{len(answers)} found"
    threshold = describe_threshold(answers[0].threshold)
    click.echo(f"{cut(answers[0].source, 100)}: {cut(found, 100)} ({threshold})")
    rows: list[list[Any]] = []
    relative = any(m.normalised is not None for answer in answers for m in answer.matches)
    judged = any(m.probability is not None for answer in answers for m in answer.matches)
    more = ["S-norm"] * relative + ["probability"] * judged
    for number, answer in enumerate(answers, 1):
        box = region_choosers.describe_region(answer.region) if answer.region.where else "whole"
        name = cut(_named(answer), 50)
        for rank, match in enumerate(answer.matches, 1):
            first = (number, box, name) if rank == 1 else ("", "", "")
            scores: list[float | None] = [match.score]
            scores += [match.normalised] if relative else []
            scores += [match.probability] if judged else []
            source = cut(_near(match.source), 100)
            rows.append([*first, rank, cut(match.identity, 50), *scores, source])
        if not answer.matches:
            rows.append([number, box, name, None, None, None, None, *([None] * len(more))])
    scored = ["score", *more]
    head = ["#", "region", "identity", "rank", "nearest", *scored, "enrolled from"]
    skipped = 3 if whole else 0
    table(head[skipped:], [row[skipped:] for row in rows])
