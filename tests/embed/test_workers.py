"""Embedding on a Ray cluster of three nodes, of which two have a core each."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
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


def test_vectors_and_errors_come_in_order_as_without_workers(workspace, address):
    texts = [*TEXTS[:70], "NaN", *TEXTS[70:90], ""]
    here = workspace.embed("letters", texts)
    there = workspace.embed("letters", texts, workers=address)
    assert np.array_equal(here.vectors, there.vectors)
    assert [p.item for p in here.regions] == [p.item for p in there.regions]
    assert {n: (type(e), str(e), e.hint) for n, e in here.errors.items()} == {
        n: (type(e), str(e), e.hint) for n, e in there.errors.items()
    }
    assert 70 in there.errors
    assert not worker_processes()


def test_a_worker_killed_in_mid_batch_loses_nothing_and_nothing_is_enrolled_twice(
    workspace, address, caplog
):
    results = workspace.enrol_many("letters", labelled(TEXTS), workers=address)
    first = next(results)
    worker_processes()[0].kill()
    done = [first, *results]
    assert [result.source for result in done] == TEXTS
    assert {result.status for result in done} == {"enrolled"}
    assert stored(workspace) == sorted(TEXTS)
    assert "died" in caplog.text
    assert "one by one" in caplog.text


def test_a_sample_that_kills_workers_fails_alone(workspace, address):
    texts = [*TEXTS[:40], "poison", *TEXTS[40:60]]
    done = list(workspace.enrol_many("letters", labelled(texts), workers=address))
    assert [r.source for r in done if r.status == "failed"] == ["poison"]
    assert str(done[40].error) == "poison: a worker died at it, and so did another"
    assert "without `--workers`" in done[40].error.hint
    assert stored(workspace) == sorted(TEXTS[:60])


def test_when_every_sample_kills_its_worker_the_run_ends(workspace, address, monkeypatch):
    from siamkit.embed import worker_queue

    monkeypatch.setattr(worker_queue, "MOST_DEATHS", 1)
    with pytest.raises(sk.SiamkitError, match="2 workers died in a row"):
        list(workspace.enrol_many("letters", labelled(["poison", "more poison"]), workers=address))


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
    again = shell(*command)
    assert again.code == 0, again.err
    enrolled, already = map(int, re.findall(r"(\d+) (?:enrolled|already)", again.out))
    assert already >= len(reported)
    assert enrolled + already == len(TEXTS)
    with sk.Workspace(shell.folder / ".siamkit") as ws:
        assert stored(ws) == sorted(TEXTS)
    assert not worker_processes()


def test_embed_and_dedupe_take_workers_too(shell, address):
    (shell.folder / "list.txt").write_text("\n".join([*TEXTS[:30], TEXTS[3]]))
    (shell.folder / "list.jsonl").write_text("\n".join(json.dumps({"text": t}) for t in TEXTS[:30]))
    embed = ("embed", "-m", "letters", "--from", "list.jsonl", "-o")
    assert shell(*embed, "here.npy").code == 0
    assert shell(*embed, "there.npy", "--workers", address).code == 0
    here, there = np.load(shell.folder / "here.npy"), np.load(shell.folder / "there.npy")
    assert np.array_equal(here, there)
    command = ("dedupe", "list.txt", "-m", "letters", "--threshold", "0.99", "--json")
    alone, helped = shell(*command), shell(*command, "--workers", address)
    assert alone.code == helped.code == 0, helped.err
    assert json.loads(alone.out) == json.loads(helped.out)


def test_pictures_are_detected_and_assessed_by_workers(workspace, address, tmp_path):
    from PIL import Image

    for side in (4, 20, 40):
        picture = Image.new("RGB", (100, 60), "white")
        picture.paste((200, side, 0), (10, 10, 10 + side, 10 + side))
        picture.save(tmp_path / f"{side}.png")
    paths = [tmp_path / "4.png", tmp_path / "20.png", tmp_path / "40.png", tmp_path / "none.png"]
    pairs = [(path.stem, path) for path in paths]
    done = list(workspace.enrol_many("tiles", pairs, workers=address))
    assert [r.status for r in done] == ["failed", "enrolled", "enrolled", "failed"]
    assert "4 px wide" in str(done[0].error)
    assert isinstance(done[0].error, sk.LowQuality)
    (sample,) = workspace.identity("20")
    assert sample.read_region().where == (10, 10, 30, 30)


def test_an_encoder_folder_goes_to_workers_that_lack_it(workspace, address):
    workspace.add_encoder("letters", "salt:pepper")
    here = workspace.embed("letters", TEXTS[:5], encoder="pepper")
    there = workspace.embed("letters", TEXTS[:5], encoder="pepper", workers=address)
    assert here.fingerprint.endswith("pepper")
    assert np.array_equal(here.vectors, there.vectors)


def test_notes_on_what_was_embedded_come_back(workspace, address, caplog):
    workspace.embed("letters", ["a long text " * 100, *TEXTS[:3]], workers=address)
    assert "1 texts are long" in caplog.messages


def test_a_client_outside_the_cluster_connects_to_its_port(workspace, cluster):
    there = workspace.embed("letters", TEXTS[:3], workers=cluster[1])
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


@pytest.mark.parametrize("workers", ["0", "-1", "1000", "head", "ray://", "http://head:10001"])
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
