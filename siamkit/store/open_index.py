"""The open index of a gallery, as all threads of a process share it."""

from __future__ import annotations

from threading import Lock, RLock

from siamkit.protocols import Index
from siamkit.store.exact_scan import ExactScan


class OpenIndex:
    """The index that all threads share, and the last change that it holds."""

    def __init__(self, index: Index) -> None:
        self.lock = RLock()  # held by the one thread that searches or changes the index
        self.building = Lock()  # held by the one thread that builds
        self.index = index
        self.applied = index.cursor()
        self.is_closed = False
        self.is_trusted = True  # until it has been rebuilt for the sake of its scores
        self.scans_until = 0.0  # by time.monotonic; then a server that was away is tried again

    @property
    def scans(self) -> bool:
        """True while the store is scanned, because the index's server is away."""
        return isinstance(self.index, ExactScan)

    def replace(self, index: Index) -> None:
        """Take another index, as it was saved."""
        self.index, self.applied, self.is_closed = index, index.cursor(), False
