"""Measure how well duplicate questions are told from others; peers: see below.

    python benchmarks/questions.py DATA [--skip-peer] [--skip-int8]

DATA holds trials.csv (Quora: a,b,label), qqp/qqp_pairs.csv and qqp/qqp_duplicates_only.csv (the
same source: question1,question2,is_duplicate), mrpc, question_pair_ko, atec_zh and
parsinlu_qqp_fa, each with a trials.csv, and sts/sts_graded.csv (a,b,score_0_5).

Printed for each set: average precision, the best F1 and accuracy over all thresholds, and precision
at a recall of 0.5 and 0.8. Chance is the share of duplicates: the AP of a coin. Peers are
sentence-transformers, TF-IDF (words and pairs of words, cosine) and MinHash (128 permutations,
character 4-grams). The lexical scorer was fitted on the Quora pairs of trials.csv and
qqp_pairs.csv: its figures there have a star; tools/pair_scorer.py prints cross-validated ones.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, precision_recall_curve

from siamkit.embed.pipeline import open_encoder
from siamkit.errors import SiamkitError
from siamkit.host import registry
from siamkit_questions import bert

FULL, INT8 = "minilm-l6", "minilm-l6-int8"
OTHERS = {
    "MRPC (news sentences)": "mrpc/trials.csv",
    "Korean": "question_pair_ko/trials.csv",
    "Chinese": "atec_zh/trials.csv",
    "Persian": "parsinlu_qqp_fa/trials.csv",
}
PERMUTATIONS, GRAM = 128, 4
PRIME = (1 << 61) - 1  # of MinHash's permutations a * x + b, as Broder (1997) has them


@dataclass
class Pairs:
    left: list[str]
    right: list[str]
    label: np.ndarray  # (n,) bool, or the grade in [0, 5]


class Embedded:
    """One encoder, each distinct text embedded once."""

    def __init__(self, embed: Callable[[list[str]], np.ndarray]) -> None:
        self._embed = embed
        self._row: dict[str, int] = {}
        self._rows: list[np.ndarray] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in self._row]
        for start in range(0, len(new), 512):
            part = new[start : start + 512]
            offset = len(self._rows)
            self._row.update({text: offset + at for at, text in enumerate(part)})
            self._rows += list(self._embed(part))
        return np.stack([self._rows[self._row[text]] for text in texts])


def read(path: Path, load: Callable[[str], str], columns: Sequence[str]) -> Pairs:
    """The pairs of a file, without those of which a text cannot be read."""
    left, right, label = [], [], []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                both = load(row[columns[0]]), load(row[columns[1]])
            except SiamkitError as error:
                print(f"left out of {path.name}: {error}")
                continue
            left.append(both[0])
            right.append(both[1])
            label.append(float(row[columns[2]]))
    return Pairs(left, right, np.array(label))


def tfidf(pairs: Pairs) -> np.ndarray:
    from sklearn.feature_extraction.text import TfidfVectorizer

    model = TfidfVectorizer(ngram_range=(1, 2)).fit([*pairs.left, *pairs.right])
    both = model.transform(pairs.left).multiply(model.transform(pairs.right))
    return np.asarray(both.sum(axis=1)).ravel()


def minhash(pairs: Pairs) -> np.ndarray:
    """The share of permutations of which both texts have the same least gram."""
    rng = np.random.default_rng(0)
    a = rng.integers(1, PRIME, PERMUTATIONS, dtype=np.uint64)[:, None]
    b = rng.integers(0, PRIME, PERMUTATIONS, dtype=np.uint64)[:, None]

    def sketch(text: str) -> np.ndarray:
        text = text.lower()
        grams = {text[at : at + GRAM] for at in range(max(1, len(text) - GRAM + 1))}
        hashed = np.array([_hash(gram) for gram in grams], dtype=np.uint64)
        return ((a * hashed + b) >> np.uint64(32)).min(axis=1)  # modulo 2**64 by itself

    return np.array(
        [(sketch(x) == sketch(y)).mean() for x, y in zip(pairs.left, pairs.right, strict=True)]
    )


def _hash(gram: str) -> int:
    import zlib

    return zlib.crc32(gram.encode())


def figures(score: np.ndarray, label: np.ndarray) -> dict[str, float]:
    precision, recall, _ = precision_recall_curve(label, score)
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(label[order])
    claimed = np.arange(1, len(label) + 1)
    last = np.append(np.diff(score[order]) != 0, True)  # a threshold lies between two scores
    right = hits + (len(label) - label.sum()) - (claimed - hits)
    return {
        "AP": average_precision_score(label, score),
        "F1": float((2 * hits / (claimed + label.sum()))[last].max()),
        "accuracy": float(right[last].max() / len(label)),
        "P@R.5": float(precision[recall >= 0.5].max()),
        "P@R.8": float(precision[recall >= 0.8].max()),
    }


def head(name: str, pairs: Pairs) -> None:
    print(f"\n{name}: {len(pairs.label)} pairs; chance: AP {pairs.label.mean():.3f}")
    columns = ("AP", "F1", "accuracy", "P@R.5", "P@R.8")
    print(f"{'':34}" + "".join(f"{column:>10}" for column in columns), flush=True)


def line(system: str, score: np.ndarray, pairs: Pairs) -> None:
    rates = figures(score, pairs.label)
    print(f"{system:34}" + "".join(f"{value:10.4f}" for value in rates.values()), flush=True)


def cosine(embed: Embedded, pairs: Pairs) -> np.ndarray:
    return (embed(pairs.left) * embed(pairs.right)).sum(axis=1)


def reranked(reranker: Any, embed: Embedded, pairs: Pairs) -> np.ndarray:
    return np.asarray(
        reranker.score(pairs.left, pairs.right, embed(pairs.left), embed(pairs.right))
    )


def open_scorers(plugin: Any, encoders: dict[str, Any]) -> dict[str, Any]:
    """The lexical scorer of each encoder; none, and why, where its weights are not made yet."""
    try:
        return {name: plugin.reranker("lexical", encoder) for name, encoder in encoders.items()}
    except SiamkitError as error:
        print(f"without the lexical scorer: {error}")
        return {}


def operating_points(name: str, encoder: Any, embed: Embedded, pairs: Pairs) -> None:
    """Print the rates at the encoder's threshold, and the recall at given precisions."""
    score, same = cosine(embed, pairs), pairs.label > 0
    at = score >= encoder.threshold.value
    print(
        f"{name:16} threshold {encoder.threshold.value}: precision {same[at].mean():.3f},"
        f" recall {at[same].mean():.3f}, FMR {at[~same].mean():.3f}"
    )
    order = np.argsort(-score, kind="stable")
    precision = np.cumsum(same[order]) / np.arange(1, len(order) + 1)
    recall = np.cumsum(same[order]) / same.sum()
    for target in (0.80, 0.90):
        last = int(np.flatnonzero(precision >= target).max())
        print(
            f"{'':16} precision {target:.2f} at {score[order[last]]:.3f}: recall {recall[last]:.3f}"
        )
    weighed = 1.25 * precision * recall / (0.25 * precision + recall + 1e-12)
    best = int(weighed.argmax())
    print(f"{'':16} highest F0.5 {weighed[best]:.3f} at {score[order[best]]:.4f}")


