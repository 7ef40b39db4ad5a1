"""Long work as jobs: one folder each, in the store's private folder, that every worker sees.

A job's folder is locked by the process that does its work, and the system releases the lock when
that process ends, however it ends. A job that is unfinished and unlocked was interrupted.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from siamkit.errors import SiamkitError
from siamkit.io.atomic import create_folder, create_private, replace_text
from siamkit.io.foreign import read_json
from siamkit.io.unfinished import lock_folder
from siamkit.serve.failures import Busy, Failure, RequestError, describe

State: TypeAlias = Literal[
    "queued", "running", "cancelling", "done", "failed", "cancelled", "interrupted"
]
ENDED = frozenset({"done", "failed", "cancelled", "interrupted"})
NAME = re.compile(r"[0-9a-f]{16}")
JOB, RESULT, CANCEL = "job.json", "result.json", "cancel"
WRITE_SECONDS = 0.5  # between two notes of progress
POLL_SECONDS = 0.25  # of a client that follows a job's events
KEPT = 200  # jobs that have ended; the oldest are deleted
MAX_RESULT_BYTES = 512 << 20  # of result.json; the pairs of a large list


class Cancelled(Exception):
    """Raised in a job's work at its next progress, once it is cancelled."""


@dataclass(frozen=True, slots=True)
class Job:
    """Long work, as a client sees it. Times are seconds since 1970, in UTC."""

    id: str
    kind: str
    state: State
    created: float
    owner: str = ""  # the name of the token that it came with
    started: float | None = None
    finished: float | None = None
    step: str = ""
    done: int = 0  # units of the step
    total: int = 0  # units; 0 if unknown
    error: Failure | None = None
    files: list[str] = field(default_factory=list)  # beside its result

    @property
    def has_ended(self) -> bool:
        """True once nothing about the job changes any more."""
        return self.state in ENDED


