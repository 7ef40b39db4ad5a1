"""A stranger's plugins on the path, a store in a fresh folder, the command line in a process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
STRANGERS = HERE / "strangers"

sys.path.insert(0, str(STRANGERS))  # its .dist-info is found there, as in site-packages

# What a test finds is the change's doing, not the day's, nor that of a busy machine.
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def cache() -> Iterator[None]:
    """Encoders are built into a cache that is nobody's own, unless one is given."""
    if "SIAMKIT_CACHE" in os.environ:
        yield
        return
    os.environ["SIAMKIT_CACHE"] = made = tempfile.mkdtemp(prefix="siamkit-tests-")
    yield
    shutil.rmtree(made, ignore_errors=True)


@dataclass
class Finished:
    code: int
    out: str
    err: str


class Shell:
    """Runs `siamkit …` in a process of its own, in one folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        path = os.pathsep.join([str(STRANGERS), os.environ.get("PYTHONPATH", "")])
        self.environment = {
            **os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error", **environment,
        }  # fmt: skip
        self.environment.pop("SIAMKIT_STORE", None)

    def start(self, *arguments: str | bytes | Path, **options: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "siamkit", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # What a shell starts in the background ignores Ctrl-C, and hands that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            **options,  # type: ignore[call-overload]
        )

    def __call__(self, *arguments: str | bytes | Path, stdin: str = "") -> Finished:
        process = self.start(*arguments)
        out, err = process.communicate(stdin.encode("utf-8", "surrogateescape"), timeout=300)
        finished = Finished(
            process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
        )
        assert "Traceback" not in finished.err, finished.err
        return finished


@pytest.fixture(scope="session")
def shell_in() -> type[Shell]:
    """For what several tests of a module begin with."""
    return Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[object]:
    from siamkit import Workspace

    with Workspace(tmp_path / "store") as ws:
        yield ws
