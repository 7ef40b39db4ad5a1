"""siamkit classify"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import classify_results, options
from siamkit.cli.answer_request import AnswerRequest
from siamkit.cli.output import echo, emit_json, stderr
from siamkit.cli.probes import answer_probes, ask_one, is_default, list_probes
from siamkit.cli.saving import open_saving

if TYPE_CHECKING:
    from siamkit.flows.classify import Classifier
    from siamkit.stats.classify import ClassificationMethod


@click.command(
    epilog="""\b
Examples:
  siamkit classify plants leaf.jpg                  which plant, and how likely?
  siamkit classify plants leaves/ -o classes.csv --report classes.html
  siamkit classify plants *.jpg --json              for a program
  siamkit classify plants leaf.jpg --by prototypes  by the mean of each class
  siamkit classify plants leaf.jpg --unknown        or is it none of these?
  siamkit classify photos door.jpg --tags           any number of labels
  siamkit classify topics --text 'Where is my parcel?'

\b
FILES may be folders, and patterns in quotes: 'leaves/**/*.jpg'.
Exit codes: 0 something was classified; 3 everything is unknown, or no tag is likely; 4 the file
holds nothing to classify. With several files the best outcome counts.
"""
)
@click.argument("gallery")
@options.probes
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
@options.answer_files()
@options.page
@options.verbose
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
    probes = list_probes(ws, gallery, request, request.outputs.paths)
    classifier = ws.classifier(gallery, by=request.by, k=request.neighbours, tags=request.tags)
    asked: dict[str, Any] = {
        "by": request.by,
        "k": request.neighbours,
        "tags": request.tags,
        "rule": rule if request.unknown or rule != sk.DecisionRule() else None,
        "choose": options.choose_regions(request.largest),
        "detector": options.default_or_none(request.detector),
    }
    replies: Iterator[tuple[Any, Any]]
    if probes.is_batch:
        classified = ws.classify_many(gallery, probes.to_ask(), **asked)
        replies = ((outcome.regions, outcome.error) for outcome in classified)
    else:
        replies = ask_one(probes, lambda probe: ws.classify(gallery, probe, **asked))
    view = classify_results.View(
        ws.nouns(ws.modality_of(gallery)),
        classifier,
        request.k,
        lists=request.verbose or not is_default("k"),
        is_verbose=request.verbose,
    )
    saving = open_saving(ws, gallery, probes, request.outputs, f"Classes of the gallery {gallery}")
    basis = classifier.basis
    head = {"gallery": gallery, "probabilities": basis}
    emit = (lambda facts: emit_json({**head, "probes": facts})) if as_json else None
    tally = answer_probes(probes, replies, view.shown, saving, emit)
    _note_doubts(classifier, gallery, unknown=request.unknown)
    if probes.is_batch and not as_json:
        echo(f"probabilities {basis}")
    return tally.exit_code()


@dataclass(frozen=True, slots=True)
class ClassifyRequest(AnswerRequest):
    """Options of one `classify` command."""

    by: ClassificationMethod
    neighbours: int
    tags: bool
    unknown: bool


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
