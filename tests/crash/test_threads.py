"""One Workspace, many threads: nothing raises, nothing is lost, every answer is right."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Thread

import numpy as np
import pytest
import threads

from siamkit import Workspace
from siamkit.errors import SiamkitError, StoreError
from siamkit.flows import forget
from siamkit.sdk.threads import single_threaded
from siamkit.store import calibrations
from siamkit.types import Threshold

TEXT = "hello there my friend"


def at_once(count: int, work) -> list:
    """Start `work(number)` in `count` threads at the same moment; return what each returned."""
    start = Barrier(count)

    def begin(number: int):
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


@pytest.mark.timeout(120)
def test_eight_threads_enrol_query_and_forget(tmp_path):
    tally = threads.run(tmp_path)
    assert tally.operations > 8 * 25
    assert (tally.errors, tally.lost, tally.wrong) == ([], [], [])


@pytest.mark.timeout(120)
def test_thirty_tasks_of_asyncio(workspace):
    async def everything() -> list:
        labels = [f"label {n}" for n in range(30)]
        await asyncio.gather(
            *(
                asyncio.to_thread(workspace.enrol, "letters", name, f"text of {name}")
                for name in labels
            )
        )
        answers = await asyncio.gather(
            *(asyncio.to_thread(workspace.query, "letters", f"text of {name}") for name in labels)
        )
        await asyncio.gather(*(asyncio.to_thread(workspace.forget, name) for name in labels[1:]))
        return [answer[0].matches[0].score > 0.9999 for answer in answers]

    assert asyncio.run(everything()) == [True] * 30
    assert [holding.identity for holding in workspace.identities()] == ["label 0"]


@pytest.mark.timeout(120)
def test_a_generator_may_go_from_thread_to_thread(workspace):
    """As a web server iterates an answer that it streams."""
    items = ((f"label {n}", f"text number {n}") for n in range(200))
    results = workspace.enrol_many("letters", items)
    with ThreadPoolExecutor(3) as pool:
        first = [pool.submit(next, results, None).result() for _ in range(150)]
        workspace.enrol("letters", "between", "enrolled while the generator waits")
        rest = [pool.submit(next, results, None).result() for _ in range(51)]
    assert [r.status for r in first + rest[:-1]] == ["enrolled"] * 200
    assert rest[-1] is None


@pytest.mark.timeout(120)
def test_threads_open_a_new_store_gallery_and_index_once(tmp_path, monkeypatch):
    opened = []
    from siamkit.workspace import base as module

    real = module.open_pipeline
    monkeypatch.setattr(module, "open_pipeline", lambda *a, **k: opened.append(a) or real(*a, **k))
    with Workspace(tmp_path / "new") as ws:
        at_once(8, lambda n: ws.enrol("letters", f"label {n}", f"text number {n}"))
        assert len(ws.identities()) == 8
        assert len(opened) == 1
        assert (
            len({id(live._state) for live in at_once(8, lambda _: ws.index(ws.gallery("letters")))})
            == 1
        )
        assert sum(at_once(8, lambda _: ws.init())) == 0


@pytest.mark.timeout(120)
def test_closing_while_others_work_interrupts_nobody(workspace):
    workspace.enrol("letters", "greeting", TEXT)
    stop = Event()
    wrong: list[object] = []

    def work(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            try:
                workspace.enrol("letters", f"{number}-{count}", f"{number} and {count}")
                best = workspace.query("letters", TEXT, k=1)[0].matches[0]
                if best.identity != "greeting":
                    wrong.append(best)
            except Exception as error:
                wrong.append(error)

    workers = [Thread(target=work, args=[number]) for number in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(50):
        workspace.close()
        time.sleep(0.01)
    stop.set()
    for worker in workers:
        worker.join()
    assert wrong == []


@pytest.mark.timeout(120)
def test_a_thread_that_ends_closes_its_connection(workspace):
    workspace.enrol("letters", "greeting", TEXT)
    files = Path("/proc/self/fd")
    if not files.exists():
        pytest.skip("needs /proc")

    def query_in_a_thread():
        thread = Thread(target=workspace.query, args=("letters", TEXT))
        thread.start()
        thread.join()
        gc.collect()

    workspace.query("letters", TEXT)
    query_in_a_thread()  # its connection is closed by the next thread's, at the latest
    before = len(list(files.iterdir()))
    for _ in range(30):
        query_in_a_thread()
    assert len(list(files.iterdir())) <= before


@pytest.mark.timeout(120)
def test_threads_rebuild_calibrate_classify_and_audit_one_gallery(workspace):
    rng = random.Random(0)
    for person in range(12):
        base = "".join(rng.choices("abcdefgh", k=30))
        for sample in range(3):
            workspace.enrol("letters", f"person {person}", base + str(sample))
    probe = workspace.identity("person 3")[0].source

    def work(number: int) -> object:
        for _ in range(2):
            match number % 4:
                case 0:
                    workspace.rebuild_index("letters")
                case 1:
                    workspace.calibrate("letters")
                case 2:
                    assert workspace.classify("letters", probe)[0].identity == "person 3"
                case 3:
                    workspace.audit("letters")
            assert workspace.query("letters", probe)[0].matches[0].identity == "person 3"
        return True

    assert at_once(8, work) == [True] * 8
    folder = workspace.store.index_root / "faiss"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.timeout(120)
def test_verbs_at_once_do_their_work_or_say_who_was_first(workspace, tmp_path):
    list(workspace.enrol_many("letters", ((f"p{n % 10}", f"text number {n}") for n in range(30))))
    texts = [f"the question {n % 20}" for n in range(40)]

    def outcome(work) -> list[object]:
        def attempt(number: int) -> object:
            try:
                return work(number)
            except SiamkitError as error:
                return str(error)

        return sorted(at_once(4, attempt), key=str)

    folder = tmp_path / "exported"
    first, *others = outcome(lambda n: workspace.export("letters", folder))[::-1]
    assert {first, *others} == {30, f"{folder} already exists"}
    assert outcome(lambda n: workspace.embed("letters", texts, tmp_path / "v.npy") and 1) == [1] * 4
    assert np.load(tmp_path / "v.npy").shape == (40, 64)
    assert len(set(outcome(lambda n: workspace.dedupe(texts, modality="letters").groups))) == 1
    assert outcome(lambda n: workspace.gallery("more", modality="letters").name) == ["more"] * 4
    rebuilt = outcome(lambda n: workspace.rebuild_index("letters", index=["faiss", "shelf"][n % 2]))
    assert [description["templates"] for description in rebuilt] == [30] * 4
    counts = outcome(lambda n: workspace.forget("p3"))
    assert [count for count in counts if isinstance(count, int)] == [3]


def test_an_answer_is_of_one_moment(workspace, monkeypatch):
    """A thread whose view is older than the index answers from its view."""
    monkeypatch.setattr(forget, "WAIT_SECONDS", 0.1)  # for the view of this thread
    workspace.enrol("letters", "greeting", TEXT)
    live = workspace.index(workspace.gallery("letters"))
    vector = workspace.pipeline("letters").encoder.embed([TEXT])
    with workspace.store.read():
        before = live.search(vector, 3).ids.tolist()
        with ThreadPoolExecutor(1) as pool:  # another thread
            pool.submit(workspace.enrol, "letters", "other", "hello there my fiend").result()
            pool.submit(workspace.forget, "greeting").result()
            assert (
                pool.submit(workspace.query, "letters", TEXT).result()[0].matches[0].identity
                == "other"
            )
        assert live.search(vector, 3).ids.tolist() == before
    assert live.search(vector, 3).ids.tolist() != before


def test_each_thread_decides_by_the_gallery_as_it_read_it(workspace):
    workspace.enrol("letters", "greeting", TEXT)
    old = workspace.gallery("letters")
    first = workspace.index(old)
    with workspace.store.write():
        fingerprint = old.space.fingerprint
        calibrations.add(workspace.store, old.id, fingerprint, Threshold(0.25, 0.1, "a test"))
    assert workspace.index(workspace.gallery("letters")).gallery.threshold.value == 0.25
    assert first.gallery == old


def test_a_store_that_is_replaced_while_it_is_open(workspace):
    """Of two files, no thread may write to one while others write to the other."""
    workspace.enrol("letters", "greeting", TEXT)
    path = workspace.store.path
    path.rename(path.with_name("moved.db"))
    with Workspace(path.parent) as other:
        other.enrol("letters", "stranger", "quite another thing")
    with ThreadPoolExecutor(1) as pool, pytest.raises(StoreError, match="was replaced"):
        pool.submit(workspace.identities).result()


def test_the_working_directory_may_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Workspace("here") as ws:
        ws.enrol("letters", "greeting", TEXT)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(ws.query, "letters", TEXT).result()[0].identity == "greeting"
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("first", ["siamkit", "numpy, faiss, cv2, siamkit"])
def test_siamkit_threads_bounds_every_pool(cold_shell, first):
    """Whether the libraries are loaded before siamkit or after it."""
    cold_shell.environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    cold_shell.environment["SIAMKIT_THREADS"] = "1"
    cold_shell.environment.pop("OMP_NUM_THREADS", None)
    script = textwrap.dedent(f"""
        import {first}
        from concurrent.futures import ThreadPoolExecutor
        from pathlib import Path
        from siamkit import Workspace
        from siamkit.sdk import onnx
        from siamkit_speech import silero
        ws = Workspace("store")
        ws.enrol("letters", "greeting", "hello there")
        import cv2, faiss, numpy as np
        rows = np.random.default_rng(0).standard_normal((900, 64)).astype(np.float32)
        for _ in ws.add_templates("letters", [str(n) for n in range(len(rows))], rows): pass
        live = ws.index(ws.gallery("letters"))
        before = len(list(Path("/proc/self/task").iterdir()))
        live.search(rows, 5)
        rows @ rows.T
        cv2.GaussianBlur(np.zeros((2_000, 2_000), np.uint8), (0, 0), 5)
        frames = np.ones((500, 576), np.float32)
        state = np.zeros(silero.STATE, np.float32)
        onnx.session(silero.GRAPH).run(None, dict(frames=frames, state=state))
        def threads(_): live.search(rows, 5); return faiss.omp_get_max_threads()
        with ThreadPoolExecutor(1) as pool: print(list(pool.map(threads, [0])))
        from threadpoolctl import threadpool_info
        print(max(i["num_threads"] for i in threadpool_info()), cv2.getNumThreads())
        import time
        def started(): return len(list(Path("/proc/self/task").iterdir())) - before
        deadline = time.monotonic() + 5  # one that has ended may be listed a moment longer
        while started() and time.monotonic() < deadline: time.sleep(0.01)
        print(started())
    """)
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=cold_shell.folder,
        env=cold_shell.environment,
        capture_output=True,
        timeout=100,
    )
    assert finished.stderr == b""
    assert finished.stdout.decode().splitlines() == ["[1]", "1 1", "0"]


@pytest.mark.timeout(120)
def test_a_calibration_uses_no_more_processors_than_it_has_work_for(workspace):
    """The short products of a fit, shared among threads, took six times the processor time."""
    rng = np.random.default_rng(0)
    people = np.repeat(rng.standard_normal((100, 64)), 3, axis=0)
    rows = (people + 0.7 * rng.standard_normal(people.shape)).astype(np.float32)
    workspace.create_gallery("letters")
    list(workspace.add_templates("letters", [f"{n // 3}" for n in range(300)], rows))
    workspace.calibrate("letters")  # imports
    wall, busy = time.perf_counter(), time.process_time()
    mine = time.thread_time()
    workspace.calibrate("letters")
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    others = busy - (time.thread_time() - mine)
    assert others < 0.5 * busy, (
        f"{wall:.1f} s, {busy:.1f} s of processors, {others:.1f} s of others"
    )


@pytest.mark.timeout(60)
def test_threads_that_limit_the_process_restore_it():
    from threadpoolctl import threadpool_info

    def limits() -> list[int]:
        return [library["num_threads"] for library in threadpool_info()]

    def work(_: int) -> bool:
        for _ in range(20):
            with single_threaded():
                if set(limits()) != {1}:
                    return False
                time.sleep(0.001)
        return True

    before = limits()
    assert at_once(4, work) == [True] * 4
    assert limits() == before
