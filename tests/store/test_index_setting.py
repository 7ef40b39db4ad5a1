"""A gallery names the index backend that it uses: siamkit's own, or a stranger's."""

from __future__ import annotations

import json

import pytest

import siamkit as sk
from siamkit.errors import BadInput, PluginError
from siamkit.host import registry
from siamkit.store import erasures, galleries, live_index, saved_indexes
from siamkit_faiss.index import FaissIndex

TEXTS = {"greeting": "hello there", "sums": "one and one", "places": "over the hills"}


def enrol(workspace, gallery="notes"):
    for label, text in TEXTS.items():
        workspace.enrol(gallery, label, text)


def saved(workspace, backend):
    return sorted(path.name for path in (workspace.root / "index" / backend).glob("g*"))


def best(workspace, text, gallery="notes"):
    return workspace.query(gallery, text)[0].matches[0].identity


@pytest.fixture
def shelved(workspace):
    workspace.create_gallery("notes", "letters", index="shelf")
    enrol(workspace)
    return workspace


def uninstall(monkeypatch, name):
    """Let a backend be gone, as after pip uninstall."""
    installed = registry.installed
    monkeypatch.setattr(
        registry, "installed", lambda group: tuple(p for p in installed(group) if p.name != name)
    )


def test_a_strangers_index_is_used_from_end_to_end(shelved):
    assert shelved.gallery("notes").index == "shelf"
    assert [best(shelved, text) for text in TEXTS.values()] == list(TEXTS)
    assert len(saved(shelved, "shelf")) > 0
    assert saved(shelved, "faiss") == []
    assert shelved.index_stats("notes")["index"] == "shelf"
    shelved.forget("sums")
    assert best(shelved, TEXTS["sums"]) != "sums"
    facts = shelved.rebuild_index("notes")
    assert (facts["index"], facts["templates"]) == ("shelf", 2)
    with sk.Workspace(shelved.root) as later:
        assert best(later, "hello there") == "greeting"
    shelved.delete_gallery("notes")
    assert saved(shelved, "shelf") == []


def test_other_galleries_keep_the_default(shelved):
    enrol(shelved, "letters")
    assert shelved.gallery("letters").index == "faiss"
    assert best(shelved, "hello there", "letters") == "greeting"
    assert len(saved(shelved, "faiss")) > 0


def test_an_unknown_index_is_one_error_that_names_those_there_are(workspace):
    with pytest.raises(BadInput, match="no index named 'shelve'") as caught:
        workspace.create_gallery("notes", "letters", index="shelve")
    assert caught.value.hint.startswith("use one that is installed: depot, faiss, ledger, ")
    assert not (workspace.root / "store.db").exists()


def test_an_index_that_was_uninstalled_says_what_to_do(shelved, monkeypatch):
    shelved.close()
    uninstall(monkeypatch, "shelf")
    with sk.Workspace(shelved.root) as later:
        with pytest.raises(PluginError, match="'notes' uses index 'shelf', which is not") as caught:
            later.query("notes", "hello there")
        assert "siamkit index rebuild notes --index faiss" in caught.value.hint
        with pytest.raises(PluginError, match="'notes' uses index 'shelf', which is not"):
            later.rebuild_index("notes")
        with pytest.raises(PluginError, match="'notes' uses index 'shelf', which is not"):
            later.reembed("notes")
        assert next(c for c in later.doctor() if "index notes" in c.check).ok is False
        assert later.rebuild_index("notes", index="faiss")["index"] == "faiss"
        assert best(later, "hello there") == "greeting"


def test_what_an_uninstalled_index_has_saved_is_not_forgotten(shelved, monkeypatch, caplog):
    best(shelved, "hello there")
    enrol(shelved, "letters")
    with monkeypatch.context() as patch:
        uninstall(patch, "shelf")
        shelved.forget("sums")  # in both galleries
        assert [erasure.index for erasure in erasures.pending(shelved.store)] == ["shelf"]
    assert "traces remain on the disk: no index named 'shelf'" in caplog.text
    assert len(saved(shelved, "shelf")) > 0
    shelved.close()
    with sk.Workspace(shelved.root) as later:  # installed again
        later.forget("places")
        assert saved(later, "shelf") == []


