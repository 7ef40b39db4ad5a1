"""Classification, against scikit-learn and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from siamkit.stats import classify
from siamkit.stats.classify import ClassificationRule, evidence_at
from siamkit.stats.label_sets import LabelledVectors
from siamkit.stats.scoring import mean_score


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def drawn(classes=6, each=5, probes=40, spread=0.9, seed=0):
    """Examples of classes around centres, their class numbers, and probes with theirs."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 12))
    labels, asked = np.repeat(np.arange(classes), each), rng.integers(0, classes, probes)
    rows = centres[labels] + spread * rng.normal(size=(len(labels), 12))
    others = centres[asked] + spread * rng.normal(size=(probes, 12))
    return unit(rows), labels, unit(others), asked


def labelled(rows, labels):
    return LabelledVectors.from_matrix(rows, labels[:, None] == np.unique(labels))


def smoothed(shares, count, before):
    return (count * shares + before) / (count + 1)


@pytest.mark.parametrize("k", [1, 4, 30, 100])
@pytest.mark.parametrize("temperature", [0.05, 1e6])
def test_neighbours_vote_as_scikit_learns_do(k, temperature):
    rows, labels, probes, _ = drawn()
    peer = KNeighborsClassifier(
        min(k, len(rows)), metric="cosine", algorithm="brute",
        weights=lambda d: np.exp((1 - d) / temperature),
    ).fit(rows, labels)  # fmt: skip
    known = labelled(rows, labels)
    found = classify.probabilities(
        known, ClassificationRule("knn", k), evidence_at(temperature), probes
    )
    wanted = smoothed(peer.predict_proba(probes), len(rows), 1 / 6)
    assert found == pytest.approx(wanted, abs=1e-4)
    assert found.sum(axis=1) == pytest.approx(1)


def test_tags_by_neighbours_are_scikit_learns_multilabel_votes():
    rows, labels, probes, _ = drawn()
    bears = np.stack([labels < 2, labels % 2 == 0, labels > 0], axis=1)
    keep = bears.any(axis=1)
    peer = KNeighborsClassifier(
        7, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.1)
    ).fit(rows[keep], bears[keep].astype(int))
    wanted = np.stack([part[:, 1] for part in peer.predict_proba(probes)], axis=1)
    count = int(keep.sum())
    before = (bears[keep].sum(axis=0) + 0.5) / (count + 1)
    known = LabelledVectors.from_matrix(rows[keep], bears[keep])
    found = classify.probabilities(
        known, ClassificationRule("knn", 7, tags=True), evidence_at(0.1), probes
    )
    assert found == pytest.approx(smoothed(wanted, count, before), abs=1e-4)


def test_prototypes_are_scikit_learns_centroids_by_cosine():
    rows, labels, probes, _ = drawn()
    cosines = probes @ unit(NearestCentroid().fit(rows, labels).centroids_).T
    rule = ClassificationRule("prototypes")
    known = labelled(rows, labels)
    assert classify.class_scores(known, rule, probes) == pytest.approx(cosines, abs=1e-5)
    powers = np.exp(cosines / 0.07)
    wanted = smoothed(powers / powers.sum(axis=1, keepdims=True), len(rows), 1 / 6)
    found = classify.probabilities(known, rule, evidence_at(0.07), probes)
    assert found == pytest.approx(wanted, abs=1e-4)


def test_prototypes_score_as_the_means_of_a_query_do():
    rows, labels, probes, _ = drawn()
    keep = np.flatnonzero((labels != 2) | (np.arange(len(labels)) == 10))  # one class has one
    known = labelled(rows[keep], labels[keep])
    found = classify.class_scores(
        known, ClassificationRule("prototypes", mated_cosine=0.4), probes[:3]
    )
    for row, probe in zip(found, probes, strict=False):
        each = [mean_score(rows[keep][labels[keep] == c], probe, 0.4) for c in range(6)]
        assert row == pytest.approx(each, abs=1e-5)


def test_the_score_of_a_class_is_that_of_its_nearest_example():
    rows, labels, probes, _ = drawn()
    found = classify.class_scores(labelled(rows, labels), ClassificationRule("knn", 1), probes)
    wanted = [[(rows[labels == c] @ probe).max() for c in range(6)] for probe in probes]
    assert found == pytest.approx(np.array(wanted), abs=1e-6)


