"""Kill processes at random moments, and count what was lost: `python tests/support/kills.py 200`.

Each round starts a command on one store, reads what it acknowledges, and kills it with SIGKILL
after a random time. Then the store is examined: every acknowledged enrolment must be there, every
acknowledged deletion must have stayed and left no trace, SQLite must be sound, every sample must
have its template, and the index must answer as the store does. What was being written is absent or
whole, and nothing half-written stays.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
STRANGERS = ROOT / "tests" / "strangers"
CHECKOUT = [str(STRANGERS), *(str(ROOT / part) for part in ("", "plugins", "indexes"))]
ENROLLED = 2000  # samples a round, more than there is time for before most kills
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([*CHECKOUT, os.environ.get("PYTHONPATH", "")]),
    "TOYKIT_SLEEP": "0.0002",
}
TRIALS = "a,b,label\n" + "".join(
    f"number {n} it is,{f'number {n} it was' if n % 2 else f'{n * n} of others'},{n % 2}\n"
    for n in range(400)
)
ACTIONS = {  # and how often each is chosen
    "enrol": 6, "forget": 3, "rebuild": 2, "export": 2, "embed": 1, "backup": 2, "calibrate": 1
}  # fmt: skip


@dataclass
class Tally:
    kills: int = 0
    finished: int = 0  # rounds in which the process was done before it was killed
    acknowledged: int = 0
    lost: int = 0
    traces: int = 0  # files of the store that hold what was forgotten
    inconsistent: list[str] = field(default_factory=list)


@dataclass
class Round:
    """One store, what it must hold, and the random choices."""

    folder: Path
    rng: random.Random
    tally: Tally = field(default_factory=Tally)
    alive: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    number: int = 0  # of samples, and of outputs, so far

    def play(self) -> None:
        """Run one command, kill it, and examine what there is."""
        action = self.rng.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        if not self.alive:
            action = "enrol"
        self.number += 1
        done: Callable[[], None] | None = getattr(self, action)()
        _examine(self)
        if done:
            done()

    def enrol(self) -> None:
        labels = [_label(n) for n in range(self.number, self.number + ENROLLED)]
        self.number += ENROLLED
        _write_lines(self.folder / "new.jsonl", labels)
        command = ["enrol", "letters", "--from", "new.jsonl", "--json"]
        acknowledged = [json.loads(line)["label"] for line in self.killed(command)]
        self.alive.update(acknowledged)
        self.tally.acknowledged += len(acknowledged)

    def forget(self) -> None:
        doomed = self.rng.choice(sorted(self.alive))
        for line in self.killed(["forget", doomed]):
            assert line.startswith(f"forgot {doomed}".encode())
            self.tally.acknowledged += 1
            self.forgotten.add(doomed)
        self.alive.discard(doomed)  # without an acknowledgement it may be there or not

    def rebuild(self) -> None:
        self.killed(["index", "rebuild"])

    def export(self) -> Callable[[], None]:
        folder = self.folder / f"export{self.number}"
        acknowledged = self.killed(["export", "letters", folder.name])

        def check() -> None:
            import numpy as np

            if self.is_there(folder, acknowledged):
                json.loads((folder / "gallery.json").read_text())
                lines = (folder / "samples.jsonl").read_text().splitlines()
                if np.load(folder / "templates.npy").shape[0] != len(lines):
                    self.tally.inconsistent.append("an incomplete export")

        return check

    def embed(self) -> Callable[[], None]:
        _write_lines(self.folder / "embed.jsonl", [_label(n) for n in range(500)])
        file = self.folder / f"vectors{self.number}.npy"
        options = ["-m", "letters", "--from", "embed.jsonl", "--output", file.name]
        acknowledged = self.killed(["embed", *options])

        def check() -> None:
            import numpy as np

            if self.is_there(file, acknowledged):
                lines = file.with_suffix(".jsonl").read_text().splitlines()
                if not np.load(file).shape[0] == len(lines) == 500:
                    self.tally.inconsistent.append("embed wrote half of its output")

        return check

    def backup(self) -> Callable[[], None]:
        file = self.folder / f"backup{self.number}.db"
        acknowledged = self.killed(["backup", file.name])

        def check() -> None:
            if self.is_there(file, acknowledged):
                with closing(sqlite3.connect(file)) as db:
                    if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                        self.tally.inconsistent.append("a damaged backup")
                    if db.execute("SELECT count(*) FROM samples").fetchone()[0] < len(self.alive):
                        self.tally.inconsistent.append("an incomplete backup")

        return check

    def calibrate(self) -> Callable[[], None]:
        file = self.folder / "calibration.json"
        (self.folder / "trials.csv").write_text(TRIALS)
        command = ["calibrate", "letters", "--trials", "trials.csv", "--output", file.name]
        self.killed(command, refusal=b"Error: no threshold gives")  # samples are too much alike
        return lambda: file.exists() and json.loads(file.read_text()) and None

    def is_there(self, output: Path, acknowledged: list[bytes]) -> bool:
        if acknowledged and not output.exists():
            self.tally.lost += 1
        return output.exists()

    def killed(self, command: list[str], *, refusal: bytes = b"\0") -> list[bytes]:
        """Run a command, kill it at a random moment; the lines that it got out, whole ones only.

        The moment is some time from the start on, or from a line on that it got out.
        """
        heard, rng = b"", self.rng
        with subprocess.Popen(
            [sys.executable, "-m", "siamkit", *command],
            cwd=self.folder, env=ENVIRONMENT, bufsize=0,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            lines = rng.choice([0, 0, 1, rng.randrange(ENROLLED)])
            for _ in range(lines):
                heard += process.stdout.readline()
            try:
                rest, err = process.communicate(timeout=rng.uniform(0, 0.1 if lines else 1.1))
                assert process.returncode == 0 or refusal in err, err.decode()
                self.tally.finished += 1
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                rest, _ = process.communicate()
                self.tally.kills += 1
        return [line for line in (heard + rest).split(b"\n")[:-1] if line]


def run(kills: int, folder: Path, seed: int = 0) -> Tally:
    """Kill that many processes that work on one store."""
    rounds = Round(folder, random.Random(seed))
    while rounds.tally.kills < kills:
        rounds.play()
    return rounds.tally


def _label(number: int) -> str:
    return f"p{number:08}"


def _write_lines(path: Path, labels: list[str]) -> None:
    lines = (json.dumps({"label": name, "text": f"the text of {name}"}) for name in labels)
    path.write_text("\n".join(lines) + "\n")


def _examine(rounds: Round) -> None:
    from siamkit import Workspace
    from siamkit.store import galleries

    tally, root = rounds.tally, rounds.folder / ".siamkit"
    if not (root / "store.db").exists():
        return  # killed before the store was made
    with Workspace(root) as ws:
        if galleries.exists(ws.store, "letters"):
            _examine_gallery(ws, rounds)
        else:
            tally.lost += len(rounds.alive)
    left = [*rounds.folder.rglob(".siamkit-*"), *root.rglob(".g*")]
    tally.inconsistent += [f"{path.name} was left" for path in left]
    for path in (path for path in root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        tally.traces += any(label.encode() in content for label in rounds.forgotten)


def _examine_gallery(ws: object, rounds: Round) -> None:
    import numpy as np
    from stored_templates import load_all

    from siamkit.store import galleries, labels

    tally, store = rounds.tally, ws.store
    gallery = galleries.get(store, "letters")
    held = {h.identity for h in labels.holdings(store, gallery)}
    tally.lost += len(rounds.alive - held) + len(rounds.forgotten & held)
    rounds.alive |= held
    if store.connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
        tally.inconsistent.append("integrity_check")
    ids, vectors = load_all(store, gallery)
    if len(ids) != galleries.count(store, gallery)[1]:
        tally.inconsistent.append("a sample without a template")
    live = ws.index(gallery)
    if len(ids):
        hits = live.search(vectors[:50], len(ids))
        wanted = np.sort(vectors[:50] @ vectors.T, axis=1)[:, ::-1]
        if not all(set(row.tolist()) == set(ids.tolist()) for row in hits.ids):
            tally.inconsistent.append("the index holds other templates than the store")
        elif not np.allclose(hits.scores, wanted, atol=1e-5):
            tally.inconsistent.append("the index has other vectors than the store")


if __name__ == "__main__":
    sys.path[:0] = CHECKOUT
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as made:
        os.environ["SIAMKIT_CACHE"] = ENVIRONMENT["SIAMKIT_CACHE"] = f"{made}/cache"
        total = run(wanted, Path(made), seed=random.randrange(1 << 30))
    print(f"{'SIGKILLs':<34}{total.kills}")
    print(f"{'processes done before the kill':<34}{total.finished}")
    print(f"{'acknowledged changes':<34}{total.acknowledged}")
    print(f"{'acknowledged changes lost':<34}{total.lost}")
    print(f"{'traces of what was forgotten':<34}{total.traces}")
    print(f"{'inconsistent stores and outputs':<34}{len(total.inconsistent)}", end=" ")
    print(set(total.inconsistent) or "")
    sys.exit(bool(total.lost or total.traces or total.inconsistent))
