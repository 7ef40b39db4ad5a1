"""Jobs: progress, cancelling, results, and what becomes of them when a process ends."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from siamkit import BadInput, Workspace
from siamkit.serve.failures import Busy, RequestError
from siamkit.serve.jobs import ENDED, Jobs

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def jobs(tmp_path):
    opened = Jobs(tmp_path / "jobs", root=tmp_path)
    yield opened
    opened.close()


def wait(jobs, job, *states):
    end = time.monotonic() + 10
    while (current := jobs.get(job.id)).state not in states:
        assert time.monotonic() < end, current
        time.sleep(0.01)
    return current


def until_cancelled(work):
    while True:
        work.progress("waiting", 1, 0)
        time.sleep(0.01)


def test_a_job_leaves_a_result_and_files_for_every_worker(jobs, tmp_path):
    def work(current):
        current.progress("embedding", 3, 10)
        (current.folder / "pairs.csv").write_text("a,b\n")
        return {"groups": 2}

    job = jobs.submit("dedupe", work)
    other = Jobs(tmp_path / "jobs", root=tmp_path)  # as another worker has it
    ended = wait(other, job, "done")
    assert (ended.kind, ended.files) == ("dedupe", ["pairs.csv"])
    assert (ended.step, ended.done, ended.total) == ("embedding", 3, 10)
    assert other.result(job.id) == {"groups": 2}
    assert other.file(job.id, "pairs.csv").read_text() == "a,b\n"
    assert stat.S_IMODE((tmp_path / "jobs" / job.id / "result.json").stat().st_mode) == 0o600
    assert [each.id for each in other.list_all()] == [job.id]


@pytest.mark.parametrize("name", ["../../store.db", "job.json", "result.json", "", "/etc/passwd"])
def test_no_file_but_a_jobs_own_is_served(jobs, name):
    job = jobs.submit("dedupe", lambda work: 1)
    wait(jobs, job, "done")
    with pytest.raises(RequestError, match="no file of this name"):
        jobs.file(job.id, name)


@pytest.mark.parametrize("job_id", ["", "..", "0" * 16, "x" * 16, "../jobs"])
def test_an_unknown_job_is_a_404(jobs, job_id):
    with pytest.raises(RequestError) as raised:
        jobs.get(job_id)
    assert raised.value.status == 404


def test_a_job_is_cancelled_by_any_worker_and_has_no_result(jobs, tmp_path):
    job = jobs.submit("dedupe", until_cancelled)
    queued = jobs.submit("dedupe", until_cancelled)
    other = Jobs(tmp_path / "jobs", root=tmp_path)
    wait(other, job, "running")
    assert other.get(queued.id).state == "queued"
    with pytest.raises(RequestError, match="is running"):
        other.result(job.id)
    assert other.cancel(queued.id).state in ("cancelling", "cancelled")
    other.cancel(job.id)
    wait(other, job, "cancelled")
    wait(other, queued, "cancelled")
    assert other.cancel(job.id).state == "cancelled"


def test_a_failed_job_says_why_without_the_stores_path(jobs, tmp_path):
    def refuse(work):
        raise BadInput(f"{tmp_path}/a.png is not a picture", hint="send a picture")

    failed = wait(jobs, jobs.submit("dedupe", refuse), "failed")
    assert failed.error["code"] == "bad_input"
    assert failed.error["hint"] == "send a picture"
    assert str(tmp_path) not in failed.error["message"]
    crashed = wait(jobs, jobs.submit("dedupe", lambda work: 1 / 0), "failed")
    assert crashed.error["message"] == "internal error"


def test_only_so_many_jobs_wait(tmp_path):
    jobs = Jobs(tmp_path / "jobs", root=tmp_path, at_once=1, waiting=1)
    for _ in range(2):
        jobs.submit("dedupe", until_cancelled)
    with pytest.raises(Busy):
        jobs.submit("dedupe", until_cancelled)
    jobs.close()  # as a server does that is stopped
    assert [job.state for job in jobs.list_all()] == ["interrupted", "interrupted"]


def test_a_job_of_a_killed_process_is_interrupted(jobs, tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from siamkit.serve.jobs import Jobs\n"
        "root = Path(sys.argv[1])\n"
        "def work(current):\n"
        "    current.note(step='embedding'); print(current.job.id, flush=True); time.sleep(60)\n"
        "Jobs(root / 'jobs', root=root).submit('dedupe', work)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    job_id = process.stdout.readline().strip()
    assert jobs.get(job_id).state == "running"
    process.kill()
    process.communicate()
    interrupted = jobs.get(job_id)
    assert interrupted.state == "interrupted"
    assert interrupted.step == "embedding"
    assert json.loads((tmp_path / "jobs" / job_id / "job.json").read_text())["finished"]


def test_a_follower_sees_each_change_and_blocks_nothing(jobs):
    proceed = threading.Event()

    def work(current):
        current.progress("first", 1, 2)
        proceed.wait(10)
        current.progress("second", 2, 2)
        return {}

    async def follow():
        job = jobs.submit("dedupe", work)
        never_read = jobs.follow(job.id)  # a client that takes one event, and no other
        await anext(never_read)
        states = []
        async for current in jobs.follow(job.id):
            states.append((current.state, current.step))
            if current.step == "first":
                proceed.set()
        await never_read.aclose()
        return states

    states = asyncio.run(follow())
    assert states[-1] == ("done", "second")
    assert ("running", "first") in states


def test_jobs_and_their_followers_stop_before_the_server_closes(jobs):
    async def follow():
        job = jobs.submit("dedupe", until_cancelled)
        async for _ in jobs.follow(job.id):
            jobs.stop()  # as the signal does while requests are still being answered

    asyncio.run(follow())
    end = time.monotonic() + 10
    while jobs.pending:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert [job.state for job in jobs.list_all()] == ["interrupted"]


def test_old_jobs_are_deleted(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr("siamkit.serve.jobs.KEPT", 4)
    for _ in range(6):
        wait(jobs, jobs.submit("dedupe", lambda work: 1), "done")
    assert len(jobs.list_all()) <= 4


# --- over HTTP ---


def follow(client, job):
    """Return the events of a job's stream, which ends with it."""
    with client.stream("GET", f"/v1/jobs/{job['id']}/events") as reply:
        assert reply.headers["Content-Type"].startswith("text/event-stream")
        text = "".join(reply.iter_text())
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines())
        for block in text.split("\n\n")
        if block
    ]
    return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]


