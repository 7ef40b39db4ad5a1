"""Encoder folders of others: what a graph may not have, and what its run may not take."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from graphs import BOMBS, REFUSED, identity, node, serialise

from siamkit.errors import MissingWeights, PluginError
from siamkit.sdk import foreign_graph
from siamkit.sdk.model_folder import CARD, GRAPH, Card, read_folder, write_folder
from siamkit.sdk.onnx import OnnxEncoder

SECONDS = 120


def write(folder: Path, graph: bytes) -> Path:
    folder.mkdir()
    write_folder(folder, graph, Card("rows", "test", 8, {}, "CC0-1.0", "a test"))
    return folder


def encoder(folder: Path) -> OnnxEncoder[np.ndarray]:
    return OnnxEncoder(folder, lambda row: row)


@pytest.mark.parametrize("name", REFUSED)
def test_a_graph_with_what_no_encoder_needs_is_refused(tmp_path, name):
    folder = write(tmp_path / "encoder", REFUSED[name]())
    with pytest.raises(MissingWeights, match=r"the (graph|model) (has|keeps|is not|could not)"):
        encoder(folder).embed([np.ones(8, np.float32)])


def test_a_graph_refused_at_its_first_run_is_named_with_the_way_out(tmp_path):
    folder = write(tmp_path / "encoder", serialise([node("Nonesuch", "x", "y")]))
    with pytest.raises(MissingWeights, match="could not be opened") as raised:
        encoder(folder).embed([np.ones(8, np.float32)])
    assert str(folder) in str(raised.value)
    assert "--encoder default" in raised.value.hint


def test_tensors_in_another_file_are_not_taken_from_where_the_command_runs(tmp_path, monkeypatch):
    folder = write(tmp_path / "encoder", REFUSED["external"]())
    here = tmp_path / "here"
    here.mkdir()
    np.eye(8, dtype=np.float32).tofile(here / "weights.bin")
    monkeypatch.chdir(here)
    with pytest.raises(MissingWeights, match=r"another file, b'weights\.bin'"):
        encoder(folder)


def test_the_word_location_in_a_name_is_no_file(tmp_path):
    folder = write(tmp_path / "encoder", identity(name="location"))
    row = np.ones(8, np.float32)
    np.testing.assert_allclose(encoder(folder).embed([row]), [row / np.sqrt(8)], rtol=1e-6)


MEASURE = """
import sys
import numpy as np
from siamkit.errors import SiamkitError
from siamkit.sdk.onnx import OnnxEncoder
from pathlib import Path
try:
    OnnxEncoder(Path(sys.argv[1]), lambda row: row).embed([np.ones(8, np.float32)] * 2)
except SiamkitError as error:
    print(type(error).__name__, error)
except Exception as error:
    print("other", type(error).__name__, error)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("name", BOMBS)
def test_a_graph_that_allocates_without_bound_is_stopped(tmp_path, name):
    folder = write(tmp_path / "encoder", BOMBS[name]())
    command = [sys.executable, "-c", MEASURE, str(folder)]
    environment = os.environ | {"SIAMKIT_MODEL_MEMORY": "700"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=True
    )
    *_, answer, megabytes = done.stdout.splitlines()
    assert answer.startswith("OutOfMemory the model needs more than 700 MB"), done.stdout
    assert int(megabytes) < 1_000


def test_media_that_do_not_fit_at_once_are_embedded_in_parts(tmp_path, monkeypatch):
    opened = encoder(write(tmp_path / "encoder", identity()))
    sizes = []

    def run(arrays: np.ndarray) -> np.ndarray:
        sizes.append(len(arrays))
        if len(arrays) > 8:
            raise RuntimeError("Available memory of 1 is smaller than requested bytes of 2")
        return arrays

    class Small:
        get_inputs = opened._session.get_inputs

        def run(self, outputs, inputs, options):
            return [run(inputs["x"])]

    opened._session = Small()
    rows = np.random.default_rng(0).normal(size=(32, 8)).astype(np.float32)
    vectors = opened.embed(list(rows))
    np.testing.assert_allclose(vectors, rows / np.linalg.norm(rows, axis=1)[:, None], rtol=1e-5)
    assert max(sizes) == 32


@pytest.mark.parametrize("value", ["x", "0", "-1", "1e9", "99999999999", "²"])
def test_the_limit_must_be_a_number_of_megabytes(monkeypatch, value):
    monkeypatch.setenv("SIAMKIT_MODEL_MEMORY", value)
    with pytest.raises(Exception, match="SIAMKIT_MODEL_MEMORY is"):
        foreign_graph.memory_limit()


@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", [GRAPH, CARD])
def test_a_file_of_an_encoder_folder_that_is_none_is_refused(tmp_path, name):
    folder = write(tmp_path / "encoder", identity())
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(MissingWeights, match="is a pipe or a device"):
        read_folder(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(MissingWeights, match="is a pipe or a device"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("[]", r"encoder.json: \[\] is not an object"),
        ("null", "encoder.json: null is not an object"),
        ("{}", "encoder.json: there is no 'modality'"),
        ('{"modality": "x", "name": "x"}', "encoder.json: there is no 'dim'"),
    ],
)
def test_a_card_says_what_it_lacks(tmp_path, card, reason):
    folder = write(tmp_path / "encoder", identity())
    (folder / CARD).write_text(card)
    with pytest.raises(MissingWeights, match=reason):
        read_folder(folder)


def test_a_false_graph_is_not_read_into_memory(tmp_path):
    folder = write(tmp_path / "encoder", identity())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (folder / GRAPH).open("r+b") as file:
        file.truncate(256 << 20)
    with pytest.raises(MissingWeights, match="do not match"):
        read_folder(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.timeout(10)
def test_a_huge_graph_is_not_even_hashed(tmp_path):
    folder = write(tmp_path / "encoder", identity())
    with (folder / GRAPH).open("r+b") as file:
        file.truncate(40 << 30)
    with pytest.raises(MissingWeights, match="do not match"):
        read_folder(folder)


@pytest.mark.parametrize(
    "changed",
    [
        {"dim": "8"},
        {"dim": 0},
        {"dim": 10**9},
        {"dim": True},
        {"preprocessing": [1]},
        {"training": None},
        {"mated": 2},
        {"mated": "x"},
        {"threshold": {"value": 5}},
        {"threshold": {"value": None}},
        {"threshold": {"value": 0.5, "fmr": 7}},
        {"threshold": [1]},
        {"name": 3},
        {"modality": None},
        {"fingerprint": 3},
        {"languages": "en"},
        {"languages": [3]},
        {"more": 1},
        {"format": 9},
    ],
)
def test_a_card_with_values_of_other_types_is_refused(tmp_path, changed):
    folder = write(tmp_path / "encoder", identity())
    card = json.loads((folder / CARD).read_text()) | changed
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(MissingWeights, match="is not an encoder folder"):
        read_folder(folder)


def test_a_graph_of_another_shape_is_named(tmp_path):
    folder = write(tmp_path / "encoder", identity(columns=4))
    with pytest.raises(PluginError, match="returned an array of shape"):
        encoder(folder).embed([np.ones(8, np.float32)])


def test_a_deep_or_damaged_graph_ends_in_one_error():
    for graph in (b"", b"\x08", b"\xff" * 40, b"\x3a\x7f", b"\x0b", serialise([])[:-5]):
        with pytest.raises(MissingWeights) if graph else pytest.MonkeyPatch.context():
            foreign_graph.require_plain(graph)
