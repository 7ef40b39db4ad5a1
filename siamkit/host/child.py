"""Processes that run a plugin, which may block or end them, and the lines that they say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

WATCH = 1.0  # seconds from one look at the parent to the next
GRACE = 2.0  # seconds from an interrupt to the kill, and from an end to what was said before it
SCRIPT = "import sys; from {} import main; main(*sys.argv[1:])"
PARENT = "SIAMKIT_PARENT"  # in the environment: who has begun the process


@contextmanager
def process(
    module: str,
    arguments: Iterable[str],
    *,
    stdout: int = subprocess.DEVNULL,
    stderr: Any = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[str]]:
    """Run a module's `main` where what this process imports is found.

    At the end of the block the process ends, with all that it has started.
    """
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(module), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONPATH": path, PARENT: str(os.getpid())},
        start_new_session=True,
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:  # let it end in order, and what it has begun likewise
                running.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    running.wait(GRACE)
            end(running)


def end_with_parent() -> None:
    """Of a process that `process` has begun: see to it that it does not outlive who began it."""
    parent = int(os.environ.get(PARENT) or os.getppid())

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os.killpg(0, signal.SIGKILL)  # with what it has started itself

    if hasattr(os, "killpg"):
        threading.Thread(target=watch, daemon=True).start()


def end(running: subprocess.Popen[str]) -> None:
    """Kill a process of `process`, and what it has started."""
    if not hasattr(os, "killpg"):
        running.kill()
        return
    with suppress(ProcessLookupError, PermissionError):  # there is nobody left, or only zombies
        os.killpg(running.pid, signal.SIGKILL)


def lines(running: subprocess.Popen[str], patience: float) -> Iterator[str]:
    """What a process says on a pipe, whole lines, until it ends.

    Whoever else keeps the pipe open delays nothing. Raises TimeoutError where nothing comes for so
    many seconds.
    """
    assert running.stdout is not None
    stream, running.stdout = running.stdout, None  # to be closed by who reads it
    heard: SimpleQueue[str] = SimpleQueue()

    def listen() -> None:
        with stream:
            for line in stream:
                heard.put(line)
        heard.put("")

    threading.Thread(target=listen, daemon=True).start()
    began = time.monotonic()
    while True:
        over = running.poll() is not None  # before the wait, in which all it said is heard
        try:
            line = heard.get(timeout=GRACE)
        except Empty:
            if over:
                return
            if time.monotonic() - began > patience:
                raise TimeoutError(f"nothing within {patience:.0f} s") from None
            continue
        if not line.endswith("\n"):  # its end, maybe in the middle of a line
            return
        yield line
        began = time.monotonic()
