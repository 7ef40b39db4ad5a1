"""siamkit train: what it makes of its arguments and its folder, and what it says."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from siamkit.cli import cli
from siamkit.errors import BadInput, PluginError
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.train.config import TrainConfig
from siamkit.train.events import Baseline, Evaluated, Saved, Started, Step, Stopped, Verdict
from siamkit.train.folder import LAST, Origin
from siamkit.train.record import line
from siamkit.workspace import Workspace


@pytest.fixture
def people(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for who in range(5):
        for number in range(2):
            path = tmp_path / "people" / f"p{who}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(who * 10 + number).integers(0, 240, (40, 40, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return tmp_path


@pytest.fixture
def runs(monkeypatch):
    """The runs that a trainer without a network was given; each takes 40 steps."""
    trained = []

    def train(run, *, exports=True):
        trained.append(run)
        events = [
            Started(0, 40, 3, 6, 0, 2, 4, 99_196, "cpu", "fp32", 1),
            Baseline(0, 0.4, None, "the encoder toy", eer_hard=0.5, error=0.5),
            Evaluated(0, 0.45, None, True),
            *(Step(n, 0.5, 0.3, 0.7, 1.2, 1.5, "random", 1e-3, 9.0, n) for n in range(1, 41)),
            Saved(40, run.folder / "last.safetensors"),
            Evaluated(40, 0.125, None, True),
            Stopped(40, "all steps done"),
            Verdict(40, True, "the encoder toy", 0.5, 0.2, 0.1, 0.4, 12, "hard pairs", ""),
        ]
        for event in events:
            with (run.folder / "train.jsonl").open("a") as file:
                file.write(line(event))
            if isinstance(event, Saved):
                event.path.touch()
            yield event
            if run.config.margin == 0.99 and isinstance(event, Saved):
                raise KeyboardInterrupt
            if run.config.dim == 99:
                (run.folder / "train.jsonl").unlink()
                raise BadInput("no such dim")
        (run.folder / "encoder").mkdir(exist_ok=True)
        card = Card("tiles", run.origin.name, 8, {}, run.origin.licence, "trained")
        write_folder(run.folder / "encoder", b"graph", card)

    monkeypatch.setattr("siamkit.train.trainer.train", train)
    return trained


def siamkit_train(*arguments):
    """(result, standard output, standard error); what was raised on purpose is raised."""
    result = CliRunner().invoke(cli, ["train", *arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result


BEGIN = ("people", "-m", "tiles", "-o", "run", "--detector", "none")


def test_a_run_from_a_folder(people, runs):
    result = siamkit_train(*BEGIN, "--set", "margin=0.3", "--licence", "CC0-1.0")
    (run,) = runs
    assert (len(run.prepared.dataset.labels), run.modality.name) == (10, "tiles")
    assert run.config.margin == 0.3
    assert run.origin == Origin("tiles", str(people / "people"), None, "CC0-1.0", "run")
    assert "equal error rate: 40.00% before, 12.50% at step 40" in result.stdout
    last = "gained: error 50.00% -> 20.00% over the encoder toy, on 12 identities never trained on"
    assert last in result.stdout.splitlines()[-1]
    assert "next: siamkit galleries create run -m tiles --encoder run/encoder" in result.stdout
    assert "step 1/40  loss 0.5000  active 30%  d²(A,P) 0.70  d²(A,N) 1.20" in result.stderr
    assert result.stderr.count("loss") == 1  # a line every ten seconds


def test_facts_as_json(people, runs):
    facts = json.loads(siamkit_train(*BEGIN, "--name", "mine", "--json").stdout)
    assert (facts["eer_before"], facts["eer"], facts["best_step"]) == (0.4, 0.125, 40)
    assert (facts["gained"], facts["baselines"][0]["name"]) == (True, "the encoder toy")
    assert facts["verdict"]["low"] == 0.1
    assert (facts["name"], facts["steps"], facts["stopped"]) == ("mine", 40, "all steps done")


def test_options_may_stand_before_the_data(people, runs):
    siamkit_train("-o", "run", "--set", "steps=7", "-m", "tiles", "people", "--detector", "none")
    assert runs[0].config.steps == 7


def test_broken_files_are_named_and_the_run_goes_on(people, runs):
    (people / "people" / "p0" / "2.png").write_bytes(b"no picture")
    result = siamkit_train(*BEGIN)
    assert "p0/2.png: not a picture" in result.stderr
    assert "1 of 11 examples are left out" in result.stderr


def test_a_folder_that_is_taken(people, runs):
    siamkit_train(*BEGIN)
    with pytest.raises(BadInput, match="run is not empty: a run was started there"):
        siamkit_train(*BEGIN)
    (people / "file").touch()
    with pytest.raises(BadInput, match="file/run cannot be created: Not a directory"):
        siamkit_train(*BEGIN, "-o", "file/run")
    with pytest.raises(BadInput, match="people is not empty"):
        siamkit_train("people", "-m", "tiles", "-o", "people")


def test_a_run_goes_on_as_it_was(people, runs):
    with pytest.raises(click.Abort):
        siamkit_train(*BEGIN, "--set", "margin=0.99")
    (people / "people" / "p0" / "0.png").unlink()  # the arrays are there already
    with pytest.raises(click.Abort):
        siamkit_train("--resume", "-o", "run")
    first, second = runs
    assert np.array_equal(first.prepared.dataset.arrays, second.prepared.dataset.arrays)
    assert (first.config, first.origin) == (second.config, second.origin)
    for other, message in {
        ("--set", "margin=0.5"): "margin: 0.99 before, 0.5 now",
        ("--name", "x"): "name: 'run' before, 'x' now",
        ("-m", "letters"): "modality: 'tiles' before, 'letters' now",
    }.items():
        with pytest.raises(BadInput, match=message):
            siamkit_train("--resume", "-o", "run", *other)


def test_ctrl_c_says_what_stands(people, runs):
    result = CliRunner().invoke(cli, ["train", *BEGIN, "--set", "margin=0.99"])
    assert "step 40 is saved; `siamkit train -o run --resume` continues" in result.stderr


def test_before_the_first_event_another_setting_loses_nothing(people, runs):
    with pytest.raises(BadInput, match="no such dim"):
        siamkit_train(*BEGIN, "--set", "dim=99")
    siamkit_train("--resume", "-o", "run", "--set", "dim=9")
    assert runs[1].config.dim == 9


def test_data_that_cannot_be_used_leaves_no_folder(people, runs):
    for file in (people / "people").rglob("*.png"):
        file.write_bytes(b"no picture")
    with pytest.raises(Exception, match="none of 10 examples can be used"):
        siamkit_train(*BEGIN)
    with pytest.raises(BadInput, match="neither a folder nor a file"):
        siamkit_train("nowhere", "-m", "tiles", "-o", "run")
    assert not (people / "run").exists()
    with pytest.raises(BadInput, match="run does not hold a run to resume"):
        siamkit_train("--resume", "-o", "run")


def test_what_cannot_be_trained(people):
    with pytest.raises(PluginError, match=r"Letters.* cannot be trained"):
        siamkit_train("people", "-m", "letters", "-o", "run")


def test_set_takes_toml_or_else_plain_words(people, runs):
    values = ("margin=0.3", "loss=arcface", "augment = false", 'miner="random"')
    siamkit_train(*BEGIN, *(part for value in values for part in ("--set", value)))
    config = runs[0].config
    assert (config.margin, config.loss) == (0.3, "arcface")
    assert (config.augment, config.miner) == (False, "random")
    with pytest.raises(BadInput, match="'margin' has no value"):
        siamkit_train(*BEGIN, "--set", "margin")


def test_settings_override_a_file_of_them(people, runs):
    (people / "train.toml").write_text("margin = 0.4\nsteps = 9\n")
    siamkit_train(*BEGIN, "--config", "train.toml", "--set", "steps=7")
    assert (runs[0].config.margin, runs[0].config.steps) == (0.4, 7)


def test_a_workspace_trains_as_the_command_does(people, runs):
    done = []
    run = Workspace().train(
        "people",
        "run",
        modality="tiles",
        config={"margin": 0.3},
        progress=lambda _, *counts: done.append(counts),
        detector=None,
        licence="CC0-1.0",
    )
    assert (10, 10) in done
    assert done[-1] == (4, 4)  # the validation samples, without training
    assert run.origin == Origin("tiles", str(people / "people"), None, "CC0-1.0", "run")
    first, *_, last = run.events()
    assert (type(first), type(last)) == (Started, Verdict)
    assert (run.result().eer_before, run.result().eer) == (0.4, 0.125)
    (run.folder / LAST).touch()
    with pytest.raises(BadInput, match=r"margin: 0\.3 before, 0\.5 now"):
        Workspace().train(None, "run", config={"margin": 0.5}, resume=True)
    assert Workspace().train(None, "run", resume=True).config == run.config
    with pytest.raises(BadInput, match="a new run needs examples and a modality"):
        Workspace().train("people", "other")


def test_every_setting_is_printed_as_toml():
    printed = siamkit_train("config").stdout
    assert TrainConfig().changed(tomllib.loads(printed)) == TrainConfig()
    assert len(printed.splitlines()) == len(dataclasses.fields(TrainConfig))
    assert re.search('loss = "auto"  # .*one of auto, triplet, soft-triplet', printed)


def test_help_shows_the_options_of_a_run():
    text = siamkit_train("--help").stdout
    for part in ("--resume", "--set KEY=VALUE", "plot", "config", "Examples:"):
        assert part in text


def test_plot_names_the_picture(people, runs):
    siamkit_train(*BEGIN)
    assert siamkit_train("plot", "run").stdout == "run/plot.png\n"
    assert (people / "run" / "plot.png").exists()


def test_a_resumption_that_cannot_be_prepared_keeps_the_run(people, runs):
    run = Workspace().train("people", "run", modality="tiles", detector=None)
    with pytest.raises(BadInput):
        Workspace().train(None, "run", config={"validation": 0.99}, resume=True)
    settings = {"validation": run.config.validation}
    assert Workspace().train(None, "run", config=settings, resume=True).origin == run.origin
