"""Split identities into those to train on and those to validate on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from siamkit.errors import BadInput
from siamkit.train.examples import Example

MIN_PER_SIDE = 2  # identities per side, and genuine samples per identity: fewer make no pairs


@dataclass(frozen=True, slots=True)
class Split:
    """Parameters of the random split of identities."""

    share: float  # of the identities that go to validation, in [0, 1)
    seed: int


def split_identities(examples: Sequence[Example], split: Split) -> tuple[set[str], set[str]]:
    """Return disjoint (training, validation) labels; each has MIN_PER_SIDE or more genuine samples.

    Other identities cannot be anchors and are in neither. The side that an example states counts;
    of the remaining ones, so many are drawn that validation has its share of all, and at least
    MIN_PER_SIDE. With a share of 0 none are drawn. The draw depends only on seed and labels.

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
    validation = {label for label in usable if stated.get(label) == "validation"}
    free = sorted(usable - stated.keys(), key=lambda label: _lot(split.seed, label))
    target = max(MIN_PER_SIDE, round(split.share * len(usable))) if split.share else 0
    validation |= set(free[: max(0, target - len(validation))])
    training = usable - validation
    validates = split.share > 0 or validation  # no validation may be what was asked for
    if len(training) < MIN_PER_SIDE or (validates and len(validation) < MIN_PER_SIDE):
        raise BadInput(
            f"{len(training)} identities to train on and {len(validation)} for validation, of"
            f" {len(labels)}: each side needs at least {MIN_PER_SIDE}, with at least"
            f" {MIN_PER_SIDE} genuine samples each",
            hint="add samples or identities, or skip validation: `--set validation=0`",
        )
    return training, validation


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
