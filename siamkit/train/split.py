"""Which identities are trained on, and which are kept to judge by."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from siamkit.errors import BadInput
from siamkit.train.examples import Example

LEAST = 2  # identities on either side, and genuine samples of an identity: else there are no pairs


def split_identities(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[set[str], set[str]]:
    """(training, validation) labels, disjoint, of the identities with two genuine samples.

    The others can be no anchor and are in neither. What an example states counts; of the rest as
    many are drawn as bring the validation side to `share` (in [0, 1)) of all, and to two at least.
    With a share of 0 none are drawn. The draw depends on the seed and the labels alone. Raises
    BadInput where a label states both sides, or where there are too few identities.
    """
    stated = _stated(examples)
    counts = Counter(example.label for example in examples if not example.impostor)
    usable = {label for label, count in counts.items() if count >= LEAST}
    labels = {example.label for example in examples}
    if len(labels) == 1:
        raise BadInput(
            f"all examples are of one identity, {next(iter(labels))!r}: triplets need two"
            " identities",
            hint="add a folder, or rows of a manifest, for others",
        )
    validation = {label for label in usable if stated.get(label) == "validation"}
    free = sorted(usable - stated.keys(), key=lambda label: _lot(seed, label))
    wanted = max(LEAST, round(share * len(usable))) if share else 0
    validation |= set(free[: max(0, wanted - len(validation))])
    training = usable - validation
    judged = share > 0 or validation  # else there is nothing to be judged by, as was wished
    if len(training) < LEAST or (judged and len(validation) < LEAST):
        raise _too_few(training, validation, len(labels))
    return training, validation


def _stated(examples: Iterable[Example]) -> dict[str, str]:
    stated: dict[str, str] = {}
    for example in examples:
        if example.split and stated.setdefault(example.label, example.split) != example.split:
            raise BadInput(
                f"identity {example.label!r} is in train and in validation",
                hint="all rows of a label go to the same side",
            )
    return stated


def _lot(seed: int, label: str) -> bytes:
    """What a label draws: no other label, and no order of them, has a part in it."""
    return hashlib.sha256(f"{seed}\n{label}".encode()).digest()


def _too_few(training: set[str], validation: set[str], labels: int) -> BadInput:
    return BadInput(
        f"{len(training)} identities to train on and {len(validation)} for validation, of {labels}:"
        f" it takes {LEAST} on either side, each with {LEAST} genuine samples or more",
        hint="add samples or identities, or do without validation: --set validation=0",
    )
