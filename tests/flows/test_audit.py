"""Faults that were planted in a gallery are found, and a sound gallery has none."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from siamkit import StoreError
from siamkit.flows.audit import ORDER, audit
from siamkit.flows.compare_gallery import compare_gallery
from siamkit.stats import audit as audit_stats
from siamkit.store import Store, galleries, samples
from siamkit.store.galleries import GalleryEncoder
from siamkit.store.live_index import LiveIndex
from siamkit.store.samples import NewSample
from siamkit.types import Threshold

DIM, PEOPLE, EACH = 64, 20, 5


@pytest.fixture
def sound():
    """Twenty people with five samples each: cosines of about 0.8 within, 0 between."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(PEOPLE, DIM)) / np.sqrt(DIM)
    rows = np.repeat(centres, EACH, axis=0) + 0.5 * rng.normal(size=(PEOPLE * EACH, DIM)) / 8
    labels = np.repeat([f"p{i:02d}" for i in range(PEOPLE)], EACH).astype("U20")
    return labels, normed(rows), np.full(PEOPLE * EACH, 0.8)


def normed(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def findings_of(tmp_path, labels, vectors, quality, threshold=0.5, digests=None):
    store = Store(tmp_path / "store", create=True)
    limit = None if threshold is None else Threshold(threshold)
    encoder = GalleryEncoder(None, "toy/1:a", vectors.shape[1], limit)
    gallery = galleries.create(store, "g", "toy", encoder)
    new = [
        NewSample(str(who), f"{i}.x", digest, '{"score":1.0}', q)
        for i, (who, q, digest) in enumerate(
            zip(labels, quality, digests or map(digest_of, range(len(labels))), strict=True)
        )
    ]
    samples.add(store, gallery, "toy/1:a", new, vectors)
    with np.errstate(all="raise"):
        out = audit(LiveIndex(store, gallery))
    store.close()
    assert [ORDER.index(f.kind) for f in out] == sorted(ORDER.index(f.kind) for f in out)
    return out


def digest_of(number):
    return hashlib.sha256(str(number).encode()).digest()


def test_a_sound_gallery_has_no_findings(tmp_path, sound):
    assert findings_of(tmp_path, *sound) == []


def test_swapped_labels_are_found_and_ranked_by_the_gap(tmp_path, sound):
    labels, vectors, quality = sound
    labels[[2, 33]] = labels[[33, 2]]
    out = findings_of(tmp_path, labels, vectors, quality)
    assert {(f.kind, f.sample_id, f.other) for f in out} == {
        ("label", 3, "p00"),
        ("label", 34, "p06"),
    }
    assert out[0].excess >= out[1].excess > 0.3
    assert all(f.value > 0.5 > f.limit for f in out)
    assert "siamkit forget --sample" in out[0].advice
    assert f"siamkit enrol g --as {out[0].other} {out[0].source}" in out[0].advice


def test_one_content_under_two_labels_is_a_copy_and_the_worst(tmp_path, sound):
    labels, vectors, quality = sound
    digests = [digest_of(i) for i in range(len(labels))]
    digests[7], vectors[7] = digests[1], vectors[1]
    first = findings_of(tmp_path, labels, vectors, quality, digests=digests)[0]
    assert (first.kind, first.sample_id, first.other_sample_id) == ("copy", 8, 2)
    assert "the same file" in first.description


def test_one_person_under_two_names_is_reported_once(tmp_path, sound):
    labels, vectors, quality = sound
    labels[10:12] = "somebody else's name"
    (twins,) = findings_of(tmp_path, labels, vectors, quality)
    assert (twins.kind, {twins.identity, twins.other}) == ("twins", {"p02", "somebody else's name"})
    assert twins.value >= twins.limit
    assert "siamkit merge" in twins.advice


def test_an_identity_of_one_sample_is_compared_as_a_twin_only(tmp_path, sound):
    labels, vectors, quality = sound
    labels[11] = "single"
    assert [(f.kind, f.other) for f in findings_of(tmp_path, labels, vectors, quality)] in (
        [("twins", "p02")],
        [("twins", "single")],
    )


def test_low_quality_is_judged_by_the_gallerys_own_and_a_plain_limit(tmp_path, sound):
    labels, vectors, _ = sound
    quality = np.random.default_rng(1).uniform(0.7, 0.9, len(labels)).tolist()
    quality[4], quality[5], quality[6] = 0.05, 0.3, None
    out = findings_of(tmp_path, labels, vectors, quality)
    assert [(f.kind, f.sample_id) for f in out] == [("quality", 5), ("quality", 6)]
    assert out[0].value == pytest.approx(0.05)
    assert out[0].limit == 0.5
    alike = [0.2] * len(labels)  # all are as bad: the plain limit alone counts
    assert findings_of(tmp_path / "b", labels, vectors, alike) == []


def test_a_burst_of_nearly_equal_samples_is_findings_of(tmp_path, sound):
    labels, vectors, quality = sound
    noise = np.random.default_rng(2).normal(size=(EACH, DIM)) / 8
    vectors[15:20] = normed(vectors[15] + 0.01 * noise)
    (burst,) = findings_of(tmp_path, labels, vectors, quality)
    assert (burst.kind, burst.identity, burst.sample_id) == ("burst", "p03", 16)
    assert "--as p03" in burst.advice


def test_a_stray_sample_that_is_like_nobody_is_an_outlier(tmp_path, sound):
    labels, vectors, quality = sound
    vectors[20] = normed(np.random.default_rng(3).normal(size=(1, DIM)))[0]
    (stray,) = findings_of(tmp_path, labels, vectors, quality)
    assert (stray.kind, stray.sample_id, stray.other) == ("outlier", 21, None)


def test_of_two_samples_that_disagree_the_identity_is_reported_once(tmp_path, sound):
    labels, vectors, quality = (np.delete(column, [22, 23, 24], axis=0) for column in sound)
    vectors[21] = normed(np.random.default_rng(3).normal(size=(1, DIM)))[0]
    (stray,) = findings_of(tmp_path, labels, vectors, quality)
    assert (stray.kind, stray.identity) == ("outlier", "p04")


def test_two_samples_that_agree_are_sound(tmp_path, sound):
    labels, vectors, quality = (column[:60] for column in sound)
    keep = np.arange(60) % EACH < 2
    assert findings_of(tmp_path, labels[keep], vectors[keep], quality[keep]) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_small_galleries_and_no_threshold_are_fine(tmp_path, sound, count):
    labels, vectors, quality = (column[:count] for column in sound)
    assert findings_of(tmp_path, labels, vectors, quality, threshold=None) == []


def test_an_empty_gallery_has_no_findings_and_none_is_an_error(workspace):
    workspace.create_gallery("empty", "letters")
    assert workspace.audit("empty") == []
    with pytest.raises(StoreError, match="no gallery"):
        workspace.audit("nowhere")


def test_vectors_stay_in_the_store_and_a_sample_may_be_forgotten_meanwhile(tmp_path, sound):
    labels, vectors, quality = sound
    labels[[2, 33]], quality[50] = labels[[33, 2]], 0.05
    assert len(findings_of(tmp_path, labels, vectors, quality)) == 3
    store = Store(tmp_path / "store")
    live = LiveIndex(store, galleries.get(store, "g"))
    compared = compare_gallery(live, lambda *step: None)
    held = [compared.enrolled, compared.cohesion, compared.strangers]
    arrays = [getattr(part, name) for part in held for name in part.__slots__]
    size = sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
    assert size < 64 * len(labels) < vectors.nbytes
    rest = audit(live, progress=lambda *step: samples.delete(store, [51, 3]))
    assert [(f.kind, f.sample_id) for f in rest] == [("label", 34)]


def test_cohesion_agrees_with_a_plain_loop(sound):
    labels, vectors, _ = sound
    labels[0] = "alone"
    identity = np.unique(labels, return_inverse=True)[1]
    own = audit_stats.measure_cohesion(vectors, identity)
    for i, who in enumerate(identity):
        others = [j for j in range(len(labels)) if identity[j] == who and j != i]
        if not others:
            assert np.isnan(own.nearest[i])
            assert own.partner[i] == -1
            continue
        scores = [float(vectors[i] @ vectors[j]) for j in others]
        assert own.nearest[i] == pytest.approx(max(scores), abs=1e-6)
        assert own.partner[i] == others[int(np.argmax(scores))]
    for who in range(identity.max() + 1):
        mine = np.flatnonzero(identity == who)
        scores = [float(vectors[i] @ vectors[j]) for i in mine for j in mine if i != j]
        if scores:
            assert own.mean[who] == pytest.approx(np.mean(scores), abs=1e-6)
    pairs = np.array([[0, 1], [2, 5]])
    for (a, b), mean in zip(pairs, audit_stats.mean_cosines(vectors, identity, pairs), strict=True):
        block = vectors[identity == a] @ vectors[identity == b].T
        assert mean == pytest.approx(block.mean(), abs=1e-6)
