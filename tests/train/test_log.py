"""A run's events go to TensorBoard and to Weights & Biases; toy modules stand in for both."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from siamkit.errors import BadInput, MissingPackage, SiamkitError
from siamkit.train.config import TrainConfig
from siamkit.train.events import (
    Alarm,
    Baseline,
    Evaluated,
    Saved,
    Started,
    Step,
    Stopped,
    Verdict,
)
from siamkit.train.log import log_events, loggers_of
from siamkit.train.record import line


def step(number, miner="semi-hard"):
    return Step(number, 0.5, 0.25, 0.7, 1.2, 1.5, miner, 1e-3, 9.0, number)


def started(at=0):
    return Started(at, 8, 3, 6, 0, 2, 4, 99_196, "cpu", "fp32", 1)


FIRST = [
    started(),
    Evaluated(0, 0.5, None, True),
    step(1),
    step(2),
    Evaluated(2, 0.25, 0.125, True),
    Saved(2, Path("last")),
    step(3, "batch-hard"),
    Alarm(3, "collapse", "fell back"),
]
RESUMED = [started(2), step(3), step(4), Evaluated(4, 0.125, None, True), Stopped(4, "done")]


@dataclass
class Run:
    """Yields events as a trainer would, which are in the record by then."""

    folder: Path
    happenings: list
    config: TrainConfig = field(default_factory=lambda: TrainConfig(margin=0.3))

    def events(self):
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "train.jsonl").open("a") as file:
            for event in self.happenings:
                file.write(line(event))
                file.flush()
                yield event


def package(name):
    """Make a module that counts as installed."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    return module


@pytest.fixture
def tensorboard(monkeypatch):
    """The writers that were made, each with what it was told."""
    writers = []

    class SummaryWriter:
        def __init__(self, folder, purge_step, flush_secs):
            self.folder, self.purge_step = Path(folder), purge_step
            self.scalars, self.texts, self.told = {}, {}, []
            self.file_writer = SimpleNamespace(add_summary=self.told.append)
            writers.append(self)

        def add_scalar(self, tag, value, step):
            if self.told[-1] == "full":
                raise OSError("no space left on device")
            self.scalars[tag, step] = value

        def add_text(self, tag, text, step):
            self.texts[tag, step] = text

        def flush(self):
            self.told.append("flush")

        def close(self):
            self.told.append("close")

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    summary = ModuleType("torch.utils.tensorboard.summary")
    summary.hparams = lambda settings, metrics: (settings, metrics)
    monkeypatch.setitem(sys.modules, "tensorboard", package("tensorboard"))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.summary", summary)
    return writers


@pytest.fixture
def wandb(monkeypatch, tmp_path):
    """The fake package; `runs` are those begun, each with its arguments."""
    module = package("wandb")
    module.runs = []

    class Begun:
        def __init__(self, **arguments):
            self.arguments, self.step, self.logged, self.summary = arguments, 0, [], {}
            module.runs.append(self)

        def log(self, values, step):
            self.step = step
            self.logged.append((step, values))

        def finish(self, exit_code):
            self.exit_code = exit_code

    module.init = Begun
    module.settings = SimpleNamespace(
        api_key=None, identity_token_file=None, base_url="https://api.wandb.ai"
    )
    module.setup = lambda: module
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_NAME"):
        monkeypatch.delenv(name, raising=False)
    return module


def test_figures_become_curves_and_alarms_become_texts(tmp_path, tensorboard):
    run = Run(tmp_path / "run", FIRST)
    assert list(log_events(run, ["tensorboard", "tensorboard"])) == FIRST
    (writer,) = tensorboard
    settings, metrics, *_ = writer.told
    assert settings["margin"] == 0.3
    assert "validation/eer" in metrics
    assert writer.folder == tmp_path / "run" / "tensorboard"
    assert (writer.purge_step, writer.told[-2:]) == (0, ["flush", "close"])
    assert [writer.scalars["train/active", n] for n in (1, 2, 3)] == [0.25] * 3
    assert writer.scalars["validation/eer_impostors", 2] == 0.125
    assert ("validation/eer_impostors", 0) not in writer.scalars
    assert writer.texts == {
        ("train/miner", 1): "semi-hard",
        ("train/miner", 3): "batch-hard",
        ("alarm/collapse", 3): "fell back",
    }


@pytest.mark.parametrize(
    ("gained", "error", "outcome"),
    [(True, 0.1, "gained"), (False, 0.4, "not shown to gain"), (False, 0.5, "no gain")],
)
def test_what_training_is_compared_with_is_logged(tmp_path, tensorboard, gained, error, outcome):
    baseline = Baseline(0, 0.5, None, "the encoder x")
    verdict = Verdict(4, gained, "the encoder x", 0.5, error, None, None, 9, "hard pairs", "less")
    list(log_events(Run(tmp_path / "run", [started(), baseline, verdict]), ["tensorboard"]))
    (writer,) = tensorboard
    assert writer.scalars["baseline/the encoder x/eer", 0] == 0.5
    assert writer.texts["verdict", 4] == outcome
    assert writer.texts["verdict/advice", 4] == "less"


