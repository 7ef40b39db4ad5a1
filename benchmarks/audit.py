"""Measure how many planted faults `siamkit audit` finds, and its false findings.

    python benchmarks/audit.py DATA [--seeds 5]

People of LFW with two pictures or more, and speakers, are enrolled with their encoder's threshold.
Swaps: 5 % of the samples exchange labels in pairs. A finding `label` is right if its sample was
moved, and half right if it is another sample of an identity that a swap has touched: of two samples
nothing shows which is the odd one. Doubles: 5 % of the identities with four samples or more are
enrolled under two names. Findings without any planted fault are printed too; some of them are true,
since LFW has errors of its own.
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    sets = {
        ("faces", 2): faces(options.data),
        ("faces", 4): faces(options.data, least=4),
        ("voices", 2): voices(options.data),
    }
    for (modality, least), samples in sets.items():
        people = len(np.unique(samples.identities))
        print(f"{modality}: {len(samples.files)} samples of {people} people with {least} or more")
        findings = audited(modality, samples.identities, samples)
        print(f"  without planted faults: {dict(Counter(f.kind for f in findings))}")
        swaps = [swapped(modality, samples, seed) for seed in range(options.seeds)]
        figures = "recall", "precision", "half right counted", "in the first n"
        for name, values in zip(figures, np.mean(swaps, axis=0), strict=True):
            print(f"  label swaps, {name}: {values:.3f}")
        doubles = [doubled(modality, samples, seed) for seed in range(options.seeds)]
        recall, false = np.mean(doubles, axis=0)
        print(f"  doubles, recall: {recall:.3f}, false: {false:.1f} of {people} identities")


def audited(modality: str, labels: np.ndarray, samples: Made) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder, Workspace(folder) as ws:
        ws.create_gallery("g", modality)
        for _ in ws.add_templates("g", labels.tolist(), samples.vectors):
            pass
        return ws.audit("g")  # sample ids are row numbers from 1


def swapped(modality: str, samples: Made, seed: int) -> tuple[float, float, float, float]:
    """Recall, precision, precision with half right ones, recall in as many as were planted."""
    rng = np.random.default_rng(seed)
    labels = samples.identities.copy()
    moved = rng.permutation(len(labels))[: 2 * max(1, round(SHARE * len(labels) / 2))]
    half = len(moved) // 2
    labels[moved[:half]], labels[moved[half:]] = labels[moved[half:]], labels[moved[:half]]
    moved = moved[labels[moved] != samples.identities[moved]]
    reported = [f.sample_id - 1 for f in audited(modality, labels, samples) if f.kind == "label"]
    touched = set(labels[moved].tolist())
    right = np.isin(reported, moved)
    near = np.array([labels[row] in touched for row in reported], bool)
    first = len(set(reported[: len(moved)]) & set(moved.tolist())) / len(moved)
    return right.sum() / len(moved), right.mean(), (right | near).mean(), first


def doubled(modality: str, samples: Made, seed: int) -> tuple[float, int]:
    """Recall of identities that were split in two, and how many other pairs are reported."""
    rng = np.random.default_rng(seed)
    labels = samples.identities.astype("U120")
    names, counts = np.unique(labels, return_counts=True)
    fit = names[counts >= 4]
    split = rng.permutation(fit)[: max(1, round(SHARE * len(fit)))]
    for name in split:
        rows = rng.permutation(np.flatnonzero(labels == name))
        labels[rows[::2]] = f"{name}'"
    reported = {
        frozenset((f.identity, str(f.other)))
        for f in audited(modality, labels, samples)
        if f.kind == "twins"
    }
    planted = {frozenset((str(name), f"{name}'")) for name in split}
    return len(reported & planted) / len(planted), len(reported - planted)


if __name__ == "__main__":
    main()
