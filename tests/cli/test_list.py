"""`list` and `show` print page by page: what they hold does not grow with the store."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from siamkit import StoreError, Workspace
from siamkit.cli import streaming
from siamkit.flows.enrol import add_templates
from siamkit.store import galleries, identity_pages, samples
from siamkit.store.gallery_vectors import stream_vectors

MANY = 6_000  # identities


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A workspace with MANY identities in `crowd`, and two of them in `few` as well."""
    with Workspace(tmp_path_factory.mktemp("crowd") / "store") as ws:
        ws.create_gallery("crowd", "letters")
        ws.create_gallery("few", "letters")
        labels = [f"person {n:05}" for n in range(MANY)]
        for gallery, names in (("crowd", labels), ("few", labels[-2:])):
            target = galleries.get(ws.store, gallery)
            rng = np.random.default_rng(0)
            vectors = rng.normal(size=(len(names), target.space.dim))
            assert [*add_templates(ws.store, target, names, vectors)][-1] == len(names)
        yield ws


def peak_of(rows) -> int:
    """Bytes that iterating over rows takes at most, beyond the first row."""
    next(rows)
    tracemalloc.start()
    for _ in rows:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_identities_samples_and_vectors_stream_in_the_memory_of_a_page(crowd):
    target = galleries.get(crowd.store, "crowd")
    assert peak_of(stream_vectors(crowd.store, target, size=500)) < 2 << 20
    assert peak_of(crowd.stream_identities("crowd")) < 2 << 20
    assert peak_of(samples.of_gallery(crowd.store, target)) < 8 << 20
    streamed = [holding.identity for holding in crowd.stream_identities("crowd")]
    assert streamed == [f"person {n:05}" for n in range(MANY)]


@pytest.mark.parametrize("small", [0, galleries.SMALL])  # as a large gallery, and as a small one
def test_pages_follow_each_other_without_gap_or_repetition(crowd, monkeypatch, small):
    monkeypatch.setattr(galleries, "SMALL", small)
    monkeypatch.setattr(identity_pages, "PAGE_STREAMED", 7)
    every = [(h.identity, h.gallery) for h in crowd.identities(after="person 05980")]
    assert len(every) == 19 + 2
    assert every[-2:] == [("person 05999", "crowd"), ("person 05999", "few")]
    assert [h.identity for h in crowd.identities("few")] == ["person 05998", "person 05999"]
    page = crowd.list_page("few", limit=1)
    assert [card.identity for card in page.cards] == ["person 05998"] == [page.after]
    assert crowd.list_page("few", after=page.after).after is None
    after = crowd.list_samples("few", limit=1).after
    assert [s.identity for s in crowd.list_samples("few", after=after).samples] == ["person 05999"]
    assert [h.identity for h in crowd.identities("crowd", search="PERSON 0599", limit=2)] == [
        "person 05990",
        "person 05991",
    ]


def test_an_index_of_labels_out_of_order_is_an_error_not_an_endless_list(crowd, monkeypatch):
    monkeypatch.setattr(identity_pages, "PAGE_STREAMED", 3)
    endless = identity_pages._OF_STORE.replace("i.name > ", "'x' <> ")
    monkeypatch.setattr(identity_pages, "_OF_STORE", endless)
    with pytest.raises(StoreError, match="index of labels"):
        crowd.identities()


def test_list_prints_the_first_page_before_it_reads_the_last(crowd, shell, monkeypatch):
    read = []
    fetch = type(crowd.store).fetch_all

    def count(store, query, *values):
        read.append(query)
        return fetch(store, query, *values)

    printed = []
    monkeypatch.setattr(type(crowd.store), "fetch_all", count)
    monkeypatch.setattr(streaming, "echo_as_is", lambda text, **_: printed.append(len(read)))
    streaming.stream_table(({"n": h.identity} for h in crowd.stream_identities()), ["n"])
    assert printed[0] == 1 < printed[-1]


def test_list_pages_with_limit_after_and_search(crowd, shell):
    store = "--store", crowd.root
    first = shell("list", "crowd", "--limit", "2", *store).out.splitlines()
    assert first[-2:] == [
        f"… and more: siamkit list crowd --limit 2 --store {crowd.root} --after 'person 00001'",
        f"{MANY:,} identities, {MANY:,} samples",
    ]
    second = shell("list", "crowd", "--limit", "1", "--after", "person 00001", "--json", *store)
    assert [row["identity"] for row in json.loads(second.out)] == ["person 00002"]
    both = shell("list", "--search", "05999", *store).out.splitlines()
    assert both[-1] == "1 identity, 2 samples, 2 galleries"
    searched = shell("list", "crowd", "--search", "Person 03", "--limit", "1", *store).out
    assert searched.endswith(f" --search 'Person 03' --store {crowd.root} --after 'person 03000'\n")
    assert shell("list", "crowd", "--search", "nobody", *store).out == "0 identities, 0 samples\n"
    whole = json.loads(shell("list", "--json", *store).out)
    assert len(whole) == MANY + 2
    assert shell("list", "--search", b"\xff", *store).code == 0


def test_show_pages_by_sample(crowd, shell):
    store = "--store", crowd.root
    last = shell("show", "person 05999", "--json", *store)
    ids = [sample["id"] for sample in json.loads(last.out)["samples"]]
    assert ids == [MANY, MANY + 2]
    first = shell("show", "person 05999", "--limit", "1", *store).out.splitlines()
    more = f"siamkit show 'person 05999' --store {crowd.root} --limit 1 --after {MANY}"
    assert f"… and more: {more}" in first
    second = shell("show", "person 05999", "--after", str(MANY), "--json", *store)
    assert [sample["id"] for sample in json.loads(second.out)["samples"]] == ids[1:]
    wrong = shell("show", "person 05999", "--after", "1", *store)
    assert (wrong.code, wrong.err) == (1, "Error: 'person 05999' has no sample 1\n")
    none = shell("show", "person 05999", "--after", str(MANY + 2), "--json", *store)
    assert json.loads(none.out) == {"identity": "person 05999", "samples": []}
