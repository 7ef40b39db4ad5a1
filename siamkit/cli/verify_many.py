"""`siamkit verify` of many pairs: one table, a summary, and files about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import checks, options, verify_results
from siamkit.cli.output import count_of, echo, emit_json, print_error, stderr
from siamkit.cli.probes import short_name
from siamkit.cli.progress import bar
from siamkit.cli.streamed_table import StreamedTable
from siamkit.io import wording
from siamkit.io.wording import Nouns, format_probability
from siamkit.types import Decision

if TYPE_CHECKING:
    from siamkit.embed.pipeline import Pipeline
    from siamkit.embed.region_choosers import Chooser
    from siamkit.errors import SiamkitError
    from siamkit.flows.verify_many import VerifiedPair
    from siamkit.io.pair_table import ListedPair
    from siamkit.reports.pairs import PairFiles
    from siamkit.stats.scoring import Fusion

WIDEST = 40  # characters of a file or text
EXIT_CODES = {Decision.SAME: 0, Decision.DIFFERENT: 3, Decision.INCONCLUSIVE: 5}
BEST_FIRST = (Decision.SAME, Decision.INCONCLUSIVE, Decision.DIFFERENT)


@dataclass(frozen=True, slots=True)
class PairOutputs:
    """The files to write, and how much to show."""

    output: Path | None
    report: Path | None
    verbose: bool


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The pairs that one `verify` command compares, and the rule."""

    system: str | Pipeline
    models: options.ModelChoice
    gallery: str
    sources: list[Path | str]
    label: str | None
    origin: Path | None
    rule: sk.DecisionRule
    fusion: Fusion | None
    choose: Chooser
    choose_a: Chooser

    def modality(self, ws: sk.Workspace) -> str:
        """Return the name of the modality."""
        return self.models.modality or ws.modality_of(self.gallery)

    @property
    def detector(self) -> str | None:
        """The detector of --detector; DEFAULT without it."""
        return options.default_or_none(self.models.detector)

    def is_batch(self, ws: sk.Workspace) -> bool:
        """Return True for a table, a folder, a pattern, or more files than two or than one."""
        from siamkit.io.listed_sources import has_folder

        named = [source for source in self.sources if isinstance(source, Path)]
        several = len(self.sources) > (1 if self.label else 2)
        return bool(self.origin) or several or has_folder(named)

    def verify(self, ws: sk.Workspace) -> sk.Verification:
        """Compare the two."""
        shared: dict[str, Any] = {
            "rule": self.rule,
            "choose": self.choose,
            "detector": self.detector,
        }
        if self.label:
            probe = self.sources[0]
            return ws.verify_identity(self.gallery, self.label, probe, fusion=self.fusion, **shared)
        return ws.verify(self.system, *self.sources, choose_a=self.choose_a, **shared)

    def pairs(self, ws: sk.Workspace) -> list[ListedPair]:
        """Return the pairs to compare: of the table, or of the first file with each other one.

        A folder may hold the first file, which is not compared with itself.
        """
        from siamkit.io.listed_sources import is_same_file, list_sources
        from siamkit.io.pair_table import ListedPair, read_pairs

        if self.origin:
            text = ws.kind(self.modality(ws)) == "text"
            listed, faults = read_pairs(self.origin, text=text)
            for fault in faults:
                stderr(f"Error: {self.origin}, {fault}")
            return listed
        named = [source for source in self.sources if isinstance(source, Path)]
        texts = [source for source in self.sources if isinstance(source, str)]
        sources: list[Path | str] = []
        are_texts = ws.kind(self.modality(ws)) == "text"
        for item in list_sources(named, (), are_texts=are_texts):
            if item.error:
                raise item.error
            sources.append(Path(str(item.source)))
        sources += texts
        if self.label:
            return [ListedPair(self.label, source) for source in sources]
        others = [source for source in sources[1:] if not is_same_file(sources[0], source)]
        if not others:
            raise click.UsageError("There is nothing to compare with the first FILE.")
        return [ListedPair(sources[0], source) for source in others]

    def verify_each(self, ws: sk.Workspace, pairs: list[ListedPair]) -> Iterator[VerifiedPair]:
        """Compare the samples of each pair."""
        shared: dict[str, Any] = {
            "rule": self.rule,
            "choose": self.choose,
            "detector": self.detector,
        }
        if self.label:
            probes = [pair.b for pair in pairs]
            return ws.verify_identity_many(
                self.gallery, self.label, probes, fusion=self.fusion, **shared
            )
        return ws.verify_many(self.system, [(pair.a, pair.b) for pair in pairs], **shared)