@pytest.mark.parametrize("by", ["knn", "prototypes"])
@pytest.mark.parametrize("tags", [False, True])
def test_the_temperature_is_that_of_the_least_loss_of_held_out_examples(by, tags):
    """The slow twin takes each example out of the examples and asks about it."""
    rows, labels, _, _ = drawn(classes=4, each=4, spread=1.5)
    bears = labels[:, None] == np.arange(4)
    bears[:, 1] |= labels == 2 if tags else False
    known, rule = LabelledVectors.from_matrix(rows, bears), ClassificationRule(by, 3, tags)

    def loss(temperature):
        total = []
        for row in range(len(rows)):
            rest = np.arange(len(rows)) != row
            left = LabelledVectors.from_matrix(rows[rest], bears[rest])
            one = classify._compare(left, rule, rows[row : row + 1])
            shares = classify._shares(one, evidence_at(temperature))
            found = classify._smooth(known, rule, shares)[0]
            right = np.where(bears[row], found, 1 - found) if tags else found[bears[row]].sum()
            total.append(-np.log(right))
        prior = np.log(temperature / classify.guess_temperature(known)) ** 2 / 2
        return np.sum(total) + prior

    temperature, count = classify.fit_temperature(known, rule)
    assert count == len(rows)
    assert temperature == min(classify.TEMPERATURES, key=loss)


def test_nothing_is_fitted_where_no_class_has_a_second_example():
    rows, labels, probes, asked = drawn(classes=8, each=1, spread=0.3)
    known = labelled(rows, labels)
    assert classify.fit_temperature(known, ClassificationRule()) is None
    guessed = evidence_at(classify.guess_temperature(known))
    for rule in (ClassificationRule("knn", 5), ClassificationRule("prototypes")):
        found = classify.probabilities(known, rule, guessed, probes)
        assert (found.argmax(axis=1) == asked).mean() > 0.9


def test_a_held_out_example_is_not_its_own_neighbour():
    rows, _, _, _ = drawn()
    found, scores = classify.neighbours(rows, rows, 3, np.arange(len(rows)))
    assert (found != np.arange(len(rows))[:, None]).all()
    assert (np.diff(scores, axis=1) <= 0).all()


def test_one_class_and_one_example_are_no_special_case():
    row = unit(np.ones((1, 4)))
    for rule in (
        ClassificationRule(),
        ClassificationRule("prototypes"),
        ClassificationRule(tags=True),
        ClassificationRule("prototypes", tags=True),
    ):
        known = LabelledVectors.from_matrix(row, np.ones((1, 1), bool))
        assert classify.fit_temperature(known, rule) is None
        evidence = evidence_at(classify.guess_temperature(known))
        (found,) = classify.probabilities(known, rule, evidence, row)[0]
        assert 0.5 < found <= 1


def test_probabilities_are_honest_on_samples_that_were_not_enrolled():
    for by in ("knn", "prototypes"):
        sure, right = [], []
        for seed in range(10):
            rows, labels, probes, asked = drawn(10, 6, 200, 1.6, seed)
            known, rule = labelled(rows, labels), ClassificationRule(by, 10)
            temperature, _ = classify.fit_temperature(known, rule)
            found = classify.probabilities(known, rule, evidence_at(temperature), probes)
            sure.append(found.max(axis=1))
            right.append(found.argmax(axis=1) == asked)
        assert np.mean(sure) == pytest.approx(np.mean(right), abs=0.06)


@pytest.mark.parametrize("by", ["knn", "prototypes"])
def test_rare_tags_are_given_where_they_belong(by):
    """Of twenty tags, one is right; the nineteen others start at odds of 1 to 19."""
    rows, labels, probes, asked = drawn(classes=20, each=10, probes=200, spread=0.6, seed=2)
    known, rule = labelled(rows, labels), ClassificationRule(by, 5, tags=True)
    temperature, _ = classify.fit_temperature(known, rule)
    given = classify.probabilities(known, rule, evidence_at(temperature), probes) >= 0.5
    right = given[np.arange(len(asked)), asked].sum()
    assert right / given.sum() > 0.8
    assert right / len(asked) > 0.5


def test_tags_of_one_sample_each_are_not_fitted():
    """Nothing shows how alike two samples of one tag are."""
    rows, labels, _, _ = drawn(classes=12, each=1)
    assert classify.fit_temperature(labelled(rows, labels), ClassificationRule(tags=True)) is None


def test_more_neighbours_than_there_are_starve_no_fit():
    rows, labels, _, _ = drawn(classes=20, each=30)
    known = labelled(rows, labels)
    counts = {
        classify.fit_temperature(known, ClassificationRule("knn", k))[1] for k in (599, 10**9)
    }
    assert len(counts) == 1


def test_a_few_samples_are_not_taken_to_be_sharp():
    """Two classes that are told without a mistake: the least loss alone ends at the grid's edge."""
    rows, labels, _, _ = drawn(classes=2, each=6, spread=0.1)
    for by in ("knn", "prototypes"):
        temperature, _ = classify.fit_temperature(labelled(rows, labels), ClassificationRule(by))
        assert temperature > classify.TEMPERATURES[0]


def test_the_guess_does_not_depend_on_the_order_of_enrolment():
    rows, labels, _, _ = drawn(classes=3, each=1_500, spread=0.5)
    mixed = np.random.default_rng(0).permutation(len(rows))
    in_turn = classify.guess_temperature(labelled(rows, labels))
    assert in_turn == pytest.approx(
        classify.guess_temperature(labelled(rows[mixed], labels[mixed])), 0.1
    )
