"""Examples that tiny networks learn in seconds, and the command line in this very process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from siamkit import cli
from siamkit.train.events import Step
from siamkit.train.record import read_record

# A few steps of a small network, the same every time.
TINY = {
    "pretrained": "false", "dim": "16", "identities": "4", "samples": "3", "warmup": "2",
    "steps": "12", "evaluate_every": "4", "precision": "fp32", "device": "cpu",
}  # fmt: skip


@dataclass
class Told:
    code: int
    out: str
    err: str


class Train:
    """Runs `siamkit …` here: torch is loaded once for all tests."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def __call__(self, *arguments: str | Path) -> Told:
        self.capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return Told(code, *self.capsys.readouterr())

    def tiles(self, *arguments: str, out: str = "run", **settings: object) -> Told:
        """Train on the folder `people`, with the settings of TINY."""
        return self("train", "people", "-m", "tiles", "--detector", "none", "--out", out,
                    *sets(settings), *arguments)  # fmt: skip

    def texts(self, table: str, *arguments: str, out: str = "run", **settings: object) -> Told:
        return self("train", table, "-m", "bigrams", "--json", "--out", out,
                    *sets(settings), *arguments)  # fmt: skip


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIAMKIT_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Train(tmp_path, capsys)
    torch.set_num_threads(threads)


def sets(settings: dict[str, object]) -> list[str]:
    given = TINY | {key: str(value) for key, value in settings.items()}
    return [part for key, value in given.items() for part in ("--set", f"{key}={value}")]


def people(folder: Path, *, identities: int = 10, samples: int = 5) -> None:
    """A folder per identity: a hue that is its own, in a brightness and a pattern of any kind."""
    for who in range(identities):
        hue = np.random.default_rng(who).dirichlet([1, 1, 1]) * 2
        for number in range(samples):
            rng = np.random.default_rng([who, number])
            pattern = np.kron(rng.uniform(20, 120, (4, 4)), np.ones((8, 8)))[..., None]
            pixels = np.clip(pattern * hue + rng.normal(0, 10, (32, 32, 3)), 0, 250)
            path = folder / "people" / f"p{who}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)


def texts(folder: Path) -> None:
    """A table: what a label is about is in a few letters, and noise is all around them."""
    rows = []
    for who in range(30):
        rng = np.random.default_rng(who)
        key = "".join(rng.choice(list("ABCDEFGH"), 5))
        for number in range(5):
            noise = "".join(np.random.default_rng([who, number]).choice(list("mnop"), 24))
            rows.append({"text": f"{noise[:12]}{key}{noise[12:]}", "label": f"k{who}"})
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def losses(run: Path) -> list[float]:
    return [event.loss for event in read_record(run) if isinstance(event, Step)]
