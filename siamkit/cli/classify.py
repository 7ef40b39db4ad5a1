"""siamkit classify"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import (
    describe_threshold,
    emit_json,
    format_probability,
    one_line,
    stderr,
    table,
)
from siamkit.cli.probes import Probe, answer_each, exit_code, is_default, list_probes
from siamkit.errors import SiamkitError

if TYPE_CHECKING:
    from siamkit.flows.classify import Classified, Classifier
    from siamkit.flows.decide import DecisionRule
    from siamkit.stats.classify import ClassificationMethod

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
Exit codes: 0 something was classified; 3 everything is unknown, or no tag is likely; 4 the file
holds nothing to classify. With several files the best outcome counts.
"""
)
@click.argument("gallery")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@options.texts
@click.option(
    "--by",
    type=click.Choice(["knn", "prototypes"]),
    default="knn",
    show_default=True,
    help="Let the nearest samples vote, or compare with the mean of each class.",
)
@click.option(
    "-k",
    "--k",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Nearest samples that vote.",
)
@click.option(
    "--tags", is_flag=True, help="Judge each label separately; a sample may have several."
)
@click.option(
    "--unknown",
    is_flag=True,
    help="Call unknown what is below the gallery's threshold, or --threshold, --fmr or --fpir.",
)
@options.decision_rule(options.threshold, options.fmr, options.fpir)
@click.option("--largest", is_flag=True, help="Classify only the largest region.")
@click.option(
    "--top", default=5, show_default=True, type=click.IntRange(min=1), help="Classes to show."
)
@options.store
@options.as_json
def classify(
    gallery: str, rule: DecisionRule, store: Path, as_json: bool, **parameters: Any
) -> int:
    """Find the class of each of FILES or texts, with its probability.

    The classes are the gallery's identities; a few samples of each are enough. To give a sample
    several labels, enrol it under each, and classify with --tags.
    """
    request = ClassifyRequest(**parameters)
    probes = list_probes(request.files, request.texts)
    if request.by != "knn" and not is_default("k"):
        raise click.UsageError("-k sets the number of neighbours: it needs --by knn.")
    from siamkit import DecisionRule, region_choosers

    by, k, tags = request.by, request.k, request.tags
    choose = region_choosers.largest_region if request.largest else region_choosers.all_regions
    class_rule = rule if request.unknown or rule != DecisionRule() else None
    with options.workspace(store) as ws:
        if request.texts:
            options.check_texts(ws.modality_of(gallery))
        classifier = ws.classifier(gallery, by=by, k=k, tags=tags)
        results = answer_each(
            probes,
            lambda probe: ws.classify(
                gallery, probe, by=by, k=k, tags=tags, rule=class_rule, choose=choose
            ),
            as_json=as_json,
        )
    _note_doubts(classifier, gallery, unknown=request.unknown)
    if as_json:
        facts = [_probe(*result, request.top) for result in results]
        emit_json({"gallery": gallery, "probabilities": classifier.basis, "probes": facts})
    else:
        for _, regions in results:
            if not isinstance(regions, SiamkitError):
                _print(regions, classifier, request.top)
    return exit_code(
        [regions for _, regions in results], lambda region: bool(region.identities), EXIT_UNKNOWN
    )


@dataclass(frozen=True, slots=True)
class ClassifyRequest:
    """Options of one `classify` command."""

    files: tuple[Path, ...]
    texts: tuple[str, ...]
    by: ClassificationMethod
    k: int
    tags: bool
    unknown: bool
    largest: bool
    top: int


def _note_doubts(classifier: Classifier, gallery: str, *, unknown: bool) -> None:
    """Print on stderr why the probabilities may be unreliable."""
    tags = classifier.settings.tags
    if classifier.guessed:
        calibrate = "" if tags else f", or `siamkit calibrate {gallery} --trials FILE`"
        stderr(
            "Note: these probabilities are only a rough guess. Enrol more samples of each"
            f" {'tag' if tags else 'class'}{calibrate}."
        )
    if len(classifier.names) == 1 and not tags and not unknown:
        stderr(
            "Note: there is one class, so every sample belongs to it; --unknown asks whether it"
            " does."
        )


def _probe(probe: Probe, regions: list[Classified] | SiamkitError, top: int) -> dict[str, Any]:
    from siamkit.io import sources

    name = probe if isinstance(probe, str) else sources.to_text(probe)
    if isinstance(regions, SiamkitError):
        return {"source": name, "error": str(regions), "hint": regions.hint}
    nearest = regions[0].nearest
    return {
        "source": name,
        "threshold": asdict(nearest.threshold) if nearest and nearest.threshold else None,
        "different_below": nearest.different_below if nearest else None,
        "regions": [_region(region, top) for region in regions],
    }


def _region(region: Classified, top: int) -> dict[str, Any]:
    from siamkit.sdk import regions

    return {
        "region": regions.to_dict(region.region),
        "quality": round(region.quality.score, 4) if region.quality else None,
        **({"tags": region.identities} if region.tags else {"class": region.identity}),
        "decision": region.decision if region.nearest else None,
        "classes": [
            {
                "identity": match.identity,
                "probability": round(match.probability, 6),
                "score": round(match.score, 6),
            }
            for match in region.classes[:top]
        ],
    }


def _answer(region: Classified) -> str:
    if region.decision == "can't tell":
        return f"{region.classes[0].identity}? (can't tell)"
    return ", ".join(region.identities) or ("no tag" if region.decision == "same" else "unknown")


def _print(regions: list[Classified], classifier: Classifier, top: int) -> None:
    """Print a table of regions and their classes; without regions if the whole sample is one."""
    from siamkit import region_choosers

    whole_sample = len(regions) == 1 and regions[0].region.where is None
    answer = _answer(regions[0]) if whole_sample else f"{len(regions)} found"
    nearest = regions[0].nearest
    threshold = describe_threshold(nearest.threshold) + "; " if nearest else ""
    click.echo(
        f"{one_line(regions[0].source, 100)}: {one_line(answer, 100)}"
        f" ({threshold}probabilities {classifier.basis})"
    )
    rows: list[list[Any]] = []
    for number, region in enumerate(regions, 1):
        where = region.region.where
        box = region_choosers.describe_region(region.region) if where else "whole"
        for rank, match in enumerate(region.classes[:top], 1):
            first = (number, box, one_line(_answer(region), 50)) if rank == 1 else ("", "", "")
            rows.append(
                [
                    *first,
                    rank,
                    one_line(match.identity, 50),
                    format_probability(match.probability),
                    match.score,
                ]
            )
    label = "tag" if classifier.settings.tags else "class"
    head = ["#", "region", "answer", "rank", label, "probability", "score"]
    skipped = 3 if whole_sample else 0
    table(head[skipped:], [row[skipped:] for row in rows])
