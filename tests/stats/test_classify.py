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


def sample_classes(classes=6, count=5, probes=40, spread=0.9, seed=0):
    """Examples of classes around centres, their class numbers, and probes with theirs."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 12))
    labels, probe_labels = np.repeat(np.arange(classes), count), rng.integers(0, classes, probes)
    rows = centres[labels] + spread * rng.normal(size=(len(labels), 12))
    others = centres[probe_labels] + spread * rng.normal(size=(probes, 12))
    return unit(rows), labels, unit(others), probe_labels


def labelled(rows, labels):
    return LabelledVectors(rows, *np.nonzero(labels[:, None] == np.unique(labels)))


def smoothed(shares, count, before):
    return (count * shares + before) / (count + 1)


@pytest.mark.parametrize("k", [1, 4, 30, 100])
@pytest.mark.parametrize("temperature", [0.05, 1e6])
def test_neighbours_vote_as_in_scikit_learn(k, temperature):
    rows, labels, probes, _ = sample_classes()
    peer = KNeighborsClassifier(
        min(k, len(rows)),
        metric="cosine",
        algorithm="brute",
        weights=lambda d: np.exp((1 - d) / temperature),
    ).fit(rows, labels)
    examples = labelled(rows, labels)
    predicted = classify.probabilities(
        examples, ClassificationRule("knn", k), evidence_at(temperature), probes
    )
    expected = smoothed(peer.predict_proba(probes), len(rows), 1 / 6)
    assert predicted == pytest.approx(expected, abs=1e-4)
    assert predicted.sum(axis=1) == pytest.approx(1)


def test_tags_by_neighbours_equal_multilabel_votes_of_scikit_learn():
    rows, labels, probes, _ = sample_classes()
    has_label = np.stack([labels < 2, labels % 2 == 0, labels > 0], axis=1)
    keep = has_label.any(axis=1)
    peer = KNeighborsClassifier(
        7, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.1)
    ).fit(rows[keep], has_label[keep].astype(int))
    expected = np.stack([part[:, 1] for part in peer.predict_proba(probes)], axis=1)
    count = int(keep.sum())
    before = (has_label[keep].sum(axis=0) + 0.5) / (count + 1)
    examples = LabelledVectors(rows[keep], *np.nonzero(has_label[keep]))
    predicted = classify.probabilities(
        examples, ClassificationRule("knn", 7, tags=True), evidence_at(0.1), probes
    )
    assert predicted == pytest.approx(smoothed(expected, count, before), abs=1e-4)


def test_prototypes_equal_centroids_of_scikit_learn():
    rows, labels, probes, _ = sample_classes()
    cosines = probes @ unit(NearestCentroid().fit(rows, labels).centroids_).T
    rule = ClassificationRule("prototypes")
    examples = labelled(rows, labels)
    assert classify.class_scores(examples, rule, probes) == pytest.approx(cosines, abs=1e-5)
    powers = np.exp(cosines / 0.07)
    expected = smoothed(powers / powers.sum(axis=1, keepdims=True), len(rows), 1 / 6)
    predicted = classify.probabilities(examples, rule, evidence_at(0.07), probes)
    assert predicted == pytest.approx(expected, abs=1e-4)


def test_prototypes_score_as_mean_fusion_does():
    rows, labels, probes, _ = sample_classes()
    keep = np.flatnonzero((labels != 2) | (np.arange(len(labels)) == 10))  # one class has one
    examples = labelled(rows[keep], labels[keep])
    scores = classify.class_scores(
        examples, ClassificationRule("prototypes", mated_cosine=0.4), probes[:3]
    )
    for row, probe in zip(scores, probes, strict=False):
        means = [mean_score(rows[keep][labels[keep] == c], probe, 0.4) for c in range(6)]
        assert row == pytest.approx(means, abs=1e-5)


def test_a_class_scores_as_its_nearest_example():
    rows, labels, probes, _ = sample_classes()
    scores = classify.class_scores(labelled(rows, labels), ClassificationRule("knn", 1), probes)
    expected = [[(rows[labels == c] @ probe).max() for c in range(6)] for probe in probes]
    assert scores == pytest.approx(np.array(expected), abs=1e-6)


@pytest.mark.parametrize("by", ["knn", "prototypes"])
@pytest.mark.parametrize("tags", [False, True])
def test_the_temperature_minimises_the_loss_of_held_out_examples(by, tags):
    """The slow twin removes each example in turn and classifies it."""
    rows, labels, _, _ = sample_classes(classes=4, count=4, spread=1.5)
    has_label = labels[:, None] == np.arange(4)
    has_label[:, 1] |= labels == 2 if tags else False
    examples, rule = LabelledVectors(rows, *np.nonzero(has_label)), ClassificationRule(by, 3, tags)

    def loss(temperature):
        total = []
        for row in range(len(rows)):
            others = np.arange(len(rows)) != row
            remaining = LabelledVectors(rows[others], *np.nonzero(has_label[others]))
            one = classify._compare(remaining, rule, rows[row : row + 1])
            shares = classify._shares(one, evidence_at(temperature))
            predicted = classify._smooth(examples, rule, shares)[0]
            right = (
                np.where(has_label[row], predicted, 1 - predicted)
                if tags
                else predicted[has_label[row]].sum()
            )
            total.append(-np.log(right))
        prior = np.log(temperature / classify.guess_temperature(examples)) ** 2 / 2
        return np.sum(total) + prior

    temperature, count = classify.fit_temperature(examples, rule)
    assert count == len(rows)
    assert temperature == min(classify.TEMPERATURES, key=loss)


def test_no_temperature_is_fitted_without_a_second_example_of_any_class():
    rows, labels, probes, probe_labels = sample_classes(classes=8, count=1, spread=0.3)
    examples = labelled(rows, labels)
    assert classify.fit_temperature(examples, ClassificationRule()) is None
    evidence = evidence_at(classify.guess_temperature(examples))
    for rule in (ClassificationRule("knn", 5), ClassificationRule("prototypes")):
        predicted = classify.probabilities(examples, rule, evidence, probes)
        assert (predicted.argmax(axis=1) == probe_labels).mean() > 0.9


def test_a_held_out_example_is_not_its_own_neighbour():
    rows, _, _, _ = sample_classes()
    nearest, scores = classify.neighbours(rows, rows, 3, np.arange(len(rows)))
    assert (nearest != np.arange(len(rows))[:, None]).all()
    assert (np.diff(scores, axis=1) <= 0).all()


def test_one_class_with_one_example():
    row = unit(np.ones((1, 4)))
    for rule in (
        ClassificationRule(),
        ClassificationRule("prototypes"),
        ClassificationRule(tags=True),
        ClassificationRule("prototypes", tags=True),
    ):
        examples = LabelledVectors(row, *np.nonzero(np.ones((1, 1), bool)))
        assert classify.fit_temperature(examples, rule) is None
        evidence = evidence_at(classify.guess_temperature(examples))
        (probability,) = classify.probabilities(examples, rule, evidence, row)[0]
        assert 0.5 < probability <= 1


def test_probabilities_are_calibrated_on_samples_that_were_not_enrolled():
    for by in ("knn", "prototypes"):
        confidence, correct = [], []
        for seed in range(10):
            rows, labels, probes, probe_labels = sample_classes(10, 6, 200, 1.6, seed)
            examples, rule = labelled(rows, labels), ClassificationRule(by, 10)
            temperature, _ = classify.fit_temperature(examples, rule)
            predicted = classify.probabilities(examples, rule, evidence_at(temperature), probes)
            confidence.append(predicted.max(axis=1))
            correct.append(predicted.argmax(axis=1) == probe_labels)
        assert np.mean(confidence) == pytest.approx(np.mean(correct), abs=0.06)


@pytest.mark.parametrize("by", ["knn", "prototypes"])
def test_rare_tags_are_assigned_correctly(by):
    """Of twenty tags one is right; the prior odds of each are 1 to 19."""
    rows, labels, probes, probe_labels = sample_classes(
        classes=20, count=10, probes=200, spread=0.6, seed=2
    )
    examples, rule = labelled(rows, labels), ClassificationRule(by, 5, tags=True)
    temperature, _ = classify.fit_temperature(examples, rule)
    assigned = classify.probabilities(examples, rule, evidence_at(temperature), probes) >= 0.5
    right = assigned[np.arange(len(probe_labels)), probe_labels].sum()
    assert right / assigned.sum() > 0.8
    assert right / len(probe_labels) > 0.5


def test_tags_of_one_sample_each_are_not_fitted():
    """Nothing shows how similar two samples of one tag are."""
    rows, labels, _, _ = sample_classes(classes=12, count=1)
    assert classify.fit_temperature(labelled(rows, labels), ClassificationRule(tags=True)) is None


def test_a_k_above_the_number_of_examples_holds_out_as_many():
    rows, labels, _, _ = sample_classes(classes=20, count=30)
    examples = labelled(rows, labels)
    counts = {
        classify.fit_temperature(examples, ClassificationRule("knn", k))[1] for k in (599, 10**9)
    }
    assert len(counts) == 1


def test_a_few_separable_samples_do_not_give_the_sharpest_temperature():
    """Two perfectly separable classes: the least loss alone would be at the edge of the grid."""
    rows, labels, _, _ = sample_classes(classes=2, count=6, spread=0.1)
    for by in ("knn", "prototypes"):
        temperature, _ = classify.fit_temperature(labelled(rows, labels), ClassificationRule(by))
        assert temperature > classify.TEMPERATURES[0]


def test_the_guess_does_not_depend_on_the_order_of_enrolment():
    rows, labels, _, _ = sample_classes(classes=3, count=1_500, spread=0.5)
    mixed = np.random.default_rng(0).permutation(len(rows))
    in_turn = classify.guess_temperature(labelled(rows, labels))
    assert in_turn == pytest.approx(
        classify.guess_temperature(labelled(rows[mixed], labels[mixed])), 0.1
    )
