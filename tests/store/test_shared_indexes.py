"""An index on a server: keys of the store's own, and what happens while the server is away."""

from __future__ import annotations

import json

import numpy as np
import pytest
import stored_templates
from toyindex import Depot

import siamkit as sk
from siamkit.store import erasures, exact_scan, live_index, templates
from siamkit.store.exact_scan import ExactScan
from siamkit.testing import Brute

TEXTS = {"greeting": "hello there", "sums": "one and one", "places": "over the hills"}


@pytest.fixture
def depot(tmp_path, monkeypatch):
    """The folder that stands for a server."""
    folder = tmp_path / "depot"
    folder.mkdir()
    monkeypatch.setenv("SIAMKIT_DEPOT", str(folder))
    return folder


@pytest.fixture
def notes(workspace, depot):
    workspace.create_gallery("notes", "letters", index="depot")
    for label, text in TEXTS.items():
        workspace.enrol("notes", label, text)
    return workspace


def best(workspace, text):
    return workspace.query("notes", text)[0].matches[0].identity


def saved(depot):
    return sorted(path.name for path in depot.iterdir())


def test_keys_begin_with_the_stores_own_id(notes, depot, tmp_path):
    with sk.Workspace(tmp_path / "other") as other:
        other.create_gallery("notes", "letters", index="depot")
        other.enrol("notes", "anna", "hello here")
        names = sorted(f"{ws.store.own_id}-g1-s1.npz" for ws in (notes, other))
        assert saved(depot) == names
        assert best(other, "hello there") == "anna"
        assert best(notes, "hello there") == "greeting"
        other.delete_gallery("notes")
        assert saved(depot) == [f"{notes.store.own_id}-g1-s1.npz"]
    notes.rebuild_index("notes", index="faiss")
    assert saved(depot) == []


def test_an_enrolment_is_on_the_server_at_once(notes, depot):
    (path,) = depot.iterdir()
    with np.load(path) as state:
        assert len(state["ids"]) == len(TEXTS)


def test_commands_that_search_nothing_do_not_ask_the_server(depot, shell, monkeypatch):
    shell("init", "notes", "-m", "letters", "--index", "depot")
    shell("enrol", "notes", "--text", "hello there", "--as", "greeting")
    shell("enrol", "notes", "--text", "one and one", "--as", "sums")
    shell("forget", "sums", "--yes")

    def fail(self, root):
        raise AssertionError("the server is asked")

    monkeypatch.setattr(Depot, "folder", fail)
    for command in (("list",), ("show", "greeting"), ("galleries",), ("rename", "greeting", "hi")):
        assert shell(*command).code == 0


def test_a_small_gallery_is_scanned_while_the_server_is_away(notes, depot, monkeypatch, caplog):
    aside = depot.rename(depot.with_name("aside"))
    monkeypatch.setattr(live_index, "RETRY_SECONDS", 0.0)
    with sk.Workspace(notes.root) as later:
        assert [best(later, text) for text in TEXTS.values()] == list(TEXTS)
        assert (
            caplog.text.count("until that is mended, gallery notes is searched in the store") == 1
        )
        assert later.index_stats("notes")["structure"] == "scan of the store"
        assert later.enrol("notes", "anna", "a new one").status == "enrolled"
        assert best(later, "a new one") == "anna"
        aside.rename(depot)
        assert best(later, "a new one") == "anna"
        assert later.index_stats("notes")["structure"] == "dictionary"
        assert "the index of gallery notes is back" in caplog.text


def test_a_server_that_dies_while_it_is_used_is_done_without(notes, depot, monkeypatch, caplog):
    assert best(notes, "hello there") == "greeting"

    def fail(self, vectors, k, *, within=None):
        raise sk.IndexUnavailable("the depot has burnt down")

    monkeypatch.setattr(Depot.index, "search", fail)
    assert best(notes, "one and one") == "sums"
    assert (
        "the depot has burnt down; until that is mended, gallery notes is searched in the store"
        in caplog.text
    )


def test_a_large_gallery_is_not_scanned(notes, shell, depot, monkeypatch):
    notes.close()
    depot.rename(depot.with_name("aside"))
    monkeypatch.setattr(exact_scan, "MOST_FLOATS", 2 * 64)
    done = shell("query", "notes", "--text", "hello there", "--store", notes.root)
    assert (done.code, "does not answer" in done.err) == (1, True)
    assert "open the depot" in done.err
    done = shell("enrol", "notes", "--text", "new", "--as", "new", "--store", notes.root)
    assert done.code == 0
    assert "the index of gallery notes is not up to date" in done.err


