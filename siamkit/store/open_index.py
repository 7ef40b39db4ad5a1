"""The open index of a gallery, as all threads of a process share it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, RLock

from siamkit.protocols import Builds, Index
from siamkit.store.exact_scan import ExactScan
from siamkit.types import Progress


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
        self.scans_until = 0.0

    def wants_build(self) -> bool:
        """Return True if what is saved has no structure that suits its size."""
        with self.lock:
            index = self.index
            return not self.is_closed and isinstance(index, Builds) and index.wants_build()

    def build(self, open_saved: Callable[[], Index], progress: Progress) -> bool:
        """Build what is saved, by an index opened aside, and search by that; True if it was done.

        If a thread builds already, nothing is done.
        """
        if not (self.wants_build() and self.building.acquire(blocking=False)):
            return False
        try:
            aside = open_saved()
            try:
                if isinstance(aside, Builds) and aside.wants_build():  # nobody else has meanwhile
                    aside.build(progress)
            finally:
                aside.close()
            built = open_saved()
            with self.lock:
                self.index.close()
                self.replace(built)
            return True
        finally:
            self.building.release()