def test_a_resumed_run_hides_what_comes_again(tmp_path, tensorboard):
    folder = tmp_path / "run"
    list(log_events(Run(folder, FIRST), ["tensorboard"]))
    list(log_events(Run(folder, RESUMED), ["tensorboard"]))
    _, second = tensorboard
    assert second.purge_step == 3
    assert ("train/loss", 2) not in second.scalars
    assert second.scalars["train/loss", 4] == 0.5
    assert second.texts["stopped", 4] == "done"


def test_a_logger_that_comes_late_is_told_what_happened_before(tmp_path, tensorboard):
    folder = tmp_path / "run"
    list(log_events(Run(folder, FIRST[:6]), []))
    assert loggers_of(folder) == []
    list(log_events(Run(folder, RESUMED), ["tensorboard"]))
    assert {step for tag, step in tensorboard[0].scalars if tag == "train/loss"} == {1, 2, 3, 4}


def test_a_full_disk_ends_the_log_and_not_the_training(tmp_path, tensorboard, caplog):
    events = log_events(Run(tmp_path / "run", FIRST), ["tensorboard"])
    next(events)
    tensorboard[0].told.append("full")
    with caplog.at_level(logging.WARNING, "siamkit"):
        assert [next(events), *list(events)] == FIRST[1:]
    assert [record.getMessage() for record in caplog.records] == [
        "tensorboard failed, and nothing more is logged to it: no space left on device"
    ]


def test_without_a_login_wandb_stays_offline(tmp_path, wandb, caplog):
    with caplog.at_level(logging.WARNING, "siamkit"):
        list(log_events(Run(tmp_path / "run", FIRST), ["wandb"]))
    (begun,) = wandb.runs
    assert begun.arguments["mode"] == "offline"
    assert "no login to Weights & Biases" in caplog.text
    assert (begun.arguments["project"], begun.arguments["name"]) == ("siamkit", "run")
    assert begun.arguments["config"]["margin"] == 0.3
    assert [step for step, _ in begun.logged] == [0, 1, 2, 2, 3]
    assert begun.logged[1][1]["train/loss"] == 0.5
    assert begun.summary["alarm/collapse"] == "fell back"
    assert begun.exit_code == 0


def test_with_a_login_a_resumed_run_keeps_its_id(tmp_path, wandb):
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password key")
    folder = tmp_path / "run"
    list(log_events(Run(folder, FIRST), ["wandb"]))
    wandb.runs[0].step = 3
    list(log_events(Run(folder, RESUMED), ["wandb"]))
    first, second = (begun.arguments for begun in wandb.runs)
    assert (first["mode"], first["resume"], first["id"]) == (None, "allow", second["id"])
    assert loggers_of(folder) == ["wandb"]


def test_the_environment_decides_for_wandb(tmp_path, wandb, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    list(log_events(Run(tmp_path / "run", FIRST), ["wandb"]))
    assert wandb.runs[0].arguments["mode"] is None
    assert "project" not in wandb.runs[0].arguments


def test_a_run_that_is_interrupted_is_logged_as_such(tmp_path, wandb):
    def broken():
        yield from FIRST[:3]
        raise KeyboardInterrupt

    run = Run(tmp_path / "run", broken())
    with pytest.raises(KeyboardInterrupt):
        list(log_events(run, ["wandb"]))
    assert wandb.runs[0].exit_code == 1


def test_a_logger_that_does_not_start(tmp_path, wandb):
    def fail(**_):
        raise RuntimeError("api key is not valid")

    wandb.init = fail
    with pytest.raises(SiamkitError, match="wandb does not start: api key is not valid"):
        list(log_events(Run(tmp_path / "run", FIRST), ["wandb"]))


def test_unknown_and_absent_loggers(tmp_path, monkeypatch):
    run = Run(tmp_path / "run", FIRST)
    with pytest.raises(BadInput, match="unknown logger 'neptune'"):
        log_events(run, ["neptune"])
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingPackage, match="--log wandb needs the package wandb") as raised:
        log_events(run, ["wandb"])
    assert raised.value.hint == 'run `pip install "siamkit[wandb]"`'
    assert not run.folder.exists()


def test_an_absent_package_is_named_before_data_are_read(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    completed = shell("train", "absent", "-m", "tiles", "-o", "run", "--log", "tensorboard")
    assert completed.code == 1
    assert completed.err.splitlines()[-1] == 'Hint: run `pip install "siamkit[tensorboard]"`'
    assert not (shell.folder / "run").exists()
