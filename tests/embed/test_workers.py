"""Embedding on a Ray cluster of three nodes, of which two have a core each."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from toykit import Letters

import siamkit as sk
from siamkit.embed import ray_cluster, worker
from siamkit.host import registry

ray = pytest.importorskip("ray", reason="needs siamkit[ray]")
pytest.importorskip("grpc", reason="needs siamkit[ray]")
pytestmark = pytest.mark.timeout(120)

TEXTS = [f"text {i} says {i * 7919 % 1009} things" for i in range(200)]
ENVIRONMENT = {
    **ray_cluster.SETTINGS,
    "PYTHONWARNINGS": "",
    "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "90",  # a busy machine
    "TOYKIT_POISON": "poison",
    "TOYKIT_SLEEP": "0.003",
}


class Scrolls(Letters):
    """A modality that the nodes lack."""

    name = "scrolls"


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[str]]:
    """The addresses of three nodes, for this machine and for clients."""
    folder = Path(__file__).parents[1]
    path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(folder / "strangers")])
    nodes = subprocess.Popen(
        [sys.executable, folder / "support" / "raynodes.py"],
        env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        addresses = nodes.stdout.readline().split()
        if not addresses:
            pytest.skip("Ray does not start here")
        yield addresses
    finally:
        nodes.communicate()


@pytest.fixture
def address(cluster) -> str:
    return cluster[0]


def worker_processes() -> list[psutil.Process]:
    running = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.name().startswith("ray::Worker") or "ray::Worker" in process.cmdline()[0]:
                running.append(process)
    return running


def labelled(texts: list[str]) -> list[tuple[str, str]]:
    return [(f"label {number}", text) for number, text in enumerate(texts)]


def stored(ws: sk.Workspace) -> list[str]:
    """The sources of all samples, sorted: each is there once, or it shows."""
    return sorted(sample.source for sample in ws.list_samples("letters", limit=1000).samples)


def test_vectors_errors_and_notes_are_those_of_one_process_in_order(workspace, address, caplog):
    """By an encoder that the workers lack: its folder is sent to them."""
    workspace.add_encoder("letters", "salt:pepper")
    texts = [*TEXTS[:70], "NaN", *TEXTS[70:90], "", "a long text " * 100]
    here = workspace.embed("letters", texts, encoder="pepper")
    caplog.clear()
    there = workspace.embed("letters", texts, encoder="pepper", workers=address)
    assert "1 texts are long" in caplog.messages
    assert here.fingerprint.endswith("pepper")
    assert np.array_equal(here.vectors, there.vectors)
    assert [place.item for place in here.regions] == [place.item for place in there.regions]
    assert described(here.errors) == described(there.errors)
    assert 70 in there.errors
    psutil.wait_procs(worker_processes(), timeout=20)  # Ray ends them after it has answered
    assert not worker_processes()


def described(errors: Mapping[int, sk.SiamkitError]) -> dict[int, tuple[object, ...]]:
    return {number: (type(e), str(e), e.hint) for number, e in errors.items()}


def test_a_killed_worker_costs_nothing_and_a_sample_that_kills_workers_fails_alone(
    workspace, address, caplog
):
    texts = [*TEXTS, "poison", "the last"]
    results = workspace.enrol_many("letters", labelled(texts), workers=address)
    first = next(results)
    worker_processes()[0].kill()  # in the middle of its batch: it sleeps at each text
    done = [first, *results]
    assert [result.source for result in done] == texts
    assert [result.source for result in done if result.status != "enrolled"] == ["poison"]
    assert str(done[-2].error) == "poison: a worker died at it, and so did another"
    assert "without `--workers`" in done[-2].error.hint
    assert stored(workspace) == sorted({*texts} - {"poison"})
    assert "one by one" in caplog.text


def test_a_command_line_run_that_was_interrupted_goes_on_where_it_stopped(shell, address):
    lines = [json.dumps({"label": f"l{i}", "text": text}) for i, text in enumerate(TEXTS)]
    (shell.folder / "list.jsonl").write_text("\n".join(lines))
    command = ("enrol", "letters", "--from", "list.jsonl", "--workers", address)
    shell.environment["PYTHONWARNINGS"] = ""  # Ray's
    process = shell.start(*command, "--json")
    said = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"run the same command again to continue" in err
    reported = {json.loads(line)["source"] for line in [*said, *out.splitlines()]}
    with sk.Workspace(shell.folder / ".siamkit") as ws:
        assert reported <= set(stored(ws))
    again = shell(*command[:-2])  # by one process
    assert again.code == 0, again.err
    enrolled, already = map(int, re.findall(r"(\d+) (?:enrolled|already)", again.out))
    assert already >= len(reported)
    assert enrolled + already == len(TEXTS)
    with sk.Workspace(shell.folder / ".siamkit") as ws:
        assert stored(ws) == sorted(TEXTS)
    assert not worker_processes()


def test_dedupe_finds_the_same_with_workers(shell, address):
    (shell.folder / "list.txt").write_text("\n".join([*TEXTS[:30], TEXTS[3]]))
    command = ("dedupe", "list.txt", "-m", "letters", "--threshold", "0.99", "--json")
    alone, helped = shell(*command), shell(*command, "--workers", address)
    assert alone.code == helped.code == 0, helped.err
    assert json.loads(alone.out) == json.loads(helped.out)


def test_workers_read_no_file_and_detect_and_assess_what_they_are_sent(shell, address):
    for side in (4, 20):
        (shell.folder / "people" / str(side)).mkdir(parents=True)
        picture = Image.new("RGB", (100, 60), "white")
        picture.paste((200, side, 0), (10, 10, 10 + side, 10 + side))
        picture.save(shell.folder / "people" / str(side) / "1.png")
    (shell.folder / "people" / "20" / "2.png").write_text("no picture")
    done = shell("enrol", "tiles", "--from", "people", "--any-quality", "--workers", address)
    assert done.code == 1
    assert "2.png" in done.err
    assert "2 enrolled, 1 failed" in done.out
    with sk.Workspace(shell.folder / ".siamkit") as ws:
        (sample,) = ws.identity("4")
    assert sample.read_region().where == (10, 10, 14, 14)
    assert sample.quality == pytest.approx(4 / 64)


def test_a_client_outside_the_cluster_connects_to_its_port(workspace, cluster):
    try:
        there = workspace.embed("letters", TEXTS[:3], workers=cluster[1])
    except sk.SiamkitError as error:
        if "Starting Ray client server failed" in str(error):
            pytest.skip("Ray did not start its server of clients in time: the machine is busy")
        raise
    assert np.array_equal(there.vectors, workspace.embed("letters", TEXTS[:3]).vectors)


def refusal(ws: sk.Workspace, address: str, modality: str = "letters") -> sk.SiamkitError:
    with pytest.raises(sk.SiamkitError) as caught:
        list(ws.enrol_many(modality, labelled(TEXTS[:3]), workers=address))
    assert caught.value.exit_code == 1
    assert not (ws.root / "store.db").exists()
    return caught.value


def test_workers_that_are_not_equal_are_refused_before_anything_is_enrolled(
    workspace, address, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(worker, "__version__", "99.0")
        error = refusal(workspace, address)
        assert f"has siamkit {sk.__version__}, this process 99.0" in str(error)
        assert "pip install siamkit==99.0" in error.hint
    with monkeypatch.context() as patch:
        patch.setenv("TOYKIT_SALT", "salt")
        assert "has another encoder" in str(refusal(sk.Workspace(workspace.root), address))
    scrolls = registry.Plugin("siamkit.modalities", "scrolls", f"{__name__}:Scrolls", "papyri", "1")
    monkeypatch.setattr(registry, "all_installed", lambda: (scrolls,))
    error = refusal(workspace, address, "scrolls")
    assert "no plugin 'scrolls'" in str(error)
    assert "package papyri 1" in error.hint


@pytest.mark.parametrize(
    "workers", ["0", "-1", "1000", "head", "ray://", "http://head:1", "head:10001"]
)
def test_what_names_no_workers_is_bad_usage(shell, workers):
    (shell.folder / "a.txt").write_text("a")
    done = shell("embed", "-m", "letters", "a.txt", "-o", "a.npy", "--workers", workers)
    assert done.code == 2
    assert workers in done.err


def test_an_address_that_does_not_answer_is_named(shell, monkeypatch):
    monkeypatch.setattr(ray_cluster, "ANSWER_SECONDS", 0.2)
    (shell.folder / "a.txt").write_text("a")
    command = ("enrol", "letters", "a.txt", "--as", "a", "--workers", "ray://nowhere.invalid:10001")
    done = shell(*command)
    assert done.code == 1
    assert "no Ray answers at nowhere.invalid:10001" in done.err
    assert not (shell.folder / ".siamkit").exists()


def test_without_ray_the_error_says_what_to_install(workspace, monkeypatch):
    monkeypatch.setattr("siamkit.io.extras.is_installed", lambda package: package != "grpc")
    with pytest.raises(sk.MissingPackage) as caught:
        workspace.embed("letters", ["a"], workers="auto")
    assert "siamkit[ray]" in caught.value.hint
