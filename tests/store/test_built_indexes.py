"""What makes searches fast is built at the end of a batch, never by a query."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest
from toyindex import LedgerIndex

from siamkit.store import samples, templates
from siamkit.workspace import base

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
TEXTS = [(f"{a} {b}", f"{a} and {b}") for a in WORDS for b in WORDS]  # 100 labelled texts


@pytest.fixture
def ledger(workspace):
    """A workspace with a gallery `notes` whose index wants to be built from 50 samples on."""
    workspace.create_gallery("notes", "letters", index="ledger")
    return workspace


def built(workspace):
    """The number of samples that the structure of the index was built for."""
    return workspace.index_stats("notes")["built"]


def best(workspace, text):
    return workspace.query("notes", text)[0].matches[0].identity


def test_a_batch_leaves_a_built_index_behind(ledger):
    steps = []
    results = ledger.enrol_many("notes", TEXTS, progress=lambda *step: steps.append(step))
    assert {result.status for result in results} == {"enrolled"}
    assert built(ledger) == 100
    assert steps == [("building the index", done, 3) for done in range(4)]
    with type(ledger)(ledger.root) as later:
        assert built(later) == 100
        assert best(later, "two and three") == "two three"


def test_vectors_of_others_an_import_and_a_reembedding_build(ledger, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(120, 64)).astype(np.float32)
    assert [*ledger.add_templates("notes", [f"row {n}" for n in range(120)], vectors)] == [120]
    assert built(ledger) == 120
    ledger.export("notes", tmp_path / "out")
    ledger.import_(tmp_path / "out", as_gallery="copy")
    assert ledger.index_stats("copy")["built"] == 120
    ledger.create_gallery("texts", "letters", index="ledger")
    list(ledger.enrol_many("texts", TEXTS, build=False))
    assert ledger.index_stats("texts")["built"] == 0
    ledger.reembed("texts")
    assert ledger.index_stats("texts")["built"] == 100


def test_one_sample_never_waits_for_a_build(ledger, monkeypatch):
    def fail(self, progress):
        raise AssertionError("this builds")

    list(ledger.enrol_many("notes", TEXTS, build=False))
    monkeypatch.setattr(LedgerIndex, "build", fail)
    assert ledger.enrol("notes", "more", "one more").status == "enrolled"
    assert best(ledger, "one more") == "more"
    assert ledger.needs_build("notes")
    assert built(ledger) == 0
    monkeypatch.undo()
    assert ledger.build_index("notes")
    assert not ledger.build_index("notes")
    assert built(ledger) == 101


def test_only_a_batch_builds(ledger, monkeypatch):
    list(ledger.enrol_many("notes", TEXTS[: base.BATCH - 1]))
    assert built(ledger) == 0
    assert ledger.rebuild_index("notes")["built"] == base.BATCH - 1


@pytest.mark.timeout(60)
def test_queries_go_on_while_a_thread_builds(ledger):
    list(ledger.enrol_many("notes", TEXTS, build=False))
    begun, may_end = threading.Event(), threading.Event()

    def progress(step, done, total):
        begun.set()
        assert may_end.wait(30)

    thread = threading.Thread(
        target=ledger.build_index, args=("notes",), kwargs={"progress": progress}
    )
    thread.start()
    try:
        assert begun.wait(30)
        assert best(ledger, "two and three") == "two three"
        ledger.enrol("notes", "more", "one more")
        assert best(ledger, "one more") == "more"
        assert not ledger.build_index("notes")  # it is being built
    finally:
        may_end.set()
        thread.join()
    assert built(ledger) >= 100
    assert best(ledger, "one more") == "more"


def test_a_full_disk_loses_no_sample(ledger, monkeypatch, caplog):
    def fail(self, progress):
        raise OSError("no space left on device")

    monkeypatch.setattr(LedgerIndex, "build", fail)
    assert len([*ledger.enrol_many("notes", TEXTS)]) == 100
    assert "could not be built: no space left on device; searches scan until" in caplog.text
    assert best(ledger, "two and three") == "two three"


def write_table(folder):
    rows = [f'{label},"{text}"' for label, text in TEXTS]
    (folder / "texts.csv").write_text("\n".join(["label,text", *rows]))


def test_ctrl_c_while_it_is_built_loses_nothing(shell, tmp_path, monkeypatch):
    def interrupt(self, progress):
        progress("building the index", 0, 1)
        raise KeyboardInterrupt

    write_table(tmp_path)
    shell("init", "notes", "-m", "letters", "--index", "ledger")
    command = "enrol", "notes", "--from", "texts.csv", "--column", "text", "--id", "label"
    with monkeypatch.context() as patch:
        patch.setattr(LedgerIndex, "build", interrupt)
        done = shell(*command)
    assert done.code == 130
    assert "100 enrolled; the index is not built yet: `siamkit index rebuild notes`" in done.err
    assert '"built": 0' in shell("index", "stats", "notes", "--json").out
    done = shell(*command)
    assert (done.code, done.out.strip()) == (0, "100 already")
    assert '"built": 100' in shell("index", "stats", "notes", "--json").out


def test_a_new_large_gallery_is_announced_by_a_query_alone(workspace, caplog):
    vectors = np.random.default_rng(0).normal(size=(1000, 64)).astype(np.float32)
    workspace.create_gallery("notes", "letters")
    with caplog.at_level(logging.WARNING):
        list(workspace.add_templates("notes", [f"row {n}" for n in range(1000)], vectors))
        assert caplog.text == ""
        for path in workspace.root.glob("index/faiss/g*"):
            path.unlink()
        workspace.close()
        workspace.query("notes", "hello there")
        assert "index of gallery notes rebuilt from 1,000 templates" in caplog.text


def test_forgetting_keeps_the_index_and_leaves_no_byte(ledger):
    list(ledger.enrol_many("notes", TEXTS))
    with type(ledger)(ledger.root) as other:
        assert best(other, "two and three") == "two three"
        vector = templates.of_label(ledger.store, ledger.gallery("notes"), "two three")[0]
        ledger.forget("two three")
        (path,) = ledger.root.glob("index/ledger/*")
        assert vector.tobytes() not in path.read_bytes()
        assert built(ledger) == 100  # it was not thrown away
        for workspace in (ledger, other):  # both had it open
            assert best(workspace, "two and three") != "two three"
            assert workspace.index_stats("notes")["templates"] == 99


def test_a_deletion_by_a_process_that_was_killed_is_finished(ledger):
    list(ledger.enrol_many("notes", TEXTS))
    store, gallery = ledger.store, ledger.gallery("notes")
    vector = templates.of_label(store, gallery, "two three")[0]
    samples.delete(store, [sample.id for sample in ledger.identity("two three")])
    ledger.close()
    with type(ledger)(ledger.root) as later:
        assert best(later, "two and four") == "two four"
        (path,) = later.root.glob("index/ledger/*")
        assert vector.tobytes() not in path.read_bytes()
        assert built(later) == 100
        later.forget_sample(later.identity("two four")[0].id)
        assert built(later) == 100


def test_the_last_sample_takes_the_index_with_it(ledger):
    ledger.enrol("notes", "only", "one")
    ledger.rebuild_index("notes")
    ledger.forget("only")
    assert list(ledger.root.glob("index/ledger/*")) == []
