"""siamkit verify"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import checks, options, pairs, verify_many, verify_results
from siamkit.cli.output import print_outcome, stderr

if TYPE_CHECKING:
    from siamkit.embed.region_choosers import Chooser
    from siamkit.stats.scoring import Fusion
    from siamkit.types import Box


@click.command(
    epilog="""\b
Examples:
  siamkit verify -m faces a.jpg b.jpg            two files; needs no store
  siamkit verify -m voices a.wav b.mp3           the same for recordings
  siamkit verify faces a.jpg b.jpg               by the threshold of the gallery faces
  siamkit verify faces --as alice door.jpg       is this alice?
  siamkit verify faces --as alice photos/        in which of these is alice?
  siamkit verify -m faces passport.jpg photos/   the first with each of the others
  siamkit verify -m faces --from pairs.csv -o results.csv --report pairs.html
  siamkit verify signers --as 'J. Doe' contract.png --box 640,1150,1000,1300
  siamkit verify faces --as alice door.jpg --fmr 5e-4    by a stricter threshold
  siamkit verify --as alice --probe faces=door.jpg --probe voices=hello.wav    both together
  siamkit verify -m questions --text 'How do I sign in?' --text 'How can I log in?'

\b
Of several regions in a file (faces, for example) the best pair counts, and is named.
--from is a table of pairs with the columns a and b, and perhaps label (1 for the same, 0 for
different), with which it says how many answers are right.
Exit codes: 0 the same; 3 different; 5 inconclusive, because the score lies between the thresholds
for the two, or a file shows too little to compare; 4 a file holds nothing to compare. With several
pairs the best outcome counts.
"""
)
@click.argument("arguments", nargs=-1, metavar="[GALLERY] [FILE]...")
@options.texts
@click.option("--as", "label", metavar="LABEL", help="The identity to compare FILES with.")
@options.path("--from", "origin", metavar="TABLE", help="A table of pairs: see below.")
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="GALLERY=FILE",
    help="With --as: a probe for one gallery; the evidence of several is fused.",
)
@options.model_choice
@options.decision_rule(options.threshold, options.fmr, options.rerank)
@options.fusion
@options.box("The region of the second FILE, or of the only one, in pixels [default: the best].")
@options.box_of_first
@options.answer_files(annotated=False)
@options.page
@options.verbose
@options.workspace
@options.as_json
def verify(
    ws: sk.Workspace,
    models: options.ModelChoice,
    rule: sk.DecisionRule,
    as_json: bool,
    **values: Any,
) -> int:
    """Decide whether two FILES (or texts) match, or whether FILES belong to LABEL."""
    request = VerifyRequest(**values)
    if request.probes:
        label = request.fused_label(models, rule)
        from siamkit.cli import fused

        return verify_many.EXIT_CODES[fused.show(ws, label, request.probes, rule, as_json=as_json)]
    comparison = request.resolve(ws, models, rule)
    if comparison.is_batch(ws):
        if request.box or request.box_a:
            raise click.UsageError(
                "--box and --box-a mark regions of one pair: give no more FILES."
            )
        outputs = verify_many.PairOutputs(request.output, request.report, request.verbose)
        return verify_many.show(ws, comparison, outputs, as_json=as_json)
    if request.output or request.report:
        raise click.UsageError("-o and --report are for several pairs.")
    verification = comparison.verify(ws)
    sentences = verify_results.sentences(
        verification, ws.nouns(comparison.modality(ws)), verbose=request.verbose
    )
    for note in verify_results.list_problems(verification):
        stderr(f"Note: {note}")
    print_outcome(as_json, verification.to_dict(), *sentences)
    return verify_many.EXIT_CODES[verification.verdict.decision]


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Options of one `verify` command: what to compare."""

    arguments: tuple[str, ...]
    texts: tuple[str, ...]
    label: str | None
    origin: Path | None
    probes: tuple[str, ...]
    fusion: Fusion | None
    box: Box | None
    box_a: Box | None
    output: Path | None
    report: Path | None
    verbose: bool

    def fused_label(self, models: options.ModelChoice, rule: sk.DecisionRule) -> str:
        """Return --as. Raises UsageError without it, or for options that exclude --probe."""
        excluded = (self.arguments, self.texts, self.fusion, self.box, self.box_a, rule.reranker)
        written = (self.origin, self.output, self.report)
        named = any((models.modality, models.encoder, models.detector, *written))
        if not self.label or any(excluded) or named or rule.threshold is not None:
            raise click.UsageError(
                "--probe can be combined only with --as, --fmr, --store and --json."
            )
        return self.label

    def resolve(
        self, ws: sk.Workspace, models: options.ModelChoice, rule: sk.DecisionRule
    ) -> verify_many.Comparison:
        """Return what to compare. Raises UsageError for arguments that do not fit together."""
        gallery, sources = pairs.split_arguments(self.arguments, self.texts, models)
        named = bool(gallery or models.modality) and not (models.modality and self.label)
        least = 0 if self.origin else 1 if self.label else 2
        if not named or len(sources) < least or (self.origin and (sources or self.label)):
            raise click.UsageError(
                "Give -m MODALITY A B, or GALLERY A B, or GALLERY --as LABEL FILE, or --from TABLE;"
                " texts as --text A --text B."
            )
        if self.label and rule.reranker:
            raise click.UsageError("--rerank compares two; it cannot be combined with --as.")
        if self.box_a and self.label:
            raise click.UsageError("--box-a is for the first of two FILES; give --box.")
        if self.label:
            checks.require_gallery(ws, gallery)
        pairs.check_options(models, self.box or self.box_a, self.texts)
        return verify_many.Comparison(
            pairs.open_system(ws, gallery, models, self.texts),
            models,
            gallery,
            sources,
            self.label,
            self.origin,
            rule,
            self.fusion,
            _choose(self.box),
            _choose(self.box_a),
        )


def _choose(box: Box | None) -> Chooser:
    choosers = sk.region_choosers
    return choosers.within_box(box, choosers.all_regions) if box else choosers.all_regions
