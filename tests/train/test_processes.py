"""Two processes started by torchrun train one run, and learn from one large batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from steps import take
from toydata import as_options, write_people

from siamkit.train.events import Started, Step
from siamkit.train.processes import Processes
from siamkit.train.record import read_record

# The command line, and beside it what each process has drawn and ended with.
DRIVER = """
import hashlib, json, os, sys
import torch
from siamkit import cli
from steps import take
from siamkit.train.loop import Loop

original, events, drawn = Loop._batch, Loop.events, []

def batch(self, turn):
    batch = original(self, turn)
    drawn.append([turn, len(batch.labels), sorted(set(batch.labels.tolist()))])
    return batch

def watched(self):
    torch.save(take(self.processes), f"gradients-{os.environ['RANK']}.pt")
    yield from events(self)
    digest = hashlib.sha256()
    for part in (self.learner.network, self.learner.average):
        for tensor in part.state_dict().values():
            digest.update(tensor.numpy().tobytes())
    with open(f"process-{os.environ['RANK']}.json", "w") as file:
        json.dump({"weights": digest.hexdigest(), "drawn": drawn}, file)

Loop._batch, Loop.events = batch, watched
sys.exit(cli.run(sys.argv[1:]))
"""


@pytest.fixture
def torchrun(shell):
    def start(*arguments):
        (shell.folder / "driver.py").write_text(DRIVER)
        environment = (
            shell.environment
            | {"PYTHONPATH": os.pathsep.join(sys.path)}
            | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
        )
        launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone")
        command = [*launcher, "--nproc-per-node", "2", "driver.py", "train", *arguments]
        return subprocess.run(
            command, cwd=shell.folder, env=environment, capture_output=True, text=True, timeout=120
        )

    return start


def test_two_processes_are_one_run(torchrun, shell):
    write_people(shell.folder, identities=20, samples=4)
    settings = {"average": 0.5, "accumulate": 2, "steps": 6, "identities": 3, "validation": 0.1}
    arguments = ("people", "-m", "tiles", "--detector", "none", "-o", "run", "--json")
    completed = torchrun(*arguments, *as_options(settings))
    assert completed.returncode == 0, completed.stderr
    facts = json.loads(completed.stdout)  # one document, by one process
    assert facts["steps"] == 6
    assert completed.stderr.count("all steps are done") == 1

    first, second = (json.loads((shell.folder / f"process-{n}.json").read_text()) for n in (0, 1))
    assert first["weights"] == second["weights"]
    record = read_record(shell.folder / "run")
    assert [event.step for event in record if isinstance(event, Step)] == list(range(1, 7))
    assert [event.processes for event in record if isinstance(event, Started)] == [2]

    assert len(first["drawn"]) == len(second["drawn"]) == 12
    first_epoch = 18 // (2 * 3)  # turns in which all 18 identities come once
    for (turn, count, mine), (other, others, theirs) in zip(
        first["drawn"], second["drawn"], strict=True
    ):
        assert turn == other
        assert count == others == 9
        assert turn >= first_epoch or not set(mine) & set(theirs)

    alone = take(Processes())
    for rank in (0, 1):
        together = torch.load(shell.folder / f"gradients-{rank}.pt")
        assert together.keys() == alone.keys()
        assert torch.equal(together["resumed"], together["memory"])
        for name, gradient in alone.items():
            assert gradient.norm() > 1e-2
            error = (together[name] - gradient).norm() / gradient.norm()
            assert error < 1e-6, name


def test_others_do_not_wait_if_the_first_cannot_prepare(torchrun, shell):
    write_people(shell.folder, identities=1)
    completed = torchrun("people", "-m", "tiles", "--detector", "none", "-o", "run")
    assert completed.returncode == 1
    assert completed.stderr.count("all examples belong to one identity") == 1
    assert not (shell.folder / "run").exists()
