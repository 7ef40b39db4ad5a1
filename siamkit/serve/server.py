"""What the handlers of a process share: its settings, its workspace and its threads."""

from __future__ import annotations

from siamkit.serve.jobs import Jobs
from siamkit.serve.metrics import Metrics
from siamkit.serve.pool import Pool
from siamkit.serve.settings import Settings
from siamkit.workspace import Workspace


class Server:
    """One process that serves one store. Models are opened once, by the first call."""

    def __init__(self, settings: Settings) -> None:
        """Open nothing yet."""
        self.settings = settings
        self.workspace = Workspace(settings.store)
        self.pool = Pool(settings.thread_count, settings.waiting)
        self.jobs = Jobs(settings.private / "jobs", root=settings.store)
        shares_counts = settings.workers > 1
        self.metrics = Metrics(settings.private / "metrics" if shares_counts else None)

    def close(self) -> None:
        """Finish what is at work, cancel the jobs, and close the store."""
        self.jobs.close()
        self.pool.close()
        self.workspace.close()
