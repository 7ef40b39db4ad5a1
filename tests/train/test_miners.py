"""Relations and miners, against their definitions and against pytorch-metric-learning."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.miners import (
    BatchHardMiner,
    DistanceWeightedMiner,
    TripletMarginMiner,
)
from torch.nn.functional import normalize

from siamkit.train.miners import Triplets, active_fraction, miner
from siamkit.train.relations import relations, squared_distances

NAMES = ("random", "semi-hard", "batch-hard", "distance-weighted")
MARGIN, DIM = 0.4, 6
SQUARED = LpDistance(power=2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(identities=5, each=4, dim=DIM, seed=0):
    labels = torch.arange(identities).repeat_interleave(each)
    embeddings = normalize(torch.randn(len(labels), dim, generator=generator(seed)))
    return embeddings, labels, torch.zeros(len(labels), dtype=torch.bool)


def mine(name, embeddings, labels, impostor, seed=0, dim=DIM):
    distances = squared_distances(embeddings)
    return miner(name, MARGIN, dim)(distances, relations(labels, impostor), generator(seed))


def as_set(triplets):
    return set(zip(*(rows.tolist() for rows in triplets), strict=True))


def possible(labels, impostor):
    """Every triplet, by the definition, in plain Python."""
    y, f = labels.tolist(), impostor.tolist()
    for a, p, n in product(range(len(y)), repeat=3):
        mated = a != p and y[a] == y[p] and not f[a] and not f[p]
        if mated and (y[a] != y[n] or f[n]):
            yield a, p, n


samples = st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=14)


def drawn(samples, seed):
    labels = torch.tensor([label for label, _ in samples], dtype=torch.int64)
    impostor = torch.tensor([impostor for _, impostor in samples], dtype=torch.bool)
    return normalize(torch.randn(len(samples), DIM, generator=generator(seed))), labels, impostor


def test_an_impostor_is_a_negative_of_its_identity_and_never_an_anchor():
    labels, impostor = (
        torch.tensor([0, 0, 0, 0, 1]),
        torch.tensor([False, False, True, True, False]),
    )
    related = relations(labels, impostor)
    assert related.positive.nonzero().tolist() == [[0, 1], [1, 0]]
    negatives = {0: [2, 3, 4], 1: [2, 3, 4], 4: [0, 1, 2, 3]}
    pairs = [[anchor, other] for anchor, others in negatives.items() for other in others]
    assert related.negative.nonzero().tolist() == pairs


@given(samples, st.integers(0, 1000))
def test_relations_allow_exactly_the_defined_triplets(samples, seed):
    _, labels, impostor = drawn(samples, seed)
    related = relations(labels, impostor)
    allowed = (related.positive[:, :, None] & related.negative[:, None, :]).nonzero().tolist()
    assert {tuple(t) for t in allowed} == set(possible(labels, impostor))


@pytest.mark.parametrize("name", NAMES)
@given(samples, st.integers(0, 1000))
def test_only_valid_triplets_are_mined(name, samples, seed):
    embeddings, labels, impostor = drawn(samples, seed)
    triplets = mine(name, embeddings, labels, impostor, seed)
    assert isinstance(triplets, Triplets)
    assert {rows.dtype for rows in triplets} == {torch.int64}
    allowed = set(possible(labels, impostor))
    assert as_set(triplets) <= allowed
    pairs = [t[:2] for t in as_set(triplets)]
    assert len(pairs) == len(set(pairs)) == len(triplets.anchor)
    if name in ("random", "distance-weighted"):
        assert set(pairs) == {t[:2] for t in allowed}
    if name == "batch-hard":
        assert {a for a, _ in pairs} == {t[0] for t in allowed}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("labels", "impostor"),
    [([], []), ([0], [0]), ([0, 0, 0], [0, 0, 0]), ([0, 1, 2], [0, 0, 0]), ([0, 0], [1, 1])],
    ids=["nothing", "one sample", "one identity", "no positives", "impostors alone"],
)
def test_nothing_is_mined_where_nothing_can_be(name, labels, impostor):
    labels = torch.tensor(labels, dtype=torch.int64)
    impostor = torch.tensor(impostor, dtype=torch.bool)
    embeddings = normalize(torch.randn(len(labels), DIM, generator=generator()))
    assert [len(rows) for rows in mine(name, embeddings, labels, impostor)] == [0, 0, 0]
    distances = squared_distances(embeddings)
    assert active_fraction(distances, relations(labels, impostor), MARGIN) == 0


def test_one_identity_is_mined_against_its_own_impostor():
    labels, impostor = torch.tensor([7, 7, 7]), torch.tensor([False, False, True])
    embeddings = normalize(torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.7, 0.7]]))
    for name in ("random", "batch-hard", "distance-weighted"):
        assert as_set(mine(name, embeddings, labels, impostor, dim=2)) == {(0, 1, 2), (1, 0, 2)}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_generator_mines_the_same(name):
    samples_of_batch = batch(seed=3)
    first, second = (as_set(mine(name, *samples_of_batch, seed=5)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("seed", range(5))
def test_batch_hard_mines_as_pytorch_metric_learning(seed):
    embeddings, labels, impostor = batch(seed=seed)
    theirs = BatchHardMiner(distance=SQUARED)(embeddings, labels)
    assert as_set(mine("batch-hard", embeddings, labels, impostor)) == as_set(theirs)


@pytest.mark.parametrize("seed", range(3))
def test_semi_hard_draws_from_all_that_pytorch_metric_learning_allows(seed):
    embeddings, labels, impostor = batch(seed=seed)
    band = TripletMarginMiner(MARGIN, type_of_triplets="semihard", distance=SQUARED)
    allowed = as_set(band(embeddings, labels))
    drawn = set()
    for draw in range(100):
        triplets = as_set(mine("semi-hard", embeddings, labels, impostor, draw))
        assert {t[:2] for t in triplets} == {t[:2] for t in allowed}
        drawn |= triplets
    assert drawn == allowed


def test_random_negatives_are_equally_likely():
    embeddings, labels, impostor = batch(3, 3)
    counts = torch.zeros(9, 9)
    for draw in range(600):
        triplets = mine("random", embeddings, labels, impostor, draw)
        counts.index_put_((triplets.anchor, triplets.negative), torch.tensor(1.0), accumulate=True)
    shares = counts / counts.sum(1, keepdim=True)
    expected = relations(labels, impostor).negative / 6
    torch.testing.assert_close(shares, expected, atol=0.05, rtol=0)


def test_distance_weighted_draws_by_the_weights_of_pytorch_metric_learning(monkeypatch):
    """Of an anchor some negatives are beyond the upper cutoff, some below the lower."""
    dim = 32
    centre = normalize(torch.randn(dim, generator=generator(1)), dim=0)
    noise = torch.randn(12, dim, generator=generator(2)) * torch.linspace(0.02, 0.5, 12)[:, None]
    embeddings, labels = normalize(centre + noise), torch.arange(4).repeat(3)
    embeddings[3] = -centre
    impostor, counts = torch.zeros(12, dtype=torch.bool), torch.zeros(12, 12)
    for draw in range(600):
        a, _, n = mine("distance-weighted", embeddings, labels, impostor, draw, dim)
        counts.index_put_((a, n), torch.tensor(1.0), accumulate=True)
    shares = counts / counts.sum(1, keepdim=True)
    expected = weights_of_peer(monkeypatch, embeddings, labels)
    inside = expected.isfinite().all(1)
    assert inside.nonzero()[:, 0].tolist() == [0, 1, 2, *range(4, 12)]
    torch.testing.assert_close(shares[inside], expected[inside], atol=0.05, rtol=0)
    assert shares[3, labels != 3].min() > 0.05  # all are beyond the cutoff: any may come


def weights_of_peer(monkeypatch, embeddings, labels):
    """The (n, n) shares that it would draw by; NaN in rows of which it draws nothing."""
    caught = []

    def catch(labels, ref_labels, weights):
        caught.append(weights)
        return (torch.empty(0),) * 3

    monkeypatch.setattr(
        "pytorch_metric_learning.utils.loss_and_miner_utils.get_random_triplet_indices", catch
    )
    DistanceWeightedMiner()(embeddings, labels)
    return caught[0]


@pytest.mark.parametrize("dim", [2, 3, 2048])
def test_distance_weighted_works_in_any_dimension(dim):
    embeddings, labels, impostor = batch(dim=dim)
    triplets = as_set(mine("distance-weighted", embeddings, labels, impostor, dim=dim))
    assert triplets <= set(possible(labels, impostor))
    assert len(triplets) == 5 * 4 * 3


@given(samples, st.integers(0, 1000), st.floats(0, 2))
def test_active_fraction_counts_the_violating_triplets(samples, seed, margin):
    embeddings, labels, impostor = drawn(samples, seed)
    d = squared_distances(embeddings)
    # Two roundings apart, so no triplet may be within them of the margin.
    excesses = [float(d[a, p] - d[a, n]) + margin for a, p, n in possible(labels, impostor)]
    excesses = [x for x in excesses if abs(x) > 1e-5] if margin else excesses
    share = sum(x > 0 for x in excesses) / max(len(excesses), 1)
    fraction = active_fraction(d, relations(labels, impostor), margin)
    assert fraction == pytest.approx(share, abs=1e-6)


def test_squared_distances_are_those_of_pytorch_metric_learning():
    embeddings, _, _ = batch(seed=9)
    doubled = embeddings.double()
    ours, theirs = squared_distances(doubled), SQUARED(doubled)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    assert squared_distances(embeddings).min() >= 0
