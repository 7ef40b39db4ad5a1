"""Toy examples that tiny networks learn in seconds, and commands run in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from siamkit import cli
from siamkit.train.events import Saved, Step
from siamkit.train.record import read_record
from siamkit.workspace import Workspace

# A few repeatable steps of a small network. `as_options` turns the pace into shares of the steps.
TINY = {
    "pretrained": "false",
    "dim": "16",
    "identities": "4",
    "samples": "3",
    "warmup": "2",
    "steps": "12",
    "evaluate_every": "4",
    "patience": "0",
    "compare": "false",
    "precision": "fp32",
    "device": "cpu",
}


@dataclass
class Completed:
    code: int
    out: str
    err: str


class Train:
    """Runs `siamkit …` in this process: torch is loaded once for all tests."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def __call__(self, *arguments: str | Path) -> Completed:
        self.capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return Completed(code, *self.capsys.readouterr())

    def tiles(self, *arguments: str, out: str = "run", **settings: object) -> Completed:
        """Train on the folder `people`, with the settings of TINY."""
        fixed = ("people", "-m", "tiles", "--detector", "none")
        return self("train", *fixed, "-o", out, *as_options(settings), *arguments)

    def texts(self, table: str, *arguments: str, out: str = "run", **settings: object) -> Completed:
        """Train a head on the texts of a table, with the settings of TINY."""
        fixed = (table, "-m", "bigrams", "--json")
        settings = {"backbone": "encoder"} | settings
        return self("train", *fixed, "-o", out, *as_options(settings), *arguments)


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIAMKIT_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Train(tmp_path, capsys)
    torch.set_num_threads(threads)


def as_options(settings: dict[str, object]) -> list[str]:
    """Return --set options for TINY with other settings."""
    if str(settings.get("backbone")).startswith("encoder"):
        settings = {"pretrained": "true"} | settings  # a head on an encoder has no other
    values = in_shares(TINY | {key: str(value) for key, value in settings.items()})
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def in_shares(values: dict[str, str]) -> dict[str, str]:
    """Turn numbers of steps, and patience in evaluations, into the shares of the settings."""
    steps, interval = int(values["steps"]), int(values["evaluate_every"])
    unit = {"warmup": 1, "evaluate_every": 1, "refresh": 1, "patience": interval}
    shares = {key: int(values[key]) * unit[key] / steps for key in unit.keys() & values.keys()}
    return values | {key: str(min(1.0, share)) for key, share in shares.items()}


def write_people(folder: Path, *, identities: int = 10, samples: int = 5) -> None:
    """Write a folder per identity: each has a hue, in any brightness and pattern."""
    for identity in range(identities):
        hue = np.random.default_rng(identity).dirichlet([1, 1, 1]) * 2
        for number in range(samples):
            rng = np.random.default_rng([identity, number])
            pattern = np.kron(rng.uniform(20, 120, (4, 4)), np.ones((8, 8)))[..., None]
            pixels = np.clip(pattern * hue + rng.normal(0, 10, (32, 32, 3)), 0, 250)
            path = folder / "people" / f"p{identity}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)


def write_texts(folder: Path) -> None:
    """Write a table of texts: a few letters tell the label, amid noise."""
    rows = []
    for identity in range(30):
        rng = np.random.default_rng(identity)
        key = "".join(rng.choice(list("ABCDEFGH"), 5))
        for number in range(5):
            noise = "".join(np.random.default_rng([identity, number]).choice(list("mnop"), 24))
            rows.append({"text": f"{noise[:12]}{key}{noise[12:]}", "label": f"k{identity}"})
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def losses(run: Path) -> list[float]:
    return [event.loss for event in read_record(run) if isinstance(event, Step)]


def resumes_exactly(
    folder: Path, data: str = "people", modality: str = "tiles", **settings: object
) -> None:
    """Train on the same data in one piece, and in two: the losses are equal."""
    config = {"backbone": "test_efficientnet", "pretrained": False, "dim": 16, "precision": "fp32"}
    config |= {"steps": 4, "evaluate_every": 0.5, "patience": 0, "device": "cpu"}
    config |= {"compare": False} | settings
    for out in ("whole", "pieces"):
        run = Workspace().train(data, out, modality=modality, config=config, detector=None)
        for event in run.events():
            if out == "pieces" and isinstance(event, Saved):
                break
    for _ in Workspace().train(None, "pieces", resume=True).events():
        pass
    assert losses(folder / "whole") == losses(folder / "pieces")
    assert len(losses(folder / "whole")) == 4
