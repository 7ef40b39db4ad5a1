"""Files that siamkit did not write, broken in many ways: one clear error, or an answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import bad_inputs
import pytest
from bad_kinds import KINDS
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from siamkit.errors import SiamkitError
from siamkit.flows.read_export import read_export
from siamkit.sdk.model_folder import read_folder

SECONDS = 120
EXAMPLES = 60  # of each reader, in this process
COMMANDS = 2  # bad inputs of each kind that commands get, in processes of their own


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """The valid inputs, and what became of broken ones, in a process that no test was in."""
    root = tmp_path_factory.mktemp("valid")
    count = str(COMMANDS * len(KINDS))
    done = subprocess.run(
        [sys.executable, bad_inputs.__file__, count, root],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return root, done


@pytest.mark.timeout(SECONDS)
def test_commands_neither_crash_nor_hang_nor_fill_the_memory(tried):
    _, done = tried
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{COMMANDS * len(KINDS)} bad inputs: 0 crashes" in done.stdout


def read_run() -> None:
    KINDS["run"].actions[0]()


def read_calibration() -> None:
    KINDS["calibration"].actions[0]()


READERS = {
    "import": lambda: read_export(Path("out")),
    "encoder": lambda: read_folder(Path("encoder")),
    "calibration": read_calibration,
    "run": read_run,
}


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("name", READERS)
def test_readers_raise_nothing_but_errors_that_name_the_file(tried, name, tmp_path, monkeypatch):
    valid, _ = tried
    breakers = st.sampled_from(KINDS[name].breakers)
    folder = tmp_path / "copy"

    @settings(max_examples=EXAMPLES, phases=[Phase.generate])  # a seed cannot be simplified
    @given(breakers, st.integers(0, 2**32))
    def read_broken(how, seed):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(valid / name, folder)
        monkeypatch.chdir(folder)
        file, breaker = how
        breaker(folder / file, Random(seed))
        message = "read"
        try:
            READERS[name]()
        except SiamkitError as error:
            message = str(error)
        assert message
        assert "\n" not in message

    read_broken()


def test_what_is_tried_is_known_to_be_found(tmp_path):
    """The harness itself: a crash, a hang and a large memory are counted."""

    def crash() -> None:
        raise RuntimeError

    def hang() -> None:
        import time

        time.sleep(60)

    def fill() -> None:
        bytearray(2_000 << 20)

    def grow() -> None:
        memory = bytearray(300 << 20)
        memory[:: 4 << 10] = b"x" * len(memory[:: 4 << 10])

    assert bad_inputs.in_child(crash, tmp_path)[0] == bad_inputs.CRASHED
    assert bad_inputs.in_child(fill, tmp_path)[0] == bad_inputs.CRASHED
    assert bad_inputs.in_child(grow, tmp_path)[1] > 300
    assert bad_inputs.in_child(hang, tmp_path, seconds=1)[0] == bad_inputs.HUNG
