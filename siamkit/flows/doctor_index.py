"""Check a gallery's index against the store, and the server that it is on, if it is on one."""

from __future__ import annotations

from collections.abc import Iterator

from siamkit.errors import SiamkitError
from siamkit.flows.checkups import Checkup
from siamkit.protocols import Builds, Index, Purges
from siamkit.store import Gallery, Store, change_log, galleries, templates
from siamkit.store.index_servers import has_server
from siamkit.store.live_index import LiveIndex
from siamkit.store.saved_indexes import backend_of, key_of, prefix_of


def check_index(store: Store, gallery: Gallery) -> Iterator[Checkup]:
    """Check the index of a gallery; of one on a server, also the server and what it has to erase.

    A server that does not answer is one failed check.
    """
    check = f"index {gallery.name}"
    try:
        if has_server(backend_of(gallery)):
            yield from _server(store, gallery)
        yield _index(store, gallery, check)
    except SiamkitError as error:
        yield Checkup(check, False, str(error), error.hint)


def _server(store: Store, gallery: Gallery) -> Iterator[Checkup]:
    """Check a server, its table against the change log, and what purged vectors are left there.

    Raises IndexUnavailable.
    """
    backend, root = backend_of(gallery), store.index_root
    with store.read():
        index, refused = backend.open(
            key_of(store, gallery, backend),
            gallery.space.dim,
            root=root,
            known=lambda cursor: change_log.has_change(store, gallery.id, cursor),
        )
        head = change_log.last_change(store, gallery)
    try:
        facts = index.describe()
        yield Checkup(f"server of {gallery.name}", True, str(facts.get("server", gallery.index)))
        yield _saved(index, refused, gallery, head.seq)
    finally:
        index.close()
    if isinstance(backend, Purges):
        left = backend.remains(prefix_of(store, gallery.id, backend), root=root)
        yield Checkup(f"deletions of {gallery.name}", True, left or "nothing is left on the server")


def _saved(index: Index, refused: list[str], gallery: Gallery, head: int) -> Checkup:
    """Check what is saved on a server."""
    check, hint = f"saved index {gallery.name}", f"siamkit index rebuild {gallery.name}"
    saved = index.cursor().seq
    if refused:
        return Checkup(check, False, "; ".join(refused), hint)
    if isinstance(index, Builds) and index.wants_build():
        detail = "not built, so that a search compares every template"
        return Checkup(check, False, detail, hint)
    detail = f"at change {saved} of {head}" if saved else "nothing yet; the next query saves it"
    if 0 < saved < head:
        detail += "; those since are read from the store"
    return Checkup(check, True, detail)


def _index(store: Store, gallery: Gallery, check: str) -> Checkup:
    live = LiveIndex(store, gallery, save=False)
    samples = galleries.count(store, gallery)[1]
    facts = live.index.describe()
    count = int(facts.get("templates", len(live.index)))
    detail = f"{facts['structure']}, {count:,} templates"
    sound = samples
    if count != samples:  # it leaves out what is damaged
        sound -= len(templates.damaged(store, gallery))
    hint = f"siamkit index rebuild {gallery.name}"
    if count == sound:
        if live.wants_build():
            return Checkup(check, True, f"{detail}, not built: a search compares all", hint)
        return Checkup(check, True, detail)
    return Checkup(check, False, f"{detail}, but the store has {sound:,} sound ones", hint)
