"""siamkit classify"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import cut, describe_threshold, emit_json, likely, stderr, table
from siamkit.cli.probes import ask, exit_code
from siamkit.errors import SiamkitError

if TYPE_CHECKING:
    from siamkit.flows.classify import Classified, Classifier
    from siamkit.flows.decide import DecisionRule

EXIT_UNKNOWN = 3


@click.command(
    epilog="""\b
Examples:
  siamkit classify plants leaf.jpg                  which plant, and how likely?
  siamkit classify plants *.jpg --json              for a program
  siamkit classify plants leaf.jpg --by prototypes  by the mean of each class
  siamkit classify plants leaf.jpg --unknown        or is it none of these?
  siamkit classify photos door.jpg --tags           any number of labels
  siamkit classify topics --text 'Where is my parcel?'

\b
Exit codes: 0 something was classified; 3 all is unknown, or no tag is likely; 4 nothing to
classify was found in the file. Of several files the best outcome counts.
"""
)
@click.argument("gallery")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@options.texts
@click.option(
    "--by", type=click.Choice(["knn", "prototypes"]), default="knn", show_default=True,
    help="Let the nearest samples vote, or go by the mean of each class.",
)  # fmt: skip
@click.option(
    "-k", "--k", default=5, show_default=True, type=click.IntRange(min=1),
    help="How many samples vote.",
)  # fmt: skip
@click.option(
    "--tags", is_flag=True, help="A sample may bear several labels: each is judged by itself."
)
@click.option(
    "--unknown", is_flag=True,
    help="Call unknown what is below the gallery's threshold, or --threshold, --fmr or --fpir.",
)  # fmt: skip
@options.decision_rule(options.threshold, options.fmr, options.fpir)
@click.option("--largest", is_flag=True, help="Look at the largest region only.")
@click.option(
    "--top", default=5, show_default=True, type=click.IntRange(min=1), help="Classes shown."
)
@options.store
@options.as_json
def classify(
    gallery: str,
    files: tuple[Path, ...],
    texts: tuple[str, ...],
    by: Any,
    k: int,
    tags: bool,
    unknown: bool,
    rule: DecisionRule,
    largest: bool,
    top: int,
    store: Path,
    as_json: bool,
) -> int:
    """Which class is in FILES, or is a text of, and how likely?

    The classes are the identities of the gallery; a few samples of each will do. Give a sample
    several labels by enrolling it under each, and ask with --tags.
    """
    if not files and not texts:
        raise click.UsageError("Give FILES or --text.")
    source = click.get_current_context().get_parameter_source("k")
    if by != "knn" and source is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError("-k counts neighbours: it goes with --by knn.")
    from siamkit import DecisionRule, region_choosers

    choose = region_choosers.largest_region if largest else region_choosers.all_regions
    known_by = rule if unknown or rule != DecisionRule() else None
    with options.workspace(store) as ws:
        if texts:
            options.check_texts(ws.modality_of(gallery))
        opened = ws.classifier(gallery, by=by, k=k, tags=tags)
        probes: list[Path | str] = [*files, *texts]
        results = ask(
            probes,
            lambda probe: ws.classify(
                gallery, probe, by=by, k=k, tags=tags, rule=known_by, choose=choose
            ),
            as_json=as_json,
        )
    if opened.guessed:
        other = "" if tags else f", or `siamkit calibrate {gallery} --trials FILE`"
        stderr(
            "Note: how sure these probabilities are is a guess. Enrol more samples of each"
            f" {'tag' if tags else 'class'}{other}."
        )
    if len(opened.classes.names) == 1 and not tags and not unknown:
        stderr("Note: there is one class, so every sample is of it; --unknown asks whether it is.")
    if as_json:
        shown = [_probe(*result, top) for result in results]
        emit_json({"gallery": gallery, "probabilities": opened.basis, "probes": shown})
    else:
        for _, found_or_not in results:
            if not isinstance(found_or_not, SiamkitError):
                _print(found_or_not, opened, top)
    return exit_code([found for _, found in results], lambda c: bool(c.identities), EXIT_UNKNOWN)


def _probe(probe: Path | str, found: list[Classified] | SiamkitError, top: int) -> dict[str, Any]:
    from siamkit.io import sources
    from siamkit.sdk import regions

    name = probe if isinstance(probe, str) else sources.to_text(probe)
    if isinstance(found, SiamkitError):
        return {"source": name, "error": str(found)}
    nearest = found[0].nearest
    return {
        "source": name,
        "threshold": asdict(nearest.threshold) if nearest and nearest.threshold else None,
        "different_below": nearest.different_below if nearest else None,
        "regions": [
            {
                "region": regions.to_dict(each.region),
                "quality": round(each.quality.score, 4) if each.quality else None,
                **({"tags": each.identities} if each.tags else {"class": each.identity}),
                "decision": each.decision if nearest else None,
                "classes": [
                    {
                        "identity": match.identity,
                        "probability": round(match.probability, 6),
                        "score": round(match.score, 6),
                    }
                    for match in each.classes[:top]
                ],
            }
            for each in found
        ],
    }


def _named(each: Classified) -> str:
    if each.decision == "can't tell":
        return f"{each.classes[0].identity}? (can't tell)"
    return ", ".join(each.identities) or ("no tag" if each.decision == "same" else "unknown")


def _print(found: list[Classified], opened: Classifier, top: int) -> None:
    """A table of regions and their likeliest classes; without regions where the sample is one."""
    from siamkit import region_choosers

    whole = len(found) == 1 and found[0].region.where is None
    answer = _named(found[0]) if whole else f"{len(found)} found"
    how = describe_threshold(found[0].nearest.threshold) + "; " if found[0].nearest else ""
    click.echo(
        f"{cut(found[0].source, 100)}: {cut(answer, 100)} ({how}probabilities {opened.basis})"
    )
    rows: list[list[Any]] = []
    for number, each in enumerate(found, 1):
        box = region_choosers.describe_region(each.region) if each.region.where else "whole"
        for rank, match in enumerate(each.classes[:top], 1):
            first = (number, box, cut(_named(each), 50)) if rank == 1 else ("", "", "")
            rows.append(
                [*first, rank, cut(match.identity, 50), likely(match.probability), match.score]
            )
    label = "tag" if opened.settings.tags else "class"
    head = ["#", "region", "answer", "rank", label, "probability", "score"]
    skipped = 3 if whole else 0
    table(head[skipped:], [row[skipped:] for row in rows])
