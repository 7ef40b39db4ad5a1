"""Kill processes at random moments, and count what was lost: `python tests/support/kills.py 200`.

Each round starts a process that enrols, forgets, or rebuilds the index, reads what it
acknowledges, and kills it with SIGKILL after a random time. Then the store is examined: every
acknowledged enrolment must be there, every acknowledged deletion must have stayed, SQLite must be
sound, every sample must have its template, and the index must answer as the store does.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

STRANGERS = Path(__file__).parents[1] / "strangers"
ENROLLED = 2000  # samples a round, more than there is time for before most kills
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(STRANGERS), os.environ.get("PYTHONPATH", "")]),
    "TOYKIT_SLEEP": "0.0002",
}


@dataclass
class Tally:
    kills: int = 0
    finished: int = 0  # rounds in which the process was done before it was killed
    acknowledged: int = 0
    lost: int = 0
    inconsistent: list[str] = field(default_factory=list)


def run(kills: int, folder: Path, seed: int = 0) -> Tally:
    """Kill that many processes that work on one store."""
    rng, tally = random.Random(seed), Tally()
    alive: set[str] = set()
    number = 0
    while tally.kills < kills:
        action = rng.choices(["enrol", "forget", "rebuild"], [6, 2, 2])[0]
        if action == "enrol" or not alive:
            labels = [f"p{n}" for n in range(number, number + ENROLLED)]
            acknowledged = _killed(folder, _enrol(folder, labels), rng, tally)
            number += ENROLLED
            for line in acknowledged:
                alive.add(json.loads(line)["label"])
            tally.acknowledged += len(acknowledged)
        elif action == "forget":
            doomed = rng.choice(sorted(alive))
            for line in _killed(folder, ["forget", doomed], rng, tally):
                assert line.startswith(f"forgot {doomed}".encode())
                tally.acknowledged += 1
            alive.discard(doomed)  # without an acknowledgement it may be there or not
        else:
            _killed(folder, ["index", "rebuild"], rng, tally)
        _examine(folder, alive, tally)
    return tally


def _enrol(folder: Path, labels: list[str]) -> list[str]:
    lines = (json.dumps({"label": name, "text": f"the text of {name}"}) for name in labels)
    (folder / "new.jsonl").write_text("\n".join(lines) + "\n")
    return ["enrol", "letters", "--from", "new.jsonl", "--json"]


def _killed(folder: Path, command: list[str], rng: random.Random, tally: Tally) -> list[bytes]:
    """Run a command, kill it at a random moment; the lines that it got out, whole ones only.

    The moment is some time from the start on, or from a line on that it got out.
    """
    heard = b""
    with subprocess.Popen(
        [sys.executable, "-m", "siamkit", *command],
        cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = rng.choice([0, 0, 1, rng.randrange(ENROLLED)])
        for _ in range(lines):
            heard += process.stdout.readline()
        try:
            rest, err = process.communicate(timeout=rng.uniform(0, 0.1 if lines else 1.1))
            assert process.returncode == 0, err.decode()
            tally.finished += 1
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            rest, _ = process.communicate()
            tally.kills += 1
    return [line for line in (heard + rest).split(b"\n")[:-1] if line]


def _examine(folder: Path, alive: set[str], tally: Tally) -> None:
    import numpy as np

    from siamkit.store import Store, galleries, samples, templates
    from siamkit.store.live_index import LiveIndex

    if not (folder / ".siamkit" / "store.db").exists():
        return  # killed before the store was made
    store = Store(folder / ".siamkit")
    try:
        if not galleries.exists(store, "letters"):
            tally.lost += len(alive)
            return
        gallery = galleries.get(store, "letters")
        held = {h.identity for h in samples.holdings(store, gallery)}
        tally.lost += len(alive - held)
        alive |= held
        if store.connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            tally.inconsistent.append("integrity_check")
        ids, vectors = templates.load_all(store, gallery)
        if len(ids) != galleries.count(store, gallery)[1]:
            tally.inconsistent.append("a sample without a template")
        live = LiveIndex(store, gallery)
        if len(ids):
            hits = live.search(vectors[:50], len(ids))
            wanted = np.sort(vectors[:50] @ vectors.T, axis=1)[:, ::-1]
            if not all(set(row.tolist()) == set(ids.tolist()) for row in hits.ids):
                tally.inconsistent.append("the index holds other templates than the store")
            elif not np.allclose(hits.scores, wanted, atol=1e-5):
                tally.inconsistent.append("the index has other vectors than the store")
    finally:
        store.close()


if __name__ == "__main__":
    sys.path.insert(0, str(STRANGERS))
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as made:
        total = run(wanted, Path(made), seed=random.randrange(1 << 30))
    print(f"{'SIGKILLs':<34}{total.kills}")
    print(f"{'processes done before the kill':<34}{total.finished}")
    print(f"{'acknowledged changes':<34}{total.acknowledged}")
    print(f"{'acknowledged samples lost':<34}{total.lost}")
    print(f"{'inconsistent stores':<34}{len(total.inconsistent)} {set(total.inconsistent) or ''}")
    sys.exit(bool(total.lost or total.inconsistent))