def test_doctor_names_the_server_that_a_deletion_waits_for(notes, shell, depot):
    aside = depot.rename(depot.with_name("aside"))
    done = shell("forget", "sums", "--yes", "--store", notes.root)
    assert (done.code, "traces remain on the server" in done.err) == (0, True)
    done = shell("doctor", "--json", "--store", notes.root)
    (check,) = [check for check in json.loads(done.out) if check["check"] == "deletions"]
    assert "still on a server" in check["found"]
    assert "open the depot" in check["hint"]
    aside.rename(depot)
    shell("doctor", "--store", notes.root)
    assert erasures.pending(notes.store) == []


def test_another_index_takes_over_from_a_server_that_is_away(notes, depot, caplog):
    depot.rename(depot.with_name("aside"))
    notes.forget("sums")
    assert erasures.pending(notes.store)
    assert notes.rebuild_index("notes", index="faiss")["index"] == "faiss"
    assert f"index depot has saved as {notes.store.own_id}-g1-…, deleted vectors" in caplog.text
    assert best(notes, "hello there") == "greeting"
    with sk.Workspace(notes.root) as later:
        caplog.clear()
        later.delete_gallery("notes")
        assert erasures.pending(later.store) == []
    assert caplog.text == ""


def test_a_restored_backup_replaces_what_the_server_holds(notes, depot, tmp_path):
    notes.backup(tmp_path / "copy.db")
    notes.enrol("notes", "anna", "a new one")
    restored = tmp_path / "restored"
    restored.mkdir()
    (tmp_path / "copy.db").rename(restored / "store.db")
    with sk.Workspace(restored) as ws:
        ws.enrol("notes", "berta", "another one")
        assert best(ws, "another one") == "berta"
        assert len(ws.index(ws.gallery("notes"))) == len(TEXTS) + 1


@pytest.mark.parametrize("k", [1, 5, 300])
@pytest.mark.parametrize("within", [None, np.array([3, 250, 4, 999])])
def test_a_scan_answers_as_brute_force_does(workspace, monkeypatch, tmp_path, k, within):
    gallery = workspace.create_gallery("letters")
    vectors = np.random.default_rng(0).normal(size=(250, 64)).astype(np.float32)
    vectors[100:200:10] = vectors[0]  # equal scores
    list(workspace.add_templates("letters", [f"row {n}" for n in range(250)], vectors))
    monkeypatch.setattr(templates, "ROWS_PER_BLOCK", 30)
    twin, _ = Brute().open("g1-s1", 64, root=tmp_path, known=lambda _: True)
    twin.add(*stored_templates.load_all(workspace.store, gallery))
    probes = np.concatenate([vectors[:3], vectors[200:203] + 0.1])
    hits = ExactScan(workspace.store, gallery).search(probes, k, within=within)
    wanted = twin.search(probes, k, within=within)
    np.testing.assert_array_equal(hits.ids, wanted.ids)
    np.testing.assert_allclose(hits.scores, wanted.scores, rtol=1e-5)


def ids_in(depot):
    (path,) = depot.iterdir()
    with np.load(path) as state:
        return state["ids"].tolist()


def test_forget_erases_there_too_and_says_what_remains(depot, shell):
    shell("init", "notes", "-m", "letters", "--index", "depot")
    for label, text in TEXTS.items():
        shell("enrol", "notes", "--text", text, "--as", label)
    done = shell("forget", "sums", "--yes", "--json")
    assert json.loads(done.out)["notes"] == [Depot.REMAINS]
    assert ids_in(depot) == [1, 3]
    assert Depot.REMAINS in shell("doctor").out


def test_a_deletion_while_the_server_is_away_is_finished_later(notes, depot, caplog):
    aside = depot.rename(depot.with_name("aside"))
    notes.forget("sums")
    assert "traces remain" in caplog.text
    assert len(erasures.pending(notes.store)) == 1
    aside.rename(depot)
    assert ids_in(depot) == [1, 2, 3]
    notes.close()
    assert notes.count("notes") == (2, 2)  # any command
    assert ids_in(depot) == [1, 3]
    assert erasures.pending(notes.store) == []


def test_a_gallery_deleted_while_the_server_is_away_is_dropped_later(notes, depot):
    aside = depot.rename(depot.with_name("aside"))
    notes.delete_gallery("notes")
    aside.rename(depot)
    notes.close()
    assert notes.galleries() == []
    assert saved(depot) == []