def test_another_index_takes_over_and_the_old_ones_files_go(shelved):
    stale = live_index.LiveIndex(shelved.store, shelved.gallery("notes"))
    stale.save()
    assert len(saved(shelved, "shelf")) > 0
    shelved.rebuild_index("notes", index="faiss")
    assert saved(shelved, "shelf") == []
    stale.save()  # by a process that opened the gallery before
    assert saved(shelved, "shelf") == []
    assert best(shelved, "hello there") == "greeting"
    assert len(saved(shelved, "faiss")) > 0


def test_an_open_workspace_follows_a_change_of_the_index(shelved):
    assert best(shelved, "hello there") == "greeting"
    with sk.Workspace(shelved.root) as other:
        other.rebuild_index("notes", index="faiss")
    assert shelved.index_stats("notes")["structure"] != "dictionary"
    assert saved(shelved, "shelf") == []


def test_indexes_are_closed_with_their_workspace_and_when_rebuilt(shelved):
    live = shelved.index(shelved.gallery("notes"))
    assert len(live) == 3
    first = live.index
    shelved.rebuild_index("notes")
    assert len(first) == 0  # released its rows
    live = shelved.index(shelved.gallery("notes"))
    assert len(live) == 3
    second = live.index
    shelved.close()
    assert len(second) == 0


def test_export_and_import_carry_the_index(shelved, tmp_path, monkeypatch, caplog):
    shelved.export("notes", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "gallery.json").read_text())["index"] == "shelf"
    shelved.import_(tmp_path / "out", as_gallery="copy")
    assert shelved.gallery("copy").index == "shelf"
    uninstall(monkeypatch, "shelf")
    shelved.import_(tmp_path / "out", as_gallery="elsewhere")
    assert shelved.gallery("elsewhere").index == "faiss"
    assert "no index named 'shelf': gallery elsewhere uses faiss instead" in caplog.text


def test_the_default_is_installed():
    assert saved_indexes.load_backend(galleries.DEFAULT_INDEX).name == "faiss"


def test_the_command_line_shows_and_changes_it(shell):
    assert shell("init", "notes", "-m", "letters", "--index", "shelf").code == 0
    done = shell("galleries", "create", "plain", "-m", "letters", "--json")
    assert json.loads(done.out)["index"] == "faiss"
    listed = {g["name"]: g["index"] for g in json.loads(shell("galleries", "--json").out)}
    assert listed == {"notes": "shelf", "plain": "faiss"}
    assert "shelf" in shell("galleries", "-v").out
    assert "shelf" in shell("index", "stats").out
    done = shell("index", "rebuild", "notes", "--index", "faiss", "--json")
    assert json.loads(done.out)[0]["index"] == "faiss"
    done = shell("galleries", "create", "other", "-m", "letters", "--index", "nothing")
    assert (done.code, "installed: depot, faiss, ledger, " in done.err) == (2, True)


@pytest.mark.parametrize("error", [OSError("no space"), RuntimeError("FAISS: no space")])
def test_an_index_that_cannot_be_saved_still_answers(workspace, monkeypatch, caplog, error):
    """A rebuild, which is asked for, fails in one line; a query says it in the log."""

    def fail(*_):
        raise error

    workspace.enrol("letters", "anna", "hello there")
    monkeypatch.setattr(FaissIndex, "save", fail)
    with caplog.at_level("WARNING"):
        assert workspace.query("letters", "hello there")[0].identity == "anna"
    assert "could not be saved" in caplog.text
    with pytest.raises(sk.StoreError, match=r"cannot be saved: .*no space"):
        workspace.rebuild_index("letters")


def test_no_other_index_of_a_gallery_may_stay_saved(workspace):
    workspace.enrol("letters", "anna", "hello there")
    gallery = workspace.create_gallery("notes", "letters", index="shelf")
    assert erasures.floor(workspace.store, gallery.id, "shelf") == 0
    assert erasures.floor(workspace.store, gallery.id, "faiss") is None
    assert erasures.floor(workspace.store, 99, "shelf") is None
