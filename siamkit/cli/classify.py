"""siamkit classify"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import describe_threshold, emit_json, one_line, stderr
from siamkit.cli.probes import (
    answer_each,
    answered,
    exit_code,
    is_default,
    list_facts,
    list_probes,
    print_regions,
    region_facts,
)
from siamkit.io.wording import format_probability

if TYPE_CHECKING:
    from siamkit.flows.classify import Classifier
    from siamkit.stats.classify import ClassificationMethod


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
@options.files
@options.texts
@click.option(
    "--by",
    type=click.Choice(["knn", "prototypes"]),
    default="knn",
    show_default=True,
    help="Let the nearest samples vote, or compare with the mean of each class.",
)
@click.option(
    "--neighbours",
    type=options.POSITIVE,
    default=5,
    show_default=True,
    metavar="N",
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
@options.other_detector
@click.option("--largest", is_flag=True, help="Classify only the largest region.")
@options.top_k("Classes to show.")
@options.page
@options.workspace
@options.as_json
def classify(
    ws: sk.Workspace, gallery: str, rule: sk.DecisionRule, as_json: bool, **values: Any
) -> int:
    """Find the class of each of FILES or texts, with its probability.

    The classes are the gallery's identities; a few samples of each are enough. To give a sample
    several labels, enrol it under each, and classify with --tags.
    """
    request = ClassifyRequest(**values)
    if request.by != "knn" and not is_default("neighbours"):
        raise click.UsageError("--neighbours needs --by knn.")
    probes = list_probes(ws, gallery, request.files, request.texts)
    by, tags = request.by, request.tags
    choose = options.choose_regions(request.largest)
    detector = options.default_or_none(request.detector)
    class_rule = rule if request.unknown or rule != sk.DecisionRule() else None
    classifier = ws.classifier(gallery, by=by, k=request.neighbours, tags=tags)
    results = answer_each(
        probes,
        lambda probe: ws.classify(
            gallery,
            probe,
            by=by,
            k=request.neighbours,
            tags=tags,
            rule=class_rule,
            choose=choose,
            detector=detector,
        ),
        as_json=as_json,
    )
    _note_doubts(classifier, gallery, unknown=request.unknown)
    if as_json:
        facts = list_facts(results, lambda regions: _facts(regions, request.k))
        emit_json({"gallery": gallery, "probabilities": classifier.basis, "probes": facts})
    else:
        for regions in answered(results):
            _print(regions, classifier, request.k)
    return exit_code(results, lambda region: bool(region.identities))


@dataclass(frozen=True, slots=True)
class ClassifyRequest:
    """Options of one `classify` command."""

    files: tuple[Path, ...]
    texts: tuple[str, ...]
    by: ClassificationMethod
    neighbours: int
    tags: bool
    unknown: bool
    largest: bool
    detector: str | None
    k: int


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


def _facts(regions: list[sk.Classified], top: int) -> dict[str, Any]:
    nearest = regions[0].nearest
    return {
        "threshold": asdict(nearest.threshold) if nearest and nearest.threshold else None,
        "different_below": nearest.different_below if nearest else None,
        "regions": [_region(region, top) for region in regions],
    }


def _region(region: sk.Classified, top: int) -> dict[str, Any]:
    return {
        **region_facts(region),
        **({"tags": region.identities} if region.tags else {"class": region.identity}),
        "decision": region.decision if region.nearest or region.objection else None,
        "objection": region.objection and asdict(region.objection),
        "classes": [
            {
                "identity": match.identity,
                "probability": round(match.probability, 6),
                "score": round(match.score, 6),
            }
            for match in region.classes[:top]
        ],
    }


def _answer(region: sk.Classified) -> str:
    if region.objection:
        return f"inconclusive: {region.objection.reason}"
    if region.decision == sk.Decision.INCONCLUSIVE:
        return f"{region.classes[0].identity}? (inconclusive)"
    return ", ".join(region.identities) or ("no tag" if region.decision else "unknown")


def _print(regions: list[sk.Classified], classifier: Classifier, top: int) -> None:
    nearest = regions[0].nearest
    threshold = describe_threshold(nearest.threshold) + "; " if nearest else ""
    label = "tag" if classifier.settings.tags else "class"
    print_regions(
        regions,
        _answer,
        f"{threshold}probabilities {classifier.basis}",
        ["answer", label, "probability", "score"],
        lambda region: [
            [one_line(match.identity, 50), format_probability(match.probability), match.score]
            for match in region.classes[:top]
        ],
    )
