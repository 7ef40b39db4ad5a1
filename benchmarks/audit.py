"""How many planted faults `siamkit audit` finds, and how much else it reports.

    python audit.py DATA [--seeds 5]

People of LFW with two pictures or more, and speakers, are enrolled with their encoder's threshold.
Swaps: 5 % of the samples change labels in pairs. A finding `label` is right if its sample was
moved, and half right if it is another of an identity that a swap has touched: of two samples
nobody knows which is the odd one. Doubles: 5 % of the identities with four samples or more are
enrolled under two names. What is reported without any fault planted is printed too; some of it
is true, since LFW has errors of its own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from channels import Made, faces, voices

from siamkit import Workspace
from siamkit.flows.audit import Finding

SHARE = 0.05


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path)
    options.add_argument("--seeds", type=int, default=5)
    given = options.parse_args()
    sets = {
        ("faces", 2): faces(given.data),
        ("faces", 4): faces(given.data, least=4),
        ("voices", 2): voices(given.data),
    }
    for (modality, least), made in sets.items():
        people = len(np.unique(made.identities))
        print(f"{modality}: {len(made.files)} samples of {people} people with {least} or more")
        print(
            f"  as it is: {dict(Counter(f.kind for f in audited(modality, made.identities, made)))}"
        )
        swaps = [swapped(modality, made, seed) for seed in range(given.seeds)]
        for name, values in zip(("recall", "precision", "half right counted", "in the first n"),
                                np.mean(swaps, axis=0), strict=True):  # fmt: skip
            print(f"  label swaps, {name}: {values:.3f}")
        doubles = [doubled(modality, made, seed) for seed in range(given.seeds)]
        recall, false = np.mean(doubles, axis=0)
        print(f"  doubles, recall: {recall:.3f}, false: {false:.1f} of {people} identities")


def audited(modality: str, labels: np.ndarray, made: Made) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder, Workspace(folder) as ws:
        ws.create_gallery("g", modality)
        for _ in ws.add_templates("g", labels.tolist(), made.vectors):
            pass
        return ws.audit("g")  # sample ids are row numbers from 1


def swapped(modality: str, made: Made, seed: int) -> tuple[float, float, float, float]:
    """Recall, precision, precision with half right ones, recall in as many as were planted."""
    rng = np.random.default_rng(seed)
    labels = made.identities.copy()
    moved = rng.permutation(len(labels))[: 2 * max(1, round(SHARE * len(labels) / 2))]
    half = len(moved) // 2
    labels[moved[:half]], labels[moved[half:]] = labels[moved[half:]], labels[moved[:half]]
    moved = moved[labels[moved] != made.identities[moved]]
    found = [f.sample_id - 1 for f in audited(modality, labels, made) if f.kind == "label"]
    touched = set(labels[moved].tolist())
    right = np.isin(found, moved)
    near = np.array([labels[row] in touched for row in found], bool)
    first = len(set(found[: len(moved)]) & set(moved.tolist())) / len(moved)
    return right.sum() / len(moved), right.mean(), (right | near).mean(), first


def doubled(modality: str, made: Made, seed: int) -> tuple[float, int]:
    """Recall of identities that were split in two, and how many other pairs are reported."""
    rng = np.random.default_rng(seed)
    labels = made.identities.astype("U120")
    names, counts = np.unique(labels, return_counts=True)
    fit = names[counts >= 4]
    split = rng.permutation(fit)[: max(1, round(SHARE * len(fit)))]
    for name in split:
        rows = rng.permutation(np.flatnonzero(labels == name))
        labels[rows[::2]] = f"{name}'"
    found = {
        frozenset((f.identity, str(f.other)))
        for f in audited(modality, labels, made)
        if f.kind == "twins"
    }
    wanted = {frozenset((str(name), f"{name}'")) for name in split}
    return len(found & wanted) / len(wanted), len(found - wanted)


if __name__ == "__main__":
    main()