def test_dedupe_is_a_job(letters):
    texts = ["hello there", "hello  there", "one and one", "one and one "]
    reply = letters.post("/v1/dedupe", json={"modality": "letters", "texts": texts})
    assert reply.status_code == 202
    job = reply.json()
    assert reply.headers["Location"] == f"/v1/jobs/{job['id']}"
    name, last = follow(letters, job)[-1]
    assert (name, last["state"]) == ("end", "done"), last
    groups = letters.get(f"/v1/jobs/{job['id']}/result").json()["groups"]
    assert sorted(len(group["members"]) for group in groups) == [2, 2]
    assert last["files"] == ["report.html"]
    page = letters.get(f"/v1/jobs/{job['id']}/files/report.html")
    assert page.headers["Content-Disposition"].startswith("attachment")
    assert "hello there" in page.text
    assert letters.get("/v1/jobs").json()[0]["id"] == job["id"]
    assert letters.get(f"/v1/jobs/{job['id']}/files/job.json").json()["code"] == "unknown_file"
    assert letters.get("/v1/jobs/..%2f..%2fstore.db").status_code == 404


def test_enrolling_and_evaluating_are_jobs(letters):
    body = {"texts": ["when do you open", "NaN"], "labels": ["hours"]}
    job = letters.post("/v1/galleries/letters/enrol-job", json=body).json()
    follow(letters, job)
    results = letters.get(f"/v1/jobs/{job['id']}/result").json()["results"]
    assert [each["status"] for each in results] == ["enrolled", "failed"]
    assert letters.get("/v1/galleries/letters").json()["samples"] == 5
    job = letters.post("/v1/galleries/letters/evaluate").json()
    assert follow(letters, job)[-1][1]["state"] == "done"
    assert letters.get(f"/v1/jobs/{job['id']}/result").json()["evaluations"][0]["mated"] == 2
    assert letters.delete(f"/v1/jobs/{job['id']}").json()["state"] == "done"


def test_an_enrolment_leaves_the_building_of_an_index_to_a_job(settings, client):
    with Workspace(settings.store) as ws:
        ws.create_gallery("notes", "letters", index="ledger")
    texts = [f"{a} and {b}" for a in ("one", "two", "three") for b in range(20)]
    reply = client.post("/v1/galleries/notes/enrol", json={"texts": texts, "labels": texts})
    assert reply.status_code == 200, reply.text
    (job,) = [job for job in client.get("/v1/jobs").json() if job["kind"] == "build-index"]
    end = time.monotonic() + 10
    while job["state"] not in ENDED:
        assert time.monotonic() < end, job
        job = client.get(f"/v1/jobs/{job['id']}").json()
    assert (job["state"], job["step"]) == ("done", "building the index")
    result = client.get(f"/v1/jobs/{job['id']}/result").json()
    assert result == {"gallery": "notes", "built": True}
    reply = client.post("/v1/galleries/notes/enrol", json={"texts": ["more"], "labels": ["more"]})
    assert reply.status_code == 200
    assert len(client.get("/v1/jobs").json()) == 1
