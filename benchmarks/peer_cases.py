"""Run the tests that other libraries publish with our losses, miners, samplers and metrics.

    python benchmarks/peer_cases.py --pml CLONE/tests --oml CLONE/tests --st CLONE/tests/losses

CLONE is a clone of pytorch-metric-learning, open-metric-learning or sentence-transformers, of the
release that is installed. Before its tests are collected, adapters take the place of its classes.
An adapter computes both: what the peer's class gives, and what ours gives for the same call. It
returns ours, so their test asserts on it, and counts the call as one case: it agrees if values
and gradients are equal within 1e-5, or 1e-4 in float32. A call that no setting of ours expresses
returns theirs, and is counted with the reason. Tests that fail are run again without adapters;
those that fail then, too, say nothing of us.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

# Relative to the largest, and absolute below 1. A scale of 64 or a gamma of 300 multiplies the
# rounding of cosines in float32.
TOLERANCES = {torch.float64: 1e-5, torch.float32: 1e-4}
PEERS = {
    "pml": "pytorch-metric-learning",
    "oml": "open-metric-learning",
    "st": "sentence-transformers",
}
AGREES, DIFFERS = "agrees", "differs"
ENVIRONMENT = {
    # pytorch-metric-learning's tests run on the processor, in types that ours computes in.
    "TEST_DEVICE": "cpu",
    "TEST_DTYPES": "float32,float64",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}


class NotExpressible(Exception):
    """No setting of ours means this; the message says why."""


@dataclass
class Cases:
    """The cases of one peer: (class, verdict or reason) with their number."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    tests: dict[str, str] = field(default_factory=dict)  # outcome by name
    where: set[tuple[str, str]] = field(default_factory=set)  # (class, test) of differences
    test: str = ""
    inside: bool = False  # ours: what it takes from the peer is not a case

    def add(self, name: str, verdict: str) -> None:
        self.counts[name, verdict] += 1
        if verdict == DIFFERS:
            self.where.add((name, self.test))

    def compare(self, name: str, theirs: torch.Tensor, ours: Callable[[], torch.Tensor],
                leaves: list[torch.Tensor]) -> torch.Tensor:  # fmt: skip
        """Count a loss; return ours, or theirs where there is no such thing."""
        self.inside = True
        try:
            value = ours()
        except NotExpressible as reason:
            self.add(name, str(reason))
            return theirs
        finally:
            self.inside = False
        same = is_close(value, theirs)
        leaves = [leaf for leaf in leaves if leaf.requires_grad]
        if leaves and value.requires_grad and theirs.requires_grad:
            pairs = zip(gradients(value, leaves), gradients(theirs, leaves), strict=True)
            same = same and all(is_close(a, b) for a, b in pairs)
        self.add(name, AGREES if same else DIFFERS)
        return value.to(theirs.dtype)


def is_close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    scale = max(1.0, float(theirs.detach().abs().max())) if theirs.numel() else 1.0
    return bool(
        torch.allclose(
            ours.double(), theirs.double(), rtol=0, atol=TOLERANCES.get(theirs.dtype, 1e-2) * scale
        )
    )


def gradients(value: torch.Tensor, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    found = torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True)
    pairs = zip(found, leaves, strict=True)
    return [torch.zeros_like(leaf) if grad is None else grad for grad, leaf in pairs]


class Watch:
    """A pytest plugin that records outcomes, and which test runs."""

    def __init__(self, cases: Cases) -> None:
        self.cases = cases

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.cases.test = item.nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.cases.tests[report.nodeid] = report.outcome

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.cases.tests[report.nodeid] = "not collected"


def run(peer: str, folder: str, adapted: bool, only: list[str]) -> Cases:
    """Run a peer's tests in this process, which does nothing else."""
    os.environ.update(ENVIRONMENT)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cases = Cases()
    if adapted:
        module = __import__(f"peer_{peer}")
        module.install(cases)
    os.chdir(folder)
    quiet = ["-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-o", "addopts="]
    with open(os.devnull, "w") as nowhere:
        sys.stdout, console = nowhere, sys.stdout
        pytest.main([*quiet, "-c", os.devnull, "--rootdir", folder, *(only or [folder])],
                    plugins=[Watch(cases)])  # fmt: skip
        sys.stdout = console
    return cases


def alone(peer: str, folder: Path, adapted: bool = True, only: list[str] | None = None) -> Cases:
    """`run` in a process of its own: adapters stay, and test packages share names."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run, peer, str(folder.resolve()), adapted, only or []).result()


def report(peer: str, folder: Path) -> Counter[str]:
    """Print the tables of a peer; return the number of cases by verdict."""
    cases = alone(peer, folder)
    verdicts: dict[str, Counter[str]] = {}
    reasons: Counter[tuple[str, str]] = Counter()
    for (name, verdict), count in cases.counts.items():
        known = verdict in (AGREES, DIFFERS)
        verdicts.setdefault(name, Counter())[verdict if known else "not expressible"] += count
        if not known:
            reasons[verdict, name] += count
    print(f"\n{PEERS[peer]}\n\n{'class':<30} {'agree':>7} {'differ':>7} {'not expressible':>16}")
    total: Counter[str] = Counter()
    for name in sorted(verdicts):
        row = verdicts[name]
        total += row
        print(f"{name:<30} {row[AGREES]:7,} {row[DIFFERS]:7,} {row['not expressible']:16,}")
    print(f"{'together':<30} {total[AGREES]:7,} {total[DIFFERS]:7,} {total['not expressible']:16,}")
    for name, test in sorted(cases.where):
        print(f"differs: {name} in {test}")
    print("\nnot expressible, and why")
    for (reason, name), count in sorted(reasons.items()):
        print(f"{count:7,} {name}: {reason}")
    failed = [test for test, outcome in cases.tests.items() if outcome in ("failed", "error")]
    before = alone(peer, folder, adapted=False, only=failed).tests if failed else {}
    ours = [test for test in failed if before.get(test) == "passed"]
    passed = sum(outcome == "passed" for outcome in cases.tests.values())
    print(f"\n{passed:,} of their tests pass with ours, {len(ours)} fail because of ours,")
    print(f"{len(cases.tests) - passed - len(ours)} do not run here without ours either")
    for test in ours:
        print(f"fails with ours: {test}")
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for peer, name in PEERS.items():
        parser.add_argument(f"--{peer}", type=Path, metavar="TESTS", help=f"tests of {name}")
    options = parser.parse_args()
    total: Counter[str] = Counter()
    for peer in PEERS:
        if folder := getattr(options, peer):
            total += report(peer, folder)
    print(f"\n{total[AGREES]:,} of {total[AGREES] + total[DIFFERS]:,} expressible cases agree,")
    print(f"{total['not expressible']:,} are not expressible")


if __name__ == "__main__":
    import peer_cases  # under its own name, as the adapters import it

    peer_cases.main()
