"""Data for tools/pair_scorer.py: pairs of questions, their vectors, and the folds."""

from __future__ import annotations

import csv
import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from perturb import Perturber

from siamkit.embed.pipeline import open_encoder
from siamkit.io.cache_root import cache_root
from siamkit_questions import Questions
from siamkit_questions.words import WordTable

FOLDS = 5
# Pairs to derive per kind: about what the questions allow, and no kind over a seventh of them.
DERIVED = {"number": 700, "negation": 1300, "unit": 400, "direction": 600, "opposite": 900}
DERIVED |= {"sibling": 1100, "other": 1100, "name": 1400, "roles": 300, "+frame": 1200}
DERIVED |= {"+spelling": 500, "+number": 400, "+synonym": 700}


@dataclass
class Pairs:
    left: list[str]
    right: list[str]
    label: np.ndarray  # (n,) 1 for duplicates, else 0
    kind: np.ndarray  # (n,) str
    fold: np.ndarray  # (n,)

    def __len__(self) -> int:
        return len(self.left)

    def where(self, keep: np.ndarray) -> Pairs:
        at = np.flatnonzero(keep)
        left, right = [self.left[k] for k in at], [self.right[k] for k in at]
        return Pairs(left, right, self.label[at], self.kind[at], self.fold[at])


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_pairs(path: Path) -> Pairs:
    """Read a CSV file with the columns a,b,label[,kind]."""
    rows = read_rows(path)
    return Pairs(
        [row["a"] for row in rows],
        [row["b"] for row in rows],
        np.array([int(row["label"]) for row in rows]),
        np.array([row.get("kind", "") for row in rows]),
        np.zeros(len(rows), dtype=int),
    )


def fold_text(text: str) -> str:
    return re.sub(r"\W+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()


def read_questions(data: Path, seed: int) -> tuple[Pairs, Pairs]:
    """Read QQP's labelled pairs, and its further duplicates.

    Questions that any pair joins, by their id or by the same words, are in one fold.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    files = [data / "qqp" / name for name in ("qqp_pairs.csv", "qqp_duplicates_only.csv")]
    tables = [read_rows(file) for file in files]
    for row in (row for table in tables for row in table):
        names = [f"id {row[f'qid{k}']}" for k in (1, 2)]
        names += [f"text {fold_text(row[f'question{k}'])}" for k in (1, 2)]
        for name in names[1:]:
            parent[root(name)] = root(names[0])
    numbers: dict[str, int] = {}
    generator = np.random.default_rng(seed)
    folds = generator.integers(0, FOLDS, len(parent))
    sets = []
    for table in tables:
        fold = [folds[numbers.setdefault(root(f"id {row['qid1']}"), len(numbers))] for row in table]
        label = np.array([int(row["is_duplicate"]) for row in table])
        sets.append(
            Pairs(
                [row["question1"] for row in table],
                [row["question2"] for row in table],
                label,
                np.array(["real"] * len(table)),
                np.array(fold),
            )
        )
    return sets[0], sets[1]


def derive_pairs(labelled: Iterable[Pairs], table: WordTable, seed: int) -> Pairs:
    """Derive pairs from true duplicates by changing one text; each stays in its source's fold."""
    rng = random.Random(seed)
    perturber = Perturber(table, seed)
    sources = [
        (pairs.left[k], pairs.right[k], int(pairs.fold[k]))
        for pairs in labelled
        for k in np.flatnonzero(pairs.label == 1)
    ]
    rng.shuffle(sources)
    count: Counter[str] = Counter()
    rows: list[tuple[str, str, int, str, int]] = []
    for left, right, fold in sources:
        text, paraphrase = (right, left) if rng.random() < 0.5 else (left, right)
        changed = [(new, kind, 0) for new, kind in perturber.negatives(text)]
        changed += [(new, f"+{kind}", 1) for new, kind in perturber.positives(text)]
        for new, kind, label in changed:
            if count[kind] < DERIVED[kind]:
                count[kind] += 1
                base = text if rng.random() < 0.6 else paraphrase
                rows.append((base, new, label, kind, fold))
    left, right, labels, kinds, folds = zip(*rows, strict=True)
    return Pairs(list(left), list(right), np.array(labels), np.array(kinds), np.array(folds))


class Vectors:
    """Vectors of texts by minilm-l6, kept in the user's cache between runs."""

    def __init__(self) -> None:
        self.folder = cache_root() / "pair_scorer"
        self.rows: dict[str, int] = {}
        self.vectors = np.empty((0, 384), dtype=np.float32)
        if (self.folder / "vectors.npy").exists():
            texts = json.loads((self.folder / "texts.json").read_text(encoding="utf-8"))
            self.rows = {text: k for k, text in enumerate(texts)}
            self.vectors = np.load(self.folder / "vectors.npy")

    def add(self, texts: Iterable[str]) -> None:
        new = [text for text in dict.fromkeys(texts) if text not in self.rows]
        if not new:
            return
        print(f"embedding {len(new)} texts", flush=True)
        plugin = Questions()
        vectors = open_encoder(plugin, "minilm-l6").embed(
            [plugin.load(text or "?") for text in new]
        )
        for text in new:
            self.rows[text] = len(self.rows)
        self.vectors = np.concatenate([self.vectors, vectors])
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "texts.json").write_text(json.dumps(list(self.rows)), encoding="utf-8")
        np.save(self.folder / "vectors.npy", self.vectors)

    def of(self, texts: list[str]) -> np.ndarray:
        """Return the texts' vectors, (n, 384) float32."""
        self.add(texts)
        return self.vectors[[self.rows[text] for text in texts]]
