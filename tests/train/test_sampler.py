"""Which samples make a batch."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from siamkit.train.sampler import BatchShape, sampler


@st.composite
def drawn(draw):
    """A sampler over identities with two genuine samples or more, in any order."""
    counts = draw(st.lists(st.tuples(st.integers(2, 6), st.integers(0, 4)), min_size=2, max_size=9))
    labels = np.repeat(np.arange(len(counts)), [a + b for a, b in counts])
    impostor = np.concatenate([[False] * a + [True] * b for a, b in counts])
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(labels))
    shape = BatchShape(
        identities=draw(st.integers(2, 12)),
        samples=draw(st.integers(2, 5)),
        impostors=draw(st.integers(0, 3)),
    )
    made = sampler(labels[order], impostor[order], shape, seed=draw(st.integers(0, 9)))
    return made, impostor[order]


@given(drawn(), st.integers(0, 50), st.integers(0, 3))
def test_a_batch_holds_the_rows_it_says(given, step, rank):
    made, impostor = given
    rows = made.draw(step, rank=rank, world=4)
    assert len(set(rows)) == len(rows)
    labels = made.labels[rows]
    assert len(set(labels)) == min(made.shape.identities, len(made.genuine))
    for identity in set(labels):
        of_it = rows[labels == identity]
        assert (~impostor[of_it]).sum() == min(made.shape.samples, len(made.genuine[identity]))
        assert impostor[of_it].sum() == min(made.shape.impostors, len(made.impostors[identity]))


@given(drawn(), st.integers(0, 50), st.integers(0, 3))
def test_a_batch_depends_on_seed_step_and_rank_alone(given, step, rank):
    made, impostor = given
    again = sampler(made.labels, impostor, made.shape, made.seed)
    made.draw(step + 1, rank=rank, world=4)
    assert np.array_equal(made.draw(step, rank=rank, world=4), again.draw(step, rank=rank, world=4))


@given(drawn(), st.integers(1, 3), st.integers(0, 3))
def test_every_identity_comes_before_any_comes_again(given, world, epoch):
    """Of all processes together; an epoch may end in the middle of a batch."""
    made, _ = given
    total = len(made.genuine)
    count = min(made.shape.identities, total)
    turns = range(epoch * total // count, -(-(epoch + 1) * total // count))
    seen = [
        identity
        for turn in turns
        for identity in set(made.labels[made.draw(turn // world, rank=turn % world, world=world)])
    ]
    assert set(seen) == set(range(total))
    if total % count == 0:
        assert len(seen) == total


@given(drawn(), st.integers(0, 20), st.integers(0, 99))
def test_wrong_neighbours_are_brought_along(given, step, seed):
    made, impostor = given
    rng = np.random.default_rng(seed)
    hard = rng.integers(0, len(made.labels), (len(made.labels), 2))
    hard[made.labels[hard] == made.labels[:, None]] = -1  # none of the same identity
    rows = made.draw(step, hard=hard)
    labels = made.labels[rows]
    seeds = max(1, made.shape.identities // 2)
    assert min(seeds, len(made.genuine)) <= len(set(labels)) <= 2 * seeds
    for identity in set(labels):
        of_it = rows[labels == identity]
        assert 2 <= (~impostor[of_it]).sum() <= made.shape.samples
        assert impostor[of_it].sum() <= made.shape.impostors
    assert np.array_equal(rows, made.draw(step, hard=hard))


def test_the_very_row_that_is_hard_comes():
    """Two identities, each row with one wrong neighbour; and an impostor of the row's own."""
    labels = np.repeat([0, 1], 50)
    impostor = np.zeros(100, np.bool_)
    impostor[40:50] = True
    made = sampler(labels, impostor, BatchShape(identities=2, samples=3, impostors=1), seed=0)
    hard = np.full((100, 1), 77)
    hard[50:] = 45  # an impostor
    for step in range(20):
        rows = set(made.draw(step, hard=hard).tolist())
        assert rows & {77, 45}


@given(drawn(), st.lists(st.sampled_from("abc"), min_size=9, max_size=9), st.integers(0, 3))
def test_batches_of_one_category(given, letters, world):
    """Each epoch draws every identity; only one without others in its category gets strangers."""
    made, impostor = given
    total = len(made.genuine)
    categories = letters[:total]
    again = sampler(made.labels, impostor, made.shape, made.seed, categories=categories)
    for letter in set(categories):
        members = {i for i, category in enumerate(categories) if category == letter}
        (group,) = [set(group.tolist()) for group in again.categories if members & set(group)]
        assert members <= group
    parts = sum(-(-len(members) // made.shape.identities) for members in again.categories)
    drawn_identities = set()
    for turn in range(parts):
        rows = again.draw(turn // (world + 1), rank=turn % (world + 1), world=world + 1)
        identities = set(made.labels[rows].tolist())
        assert len(identities) >= 2
        assert any(identities <= set(members.tolist()) for members in again.categories)
        drawn_identities |= identities
    assert drawn_identities == set(range(total))


def test_an_identity_with_few_samples_is_repeated():
    labels = np.repeat([0, 1, 2], [2, 3, 9])
    impostor = np.zeros(14, np.bool_)
    shape = BatchShape(identities=3, samples=5, impostors=0)
    made = sampler(labels, impostor, shape, seed=0, repeats=True)
    for step in range(9):
        rows = made.draw(step)
        assert np.bincount(labels[rows]).tolist() == [5, 5, 5]
        times = np.bincount(rows, minlength=14)
        assert set(times[:2]) == {2, 3}  # of two samples
        assert set(times[2:5]) == {1, 2}
        assert set(times[5:]) == {0, 1}
        assert np.array_equal(rows, made.draw(step))
