"""Signatures of DATA, pairs of them, and their scores by writer; used by other benchmarks.

Writers whose number is divisible by 5 are for validation, in every set; the others are for
training. Files that duplicates.csv lists as copies of another by the same writer are left out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from siamkit.stats.metrics import PersonScores, bootstrap, eer

SETS = {"cedar_bin": "CEDAR", "bhsig_hindi": "Hindi", "bhsig_bengali": "Bengali"}
NAMES = re.compile(r"(?:(original|forgeries)_(\d+)|[HB]-S-(\d+)-([GF]))[-_](\d+)")
SPLITS = 40  # random halves of the writers
WORK = 5_000_000  # scores that all draws of one interval may look at, from 100 draws to 1000
Groups = Mapping[str, Sequence[PersonScores]]  # set -> scores, writer by writer


@dataclass(frozen=True, order=True)
class Signature:
    set: str
    writer: int
    forged: bool  # a skilled forgery of the writer's signature
    number: int
    path: str  # relative to DATA

    @property
    def label(self) -> str:
        return f"{self.set.lower()}-{self.writer}"

    @property
    def validation(self) -> bool:
        return self.writer % 5 == 0


@dataclass(frozen=True, eq=False)
class Pairs:
    """Numbers of two signatures each, and whether one hand wrote both."""

    left: np.ndarray  # (n,) a genuine signature; the pair counts as its writer's
    right: np.ndarray  # (n,)
    mated: np.ndarray  # (n,) bool


def read(data: Path) -> list[Signature]:
    """Every signature once, ordered by set, writer, genuine before forged, and number."""
    signatures = []
    for folder, name in SETS.items():
        listed = data / folder / "duplicates.csv"
        copies = {row["file"] for row in _rows(listed)} if listed.exists() else set()
        for file in (data / folder).rglob("*.png"):
            if str(file.relative_to(data / folder)) in copies:
                continue
            parts = NAMES.fullmatch(file.stem)
            if parts is None:
                raise SystemExit(f"{file}: not a name of a signature of {name}")
            kind, writer, bhsig_writer, letter, number = parts.groups()
            forged = (kind or letter) in ("forgeries", "F")
            path = str(file.relative_to(data))
            signatures.append(
                Signature(name, int(writer or bhsig_writer), forged, int(number), path)
            )
    return sorted(signatures)


def listed_pairs(data: Path, trials: str, signatures: Sequence[Signature]) -> Pairs:
    """The trials of a list whose files are both among the signatures, the genuine one left."""
    at = {signature.path: number for number, signature in enumerate(signatures)}
    rows = [
        (at[row["a"]], at[row["b"]], row["label"] == "1")
        for row in _rows(data / trials)
        if row["a"] in at and row["b"] in at
    ]
    return _pairs([(b, a, m) if signatures[a].forged else (a, b, m) for a, b, m in rows])


def skilled_pairs(signatures: Sequence[Signature]) -> Pairs:
    """Every two genuine signatures of a writer, and every genuine one with every forged one."""
    rows = []
    for members in by_writer(signatures).values():
        genuine = [i for i in members if not signatures[i].forged]
        rows += [(a, b, True) for a, b in combinations(genuine, 2)]
        rows += [(a, b, False) for a in genuine for b in members if signatures[b].forged]
    return _pairs(rows)


def random_pairs(signatures: Sequence[Signature]) -> Pairs:
    """Every two genuine signatures of a set; of different writers they are not mated."""
    rows = []
    for name in SETS.values():
        genuine = [i for i, s in enumerate(signatures) if s.set == name and not s.forged]
        rows += [
            (a, b, signatures[a].writer == signatures[b].writer)
            for a, b in combinations(genuine, 2)
        ]
    return _pairs(rows)


def by_writer(signatures: Sequence[Signature]) -> dict[tuple[str, int], list[int]]:
    """(set, writer) -> numbers of the writer's signatures."""
    numbers: dict[tuple[str, int], list[int]] = {}
    for number, signature in enumerate(signatures):
        numbers.setdefault((signature.set, signature.writer), []).append(number)
    return numbers


def grouped(signatures: Sequence[Signature], pairs: Pairs, scores: np.ndarray) -> Groups:
    """The scores of pairs, by set and by the writer of the left signature."""
    owners = list(by_writer(signatures))
    owner = {key: number for number, key in enumerate(owners)}
    writers = np.array([owner[s.set, s.writer] for s in signatures])[pairs.left]
    groups: dict[str, list[PersonScores]] = {}
    for number, (name, _) in enumerate(owners):
        is_writer = writers == number
        groups.setdefault(name, []).append(
            (scores[is_writer & pairs.mated], scores[is_writer & ~pairs.mated])
        )
    return groups


def parts(groups: Groups) -> Iterator[tuple[str, Sequence[PersonScores]]]:
    """Over all sets, then each apart."""
    yield "all", [group for members in groups.values() for group in members]
    yield from groups.items()


def joined(groups: Sequence[PersonScores]) -> PersonScores:
    mated, non_mated = zip(*groups, strict=True)
    return np.concatenate(mated), np.concatenate(non_mated)


def equal_error_rate(mated: np.ndarray, non_mated: np.ndarray) -> float:
    return eer(mated, non_mated)[0]


def interval(groups: Sequence[PersonScores]) -> tuple[float, float]:
    """Return the 95 % interval of the EER, over writers."""
    size = sum(len(mated) + len(non_mated) for mated, non_mated in groups)
    return bootstrap(groups, equal_error_rate, draws=min(1000, max(100, WORK // size)))


def over_halves(groups: Sequence[PersonScores]) -> tuple[float, float]:
    """Return the mean and standard deviation of the EER of random halves of the writers."""
    rng = np.random.default_rng(0)
    half = (len(groups) + 1) // 2
    rates = [
        equal_error_rate(*joined([groups[i] for i in rng.permutation(len(groups))[:half]]))
        for _ in range(SPLITS)
    ]
    return float(np.mean(rates)), float(np.std(rates))


def _pairs(rows: Sequence[tuple[int, int, bool]]) -> Pairs:
    left, right, mated = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Pairs(left, right, mated == 1)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
