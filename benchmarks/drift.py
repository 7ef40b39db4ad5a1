"""How often a change of microphone, camera or model is noticed within 50 queries, and false alarms.

    python drift.py DATA [--repeats 500] [--only voices|faces] [--least 4]

A repeat enrols one half of everybody's samples, of one half of the people (drawn by its seed, of
each set alike), makes the reference from that gallery, and asks 50 queries: held-out samples of the
enrolled, each person as likely as another, and a share of people who are not enrolled. `no change`
counts false alarms. Of voices there are 34 speakers only, so that strangers are 17 people.

--least: pictures that people of LFW have at least. A reference knows people with two enrolled
samples or more only; with --least 2 most have one, and are others than the reference's.
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
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path)
    options.add_argument("--repeats", type=int, default=500)
    options.add_argument("--changed", type=int, default=100, help="repeats with a change")
    options.add_argument("--only", choices=["voices", "faces"])
    options.add_argument("--least", type=int, default=4)
    given = options.parse_args()
    for kind in [given.only] if given.only else ["voices", "faces"]:
        changes = SOUNDS if kind == "voices" else PICTURES
        load = voices if kind == "voices" else partial(faces, least=given.least)
        base = load(given.data)
        versions = {"no change": base.vectors, **{c: same_rows(base, load(given.data, c))
                                                  for c in changes}}  # fmt: skip
        rng = np.random.default_rng(0)
        for degrees in (10, 20, 30):
            versions[f"model turned by {degrees}°"] = rotated(base.vectors, rng, degrees)
        for share in (0.1, 0.3):
            versions[f"model with noise of {share}"] = noisy(base.vectors, rng, share)
        print(f"{kind}: alarms, % of repeats, at 0, 30 and 100 % strangers")
        for name, vectors in versions.items():
            repeats = given.changed if name != "no change" else given.repeats
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
    gallery, probes = divided(base.identities, rng)
    known = np.unique(base.identities[gallery])
    usable = np.isfinite(vectors).all(axis=1)
    enrolled = np.isin(base.identities, known)
    foreign = round(share * QUERIES)
    asked = np.concatenate([
        drawn(base.identities, probes & enrolled & usable, QUERIES - foreign, rng),
        drawn(base.identities, ~enrolled & usable, foreign, rng),
    ])  # fmt: skip
    _, own = np.unique(base.identities[gallery], return_inverse=True)
    kept = base.vectors[gallery]
    rows = REFERENCES.get(id(base), lambda: drift.reference_scores(kept, own), seed)
    recent = [observed(kept @ vectors[i], own) for i in asked]
    found = drift.compare(rows, recent, draws=FEWER_DRAWS, seed=seed)
    return found.alarm


class _References:
    """Of the last repeats, since every change is tried on the same galleries."""

    def __init__(self) -> None:
        self.made: dict[tuple[int, int], list[ProbeScores]] = {}

    def get(self, base: int, make: Callable[[], list[ProbeScores]], seed: int) -> list[ProbeScores]:
        if (base, seed) not in self.made:
            self.made[base, seed] = make()
        return self.made[base, seed]


REFERENCES = _References()


def divided(identities: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which samples are enrolled, and which ask."""
    people = np.unique(identities)
    sets = np.array([person.split("/")[0] for person in people])
    chosen: set[str] = set()
    for name in np.unique(sets):
        own = rng.permutation(people[sets == name])
        chosen |= set(own[: (len(own) + 1) // 2].tolist())
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
    taken: list[int] = []
    while len(taken) < count:
        for person in rng.permutation(people)[: count - len(taken)]:
            own = order[person]
            taken.append(own[0])
            own.append(own.pop(0))
    return np.array(taken, dtype=np.int64)


def observed(scores: np.ndarray, own: np.ndarray) -> ProbeScores:
    nearest = np.argsort(-scores)[:SEARCH_DEPTH]
    mine = np.flatnonzero(own == own[nearest[0]])[:BEST_SAMPLES]
    found = list(zip(scores[nearest].tolist(), own[nearest].tolist(), strict=True))
    return scores_of_query(float(scores[mine].mean()), found)


if __name__ == "__main__":
    main()
