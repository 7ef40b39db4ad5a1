"""The kit on plugins with one planted fault each: the check that is meant for it, and no other."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from planted import PLANTED, Dots, Hums, Spots
from toyindex import Depot, Ledger

from siamkit.errors import MissingWeights
from siamkit.testing import (
    Brute,
    Failure,
    Sampled,
    building,
    check_detector,
    check_encoder,
    check_index,
    check_modality,
    checks_of,
    every_plugin,
    fresh_process,
    parametrize_with_checks,
    purging,
    results,
    saving,
    sharing,
    subjects,
)
from siamkit.testing.rule import rules_of, run

# Only these need another process; the report of the others is that of a good plugin, which saves
# a minute.
FRESH_PROCESS = {rule.name for rule in rules_of(every_plugin)} - {"members_fit"}
FRESH_PROCESS.add("fingerprint_equal_across_processes")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """A cache and a depot of its own, and a working directory that a plugin may leave."""
    monkeypatch.setenv("SIAMKIT_CACHE", str(tmp_path))
    (tmp_path / "depot").mkdir()
    monkeypatch.setenv("SIAMKIT_DEPOT", str(tmp_path / "depot"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(building, "MANY", 300)  # enough for a ledger


@pytest.mark.parametrize(
    ("make", "check"), PLANTED, ids=[f"{n}-{check}" for n, (_, check) in enumerate(PLANTED)]
)
def test_a_fault_is_caught_by_its_check_alone(make, check, monkeypatch):
    plugin = make()
    if check not in FRESH_PROCESS:
        fingerprint = None
        if hasattr(plugin, "encoder") and check != "encoder_opens":
            fingerprint = subjects.ModalitySubject(plugin).encoder.fingerprint
        clean = subjects.Report(fingerprint=fingerprint)
        monkeypatch.setattr(subjects, "observe", lambda plugin, kind: clean)
    for module, killing in ((saving, "kill_during_save"), (building, "kill_during_build")):
        if check != killing:
            monkeypatch.setattr(module, "faults_after_kill", lambda subject, task: iter(()))
    if check != "kill_during_purge":
        monkeypatch.setattr(purging, "purged_before_kill", lambda subject: subject.saved() and 2)
    failed = [result for result in results_of(plugin) if result.state == "failed"]
    assert [result.check for result in failed] == [check]
    assert plugin.name in failed[0].plugin
    assert "wanted" in failed[0].message
    assert "fix: " in failed[0].message


def results_of(plugin):
    """Results of all checks; of an optional index, of those that are about it."""
    if not isinstance(plugin, Ledger):
        return results(plugin)
    subject = subjects.make_subject(plugin)
    modules = building, purging, sharing
    return [run(rule, subject) for module in modules for rule in rules_of(module)]


def test_every_check_has_a_planted_fault():
    rules = {rule.name for plugin in (Dots(), Spots(), Brute()) for rule in checks_of(plugin)}
    assert rules == {check for _, check in PLANTED}


def test_good_plugins_pass():
    assert not [r for r in check_modality(Dots()) if r.state != "ok" and "calib" not in r.check]
    assert not [r for r in check_detector(Spots()) if r.state not in ("ok", "skipped")]
    assert not [r for r in check_detector(Hums()) if r.state not in ("ok", "skipped")]
    mines = {"it does not mine", "it does not look for hard negatives"}
    shared = "it is not shared: it saves in the store"
    assert skips(Brute()) == {*mines, "it does not build", "it does not purge", shared}


def test_good_optional_indexes_pass(monkeypatch):
    monkeypatch.setattr(saving, "faults_after_kill", lambda subject, task: iter(()))  # as Brute's
    mines = {"it does not mine", "it does not look for hard negatives"}
    monkeypatch.setattr(fresh_process, "DELAYS", (0.0, 0.02))
    assert skips(Ledger()) == {*mines, "it is not shared: it saves in the store"}
    monkeypatch.setattr(building, "faults_after_kill", lambda subject, task: iter(()))
    monkeypatch.setattr(purging, "purged_before_kill", lambda subject: subject.saved() and 2)
    assert skips(Depot()) == {*mines, "it keeps no files"}
    assert not list(Path(os.environ["SIAMKIT_DEPOT"]).iterdir())  # the kit has swept


def skips(backend):
    """Why checks of an index are skipped; all others pass."""
    return {result.message for result in check_index(backend) if result.state != "ok"}


def test_a_server_that_is_away_skips_its_checks(monkeypatch):
    monkeypatch.setenv("SIAMKIT_DEPOT", "/no/such/depot")
    states = {result.check: result for result in check_index(Depot())}
    assert states["members_fit"].state == "ok"
    skipped = [r.message for r in states.values() if r.state == "skipped"]
    assert "the depot /no/such/depot does not answer (open the depot)" in skipped
    assert len(skipped) > len(states) // 2


def test_an_encoder_alone(tmp_path):
    dots = subjects.ModalitySubject(Dots())
    assert {r.state for r in check_encoder(dots.encoder, dots.samples)} == {"ok"}
    loud = next(make() for make, check in PLANTED if check == "embed_is_unit")
    with pytest.raises(Failure, match=r"norm 1; got: norms 2\.0000"):
        check_encoder(subjects.ModalitySubject(loud).encoder, dots.samples)
    silent = list(results(Sampled(dots.encoder, [])))
    assert any("give samples" in r.message for r in silent if r.state == "skipped")


def test_a_crash_is_the_failure_of_its_check():
    class Crashing(Dots):
        def examples(self):
            raise ZeroDivisionError("oh")

    failed = [r for r in results(Crashing()) if r.state == "failed"]
    assert [r.check for r in failed] == ["examples_are_enough"]
    assert "dots" in str(failed[0])
    assert "ZeroDivisionError: oh" in failed[0].message


def test_weights_that_are_not_installed_skip_what_needs_them():
    class Weightless(Dots):
        def build(self, name, folder):
            raise MissingWeights("the weights are not here", hint="pip install dots-weights")

    states = {r.check: r for r in check_modality(Weightless())}
    assert states["crop_keeps_kind"].state == "ok"
    for name in ("encoder_opens", "embed_is_unit"):
        assert states[name].state == "skipped"
        assert "the weights are not here (pip install dots-weights)" in states[name].message


def test_a_detector_without_samples_says_what_to_give():
    class Lonely(Spots):
        name = "lonely"
        examples = property()

    skipped = [r.message for r in results(Lonely()) if r.check == "regions_in_bounds"]
    assert skipped == ["nothing to look at: give the detector a method examples() -> list of media"]


def test_something_else_is_no_plugin():
    with pytest.raises(TypeError, match="is not a modality"):
        checks_of(3)


def test_expected_failures_must_fail_and_have_a_reason(pytester_file):
    done = pytester_file("""
        from planted import PLANTED, Spots
        from siamkit.testing import parametrize_with_checks
        wrong = next(make() for make, check in PLANTED if check == "regions_best_first")

        @parametrize_with_checks([wrong], expected_failures={
            "regions_best_first": "it cannot sort"})
        def test_known(plugin, check):
            check(plugin)

        @parametrize_with_checks([wrong])
        def test_unknown(plugin, check):
            check(plugin)

        @parametrize_with_checks([Spots()], expected_failures={"scores_in_range": "it once failed"})
        def test_mended(plugin, check):
            check(plugin)
    """)
    assert "2 failed" in done
    assert "1 xfailed" in done
    assert "regions_best_first: wanted: Scores do not rise along the list" in done
    assert "; got: scores [0.4, 0.9]; fix:" in done
    assert "test_mended[spots-detector-scores_in_range]" in done
    assert "XPASS(strict)" in done


def test_names_and_reasons_of_expected_failures_are_checked():
    with pytest.raises(ValueError, match="no check is called nonsense; known: find_gives_regions"):
        parametrize_with_checks([Spots()], {"nonsense": "why"})
    with pytest.raises(ValueError, match="give a reason why scores_in_range"):
        parametrize_with_checks([Spots()], {"scores_in_range": " "})


@pytest.fixture
def pytester_file(tmp_path):
    def run(text):
        path = tmp_path / "test_it.py"
        path.write_text(textwrap.dedent(text))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        return done.stdout

    return run
