"""The indexes of galleries: describe, build and rebuild them."""

from __future__ import annotations

from collections.abc import Mapping

from siamkit.store import galleries
from siamkit.store.index_servers import reaching_server
from siamkit.store.rebuild import rebuild
from siamkit.store.saved_indexes import backend_of, change, load_backend
from siamkit.types import Progress, ignore_progress
from siamkit.workspace.base import OpenStore


class IndexMethods(OpenStore):
    """The indexes of galleries: describe, build and rebuild them."""

    def index_stats(self, gallery: str) -> Mapping[str, str | int | float | bool]:
        """Describe a gallery's index: its backend as `index`, and what the backend reports.

        FAISS tells structure, exact, recall, templates, since_saved, bytes.

        Examples:
            >>> ws.index_stats("questions")["templates"]
            5
        """
        opened = galleries.get(self.store, gallery)
        with self.index(opened).current() as index:  # no other thread uses it meanwhile
            return {"index": opened.index, **index.describe()}

    def needs_build(self, gallery: str) -> bool:
        """Save what is due of a gallery's index; return True if `build_index` would build it.

        Examples:
            >>> ws.needs_build("questions")
            False
        """
        live = self.index(galleries.get(self.store, gallery), announce=False)
        live.settle(build=False)
        return live.wants_build()

    def build_index(self, gallery: str, *, progress: Progress = ignore_progress) -> bool:
        """Build what makes searches fast, if a gallery has outgrown what there is; True if so.

        `enrol_many` of a batch, `add_templates`, `import_`, `reembed` and `rebuild_index` do it at
        their end; a query never does. Searches of other threads go on meanwhile, with what there
        is: so a server may enrol with `build=False`, and call this in a thread of its own.

        Examples:
            >>> ws.build_index("questions")  # so few are scanned in no time
            False
        """
        return self.index(galleries.get(self.store, gallery), announce=False).settle(progress)

    def renew_id(self) -> None:
        """Give the store another id, by which servers tell its indexes from those of its copies.

        For a copied folder. Indexes on servers are filled again, by the next search or by
        `rebuild_index`.

        Examples:
            >>> ws.renew_id()
        """
        with self._opening:
            indexes, self._indexes = self._indexes, {}
            for live in indexes.values():
                live.close()
            self.store.renew_id()

    def rebuild_index(
        self,
        gallery: str,
        *,
        index: str | None = None,
        index_address: str | None = None,
        progress: Progress = ignore_progress,
    ) -> Mapping[str, str | int | float | bool]:
        """Rebuild a gallery's index from the store, and describe it as `index_stats` does.

        index: another backend, which the gallery uses from now on.
        index_address: that of the index's server, which the store keeps for all its galleries.
        progress: of building what makes searches fast.

        Raises IndexUnavailable, and changes nothing, if the index's server does not answer.

        Examples:
            >>> ws.rebuild_index("questions")["templates"]
            5
        """
        with self._opening:  # one thread at a time: each deletes what is saved
            target = galleries.get(self.store, gallery)
            backend = load_backend(index) if index else backend_of(target)
            with reaching_server(self.store, backend, index_address):
                if live := self._indexes.pop((target.index_key, target.index), None):
                    live.close()
                if index is not None and index != target.index:
                    target = change(self.store, target, index)
            rebuilt = rebuild(self.store, target, progress).index
            description = {"index": target.index, **rebuilt.describe()}
            rebuilt.close()
            return description
