"""Train the reranker `lexical` of questions, and measure it on pairs it was not trained on.

    python tools/pair_scorer.py DATA [--wordnet FOLDER] [--write]

Reads DATA, a folder of questions: trials.csv and qqp/ (Quora Question Pairs), mrpc/, sts/, and
lists in other languages. FOLDER holds WordNet 3.0 (`apt-get install wordnet-base` puts it in
/usr/share/wordnet). Prints accuracy and speed. With --write, writes
plugins/siamkit_questions/pair_scorer.safetensors.

Training uses QQP's labelled pairs, its further duplicates at a lower weight, and pairs that
perturb.py derives from duplicates. Cross-validation has five folds of whole components: all
questions joined by any pair, and all pairs derived from them, are in one fold. The folds share only
counts of words (not of labels) and a dictionary. The minimal pairs (tests/data) are written by hand
and belong to no fold. Calibration and threshold come from out-of-fold scores of QQP's natural mix.
SEED makes the result deterministic, on one machine with one number of threads.

Vectors come from the encoder minilm-l6 and are kept in the user's cache.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pair_training
import torch
import word_lists
import word_table
from pair_data import FOLDS, Pairs, Vectors, derive_pairs, read_pairs, read_questions, read_rows
from safetensors.numpy import save_file
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from siamkit_questions import bert, judge, lexicon, scorer
from siamkit_questions.words import WordTable, stems

SEED = 0
WORDS, DIMENSIONS = 11_200, 32  # what one megabyte holds
# Weights of pairs outside the natural mix, for the networks and for the trees. The trees see words
# only and learn most of the traps; the networks are to learn what people call the same. A change of
# SHARP kind never gives a duplicate; people do accept some questions with another noun as
# duplicates, so the other kinds weigh less.
WEIGHT_REAL = (1.0, 1.0)
WEIGHT_DUPLICATES, WEIGHT_SHARP, WEIGHT_DERIVED = (0.3, 0.3), (0.04, 0.5), (0.022, 0.275)
SHARP = ("number", "negation", "unit", "opposite")
PRECISION = 0.8  # of pairs at or above the threshold
CANDIDATE_SHARE = 0.98  # of the duplicates that pass the threshold, at least, for `candidates`
MINIMAL = Path(__file__).parents[1] / "tests" / "data" / "minimal_pairs.csv"
OTHER_SETS = {
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
    """Return the arrays of the word table. texts: the questions whose words are counted."""
    wordnet = word_table.WordNet(folder)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(sorted(set(re.findall(r"[a-z]+", text.lower().replace("'", "")))))
    in_questions = [word for word, count in counts.most_common() if count > 2 and len(word) > 1]
    vocabulary = json.loads((bert.FOLDER / "tokenizer.json").read_text())
    pieces = sorted(vocabulary["model"]["vocab"].items(), key=lambda item: item[1])
    frequent = [word for word, _ in pieces if word.isascii() and word.isalpha() and len(word) > 1]
    by_hand = [*lexicon.UNITS, *sorted(lexicon.DIRECTIONS), *lexicon.PHRASES.values()]
    by_hand += [*lexicon.ALIASES.values(), *lexicon.SCALES, *sorted(lexicon.NEGATIONS)]
    by_hand += " ".join(word_lists.OPPOSITES + word_lists.SYNONYMS).split()
    by_hand = [word for word in by_hand if word.isascii() and word.isalpha() and len(word) > 1]
    words = word_table.choose_words(wordnet, by_hand, frequent, in_questions, WORDS)
    arrays = word_table.build(wordnet, words, word_lists.OPPOSITES, word_lists.SYNONYMS)
    arrays["vectors"] = word_table.reduce(vectors.of(words), DIMENSIONS)
    arrays["words"] = np.frombuffer("\n".join(words).encode(), dtype=np.uint8)
    arrays["weight"] = rarity(words, arrays["lemma"], counts, len(texts))
    return arrays


def rarity(words: list[str], lemma: np.ndarray, counts: Counter[str], total: int) -> np.ndarray:
    """Return (V,) uint8: log(questions / questions with the word), in steps of 0.05."""
    index = {word: k for k, word in enumerate(words)}
    occurrences = np.zeros(len(words))
    for word, count in counts.items():
        for form in (word, *stems(word)):
            if form in index:
                occurrences[lemma[index[form]]] += count
                break
    steps = np.round(np.log((total + 1) / (occurrences[lemma] + 1)) / 0.05)
    return np.clip(steps, 0, 255).astype(np.uint8)


class Examples:
    """Pairs with the features that the model sees."""

    def __init__(self, rows: Pairs, vectors: Vectors, table: WordTable) -> None:
        self.rows = rows
        self.left, self.right = vectors.of(rows.left), vectors.of(rows.right)
        parts = [slice(k, k + scorer.CHUNK) for k in range(0, len(rows), scorer.CHUNK)]
        inputs = [
            scorer.describe(table, rows.left[p], rows.right[p], self.left[p], self.right[p])
            for p in parts
        ]
        self.lexical = np.concatenate([part.lexical for part in inputs])
        self.names = inputs[0].names
        self.cosine = np.concatenate([part.cosine for part in inputs])

    def along(self, axes: np.ndarray) -> np.ndarray:
        return judge.axes_features(axes, self.left, self.right)


def train(sets: list[tuple[Examples, tuple[float, float]]], fold: int) -> dict[str, np.ndarray]:
    """Fit the model to sets of (examples, weights), leaving out one fold; -1 leaves out none."""
    keep = [examples.rows.fold != fold for examples, _ in sets]
    selected = [(examples, weight, k) for (examples, weight), k in zip(sets, keep, strict=True)]
    real = [np.concatenate([e.left[k], e.right[k]]) for e, _, k in selected[:2]]
    axes = pair_training.principal_axes(np.unique(np.concatenate(real), axis=0))
    model = pair_training.fit(
        np.concatenate([examples.lexical[k] for examples, _, k in selected]),
        np.concatenate([examples.along(axes)[k] for examples, _, k in selected]),
        np.concatenate([examples.rows.label[k] for examples, _, k in selected]),
        np.concatenate([np.tile(weight, (k.sum(), 1)) for _, weight, k in selected]),
        SEED,
    )
    return model | {"axes": axes}


def logits(model: dict[str, np.ndarray], examples: Examples) -> np.ndarray:
    return judge.logit(model, examples.lexical, examples.along(model["axes"]))


def best_figures(label: np.ndarray, score: np.ndarray) -> tuple[float, float, float]:
    """Return average precision, and the best F1 and accuracy over all thresholds."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(label[order])
    at = np.arange(1, len(label) + 1)
    positives = label.sum()
    f1 = 2 * hits / (at + positives)
    accuracy = (hits + (len(label) - positives) - (at - hits)) / len(label)
    return average_precision_score(label, score), f1.max(), accuracy.max()