@dataclass(slots=True)
class _Tally:
    decisions: Counter[Decision] = field(default_factory=Counter)
    errors: list[SiamkitError] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)
    labelled: Counter[tuple[bool, Decision]] = field(default_factory=Counter)
    threshold: sk.Threshold | None = None
    count: int = 0

    def add(self, pair: ListedPair, verified: VerifiedPair) -> bool | None:
        """Count one outcome. Returns True if it is as labelled, None if that is not known."""
        self.count += 1
        if verified.verification is None:
            assert verified.error
            self.errors.append(verified.error)
            return None
        decision = verified.verification.verdict.decision
        self.threshold = self.threshold or verified.verification.verdict.threshold
        self.decisions[decision] += 1
        if pair.is_mated is None:
            return None
        self.labelled[pair.is_mated, decision] += 1
        if decision == Decision.INCONCLUSIVE:
            return None
        return pair.is_mated == (decision == Decision.SAME)

    def note_problems(self, verification: sk.Verification) -> None:
        """Print on stderr what may make answers unreliable; of a source in several pairs, once."""
        for note in verify_results.list_problems(verification):
            if note not in self.notes:
                stderr(f"Note: {note}")
                self.notes.add(note)

    def exit_code(self) -> int:
        """Return that of the best outcome; of the errors if all failed."""
        if not self.decisions:
            return min(error.exit_code for error in self.errors)
        return EXIT_CODES[next(d for d in BEST_FIRST if self.decisions[d])]

    def summary(self, nouns: Nouns) -> list[str]:
        """Return the counts in words, and how they agree with the labels."""
        words = {
            Decision.SAME: f"of the same {nouns.singular}",
            Decision.DIFFERENT: f"of different {nouns.plural}",
            Decision.INCONCLUSIVE: wording.INCONCLUSIVE,
        }
        counts = [f"{self.decisions[d]:,} {words[d]}" for d in BEST_FIRST if self.decisions[d]]
        counts += [f"{len(self.errors):,} failed"] * bool(self.errors)
        lines = [f"{count_of(self.count, 'pair')}: {', '.join(counts)}"]
        for is_mated, right, wrong in (
            (True, Decision.SAME, Decision.DIFFERENT),
            (False, Decision.DIFFERENT, Decision.SAME),
        ):
            total = sum(self.labelled[is_mated, decision] for decision in BEST_FIRST)
            open_pairs = self.labelled[is_mated, Decision.INCONCLUSIVE]
            unclear = f", {open_pairs:,} inconclusive" if open_pairs else ""
            if total:
                errors = self.labelled[is_mated, wrong]
                lines.append(f"labelled {words[right]}: {total:,}, {errors:,} wrong{unclear}")
        if self.threshold and (rate := wording.describe_rate(self.threshold, nouns)):
            lines.append(f"same from {self.threshold.value:.3f}: {rate}")
        return lines


def show(ws: sk.Workspace, comparison: Comparison, outputs: PairOutputs, *, as_json: bool) -> int:
    """Compare all pairs, show and save the outcomes as they come, and return the exit code."""
    pairs = comparison.pairs(ws)
    nouns = ws.nouns(comparison.modality(ws))
    files = _open_files(ws, comparison, outputs, pairs, nouns)
    table = None if as_json else _open_table(pairs)
    tally, facts = _Tally(), []
    try:
        with bar("comparing", len(pairs)) as update:
            for pair, verified in zip(pairs, comparison.verify_each(ws, pairs), strict=True):
                correct = tally.add(pair, verified)
                if verified.error:
                    print_error(verified.error)
                elif table:
                    table.add(_cells(pair, verified, nouns))
                if verified.verification:
                    tally.note_problems(verified.verification)
                if as_json:
                    facts.append(_facts(pair, verified, correct))
                if files:
                    files.add(pair, verified, correct)
                update(tally.count)
    except BaseException:
        _finish(files if files and files.count else None, facts)
        raise
    _finish(files, facts)
    if table:
        for line in tally.summary(nouns):
            echo(line)
    return tally.exit_code()


def _finish(files: PairFiles | None, facts: list[dict[str, Any]]) -> None:
    """Write the files of what is done, and print the JSON."""
    if files:
        for path in files.finish():
            stderr(f"saved {path}")
    if facts:
        emit_json({"pairs": facts})


def _open_files(
    ws: sk.Workspace,
    comparison: Comparison,
    outputs: PairOutputs,
    pairs: list[ListedPair],
    nouns: Nouns,
) -> PairFiles | None:
    if not (outputs.output or outputs.report):
        return None
    sources = (comparison.origin, *(source for pair in pairs for source in (pair.a, pair.b)))
    named = (source for source in sources if isinstance(source, Path))
    checks.require_outputs(outputs.output, outputs.report, named)
    from siamkit.reports.pairs import PairFiles

    files = PairFiles(outputs.output, outputs.report, nouns, _open_pipeline(ws, comparison.system))
    files.begin()
    return files


def _open_pipeline(ws: sk.Workspace, system: str | Pipeline) -> Pipeline:
    """Open the models of a gallery, or of the modality of that name where there is none."""
    if not isinstance(system, str):
        return system
    with suppress(sk.StoreError):
        ws.count(system)
        return ws.pipeline_of(ws.gallery(system))
    return ws.pipeline(ws.modality_of(system))


def _open_table(pairs: list[ListedPair]) -> StreamedTable:
    widths = (
        max((len(short_name(source, WIDEST)) for source in column), default=1)
        for column in zip(*((pair.a, pair.b) for pair in pairs), strict=True)
    )
    a, b = (min(WIDEST, width) for width in widths)
    label = [("label", 9)] * any(pair.label for pair in pairs)
    columns = [("a", a), ("b", b), ("answer", 18), *label, ("probability", 11), ("score", 7)]
    return StreamedTable(columns, ("probability", "score"))


def _cells(pair: ListedPair, verified: VerifiedPair, nouns: Nouns) -> list[Any]:
    assert verified.verification is not None
    verdict = verified.verification.verdict
    answer = wording.describe_pair(verdict.decision, nouns)
    likely = None if verdict.probability is None else format_probability(verdict.probability)
    label = [pair.label] * bool(pair.label)
    score = verified.verification.deciding_score
    return [short_name(pair.a, WIDEST), short_name(pair.b, WIDEST), answer, *label, likely, score]


def _facts(pair: ListedPair, verified: VerifiedPair, correct: bool | None) -> dict[str, Any]:
    stated = {"label": pair.label, "correct": correct} if pair.label else {}
    return {**verified.to_dict(), **stated}
