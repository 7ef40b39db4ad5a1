"""Measure the objections to pairs of texts whose vectors are nearly equal: which rule, how right.

    python benchmarks/objections.py DATA [--encoder NAME]

DATA holds qqp/qqp_pairs.csv and qqp/qqp_duplicates_only.csv (question1,question2,is_duplicate) and
mrpc/trials.csv (a,b,label). The rules, and the threshold for a precision of 0.80, were chosen on
the first half of each set; texts that any pair joins are in one half. Objections count from a
cosine of FLOOR; to those below, nobody would ask. The minimal pairs of the tests have no halves.
"""

from __future__ import annotations

import argparse
import csv
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.embed.rerankers import open_reranker
from siamkit_questions.contradiction import contradict
from siamkit_questions.differences import RULES, explain

FLOOR = 0.75
PRECISION = 0.80
SEED, COMPONENTS = 23, 200_000  # of the coins that halve the data
MINIMAL = Path(__file__).parents[1] / "tests" / "data" / "minimal_pairs.csv"
NUMBERS = "number"


@dataclass
class Pairs:
    left: list[str]
    right: list[str]
    same: np.ndarray  # (n,) bool, as people called them
    kind: np.ndarray  # (n,) str
    half: np.ndarray  # (n,) 0 or 1
    cosine: np.ndarray  # (n,)
    rules: list[set[str]]  # that object

    @property
    def meets_none(self) -> np.ndarray:
        return np.array([not rules for rules in self.rules])

    def meets(self, *names: str) -> np.ndarray:
        return np.array([not rules.isdisjoint(names) for rules in self.rules])


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def embed(pipeline: Pipeline, rows: list[dict[str, str]], columns: Sequence[str]) -> Pairs:
    left, right = ([pipeline.modality.load(row[c] or "?") for row in rows] for c in columns[:2])
    distinct = list(dict.fromkeys(left + right))
    place = {text: at for at, text in enumerate(distinct)}
    parts = [distinct[k : k + 512] for k in range(0, len(distinct), 512)]
    vectors = np.concatenate([pipeline.embed(part)[0] for part in parts])
    a, b = (vectors[[place[text] for text in texts]] for texts in (left, right))
    cosine = np.einsum("nd,nd->n", a, b)
    rules = [
        object_to(one, other) if score >= FLOOR else set()
        for one, other, score in zip(left, right, cosine, strict=True)
    ]
    same = np.array([row[columns[2]] == "1" for row in rows])
    kind = np.array([row.get("kind", "") for row in rows])
    return Pairs(left, right, same, kind, np.zeros(len(rows), int), cosine, rules)


def halve(tables: list[list[dict[str, str]]], columns: Sequence[str]) -> list[np.ndarray]:
    """Return the half of each row: texts that a pair joins, by id or words, are in one half."""
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        parents.setdefault(name, name)
        while parents[name] != name:
            parents[name] = parents[parents[name]]
            name = parents[name]
        return name

    for row in (row for table in tables for row in table):
        names = [f"id {row[f'qid{k}']}" for k in (1, 2) if "qid1" in row]
        names += [fold(row[column]) for column in columns[:2]]
        for name in names[1:]:
            parents[root(name)] = root(names[0])
    numbers: dict[str, int] = {}
    coins = np.random.default_rng(SEED).integers(0, 2, COMPONENTS)
    return [
        np.array(
            [coins[numbers.setdefault(root(fold(row[columns[0]])), len(numbers))] for row in t]
        )
        for t in tables
    ]


