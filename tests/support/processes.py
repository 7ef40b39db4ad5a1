"""Let 4 writers and 4 readers use one store: `python tests/support/processes.py 120`, in seconds.

Each is a process. A writer enrols, renames and forgets identities of its own, and keeps a model of
what must be there; after each change its own query must answer as the model does. A reader asks
for identities of all writers: if one is listed before and after a query of its text, the answer
must be that identity. In the end the store must hold what all models hold, and no trace of what
was forgotten. A process that does not end by itself hangs.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import kills

WRITERS = READERS = 4
GRACE = 120.0  # seconds that a process may take to end
CERTAIN = 0.99999  # the score of a text that is enrolled


@dataclass
class Account:
    """What one process did, and what went wrong."""

    acknowledged: int = 0  # changes
    asked: int = 0  # queries that could be checked
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    alive: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)  # labels of before
    forgotten: list[str] = field(default_factory=list)


@dataclass
class Tally:
    acknowledged: int = 0
    asked: int = 0
    lost: int = 0
    traces: int = 0
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    hangs: int = 0

    def faults(self) -> int:
        return self.lost + self.traces + len(self.wrong) + len(self.errors) + self.hangs


def text_of(label: str) -> str:
    """Return a text that no other label has, nor one with the same pairs of letters."""
    return hashlib.sha256(label.partition("-")[2].encode()).hexdigest()


class Writer:
    """One writer, its model, and the workspace that it keeps open, or opens again."""

    def __init__(self, root: Path, seed: int, account: Account) -> None:
        self.root, self.rng, self.account = root, random.Random(seed), account
        self.name, self.number = f"w{seed}", 0
        self.alive: set[str] = set()

    def run(self, until: float) -> None:
        from siamkit import Workspace

        while time.time() < until:
            with Workspace(self.root) as ws:
                for _ in range(self.rng.randrange(1, 40)):
                    if time.time() < until:
                        self.change(ws)
                        self.account.acknowledged += 1
        self.account.alive = sorted(self.alive)

    def change(self, ws: Any) -> None:
        action = self.rng.choices(["enrol", "many", "forget", "rename"], [8, 2, 3, 2])[0]
        if action == "many":
            self.enrol(ws, 60)
        elif action == "enrol" or not self.alive:
            self.enrol(ws, 1)
        else:
            label = self.rng.choice(sorted(self.alive))
            self.alive.remove(label)
            if action == "rename":
                self.number += 1
                renamed = f"{self.number:06}-{label.partition('-')[2]}"
                ws.rename(label, renamed)
                self.account.renamed.append(label)
                self.alive.add(renamed)
                self.expect(ws, renamed)
            else:
                ws.forget(label)
                self.account.forgotten.append(label)
                self.expect_not(ws, label)

    def enrol(self, ws: Any, count: int) -> None:
        numbers = range(self.number, self.number + count)
        labels = [f"{number:06}-{self.name}.{number}." for number in numbers]
        self.number += count
        for done in ws.enrol_many("letters", [(label, text_of(label)) for label in labels]):
            if done.error:
                raise done.error
        self.alive.update(labels)
        self.expect(ws, self.rng.choice(labels))

    def expect(self, ws: Any, label: str) -> None:
        answer = ws.query("letters", text_of(label))[0]
        if answer.identity != label:
            self.account.wrong.append(f"{label}, just enrolled, was taken for {answer.identity}")

    def expect_not(self, ws: Any, label: str) -> None:
        match = ws.query("letters", text_of(label), k=1)[0].matches[:1]
        if match and match[0].score > CERTAIN:
            self.account.wrong.append(f"{label}, forgotten, was found as {match[0].identity}")


def read(root: Path, seed: int, account: Account, until: float) -> None:
    """Ask for identities of all writers."""
    from siamkit import Workspace

    rng = random.Random(seed)
    while time.time() < until:
        with Workspace(root) as ws:
            for _ in range(rng.randrange(1, 20)):
                before = [holding.identity for holding in ws.identities("letters")]
                for label in rng.sample(before, min(5, len(before))):
                    answer = ws.query("letters", text_of(label))[0].identity
                    there = {sample.identity for sample in _samples(ws, label)}
                    if label in there:
                        account.asked += 1
                        if answer != label:
                            account.wrong.append(f"{label} was taken for {answer}")
                if time.time() > until:
                    return


def _samples(ws: Any, label: str) -> list[Any]:
    from siamkit import StoreError

    try:
        return ws.identity(label)
    except StoreError:  # it was forgotten or renamed meanwhile
        return []


def run(seconds: float, folder: Path) -> Tally:
    """Let all processes use one store, and compare what is left with their models."""
    from siamkit import Workspace

    root, tally = folder / "store", Tally()
    with Workspace(root) as ws:
        ws.create_gallery("letters", "letters")
    started = [
        subprocess.Popen(
            [sys.executable, __file__, role, str(root), str(seed), str(seconds)],
            env=kills.ENVIRONMENT | {"TOYKIT_SLEEP": "0"}, stdout=subprocess.PIPE,
        )
        for role, count in (("write", WRITERS), ("read", READERS))
        for seed in range(count)
    ]  # fmt: skip
    accounts = list(_accounts(started, time.time() + seconds + GRACE, tally))
    with Workspace(root) as ws:
        held = {holding.identity for holding in ws.identities("letters")}
    alive = {label for account in accounts for label in account.alive}
    forgotten = {label for account in accounts for label in account.forgotten}
    renamed = {label for account in accounts for label in account.renamed}
    tally.lost = len(alive - held) + len((forgotten | renamed) & held)
    contents = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    tally.traces = sum(any(label.encode() in text for text in contents) for label in forgotten)
    for account in accounts:
        tally.acknowledged += account.acknowledged
        tally.asked += account.asked
        tally.wrong += account.wrong
        tally.errors += account.errors
    return tally


def _accounts(
    started: list[subprocess.Popen[bytes]], deadline: float, tally: Tally
) -> Iterator[Account]:
    for process in started:
        try:
            out, _ = process.communicate(timeout=max(deadline - time.time(), 1))
            yield Account(**json.loads(out))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            tally.hangs += 1


def _child(role: str, root: str, seed: str, seconds: str) -> None:
    from siamkit import Workspace  # noqa: F401  # its time does not count

    account, until = Account(), time.time() + float(seconds)
    try:
        if role == "write":
            Writer(Path(root), int(seed), account).run(until)
        else:
            read(Path(root), int(seed), account, until)
    except Exception as error:
        account.errors.append(f"{type(error).__name__}: {error}")
    print(json.dumps(asdict(account)))


if __name__ == "__main__":
    sys.path[:0] = kills.CHECKOUT
    if len(sys.argv) == 5:
        _child(*sys.argv[1:])
        sys.exit()
    with tempfile.TemporaryDirectory() as made:
        os.environ["SIAMKIT_CACHE"] = kills.ENVIRONMENT["SIAMKIT_CACHE"] = f"{made}/cache"
        total = run(float(sys.argv[1]) if len(sys.argv) > 1 else 60, Path(made))
    print(f"{'acknowledged changes':<34}{total.acknowledged}")
    print(f"{'queries checked':<34}{total.asked}")
    print(f"{'lost changes':<34}{total.lost}")
    print(f"{'traces of what was forgotten':<34}{total.traces}")
    print(f"{'wrong answers':<34}{len(total.wrong)} {total.wrong[:3] or ''}")
    print(f"{'errors':<34}{len(total.errors)} {total.errors[:3] or ''}")
    print(f"{'hangs':<34}{total.hangs}")
    sys.exit(bool(total.faults()))