class Work:
    """A job's work in progress. folder: for the files that it leaves beside its result."""

    def __init__(self, job: Job, folder: Path, lock: int | None) -> None:
        self.job, self.folder, self._lock = job, folder, lock
        self._written = 0.0

    def progress(self, step: str, done: int, total: int) -> None:
        """Note the progress. Raises Cancelled if somebody cancelled the job."""
        if (self.folder / CANCEL).exists():
            raise Cancelled
        self.job = replace(self.job, step=step, done=done, total=total)
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self.note()

    def note(self, **changes: Any) -> None:
        """Write the job's state for other processes to see."""
        self.job = replace(self.job, **changes)
        self._written = time.monotonic()
        replace_text(self.folder / JOB, json.dumps(asdict(self.job)))

    def release(self) -> None:
        """Unlock the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class Jobs:
    """The jobs of a store; this process does those that were submitted to it."""

    def __init__(self, folder: Path, *, root: Path, at_once: int = 1, waiting: int = 16) -> None:
        """Start nothing yet. root: of the store. at_once: jobs at work in this process."""
        self.folder, self.root, self.most = folder, root, at_once + waiting
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="siamkit-job")
        self._works: dict[str, Work] = {}  # of this process, which have not ended
        self._lock = threading.Lock()
        self._is_stopping = False

    @property
    def pending(self) -> int:
        """The number of jobs of this process that have not ended."""
        return len(self._works)

    def submit(self, kind: str, work: Callable[[Work], Any], *, owner: str = "") -> Job:
        """Queue work, which returns its result as JSON values. Raises Busy if too much waits."""
        with self._lock:
            if len(self._works) >= self.most:
                raise Busy(f"{len(self._works)} jobs wait already", seconds=30)
            self._delete_oldest()
            job = Job(secrets.token_hex(8), kind, "queued", time.time(), owner)
            folder = self.folder / job.id
            create_folder(folder)
            current = Work(job, folder, lock_folder(folder, wait=True))
            current.note()
            self._works[job.id] = current
        self._pool.submit(self._do, current, work)
        return job

    def get(self, job_id: str) -> Job:
        """Return a job of any worker. Raises RequestError 404 if there is none of this id."""
        if current := self._works.get(job_id):
            return self._shown(current.job)
        folder = self._folder(job_id)
        job = Job(**read_json(folder / JOB))
        if not job.has_ended and _is_unlocked(folder):
            job = Job(**read_json(folder / JOB))  # it may have ended meanwhile
            if not job.has_ended:
                job = replace(job, state="interrupted", finished=time.time())
                with suppress(OSError):
                    replace_text(folder / JOB, json.dumps(asdict(job)))
        return self._shown(job)

    def list_all(self) -> list[Job]:
        """List the jobs of all workers, the newest first."""
        jobs = []
        for folder in self._folders():
            with suppress(RequestError, SiamkitError, OSError, TypeError):  # deleted meanwhile
                jobs.append(self.get(folder.name))
        return sorted(jobs, key=lambda job: job.created, reverse=True)

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; its process sees that at its next progress."""
        job = self.get(job_id)
        if not job.has_ended:
            create_private(self.folder / job.id / CANCEL)
        return self.get(job_id)

    def delete(self, job_id: str) -> Job:
        """Delete a job that has ended, with its result and files; return what it was."""
        job = self.get(job_id)
        if job.has_ended:
            shutil.rmtree(self.folder / job.id, ignore_errors=True)
        return job

    def result(self, job_id: str) -> Any:
        """Return the result of a job. Raises RequestError 409 if it has none."""
        job = self.get(job_id)
        if job.state != "done":
            raise RequestError(
                409,
                "no_result",
                f"job {job.id} is {job.state}",
                hint="" if job.has_ended else "ask again when it is done",
            )
        return read_json(self.folder / job.id / RESULT, MAX_RESULT_BYTES)

    def file(self, job_id: str, name: str) -> Path:
        """Return the path of a file that a job left. Raises RequestError 404 if there is none."""
        job = self.get(job_id)
        if name not in job.files:
            raise RequestError(404, "unknown_file", f"job {job.id} has no file of this name")
        return self.folder / job.id / name

    async def follow(self, job_id: str) -> AsyncIterator[Job]:
        """Yield a job whenever it has changed, until it has ended. Nothing waits for the reader."""
        before = None
        while True:
            try:
                job = await asyncio.to_thread(self.get, job_id)
            except RequestError:  # deleted since
                return
            if job != before:
                yield job
            if job.has_ended or self._is_stopping:
                return
            before = job
            await asyncio.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Interrupt what this process does, at its next progress, and end every `follow` soon."""
        self._is_stopping = True
        for current in list(self._works.values()):
            with suppress(OSError):
                create_private(current.folder / CANCEL)

    def close(self) -> None:
        """Interrupt what this process does, and wait for it."""
        self.stop()
        self._pool.shutdown(wait=True)

    def _do(self, current: Work, work: Callable[[Work], Any]) -> None:
        ended: dict[str, Any]
        try:
            if (current.folder / CANCEL).exists():
                raise Cancelled
            current.note(state="running", started=time.time())
            text = json.dumps(work(current))
            replace_text(current.folder / RESULT, text)
            ended = {"state": "done", "files": _files_of(current.folder)}
        except Cancelled:
            ended = {"state": "interrupted" if self._is_stopping else "cancelled"}
        except Exception as error:
            ended = {"state": "failed", "error": describe(error, current.job.id, self.root)}
        try:
            current.note(**ended, finished=time.time())
        except OSError:  # a full disk, or a store that was removed: then it reads as interrupted
            pass
        finally:
            current.release()
            with self._lock:
                self._works.pop(current.job.id, None)

    def _shown(self, job: Job) -> Job:
        is_cancelling = not job.has_ended and (self.folder / job.id / CANCEL).exists()
        return replace(job, state="cancelling") if is_cancelling else job

    def _folder(self, job_id: str) -> Path:
        folder = self.folder / job_id
        if not NAME.fullmatch(job_id) or not (folder / JOB).is_file():
            raise unknown_job()
        return folder

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if NAME.fullmatch(path.name)]

    def _delete_oldest(self) -> None:
        if len(self._folders()) < KEPT:
            return
        ended = [job for job in self.list_all() if job.has_ended]
        for job in ended[KEPT // 2 :]:
            shutil.rmtree(self.folder / job.id, ignore_errors=True)


def unknown_job() -> RequestError:
    """Return the error for a job that there is not, or that is another client's."""
    return RequestError(404, "unknown_job", "there is no job of this id")


def _is_unlocked(folder: Path) -> bool:
    try:
        lock = lock_folder(folder, wait=False)
    except OSError:  # at work, or gone
        return False
    if lock is None:  # no such locks here
        return False
    os.close(lock)
    return True


def _files_of(folder: Path) -> list[str]:
    names = (path.name for path in folder.iterdir() if path.is_file())
    return sorted(name for name in names if name not in (JOB, RESULT, CANCEL))