def fold(text: str) -> str:
    return re.sub(r"\W+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()


def object_to(left: str, right: str) -> set[str]:
    rules = {name for name, words in explain(left, right).items() if words}
    return rules | {NUMBERS} if contradict(left, right) else rules


def print_rules(sets: dict[str, Pairs]) -> None:
    print(
        f"Pairs with a cosine from {FLOOR} that a rule objects to, and that people called the same"
    )
    header = "".join(f"{f'{name}, half {half + 1}':>24}" for half in (0, 1) for name in sets)
    print(f"{'':15}{header}")
    for rule in (NUMBERS, *RULES, "any"):
        cells = ""
        for half in (0, 1):
            for pairs in sets.values():
                at = ~pairs.meets_none if rule == "any" else pairs.meets(rule)
                at = at & (pairs.half == half)
                near = (pairs.half == half) & (pairs.cosine >= FLOOR) & pairs.same
                cells += f"{f'{at.sum()}: {pairs.same[at].sum()} of {near.sum()}':>24}"
        print(f"{rule:15}{cells}", flush=True)


def rates(pairs: Pairs, at: np.ndarray, claimed: np.ndarray) -> str:
    claimed, same = claimed[at], pairs.same[at]
    precision, recall = same[claimed].mean(), claimed[same].mean()
    return f"precision {precision:.3f} recall {recall:.3f} FMR {claimed[~same].mean():.3f}"


def choose_threshold(pairs: Pairs, at: np.ndarray, passed: np.ndarray) -> float:
    """Return the least cosine, in steps of 0.001, that reaches PRECISION."""
    for value in np.arange(FLOOR, 1, 0.001):
        claimed = at & passed & (pairs.cosine >= value)
        if pairs.same[claimed].mean() >= PRECISION:
            return round(float(value), 3)
    raise SystemExit("no threshold reaches the precision")


def print_decisions(pairs: Pairs, default: float) -> None:
    first = pairs.half == 0
    everything = np.ones(len(pairs.same), bool)
    systems = {
        "cosine": everything,
        "+ numbers": ~pairs.meets(NUMBERS),
        "+ all objections": pairs.meets_none,
    }
    print(f"\nQuora as labelled: {len(pairs.same)} pairs, {pairs.same.sum()} the same")
    for name, passed in systems.items():
        chosen = choose_threshold(pairs, first, passed)
        score = np.where(passed, pairs.cosine, pairs.cosine - 2)  # those objected to come last
        for title, at in (("half 1", first), ("half 2", ~first), ("all", everything)):
            area = average_precision_score(pairs.same[at], score[at])
            print(f"{name:17} {title:7} AP {area:.3f}", end="")
            for threshold in dict.fromkeys((default, chosen)):
                claimed = passed & (pairs.cosine >= threshold)
                print(f"; at {threshold}: {rates(pairs, at, claimed)}", end="")
            print()


def print_others(sets: dict[str, Pairs], pipeline: Pipeline, default: float) -> None:
    judge = open_reranker(pipeline, "lexical")
    for name, pairs in sets.items():
        a, b = (pipeline.embed(texts)[0] for texts in (pairs.left, pairs.right))
        lexical = judge.score(pairs.left, pairs.right, a, b) >= judge.threshold.value
        near = pairs.cosine >= default
        print(f"\n{name}: called the same by cosine, with the objections, by lexical; of")
        for kind in dict.fromkeys(pairs.kind.tolist()):
            for same in (False, True):
                at = (pairs.kind == kind) & (pairs.same == same)
                counts = [
                    (claimed & at).sum() for claimed in (near, near & pairs.meets_none, lexical)
                ]
                text = "same" if same else "different"
                print(f"{kind:10} {text:9} {counts[0]:5} {counts[1]:5} {counts[2]:5} {at.sum():6}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", default="minilm-l6")
    options = parser.parse_args()
    pipeline = open_pipeline("questions", encoder=options.encoder, detector=None)
    assert pipeline.threshold is not None
    quora, other = ("question1", "question2", "is_duplicate"), ("a", "b", "label")
    names = ("qqp_pairs.csv", "qqp_duplicates_only.csv")
    tables = [read_rows(options.data / "qqp" / name) for name in names]
    news = read_rows(options.data / "mrpc" / "trials.csv")
    sets = {
        "Quora": embed(pipeline, tables[0], quora),
        "duplicates": embed(pipeline, tables[1], quora),
        "MRPC": embed(pipeline, news, other),
    }
    halves = halve(tables, quora) + halve([news], other)
    for pairs, half in zip(sets.values(), halves, strict=True):
        pairs.half = half
    print_rules(sets)
    print_decisions(sets["Quora"], pipeline.threshold.value)
    minimal = embed(pipeline, read_rows(MINIMAL), other)
    others = {"minimal pairs": minimal, "MRPC": sets["MRPC"]}
    print_others(others, pipeline, pipeline.threshold.value)


if __name__ == "__main__":
    main()
