"""Your own losses, and weighted sums, in a whole run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch
from toydata import losses, train, write_people, write_texts  # noqa: F401

from siamkit.train import checkpoint
from siamkit.train.config import TrainConfig
from siamkit.train.folder import LAST
from siamkit.train.losses import build_loss
from siamkit.train.miners import NO_TRIPLETS
from siamkit.train.record import read_record
from siamkit.train.relations import relations

MODULE = '''
import torch

calls = []

def pull(embeddings, relations, triplets, *, margin=0.0):
    """Positives nearer, and all negatives farther."""
    calls.append(margin)
    cosines = embeddings[: relations.anchors] @ embeddings.T
    return cosines[relations.negative].mean() - cosines[relations.positive].mean() + margin

class Centres(torch.nn.Module):
    mined = False

    def __init__(self, classes, dim, scale=1.0):
        super().__init__()
        self.centres, self.scale = torch.nn.Parameter(torch.ones(classes, dim)), scale

    def forward(self, embeddings, relations, triplets):
        own = self.centres[relations.labels]
        return self.scale * (embeddings - own).square().sum(1).mean()

def broken(embeddings, relations, triplets):
    return embeddings @ embeddings

def vector(embeddings, relations, triplets):
    return embeddings.sum(1)

def constant(embeddings, relations, triplets):
    return 3.0

class Demanding:
    def __init__(self):
        raise RuntimeError("no licence")

def pair(embeddings, labels):
    return embeddings.mean()

number = 3
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The module's name, in the current folder; it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "my_losses.py").write_text(MODULE)
    yield "my_losses"
    sys.modules.pop("my_losses", None)


@pytest.mark.timeout(60)
def test_a_function_and_a_class_are_trained_with_and_resumed(train, module):  # noqa: F811
    write_texts(train.folder)
    own = f'["triplet", {{name="{module}:pull", margin=0.5}}, "{module}:Centres", "arcface"]'
    done = train.texts("texts.jsonl", loss=own, steps=4)
    assert done.code == 0, done.err
    assert set(sys.modules[module].calls) == {0.5}
    assert f'{{name = "{module}:pull", margin = 0.5}}' in Path("run/config.toml").read_text()
    saved = checkpoint.part(checkpoint.read(Path("run", LAST))[0], "loss.")
    assert list(saved) == ["losses.2.target.centres", "losses.3.term.W"]
    assert (saved["losses.2.target.centres"] != 1).any()
    resumed = train("train", "-o", "run", "--resume", "--set", "steps=6", "--json")
    assert resumed.code == 0, resumed.err
    assert len(losses(Path("run"))) == 6


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("my_losses:pul", 2, "has no function or class 'pul'\nHint: did you mean 'pull'?"),
        ("my_losses:number", 2, "has no function or class 'number'"),
        ("no_losses:pull", 2, "there is no module 'no_losses'"),
        ('{name="my_losses:pull", gap=1}', 2, "got an unexpected keyword argument 'gap'"),
        ("my_losses:pair", 2, "does not take (embeddings, relations, triplets): too many"),
        ("my_losses:Demanding", 1, "loss my_losses:Demanding: RuntimeError: no licence"),
        ("my_losses:broken", 1, "Hint: see my_losses.py, line 24"),
        ("my_losses:vector", 1, "returned a Tensor of shape"),
        ("my_losses:constant", 1, "returned a float"),
    ],
)
def test_a_loss_that_fails_is_named_in_one_line(train, module, name, code, message):  # noqa: F811
    if not (train.folder / "people").exists():
        write_people(train.folder, identities=4, samples=3)
    done = train.tiles(loss=name, steps=2)
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err
    assert (train.folder / "run").exists() == (code == 1)


def test_a_module_that_cannot_be_imported_is_named(train, module, tmp_path):  # noqa: F811
    write_people(train.folder, identities=4, samples=3)
    (tmp_path / "my_losses.py").write_text("import torch\n1 / 0\n")
    done = train.tiles(loss="my_losses:pull")
    assert done.code == 1
    assert "my_losses cannot be imported: ZeroDivisionError" in done.err


def test_a_loss_says_whether_it_reads_triplets(module):
    assert build_loss(TrainConfig(loss=f"{module}:pull", dim=4), 2).mined
    centres = build_loss(TrainConfig(loss=f"{module}:Centres", dim=4), 2)
    assert not centres.mined
    assert [tuple(p.shape) for p in centres.parameters()] == [(2, 4)]
    assert all(isinstance(tensor, torch.Tensor) for tensor in centres.state_dict().values())


def test_the_events_of_an_own_loss_without_triplets_name_no_miner(train, module):  # noqa: F811
    write_people(train.folder, identities=4, samples=3)
    assert train.tiles(loss=f"{module}:Centres", steps=2).code == 0
    miners = {event.miner for event in read_record(train.folder / "run") if "Step" in repr(event)}
    assert "none" in miners


def test_the_loss_of_the_documentation_is_one(module, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "training-settings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(# my_losses\.py\n.*?)```", page, re.DOTALL)
    (tmp_path / "my_losses.py").write_text(example)
    loss = build_loss(TrainConfig(loss={"name": "my_losses:softest", "margin": 0.5}, dim=2), 2)
    embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]], requires_grad=True)
    related = relations(torch.tensor([0, 0, 1]), torch.zeros(3, dtype=torch.bool))
    # (0.6 − 0.8 + 0.5 + 0.96 − 0.8 + 0.5) / 3: two anchors have a positive
    assert loss(embeddings, related, NO_TRIPLETS).item() == pytest.approx(0.96 / 3)
