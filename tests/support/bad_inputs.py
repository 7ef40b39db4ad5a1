"""Give siamkit bad inputs and count how it ends: `python tests/support/bad_inputs.py 1000`.

Each case copies a valid input, breaks a part of it, and runs commands on it in a process of its
own, with a limit of memory and of time. An input that is accepted is used as well: what an import
brought is listed, queried and exported. Prints a table, and exits with 1 if a command crashed
(exit 70 or a signal), hung, or took too much memory. A second argument names an empty folder in
which the valid inputs stay.

The kinds of inputs are in bad_kinds.py.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHECKOUT = [str(ROOT / part) for part in ("", "plugins", "indexes", "tests/strangers")]
sys.path[:0] = [str(HERE), *CHECKOUT]

from bad_kinds import KINDS, Action, Kind, run  # noqa: E402

SECONDS = 30  # of one command
MEGABYTES = 1000  # of one command, at its peak
CRASHED, HUNG = 70, "hung"
OUTPUT = "output.txt"  # of the commands, in the folder of a case
ANSWERED = (0, 3, 5)  # the exit codes of answers


@dataclass
class Tally:
    cases: int = 0
    endings: Counter[object] = field(default_factory=Counter)  # exit codes, signals, hangs
    peak: int = 0  # MB
    faults: list[str] = field(default_factory=list)


def play(name: str, number: int, valid: Path, tally: Tally) -> None:
    """Break one input, and do with it what its kind says."""
    kind, rng = KINDS[name], Random(f"{name} {number}")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(valid, folder, dirs_exist_ok=True, symlinks=True)
        file, breaker = rng.choice(kind.breakers)
        change = breaker(Path(folder) / file, rng)
        tally.cases += 1
        for action in (*kind.actions, *kind.follow):
            ending, megabytes = in_child(action, Path(folder))
            tally.endings[ending] += 1
            tally.peak = max(tally.peak, megabytes)
            crashed = ending in (CRASHED, HUNG) or int(str(ending)) < 0
            if crashed or megabytes > MEGABYTES:
                command = " ".join(action) if isinstance(action, tuple) else action
                tally.faults.append(
                    f"{name} {number}: {file} {breaker.__name__} {change}: {command}"
                    f" ended with {ending}, {megabytes:,} MB"
                )
            if ending not in ANSWERED and action in kind.actions:
                return


def in_child(action: Action, folder: Path, seconds: float = SECONDS) -> tuple[int | str, int]:
    """Run an action in a fork of this process; return how it ended, and its peak in MB.

    A command ends with its exit code, one that was killed with minus its signal.
    """
    child = os.fork()
    if not child:
        _act(action, folder)
    deadline = time.monotonic() + seconds
    while True:
        process, status, usage = os.wait4(child, os.WNOHANG)
        if process:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss >> 10
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            _, _, usage = os.wait4(child, 0)
            return HUNG, usage.ru_maxrss >> 10
        time.sleep(0.002)


def _act(action: Action, folder: Path) -> None:
    """Run an action, silently, and end the process."""
    code = CRASHED
    try:
        os.chdir(folder)
        output = os.open(OUTPUT, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _limit_memory()
        if callable(action):
            from siamkit.errors import SiamkitError

            try:
                action()
                code = 0
            except SiamkitError as error:
                code = error.exit_code
        else:
            code = run(*action)
        sys.stdout.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _limit_memory() -> None:
    """Allow as many MB as a command may take, beyond the address space of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (MEGABYTES << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def prepare(root: Path) -> dict[str, Path]:
    """Write a valid input of each kind below `root`, each in a folder of its own."""
    valid = {}
    os.environ.setdefault("SIAMKIT_CACHE", str(root / "cache"))
    os.environ["SIAMKIT_MODEL_MEMORY"] = "600"
    os.environ.setdefault("SIAMKIT_THREADS", "1")
    os.environ.pop("SIAMKIT_STORE", None)
    for name, kind in KINDS.items():
        valid[name] = root / name
        valid[name].mkdir()
        ending, _ = in_child(kind.write, valid[name])
        assert ending == 0, (valid[name] / OUTPUT).read_text()
        (valid[name] / OUTPUT).unlink()
        require_valid(kind, valid[name])
    return valid


def require_valid(kind: Kind, valid: Path) -> None:
    """Check that what is to be broken works: else every ending would be an error."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(valid, folder, dirs_exist_ok=True)
        for action in (*kind.actions, *kind.follow):
            ending, _ = in_child(action, Path(folder))
            assert ending in ANSWERED, f"{action}: {(Path(folder) / OUTPUT).read_text()}"


def warm_up() -> None:
    """Import what the commands need, once; no thread is started before the forks."""
    import graphs  # noqa: F401
    import onnxruntime  # noqa: F401

    import siamkit.cli.import_
    import siamkit.flows.import_
    import siamkit.flows.query  # noqa: F401


def main(count: int, root: Path) -> int:
    warm_up()
    valid = prepare(root)
    tallies = {name: Tally() for name in KINDS}
    for number in range(count):
        name = list(KINDS)[number % len(KINDS)]
        play(name, number, valid[name], tallies[name])
        if (number + 1) % 100 == 0:
            print(f"{number + 1:,} of {count:,}", file=sys.stderr, flush=True)
    print(
        f"{'kind':12} {'inputs':>6} {'crashes':>7} {'hangs':>5} {'peak MB':>7}  endings of commands"
    )
    for name, tally in tallies.items():
        crashes = sum(n for e, n in tally.endings.items() if e == CRASHED or (e != HUNG and e < 0))
        endings = ", ".join(f"{e}: {n}" for e, n in sorted(tally.endings.items(), key=str))
        hangs = tally.endings[HUNG]
        print(f"{name:12} {tally.cases:6} {crashes:7} {hangs:5} {tally.peak:7}  {endings}")
    faults = [fault for tally in tallies.values() for fault in tally.faults]
    print(*faults, sep="\n")
    print(f"{count:,} bad inputs: {len(faults)} crashes, hangs or above {MEGABYTES:,} MB")
    return bool(faults)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="siamkit-bad-") as folder:
        failed = main(int(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else folder))
    sys.exit(failed)