def retrieval(name: str, embed: Embedded, pairs: Pairs) -> None:
    """Find question2 by question1 among every distinct question2 but question1 itself."""
    pool = list(dict.fromkeys(pairs.right))
    place = {text: at for at, text in enumerate(pool)}
    relevant: dict[str, set[int]] = {}
    for a, b in zip(pairs.left, pairs.right, strict=True):
        if a != b:
            relevant.setdefault(a, set()).add(place[b])
    queries, rows = list(relevant), embed(pool)
    first = fifth = 0
    for start in range(0, len(queries), 512):
        part = queries[start : start + 512]
        scores = embed(part) @ rows.T
        for row, text in zip(scores, part, strict=True):
            if text in place:
                row[place[text]] = -1
            best = np.argsort(-row)[:5].tolist()
            first += best[0] in relevant[text]
            fifth += bool(relevant[text] & set(best))
    print(
        f"{name:16} {len(queries)} questions among {len(pool)}:"
        f" recall@1 {first / len(queries):.4f}  recall@5 {fifth / len(queries):.4f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--skip-peer", action="store_true")
    parser.add_argument("--skip-int8", action="store_true")
    options = parser.parse_args()
    data: Path = options.data

    plugin = registry.load("siamkit.modalities", "questions")
    names = (FULL,) if options.skip_int8 else (FULL, INT8)
    encoders = {name: open_encoder(plugin, name) for name in names}
    embedded = {name: Embedded(encoder.embed) for name, encoder in encoders.items()}
    scorers = open_scorers(plugin, encoders)

    quora = read(data / "trials.csv", plugin.load, ("a", "b", "label"))
    head("Quora", quora)
    for name in embedded:
        line(f"siamkit {name}", cosine(embedded[name], quora), quora)
    if not options.skip_peer:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(bert.FOLDER), device="cpu")
        peer = Embedded(lambda texts: model.encode(texts, show_progress_bar=False))
        line("sentence-transformers", cosine(peer, quora), quora)
    line("TF-IDF", tfidf(quora), quora)
    line("MinHash", minhash(quora), quora)
    for name, scorer in scorers.items():
        score = reranked(scorer, embedded[name], quora)
        line(f"{name} + lexical *", score, quora)
    print("* seen in training")

    for title, file in OTHERS.items():
        pairs = read(data / file, plugin.load, ("a", "b", "label"))
        head(title, pairs)
        for name in embedded:
            line(f"siamkit {name}", cosine(embedded[name], pairs), pairs)
        for name, scorer in scorers.items():
            line(f"{name} + lexical", reranked(scorer, embedded[name], pairs), pairs)
        line("TF-IDF", tfidf(pairs), pairs)
        line("MinHash", minhash(pairs), pairs)
    print(
        "\nall-MiniLM-L6-v2 was trained on English: elsewhere it knows little but shared letters."
    )

    columns = ("question1", "question2", "is_duplicate")
    natural = read(data / "qqp" / "qqp_pairs.csv", plugin.load, columns)
    print(f"\nThresholds, Quora as labelled: {len(natural.label)} pairs")
    for name in embedded:
        operating_points(name, encoders[name], embedded[name], natural)

    graded = read(data / "sts" / "sts_graded.csv", plugin.load, ("a", "b", "score_0_5"))
    print(f"\nSTS: {len(graded.label)} graded pairs, Spearman")
    for name in embedded:
        print(f"{name:16} {spearmanr(cosine(embedded[name], graded), graded.label)[0]:.4f}")
    for name, scorer in scorers.items():
        score = reranked(scorer, embedded[name], graded)
        print(f"{name + ' + lexical':16} {spearmanr(score, graded.label)[0]:.4f}")
    print(f"{'TF-IDF':16} {spearmanr(tfidf(graded), graded.label)[0]:.4f}")

    duplicates = read(data / "qqp" / "qqp_duplicates_only.csv", plugin.load, columns)
    print("\nRetrieval, Quora duplicates")
    for name in embedded:
        retrieval(name, embedded[name], duplicates)


if __name__ == "__main__":
    main()
