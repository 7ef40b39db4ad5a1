"""Settings, workspace and threads that the handlers of a process share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from siamkit.errors import SiamkitError
from siamkit.serve.jobs import Jobs, Work
from siamkit.serve.metrics import Metrics
from siamkit.serve.pool import Pool
from siamkit.serve.settings import Settings
from siamkit.workspace import Workspace

T = TypeVar("T")
BUILD = "build-index"  # a kind of job, which the server itself submits
log = logging.getLogger("siamkit.serve")


class Server:
    """One process that serves one store. Models are opened once, by the first call."""

    def __init__(self, settings: Settings) -> None:
        """Open nothing yet."""
        self.settings = settings
        self.workspace = Workspace(settings.store)
        self.pool = Pool(settings.thread_count, settings.waiting)
        self.jobs = Jobs(settings.private / "jobs", root=settings.store)
        shares_counts = settings.workers > 1
        self.is_warm = threading.Event()  # the models of all galleries are open
        self.metrics = Metrics(settings.private / "metrics" if shares_counts else None)

    async def run(self, work: Callable[[], T]) -> T:
        """Do work on the store in a thread of the pool. Raises StoreError if the store is gone."""

        def work_on_store() -> T:
            self.workspace.require_store()
            return work()

        return await self.pool.run(work_on_store)

    def warm_up(self) -> None:
        """Open the models and the index of each gallery, so that no client waits for them.

        What cannot be opened is left to the request that needs it, which says why.
        """
        try:
            for gallery in self.workspace.galleries():
                with suppress(SiamkitError):
                    self.workspace.pipeline_of(gallery)
                    self.workspace.index(gallery)
        except SiamkitError as error:
            log.warning("the store cannot be read: %s", error)
        finally:
            self.is_warm.set()

    def build_soon(self, gallery: str) -> None:
        """After an enrolment: submit a job that builds a gallery's index, if it has outgrown it.

        Queries go on meanwhile, with what there is.
        """

        def build(current: Work) -> dict[str, Any]:
            built = self.workspace.build_index(gallery, progress=current.progress)
            return {"gallery": gallery, "built": built}

        try:
            if self.workspace.needs_build(gallery) and not self._is_building():
                self.jobs.submit(BUILD, build)
        except (SiamkitError, OSError) as error:  # the samples are enrolled all the same
            log.warning("the index of %s is not up to date: %s", gallery, error)

    def _is_building(self) -> bool:
        """Return True if a worker builds an index, or is about to."""
        return any(job.kind == BUILD and not job.has_ended for job in self.jobs.list_all())

    def close(self) -> None:
        """Finish what is at work, interrupt the jobs, and close the store."""
        self.jobs.close()
        self.pool.close()
        self.workspace.close()
