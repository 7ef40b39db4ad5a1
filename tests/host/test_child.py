"""Processes that a plugin may block, end or leave children behind in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from subprocess import PIPE

import pytest
from waiting import until

from siamkit.host.child import PARENT, lines, process

TALKS = """
import sys
from siamkit.processes import end_with_parent

def main(what):
    end_with_parent()
    exec(what)
"""


@pytest.fixture(autouse=True)
def talks(tmp_path, monkeypatch):
    """A module of that name, whose `main` runs what it is told."""
    (tmp_path / "talks.py").write_text(TALKS)
    monkeypatch.syspath_prepend(tmp_path)


def said(what, patience=60.0):
    with process("talks", [what], stdout=PIPE) as running:
        yield from lines(running, patience)


def test_whole_lines_are_heard():
    assert [*said("print('one', 'äöü'); print('two'); print('half', end='')")] == [
        "one äöü\n",
        "two\n",
    ]


def test_silence_is_not_waited_for():
    heard = said("import time; print('one', flush=True); time.sleep(600)", patience=0.1)
    assert next(heard) == "one\n"
    with pytest.raises(TimeoutError, match="nothing within 0 s"):
        next(heard)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_who_keeps_the_pipe_open_delays_nothing():
    """A daemon: in a session of its own, so that nothing ends it with the process."""
    daemon = (
        "import os, time\n"
        "if os.fork():\n"
        "    print('one', flush=True)\n"
        "    os._exit(7)\n"
        "os.setsid()\n"
        "time.sleep(30)"
    )
    began = time.monotonic()
    assert [*said(daemon)] == ["one\n"]
    assert time.monotonic() - began < 25


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups here")
def test_a_process_ends_that_began_when_its_parent_was_gone(tmp_path):
    """It was slow to start, and whoever began it was killed meanwhile."""
    started = "import sys; from talks import main; main(*sys.argv[1:])"
    sleeps = [sys.executable, "-c", started, "import time; time.sleep(600)"]
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=PIPE)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), PARENT: gone.stdout.decode()}
    made = subprocess.Popen(sleeps, env=environment, start_new_session=True)
    assert until(lambda: made.poll() is not None)
