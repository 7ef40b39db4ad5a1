"""Fork a process that has used a workspace: parent and child go on, each with its own threads."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from siamkit import Workspace
from siamkit.errors import BadInput
from siamkit.sdk import onnx
from siamkit.types import Image
from siamkit_faces.modality import Faces

silero = pytest.importorskip("siamkit_speech.silero")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
WAIT_SECONDS = 20  # for a child, which needs a fraction of one
TEXT = "hello there my friend"


def in_child(work: Callable[[], bool]) -> None:
    """Fork; the child must find that `work` is true, in time."""
    process = os.fork()
    if not process:
        code = 1
        with suppress(BaseException):
            code = 0 if work() else 2
        os._exit(code)
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        finished, status = os.waitpid(process, os.WNOHANG)
        if finished:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    pytest.fail(f"the child has not answered in {WAIT_SECONDS} s")


def best(ws: Workspace, text: str = TEXT) -> str:
    return ws.query("letters", text, k=1)[0].matches[0].identity


@pytest.fixture
def enrolled(workspace):
    workspace.enrol("letters", "greeting", TEXT)
    rows = np.random.default_rng(0).standard_normal((2_000, 64)).astype(np.float32)
    list(workspace.add_templates("letters", [f"random {n}" for n in range(len(rows))], rows))
    assert best(workspace) == "greeting"
    return workspace


@pytest.mark.timeout(120)
def test_a_child_embeds_by_a_graph_that_was_still_being_opened():
    encoder = Faces().encoder()
    chip = Image(np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8))
    in_child(lambda: encoder.embed([chip]).shape == (1, 128))
    assert encoder.embed([chip]).shape == (1, 128)


@pytest.mark.timeout(120)
def test_a_child_answers_enrols_and_forgets(enrolled):
    def work() -> bool:
        first = best(enrolled)
        enrolled.enrol("letters", "child", "of the child alone")
        enrolled.forget("greeting")
        return (first, best(enrolled, "of the child alone")) == ("greeting", "child")

    in_child(work)
    assert best(enrolled, "of the child alone") == "child"  # the parent sees it
    assert best(enrolled) != "greeting"
    enrolled.enrol("letters", "parent", "of the parent alone")
    in_child(lambda: best(enrolled, "of the parent alone") == "parent")


@pytest.mark.timeout(120)
def test_a_fork_amid_other_work(enrolled):
    """In another thread, within a transaction, and while a generator waits."""
    results = enrolled.enrol_many("letters", ((f"new {n}", f"a new text {n}") for n in range(100)))
    for _ in range(40):
        next(results)

    def go_on() -> bool:
        with pytest.raises(BadInput, match="begun before a fork"):
            list(results)
        return best(enrolled) == "greeting"

    in_child(go_on)
    assert len(list(results)) == 60
    with ThreadPoolExecutor(1) as pool:
        pool.submit(in_child, lambda: best(enrolled) == "greeting").result()
    with enrolled.store.read():
        in_child(lambda: best(enrolled) == "greeting")
    with enrolled.store.write() as db:
        db.execute("UPDATE identities SET name = 'renamed' WHERE name = 'greeting'")
        in_child(lambda: best(enrolled) == "greeting")
    assert best(enrolled) == "renamed"


@pytest.mark.timeout(120)
def test_a_child_measures_and_finds_duplicates(workspace):
    rng = np.random.default_rng(0)
    people = np.repeat(rng.standard_normal((30, 64)), 3, axis=0)
    rows = (people + 0.5 * rng.standard_normal(people.shape)).astype(np.float32)
    workspace.create_gallery("letters")
    list(workspace.add_templates("letters", [f"person {n // 3}" for n in range(90)], rows))
    texts = [f"the question {n % 20}" for n in range(100)]

    def work() -> bool:
        workspace.calibrate("letters")
        workspace.audit("letters")
        return workspace.dedupe(texts, modality="letters").groups > 0

    assert work()
    in_child(work)


@pytest.mark.timeout(120)
def test_a_child_searches_many_at_once(enrolled):
    rows = np.random.default_rng(1).standard_normal((500, 64)).astype(np.float32)
    live = enrolled.index(enrolled.gallery("letters"))
    expected = live.search(rows, 5).ids

    def work() -> bool:
        return bool(
            (enrolled.index(enrolled.gallery("letters")).search(rows, 5).ids == expected).all()
        )

    in_child(work)


@pytest.mark.timeout(120)
def test_children_of_a_process_whose_threads_are_at_work(enrolled):
    stop = Event()

    def work_on(number: int) -> None:
        while not stop.is_set():
            best(enrolled)
            enrolled.enrol(
                "letters", f"{number}-{time.monotonic_ns()}", f"text {time.monotonic_ns()}"
            )

    threads = [Thread(target=work_on, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            in_child(lambda: best(enrolled) == "greeting")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    with sqlite3.connect(enrolled.store.path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


@pytest.mark.timeout(120)
def test_a_fork_closes_what_sqlite_must_not_carry_over(enrolled):
    """SQLite believes that a child holds the locks that its parent's connections held."""
    log = Path(f"{enrolled.store.path}-wal")
    assert log.exists()
    held = enrolled.store.connection
    in_child(lambda: not log.exists() or log.stat().st_size == 0)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        held.execute("SELECT 1")
    assert best(enrolled) == "greeting"


@pytest.mark.timeout(120)
def test_a_child_runs_the_graphs_of_its_parent_and_frees_them():
    graph = onnx.session(silero.GRAPH, intra=2)
    inputs = {
        "frames": np.ones((500, 576), np.float32),
        "state": np.zeros(silero.STATE, np.float32),
    }
    expected = graph.run(None, inputs)[0]
    graphs = [graph]

    def work() -> bool:
        answer = graphs[0].run(None, inputs)[0]
        graphs.clear()  # onnxruntime would wait for threads that only the parent has
        return bool((answer == expected).all())

    del graph
    in_child(work)
    assert (graphs[0].run(None, inputs)[0] == expected).all()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes_shares_a_workspace(enrolled, method, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with multiprocessing.get_context(method).Pool(2) as pool:
        asked = pool.starmap_async(best, [(enrolled, TEXT)] * 6)
        assert asked.get(timeout=60) == ["greeting"] * 6


def test_a_pickled_workspace_opens_its_path_again(enrolled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = pickle.dumps(Workspace("store"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for pickled in (pickle.dumps(enrolled), relative):
        with pickle.loads(pickled) as copy:
            assert copy.root == enrolled.root
            assert best(copy) == "greeting"


@pytest.mark.timeout(120)
def test_a_child_that_ends_as_python_does_leaves_the_parents_store_alone(cold_shell):
    """Python frees every object as it shuts down, those of the parent too."""
    (cold_shell.folder / "fork.py").write_text(textwrap.dedent(SCRIPT))
    finished = subprocess.run(
        [sys.executable, "fork.py"],
        cwd=cold_shell.folder,
        env=cold_shell.environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=60,
    )
    assert (finished.stdout.decode().split(), finished.stderr) == (["child", "parent"], b"")


SCRIPT = """
    import os, sys
    from siamkit import Workspace
    from siamkit.sdk import onnx
    from siamkit_speech import silero
    ws, graph = Workspace("store"), onnx.session(silero.GRAPH, intra=2)
    ws.enrol("letters", "greeting", "hello there")
    ws.query("letters", "hello there")
    if not (child := os.fork()):
        assert ws.query("letters", "hello there")[0].identity == "greeting"
        print("child")
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    assert ws.query("letters", "hello there")[0].identity == "greeting"
    print("parent")
"""
