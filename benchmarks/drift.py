"""Measure how often drift is noticed within 50 queries after a change, and false alarms.

    python benchmarks/drift.py DATA [--repeats 500] [--only voices|faces] [--least 4]

The changes are of microphone, camera or model. Each repeat draws half of the people (of each set
alike), enrols half of their samples, makes the reference from that gallery, and sends 50 queries:
held-out samples of the enrolled, each person equally likely, and a share of people who are not
enrolled. `no change` counts false alarms. There are only 34 speakers, so voices have 17 strangers.

--least: the least number of pictures per person of LFW. A reference needs two enrolled samples of a
person; with --least 2 most people have one, so queries show other people than the reference.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from channels import PICTURES, SOUNDS, Made, faces, noisy, rotated, voices

from siamkit.stats import drift
from siamkit.stats.drift import QUERIES
from siamkit.stats.probe_scores import BEST_SAMPLES, SEARCH_DEPTH, ProbeScores, scores_of_query

SHARES = (0.0, 0.3, 1.0)  # of strangers among the queries
FEWER_DRAWS = 499  # of the bootstrap: enough to tell 0.5 %, and twice as fast


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--changed", type=int, default=100, help="repeats with a change")
    parser.add_argument("--only", choices=["voices", "faces"])
    parser.add_argument("--least", type=int, default=4)
    options = parser.parse_args()
    for kind in [options.only] if options.only else ["voices", "faces"]:
        changes = SOUNDS if kind == "voices" else PICTURES
        load = voices if kind == "voices" else partial(faces, least=options.least)
        base = load(options.data)
        versions = {"no change": base.vectors, **{c: same_rows(base, load(options.data, c))
                                                  for c in changes}}  # fmt: skip
        rng = np.random.default_rng(0)
        for degrees in (10, 20, 30):
            versions[f"model turned by {degrees}°"] = rotated(base.vectors, rng, degrees)
        for share in (0.1, 0.3):
            versions[f"model with noise of {share}"] = noisy(base.vectors, rng, share)
        print(f"{kind}: alarms, % of repeats, at 0, 30 and 100 % strangers")
        for name, vectors in versions.items():
            repeats = options.changed if name != "no change" else options.repeats
            alarms = [
                np.mean([alarm(base, vectors, share, seed) for seed in range(repeats)])
                for share in SHARES
            ]
            rated = "  ".join(f"{100 * rate:5.1f}" for rate in alarms)
            print(f"  {name:<26}{rated}   ({repeats} repeats)", flush=True)


def same_rows(base: Made, changed: Made) -> np.ndarray:
    """The changed vectors in the order of `base`; NaN where nothing was found any more."""
    rows = dict(zip(changed.files, changed.vectors, strict=True))
    nothing = np.full(base.vectors.shape[1], np.nan, np.float32)
    return np.stack([rows.get(file, nothing) for file in base.files])


def alarm(base: Made, vectors: np.ndarray, share: float, seed: int) -> bool:
    rng = np.random.default_rng(seed)
    gallery, held_out = divided(base.identities, rng)
    enrolled_people = np.unique(base.identities[gallery])
    usable = np.isfinite(vectors).all(axis=1)
    enrolled = np.isin(base.identities, enrolled_people)
    foreign = round(share * QUERIES)
    probes = np.concatenate([
        drawn(base.identities, held_out & enrolled & usable, QUERIES - foreign, rng),
        drawn(base.identities, ~enrolled & usable, foreign, rng),
    ])  # fmt: skip
    _, owners = np.unique(base.identities[gallery], return_inverse=True)
    templates = base.vectors[gallery]
    rows = REFERENCES.get(id(base), lambda: drift.reference_scores(templates, owners), seed)
    recent = [observed(templates @ vectors[i], owners) for i in probes]
    result = drift.compare(rows, recent, draws=FEWER_DRAWS, seed=seed)
    return result.alarm


class _References:
    """References of the last repeats: every change is tried on the same galleries."""

    def __init__(self) -> None:
        self.made: dict[tuple[int, int], list[ProbeScores]] = {}

    def get(self, base: int, make: Callable[[], list[ProbeScores]], seed: int) -> list[ProbeScores]:
        if (base, seed) not in self.made:
            self.made[base, seed] = make()
        return self.made[base, seed]


REFERENCES = _References()


def divided(identities: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) True for enrolled samples, and (n,) True for samples that may be queries."""
    people = np.unique(identities)
    sets = np.array([person.split("/")[0] for person in people])
    chosen: set[str] = set()
    for name in np.unique(sets):
        members = rng.permutation(people[sets == name])
        chosen |= set(members[: (len(members) + 1) // 2].tolist())
    asks = np.zeros(len(identities), bool)
    for person in people:
        asks[rng.permutation(np.flatnonzero(identities == person))[::2]] = True
    enrolled = np.isin(identities, sorted(chosen))
    return enrolled & ~asks, asks


def drawn(
    identities: np.ndarray, among: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """So many samples: a person first, then one of theirs not taken yet, if there is one."""
    people = np.unique(identities[among])
    order = {p: list(rng.permutation(np.flatnonzero(among & (identities == p)))) for p in people}
    rows: list[int] = []
    while len(rows) < count:
        for person in rng.permutation(people)[: count - len(rows)]:
            remaining = order[person]
            rows.append(remaining[0])
            remaining.append(remaining.pop(0))
    return np.array(rows, dtype=np.int64)


def observed(scores: np.ndarray, owners: np.ndarray) -> ProbeScores:
    nearest = np.argsort(-scores)[:SEARCH_DEPTH]
    nearest_samples = np.flatnonzero(owners == owners[nearest[0]])[:BEST_SAMPLES]
    scored = list(zip(scores[nearest].tolist(), owners[nearest].tolist(), strict=True))
    return scores_of_query(float(scores[nearest_samples].mean()), scored)


if __name__ == "__main__":
    main()
