"""Compare settings by the errors of their trials, with the spread over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from siamkit.train.series.grid import describe
from siamkit.train.series.trial import DONE, FAILED, TrialResult


@dataclass(frozen=True, slots=True)
class Spread:
    """A rate in [0, 1] over the trials of a setting."""

    mean: float
    deviation: float | None  # standard deviation, of a sample; None for a single trial
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class SettingResult:
    """The trials of one setting, which differ in the seed."""

    settings: Mapping[str, Any]
    trials: int  # that are done
    failed: int
    error: Spread | None  # by which settings are compared; None before a trial is done
    rates: Mapping[str, Spread]  # of all that was measured, by name
    gained: int  # trials that are better than what needs no training

    @property
    def name(self) -> str:
        return describe(self.settings)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The best setting, and whether chance explains it."""

    best: Mapping[str, Any] | None  # None before a trial is done
    beyond_spread: bool | None  # None with a single seed or a single setting
    ties: list[Mapping[str, Any]]  # settings that the spread does not tell from the best
    text: str  # for people


def summarise(trials: Sequence[TrialResult]) -> list[SettingResult]:
    """Return the settings in the order of their trials."""
    groups: dict[str, list[TrialResult]] = {}
    for trial in trials:
        groups.setdefault(describe(trial.settings), []).append(trial)
    return [_summarise_setting(group) for group in groups.values()]


def _summarise_setting(trials: Sequence[TrialResult]) -> SettingResult:
    done = [trial for trial in trials if trial.state == DONE and trial.error is not None]
    names = [name for name in (done[0].rates if done else ()) if all(name in t.rates for t in done)]
    if len({trial.rates.get("fmr") for trial in done}) > 1:  # FNMRs at two FMRs have no mean
        names = [name for name in names if name not in ("fmr", "fnmr")]
    return SettingResult(
        settings=trials[0].settings,
        trials=len(done),
        failed=sum(trial.state == FAILED for trial in trials),
        error=spread([trial.error for trial in done if trial.error is not None]),
        rates={
            name: measured
            for name in names
            if (measured := spread([trial.rates[name] for trial in done]))
        },
        gained=sum(trial.gained is True for trial in done),
    )


def spread(values: Sequence[float]) -> Spread | None:
    """Return the spread of one value or more; None without any."""
    if not values:
        return None
    deviation = stdev(values) if len(values) > 1 else None
    return Spread(fmean(values), deviation, min(values), max(values))


def ranked(settings: Sequence[SettingResult]) -> list[SettingResult]:
    """Order settings by their mean error; those with failed trials come after the others."""
    measured = [(setting.failed, setting.error.mean, n) for n, setting in enumerate(settings)
                if setting.error]  # fmt: skip
    return [settings[number] for *_, number in sorted(measured)]


def judge(trials: Sequence[TrialResult], settings: Sequence[SettingResult]) -> Verdict:
    """Tell whether the best setting is better than the others beyond the spread.

    Trials of one seed share their validation identities and their first weights, so settings are
    compared seed by seed. The best one is better beyond the spread if it is better with every seed,
    and by more on average than the standard deviation of the differences.
    """
    order = ranked(settings)
    if not order:
        return Verdict(None, None, [], "no trial is done")
    best, rivals = order[0], order[1:]
    seeds = len({trial.seed for trial in trials})
    if not rivals:
        return Verdict(best.settings, None, [], f"{best.name or 'one setting'}: nothing to compare")
    if seeds == 1:
        text = f"{best.name} has the lowest error; one seed shows no spread: give `--seeds 3`"
        return Verdict(best.settings, None, [], text)
    ties = [rival for rival in rivals if not _is_beyond(best, rival, trials)]
    if not ties:
        text = f"{best.name} is best, beyond the spread over {seeds} seeds"
        return Verdict(best.settings, True, [], text)
    names = "; ".join(tie.name for tie in ties)
    text = (
        f"{best.name} has the lowest mean error, but over {seeds} seeds the spread does not tell it"
        f" from {names}"
    )
    return Verdict(best.settings, False, [tie.settings for tie in ties], text)


def _is_beyond(best: SettingResult, rival: SettingResult, trials: Sequence[TrialResult]) -> bool:
    errors: dict[str, dict[int, float]] = {best.name: {}, rival.name: {}}
    for trial in trials:
        name = describe(trial.settings)
        if name in errors and trial.state == DONE and trial.error is not None:
            errors[name][trial.seed] = trial.error
    mine, theirs = errors[best.name], errors[rival.name]
    differences = [theirs[seed] - mine[seed] for seed in mine.keys() & theirs.keys()]
    if len(differences) < 2:
        return False
    return min(differences) > 0 and fmean(differences) > stdev(differences)