def print_row(name: str, label: np.ndarray, score: np.ndarray) -> None:
    precision, f1, accuracy = best_figures(label, score)
    print(f"{name:44} {len(label):6} {precision:7.4f} {f1:7.4f} {accuracy:7.4f}", flush=True)


def ece(label: np.ndarray, chance: np.ndarray) -> float:
    """Return the expected calibration error over ten equal bins (Guo et al. 2017, equation 3)."""
    bins = np.minimum((chance * 10).astype(int), 9)
    gaps = [
        abs(label[bins == k].mean() - chance[bins == k].mean()) * (bins == k).mean()
        for k in range(10)
        if (bins == k).any()
    ]
    return float(np.sum(gaps))


def auc_by_kind(rows: Pairs, score: np.ndarray) -> str:
    parts = [f"all {roc_auc_score(rows.label, score):.3f}"]
    for kind in sorted(set(rows.kind)):
        at = rows.kind == kind
        parts.append(f"{kind} {roc_auc_score(rows.label[at], score[at]):.3f}")
    return "  ".join(parts)


def cross_validate(
    real: Examples, sets: list[tuple[Examples, tuple[float, float]]], data: Path
) -> tuple[np.ndarray, ...]:
    """Return out-of-fold logits of the real pairs, and probabilities calibrated on other folds."""
    out = [np.zeros(len(examples.rows), dtype=np.float32) for examples, _ in sets]
    for fold in range(FOLDS):
        model = train(sets, fold)
        for set_logits, (examples, _) in zip(out, sets, strict=True):
            held_out = examples.rows.fold == fold
            set_logits[held_out] = logits(model, examples)[held_out]
        print(f"fold {fold + 1} of {FOLDS} is done", flush=True)
    label, fold_of = real.rows.label, real.rows.fold
    chance = np.zeros(len(label), dtype=np.float32)
    for fold in range(FOLDS):
        held_out = fold_of == fold
        platt = pair_training.fit_calibration(out[0][~held_out], label[~held_out])
        chance[held_out] = judge.probability(out[0][held_out], platt)
    balanced = {(row["a"], row["b"]) for row in read_rows(data / "trials.csv")}
    pick = np.array([two in balanced for two in zip(real.rows.left, real.rows.right, strict=True)])
    print(f"\n{'out of fold':44} {'pairs':>6} {'AP':>7} {'F1':>7} {'acc.':>7}")
    for name, at in (("QQP trials", pick), ("QQP natural mix", np.ones(len(pick), dtype=bool))):
        print_row(f"{name}, cosine", label[at], real.cosine[at])
        print_row(f"{name}, lexical", label[at], out[0][at])
    print(f"Brier {brier_score_loss(label, chance):.4f}, ECE {ece(label, chance):.4f}")
    kind_of = np.concatenate([examples.rows.kind for examples, _ in sets[2:]])
    scores = np.concatenate(out[2:])
    same = np.concatenate([out[1], out[0][label == 1]])
    for kind in sorted(kind for kind in set(kind_of) if not kind.startswith("+")):
        at = kind_of == kind
        truth = np.concatenate([np.ones(len(same)), np.zeros(at.sum())])
        area = roc_auc_score(truth, np.concatenate([same, scores[at]]))
        print(f"derived {kind:10} AUC against true duplicates {area:.3f}")
    return out[0], chance


