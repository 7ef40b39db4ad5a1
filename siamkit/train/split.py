"""Split identities into those to train on and those to validate on."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from siamkit.errors import BadInput
from siamkit.train.examples import Example
from siamkit.train.pairs import Pairs, group_labels

MIN_PER_SIDE = 2  # identities per side, and genuine samples per identity: fewer make no pairs
FOLDS = 5  # of a cross-validation that a run advises


@dataclass(frozen=True, slots=True)
class Split:
    """Parameters of the random split of identities."""

    share: float  # of the identities that go to validation, in [0, 1)
    seed: int
    # (i, k): validation has the i-th of k parts of the identities instead, i from 0. The parts are
    # disjoint, and hold every identity but those that are stated for training.
    fold: tuple[int, int] | None = None


def folds_of(identities: int) -> int:
    """Return how many folds to advise for so many identities; 0 if they are too few for any."""
    most = identities // MIN_PER_SIDE
    return min(FOLDS, most) if most > 1 else 0


def split_examples(
    examples: Sequence[Example], split: Split, pairs: Pairs
) -> tuple[set[str], Pairs]:
    """Return the labels to train on, see `split_identities`, and the pairs within one side.

    Identities that pairs connect go to one side, as far as that leaves two: see group_labels.
    Graded pairs make no identities; each side then needs MIN_PER_SIDE pairs.
    """
    if not len(pairs):
        return split_identities(examples, split)[0], pairs
    labels = [example.label for example in examples]
    groups = group_labels(labels, pairs)
    if pairs.graded and split.fold:
        raise BadInput(
            "pairs with scores make no identities, and folds are of identities",
            hint="train without `--folds`",
        )
    if pairs.graded:
        validation = _draw(groups, _stated(examples), split, set(labels))
        training = set(labels) - validation
    else:
        training, _ = split_identities(examples, split, groups)
    is_training = np.array([label in training for label in labels])[pairs.rows]
    within = pairs.where(is_training[:, 0] == is_training[:, 1])
    trained = int(is_training.all(1).sum())
    if pairs.graded and min(trained, len(within) - trained if split.share else trained) < 2:
        raise BadInput(
            f"{trained} pairs to train on and {len(within) - trained} for validation, of"
            f" {len(pairs)}: each side needs at least {MIN_PER_SIDE}",
            hint="add pairs of other samples, or skip validation: `--set validation=0`",
        )
    return training, within


def split_identities(
    examples: Sequence[Example], split: Split, groups: Mapping[str, str] | None = None
) -> tuple[set[str], set[str]]:
    """Return disjoint (training, validation) labels; each has MIN_PER_SIDE or more genuine samples.

    Other identities cannot be anchors and are in neither. The side that an example states counts;
    of the remaining ones, so many are drawn that validation has its share of all, and at least
    MIN_PER_SIDE. With a share of 0 none are drawn. The draw depends only on seed and labels.

    groups: the group of each label, if labels of a group must be on the same side; the other
    labels of such a group then follow, however few samples they have.

    Raises BadInput if a label states both sides, or for too few identities.
    """
    stated = _stated(examples)
    counts = Counter(example.label for example in examples if not example.impostor)
    usable = {label for label, count in counts.items() if count >= MIN_PER_SIDE}
    labels = {example.label for example in examples}
    if len(labels) == 1:
        raise BadInput(
            f"all examples belong to one identity, {next(iter(labels))!r}: triplets need two"
            " identities",
            hint="add a folder, or rows of a manifest, for another identity",
        )
    drawn = _draw(groups or {label: label for label in usable}, stated, split, usable)
    validation, training = usable & drawn, usable - drawn
    validates = split.share > 0 or validation  # no validation may be what was asked for
    if len(training) < MIN_PER_SIDE or (validates and len(validation) < MIN_PER_SIDE):
        raise BadInput(
            f"{len(training)} identities to train on and {len(validation)} for validation, of"
            f" {len(labels)}: each side needs at least {MIN_PER_SIDE}, with at least"
            f" {MIN_PER_SIDE} genuine samples each",
            hint="add samples or identities, or skip validation: `--set validation=0`",
        )
    return (labels - drawn, drawn) if groups else (training, validation)


def _draw(
    groups: Mapping[str, str], stated: Mapping[str, str], split: Split, usable: set[str]
) -> set[str]:
    """Return the labels of the groups that go to validation: those that state it, and by lot.

    They have the share of the `usable` labels and, apart from these, of the groups without any.
    """
    members: dict[str, set[str]] = defaultdict(set)
    for label, group in groups.items():
        members[group].add(label)
    sides = {groups[label]: side for label, side in stated.items() if label in groups}
    validation = set[str]().union(*(members[g] for g, side in sides.items() if side != "train"))
    free = sorted(members.keys() - sides.keys(), key=lambda group: _lot(split.seed, group))
    sets = [members[group] for group in free]
    unusable_sets = [labels for labels in sets if not labels & usable]
    if split.fold:
        part, count = split.fold
        usable_sets = [labels for labels in sets if labels & usable]
        _require_folds(count, len(usable_sets), sides.values())
        return set[str]().union(*usable_sets[part::count], *unusable_sets[part::count])
    target = max(MIN_PER_SIDE, round(split.share * len(usable))) if split.share else 0
    for labels in sets:
        if len(validation & usable) >= target:
            break
        validation |= labels if labels & usable else set()
    return validation.union(*unusable_sets[: round(split.share * len(unusable_sets))])


def _require_folds(count: int, identities: int, sides: Iterable[str]) -> None:
    """Raise BadInput if so many free identities cannot be cross-validated in `count` parts."""
    if "validation" in sides:
        raise BadInput(
            "the examples state identities for validation, and folds validate on all of them",
            hint="leave the column split out, or train without `--folds`",
        )
    largest = identities // MIN_PER_SIDE
    if not 2 <= count <= largest:
        raise BadInput(
            f"{count} folds of {identities} identities: a fold needs at least {MIN_PER_SIDE} of"
            " them, and there are two folds at least",
            hint=f"give `--folds {largest}` at most"
            if largest >= 2
            else "add identities with two samples each: cross-validation needs four",
        )


def _stated(examples: Iterable[Example]) -> dict[str, str]:
    stated: dict[str, str] = {}
    for example in examples:
        if example.split and stated.setdefault(example.label, example.split) != example.split:
            raise BadInput(
                f"identity {example.label!r} is in train and in validation",
                hint="put all rows of a label on the same side",
            )
    return stated


def _lot(seed: int, label: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{label}".encode()).digest()
