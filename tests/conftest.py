"""A stranger's plugins on the path, a store in a fresh folder, and the command line."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
STRANGERS = HERE / "strangers"

sys.path.insert(0, str(STRANGERS))  # its .dist-info is found there, as in site-packages

# What a test finds is the change's doing, not the day's, nor that of a busy machine.
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


# Files that take more than ten seconds; `pytest -m "not slow"` leaves them out.
SLOW_FILES = """
    cli/test_calibrate cli/test_dialects cli/test_examples cli/test_explain cli/test_places
    cli/test_plugins_new cli/test_timeline
    crash/test_damaged_stores crash/test_durable crash/test_foreign_files crash/test_fork
    crash/test_kill crash/test_malformed_media crash/test_threads
    indexes/test_milvus_index
    indexes/test_pgvector indexes/test_pgvector_kit
    embed/test_workers
    models/test_cache
    plugins/test_contradiction plugins/test_faces plugins/test_images plugins/test_multilingual
    plugins/test_pair_scorer
    plugins/test_questions plugins/test_ruling plugins/test_torchvision_detectors
    plugins/test_transformers_detectors plugins/test_visible plugins/test_voices
    rules/test_docs
    sdk/test_hub
    serve/test_browser serve/test_serving
    strangers/test_doodles
    testing/test_builtins testing/test_kit
    train/test_config train/test_example train/test_folds train/test_processes train/test_run
    train/test_stops train/test_sweep
    train/test_train_texts
    test_examples
"""
SLOW = frozenset(HERE / f"{name}.py" for name in SLOW_FILES.split())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path in SLOW:
            item.add_marker("slow")
    items.sort(key=lambda item: item.path not in SLOW)  # no worker begins a long one at the end


MEMORY_DISK = Path("/dev/shm")
MEMORY_NEEDED = 6 << 30  # bytes, free; the files of all tests are a part of it


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a cache of built encoders of its own, unless the environment names one.

    Files of tests are in memory where there is enough: a store waits for the disk at each commit,
    which took a quarter of the time. Workers of pytest-xdist inherit both.
    """
    if "PYTEST_DEBUG_TEMPROOT" not in os.environ and has_memory_disk():
        for left in MEMORY_DISK.glob("siamkit-tests-*"):  # by runs that were killed
            if not psutil.pid_exists(int(left.name.split("-")[2])):
                shutil.rmtree(left, ignore_errors=True)
        folder = tempfile.mkdtemp(prefix=f"siamkit-tests-{os.getpid()}-", dir=MEMORY_DISK)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    if "SIAMKIT_CACHE" not in os.environ:
        cache = tempfile.mkdtemp(prefix="siamkit-tests-")
        os.environ["SIAMKIT_CACHE"] = cache
        config.add_cleanup(lambda: shutil.rmtree(cache, ignore_errors=True))


def has_memory_disk() -> bool:
    """Tell whether there is a large file system in memory, from which programs may be started."""
    if not MEMORY_DISK.is_dir() or not os.access(MEMORY_DISK, os.W_OK):
        return False
    disk, free = os.statvfs(MEMORY_DISK), psutil.virtual_memory().available
    is_large = min(disk.f_bavail * disk.f_frsize, free) >= MEMORY_NEEDED
    return is_large and not disk.f_flag & os.ST_NOEXEC


@dataclass
class Finished:
    code: int
    out: str
    err: str


class Shell:
    """Runs `siamkit …` in one folder: in this process when called, in one of its own by `process`.

    A process of its own is for what only a process has: signals, real streams, crashes, its
    first imports, plugins installed elsewhere.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        path = os.pathsep.join([str(STRANGERS), os.environ.get("PYTHONPATH", "")])
        self.environment = {
            **os.environ,
            "PYTHONPATH": path,
            "PYTHONWARNINGS": "error",
            **environment,
        }
        self.environment.pop("SIAMKIT_STORE", None)

    def __call__(self, *arguments: str | bytes | Path, stdin: str = "") -> Finished:
        from siamkit.cli import run

        changed = {key: self.environment.get(key) for key in {*os.environ, *self.environment}}
        changed = {key: value for key, value in changed.items() if value != os.environ.get(key)}
        content = stdin.encode("utf-8", "surrogateescape")
        with chdir(self.folder), CliRunner().isolation(content, changed) as (out, err, _):
            code = run([os.fsdecode(argument) for argument in arguments])
        return _finished(code, out.getvalue(), err.getvalue())

    def process(self, *arguments: str | bytes | Path, stdin: str = "") -> Finished:
        process = self.start(*arguments)
        out, err = process.communicate(stdin.encode("utf-8", "surrogateescape"), timeout=300)
        return _finished(process.returncode, out, err)

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


class ColdShell(Shell):
    """Runs every command in a process of its own."""

    __call__ = Shell.process


def _finished(code: int, out: bytes, err: bytes) -> Finished:
    finished = Finished(code, out.decode(errors="replace"), err.decode(errors="replace"))
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
def cold_shell(tmp_path: Path) -> Shell:
    return ColdShell(tmp_path)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[object]:
    from siamkit import Workspace

    with Workspace(tmp_path / "store") as ws:
        yield ws
