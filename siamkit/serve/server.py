"""What the handlers of a process share: its settings, its workspace and its threads."""

from __future__ import annotations

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

    def close(self) -> None:
        """Finish what is at work, and close the store."""
        self.pool.close()
        self.workspace.close()