def decide(real: Examples, chance: np.ndarray) -> dict[str, object]:
    """Choose the threshold for PRECISION, and the cosine from which pairs are scored."""
    label = real.rows.label
    order = np.argsort(-chance, kind="stable")
    precise = np.cumsum(label[order]) / np.arange(1, len(label) + 1)
    last = int(np.flatnonzero(precise >= PRECISION).max())
    value = float(chance[order[last]])
    passed = chance >= value
    fmr = float(passed[label == 0].mean())
    recall = float(passed[label == 1].mean())
    # From the duplicates that pass, rounded down to leave room for pairs outside these data.
    near = np.sort(real.cosine[passed & (label == 1)])
    candidates = round(int(near[int((1 - CANDIDATE_SHARE) * len(near))] * 100) / 100, 2)
    share = float((real.cosine >= candidates).mean())
    print(
        f"threshold {value:.3f}: precision {precise[last]:.3f}, recall {recall:.3f}, FMR {fmr:.4f};"
        f" candidates from cosine {candidates}: {share:.3f} of the natural mix is scored"
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


def report(lexical: scorer.LexicalScorer, vectors: Vectors, data: Path) -> None:
    """Print accuracy on sets of other kinds and languages, and speed, of the final model."""
    print(f"\n{'fitted to all of QQP development':44} {'pairs':>6} {'AP':>7} {'F1':>7} {'acc.':>7}")
    for name, file in OTHER_SETS.items():
        rows = read_pairs(data / file)
        a, b = vectors.of(rows.left), vectors.of(rows.right)
        print_row(f"{name}, cosine", rows.label, np.einsum("nd,nd->n", a, b))
        print_row(f"{name}, lexical", rows.label, lexical.score(rows.left, rows.right, a, b))
    graded = read_rows(data / "sts" / "sts_graded.csv")
    left, right = [row["a"] for row in graded], [row["b"] for row in graded]
    a, b = vectors.of(left), vectors.of(right)
    grade = [float(row["score_0_5"]) for row in graded]
    by_cosine = spearmanr(grade, np.einsum("nd,nd->n", a, b)).statistic
    by_lexical = spearmanr(grade, lexical.score(left, right, a, b)).statistic
    print(f"STS Spearman: cosine {by_cosine:.4f}, lexical {by_lexical:.4f}")
    rows = read_pairs(MINIMAL)
    a, b = vectors.of(rows.left), vectors.of(rows.right)
    print("minimal pairs, AUC")
    print("  cosine   " + auc_by_kind(rows, np.einsum("nd,nd->n", a, b)))
    print("  lexical  " + auc_by_kind(rows, lexical.score(rows.left, rows.right, a, b)))
    rows = read_pairs(data / "trials.csv")
    a, b = vectors.of(rows.left), vectors.of(rows.right)
    for times in (1, 5):
        left, right = rows.left * times, rows.right * times
        tiled = [np.tile(part, (times, 1)) for part in (a, b)]
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            lexical.score(left, right, *tiled)
            seconds.append(time.perf_counter() - start)
        rate = len(left) / float(np.median(seconds))
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
    labelled, duplicates = read_questions(options.data, SEED)
    texts = [*labelled.left, *labelled.right, *duplicates.left, *duplicates.right]
    arrays = word_arrays(options.wordnet, vectors, sorted(set(texts)))
    table = WordTable.unpack(arrays)
    derived = derive_pairs((labelled, duplicates), table, SEED)
    vectors.add([*texts, *derived.left, *derived.right])
    sharp = np.isin(derived.kind, SHARP)
    real = Examples(labelled, vectors, table)
    sets = [
        (real, WEIGHT_REAL),
        (Examples(duplicates, vectors, table), WEIGHT_DUPLICATES),
        (Examples(derived.where(sharp), vectors, table), WEIGHT_SHARP),
        (Examples(derived.where(~sharp), vectors, table), WEIGHT_DERIVED),
    ]
    sizes = [len(examples.rows) for examples, _ in sets]
    print(f"{sizes} pairs, {len(real.names)} lexical features")
    out_of_fold, chance = cross_validate(real, sets, options.data)
    facts = decide(real, chance)
    facts |= {"format": scorer.FORMAT, "encoder": ENCODER, "features": real.names}
    model = train(sets, -1)
    model["calibration"] = pair_training.fit_calibration(out_of_fold, labelled.label)
    model["plain calibration"] = pair_training.fit_calibration(real.cosine, labelled.label)
    model["axes"] = model["axes"].astype(np.float32)
    stored = {name: np.ascontiguousarray(array) for name, array in (arrays | model).items()}
    print(f"{sum(array.nbytes for array in stored.values()):,} bytes of weights")
    report(scorer.LexicalScorer(stored, facts), vectors, options.data)
    if options.write:
        metadata = {"facts": json.dumps(facts, sort_keys=True), "notice": NOTICE}
        save_file(stored, scorer.WEIGHTS, metadata=metadata)
        scorer.WEIGHTS.chmod(0o644)
        print(f"wrote {scorer.WEIGHTS}")


if __name__ == "__main__":
    main()
