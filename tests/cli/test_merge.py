"""`siamkit merge` keeps every sample, in one transaction, and can be undone."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest
from manifest import lines

import siamkit as sk
from siamkit.store import templates


@pytest.fixture
def people(shell):
    """Anna and Bob have the text `shared` in common; anna is in two galleries."""
    table = [("anna", "first words"), ("anna", "shared"), ("bob", "shared"), ("bob", "last words")]
    assert shell("enrol", "letters", "--from", "-", stdin=lines(*table)).code == 0
    assert shell("enrol", "notes", "-m", "letters", "--text", "a note", "--as", "anna").code == 0
    return shell


def holdings(shell):
    listed = json.loads(shell("list", "--json").out)
    rows = listed["identities"] if isinstance(listed, dict) else listed
    return {(row["identity"], row["gallery"]): row["samples"] for row in rows}


def test_a_merger_keeps_all_samples_and_is_undone(people):
    before, shown = holdings(people), people("show", "anna").out
    done = people("merge", "anna", "bob")
    assert (done.code, done.out) == (
        0,
        "merged anna into bob: 2 samples, and 1 that both have\nundo: siamkit merge --undo anna\n",
    )
    assert holdings(people) == {("bob", "letters"): 3, ("bob", "notes"): 1}
    hit = json.loads(people("query", "letters", "--text", "first words", "--json").out)
    assert "anna" not in json.dumps(hit)
    done = people("merge", "--undo", "anna")
    assert (done.code, done.out) == (
        0, "gave back to anna, from bob: 2 samples, and 1 that both have\n"
    )  # fmt: skip
    assert holdings(people) == before
    assert [line.split()[1:] for line in people("show", "anna").out.splitlines()] == [
        line.split()[1:] for line in shown.splitlines()
    ]
    assert "was not merged" in people("merge", "--undo", "anna").err
    faulty = [row["check"] for row in json.loads(people("doctor", "--json").out) if not row["ok"]]
    assert faulty in ([], ["plugin broken"])


def test_renaming_onto_an_identity_offers_to_merge(people):
    done = people("rename", "anna", "bob")
    assert done.code == 1
    assert "Hint: `siamkit merge anna bob` makes the two one" in done.err
    assert holdings(people)["anna", "letters"] == 2


def test_a_copy_comes_back_with_its_template_and_its_source(people):
    with sk.Workspace(people.folder / ".siamkit") as ws:
        gallery = ws.gallery("letters")
        before = {s.source: s.id for s in ws.identity("anna")}
        old = templates.of_samples(ws.store, gallery, before.values())
        assert ws.merge("anna", "bob") == sk.Merger("anna", "bob", 2, 1)
        assert ws.undo_merge() == sk.Merger("bob", "anna", 2, 1)
        after = {s.source: s.id for s in ws.identity("anna")}
        assert after.keys() == before.keys()
        new = templates.of_samples(ws.store, gallery, after.values())
        for source in before.keys() - {"a note"}:
            np.testing.assert_array_equal(old[before[source]], new[after[source]])
        answer = ws.query("letters", "first words")[0]
        assert answer.identity == "anna"


def test_mergers_are_undone_in_any_order_and_what_is_forgotten_stays_so(people):
    assert people("enrol", "letters", "--text", "a third", "--as", "cleo").code == 0
    before = holdings(people)
    assert people("merge", "anna", "bob").code == people("merge", "bob", "cleo").code == 0
    assert people("merge", "--undo", "anna").code == people("merge", "--undo").code == 0
    assert holdings(people) == before
    people("merge", "anna", "bob")
    assert people("forget", "bob", "--yes").code == 0
    assert people("merge", "--undo").code == 1
    store = (people.folder / ".siamkit" / "store.db").read_bytes()
    assert b"anna" not in store


def test_a_merger_is_whole_or_not_at_all(people, monkeypatch):
    """Killed before its end, the transaction leaves nothing: here its last step fails."""
    before = holdings(people)

    def fail(db):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("siamkit.store.merges.identities.drop_empty", fail)
    assert people("merge", "anna", "bob").code != 0
    monkeypatch.undo()
    assert holdings(people) == before
    assert "no identity was merged" in people("merge", "--undo").err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["anna"], 2, "Give OLD and NEW"),
        ([], 2, "Give OLD and NEW"),
        (["anna", "bob", "--undo"], 2, "at most OLD"),
        (["anna", "anna"], 2, "cannot be merged into itself"),
        (["anna", "nobody"], 1, "no identity 'nobody'"),
        (["nobody", "anna"], 1, "no identity 'nobody'"),
    ],
    ids=str,
)
def test_wrong_use_changes_nothing(people, arguments, code, words):
    before = holdings(people)
    done = people("merge", *arguments)
    assert (done.code, words in done.err) == (code, True), done.err
    assert holdings(people) == before
