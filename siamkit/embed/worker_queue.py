"""Give samples to workers and take the outcomes back in order, whatever becomes of the workers."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from siamkit.embed.batches import EmbeddedSource, Job, Skip, batch_size, read_job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.ray_cluster import last_line
from siamkit.embed.region_choosers import Chooser, name_sample
from siamkit.errors import SiamkitError, UnreadableSample
from siamkit.io.sources import Content

if TYPE_CHECKING:
    from siamkit.embed.workers import RemoteWorker, Workers

BATCH_BYTES = 16_000_000  # of contents sent together; then one more may begin
TASKS_EACH = 2  # given to a worker at once, so that it need not wait for the next
BATCHES_EACH = 3  # read ahead, in work or waiting for an earlier one, per worker
MOST_DEATHS = 10  # of workers in a row, with nothing done between
log = logging.getLogger("siamkit")


@dataclass(slots=True, eq=False)
class _Batch:
    """Sources that are yielded together, in order."""

    sources: list[EmbeddedSource] = field(default_factory=list)
    missing: int = 0  # of outcomes


@dataclass(slots=True, eq=False)
class _Task:
    """Samples for one worker. At a retry it is one, and the worker has no other."""

    batch: _Batch
    sources: list[EmbeddedSource] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    is_retry: bool = False
    begun: Any = None  # reference: the worker was alive when it came to a retry
    reference: Any = None  # to the outcomes, once it is given to a worker


class WorkerQueue:
    """One run over many jobs."""

    def __init__(
        self,
        workers: Workers,
        pipeline: Pipeline,
        jobs: Iterable[Job],
        choose: Chooser,
        skip: Skip | None,
    ) -> None:
        self._workers, self._pipeline, self._choose = workers, pipeline, choose
        self._jobs, self._skip = iter(jobs), skip
        self._in_order: deque[_Batch] = deque()  # read, and not yielded yet
        self._retries: deque[_Task] = deque()
        self._given: dict[RemoteWorker, deque[_Task]] = {}
        self._deaths = 0  # since an outcome

    def run(self) -> Iterator[list[EmbeddedSource]]:
        """Yield batches in order."""
        while True:
            self._give_tasks()
            if not self._in_order:
                return
            if self._in_order[0].missing:
                self._take_outcome()
            else:
                yield self._in_order.popleft().sources

    def _give_tasks(self) -> None:
        while True:
            ready = [worker for worker in self._workers.all if worker.opening is None]
            for worker in sorted(ready, key=lambda worker: len(self._tasks_of(worker))):
                if task := self._next_task(self._tasks_of(worker)):
                    if task.is_retry:
                        task.begun = worker.actor.wait.remote()
                    task.reference = worker.actor.embed.remote(task.contents, self._choose)
                    self._tasks_of(worker).append(task)
                    break
            else:
                return

    def _tasks_of(self, worker: RemoteWorker) -> deque[_Task]:
        return self._given.setdefault(worker, deque())

    def _next_task(self, tasks: deque[_Task]) -> _Task | None:
        """Return what to give to a worker with these tasks, if anything."""
        if self._retries:
            return None if tasks else self._retries.popleft()
        if len(tasks) >= TASKS_EACH or any(task.is_retry for task in tasks):
            return None
        while len(self._in_order) < BATCHES_EACH * len(self._workers.all):
            task = self._read_task()
            if not task.batch.sources:
                return None
            self._in_order.append(task.batch)
            if task.sources:
                return task
        return None

    def _read_task(self) -> _Task:
        """Read the next batch. Its task holds what has to be embedded, which may be nothing."""
        task, held = _Task(_Batch()), 0
        while len(task.batch.sources) < batch_size(self._pipeline) and held < BATCH_BYTES:
            if (job := next(self._jobs, None)) is None:
                break
            source, content = read_job(self._pipeline, job, self._skip)
            task.batch.sources.append(source)
            if content is not None:
                held += len(content.data)
                task.sources.append(source)
                task.contents.append(_plain(content))
        task.batch.missing = len(task.sources)
        return task

    def _take_outcome(self) -> None:
        """Wait until a worker has done something, or has died."""
        import ray

        waiting = {}
        for worker in self._workers.all:
            if worker.opening is not None:
                waiting[worker.opening] = worker
            elif tasks := self._tasks_of(worker):
                waiting[tasks[0].reference] = worker
        if not waiting:
            raise SiamkitError(
                "all workers are gone",
                hint="look after the cluster, and run the same command again to continue",
            )
        (reference,), _ = ray.wait(list(waiting), num_returns=1)
        worker = waiting[reference]
        if worker.opening is not None:
            self._workers.finish_opening(worker)
            return
        try:
            outcomes, lines = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error  # a failure of siamkit's, as it would be here
        except ray.exceptions.RayError as error:
            self._replace(worker, error)
            return
        self._deaths = 0
        task = self._tasks_of(worker).popleft()
        for name, level, message in lines:
            logging.getLogger(name).log(level, message)
        for source, outcome in zip(task.sources, outcomes, strict=True):
            source.regions, source.region_count = outcome.regions, outcome.region_count
            source.size, source.error = outcome.size, outcome.error
        task.batch.missing -= len(task.sources)

    def _replace(self, dead: RemoteWorker, cause: Exception) -> None:
        """Start a dead worker again, and have its samples done again, each alone; once."""
        self._deaths += 1
        tasks = self._given.pop(dead)
        again = sum(len(task.sources) for task in tasks if not task.is_retry)
        for task in tasks:
            if task.is_retry and not _has_succeeded(task.begun):  # it was dead before
                self._retries.append(task)
            elif task.is_retry:
                (source,) = task.sources
                error = UnreadableSample(
                    "a worker died at it, and so did another",
                    hint="embed it alone, without `--workers`, to see why",
                )
                source.error = name_sample(source.name, error)
                task.batch.missing -= 1
            else:
                for source, content in zip(task.sources, task.contents, strict=True):
                    self._retries.append(_Task(task.batch, [source], [content], is_retry=True))
        if again:
            log.warning(f"{dead.place.name} died; {again:,} samples are done again, one by one")
        if self._deaths > MOST_DEATHS:
            raise SiamkitError(
                f"{self._deaths} workers died in a row, the last one of: {last_line(cause)}",
                hint="see whether their machines have enough memory",
            ) from cause
        self._workers.restart(dead)


def _has_succeeded(reference: Any) -> bool:
    import ray

    try:
        ray.get(reference)
    except ray.exceptions.RayError:
        return False
    return True


def _plain(content: Content) -> Content:
    """Return a content that every process can read."""
    data = content.data
    return Content(content.name, data if isinstance(data, str) else bytes(data))
