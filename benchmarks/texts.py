"""Train MiniLM on pairs of duplicates with mined hard negatives; peer: sentence-transformers.

    python benchmarks/texts.py DATA [--steps 200] [--seeds 3] [--set KEY=VALUE …]

DATA holds qqp/qqp_duplicates_only.csv and trials.csv, Quora Question Pairs. 3 000 duplicates, of
which no question is in a trial, get a hard negative each from `mine-negatives`. Both trainers begin
with all-MiniLM-L6-v2, read that table of triplets, and learn from 48 texts a step:

    siamkit                24 identities of two texts: 12 drawn, and those of a hard negative of
                           each; multiple-negatives at temperature 0.05
    sentence-transformers  16 triplets, its trainer with MultipleNegativesRankingLoss, whose scale
                           of 20 is the same temperature

Both have AdamW at a peak of RATE, warm-up over a tenth of the steps. Average precision is of the
trials, half of them duplicates; each model embeds as it is served. The last step counts. Questions
have at most 16 words, which halves the time.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score

import siamkit as sk

PAIRS, WORDS = 3_000, 16
TEXTS = 48  # of a step
RATE = 5e-5
Trials = list[tuple[str, str, int]]


def read_trials(data: Path) -> Trials:
    with (data / "trials.csv").open(newline="") as file:
        rows = [(row["a"], row["b"], int(row["label"])) for row in csv.DictReader(file)]
    return [row for row in rows if _are_short(*row[:2])]


def write_pairs(data: Path, trials: Trials, path: Path) -> int:
    """Write the pairs to train on, and return how many. None of their texts is in a trial."""
    tested = {_folded(text) for a, b, _ in trials for text in (a, b)}
    pairs: list[tuple[str, str]] = []
    with (data / "qqp" / "qqp_duplicates_only.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            pair = row["question1"], row["question2"]
            if _are_short(*pair) and not {_folded(text) for text in pair} & tested:
                pairs.append(pair)
    pairs = pairs[:PAIRS]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("a", "b"), *pairs])
    return len(pairs)


def _are_short(a: str, b: str) -> bool:
    return max(len(text.split()) for text in (a, b)) <= WORDS


def _folded(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())


def precision(vectors: dict[str, np.ndarray], trials: Trials) -> float:
    """Return the average precision of the cosines, in per cent."""
    cosines = np.array([vectors[a] @ vectors[b] for a, b, _ in trials])
    return 100 * float(average_precision_score([label for _, _, label in trials], cosines))


def served(encoder: str | None, trials: Trials, ws: sk.Workspace) -> dict[str, np.ndarray]:
    texts = sorted({text for a, b, _ in trials for text in (a, b)}, key=len)
    pipeline = ws.pipeline("questions", encoder=encoder)
    media = [pipeline.crop(pipeline.load(c), sk.Region(), c) for c in map(pipeline.read, texts)]
    parts = [pipeline.embed(media[start : start + 64])[0] for start in range(0, len(media), 64)]
    return dict(zip(texts, np.concatenate(parts), strict=True))


def train_siamkit(table: Path, folder: Path, seed: int, settings: dict[str, Any]) -> float:
    """Train in a folder; return the processor time in seconds, preparation included."""
    began = time.process_time()
    run = sk.Workspace(folder.parent / "store").train(
        table, folder, modality="questions", config={"seed": seed, **settings}
    )
    for _ in run.events():
        pass
    return time.process_time() - began


def train_peer(triplets: Path, seed: int, steps: int, trials: Trials) -> tuple[float, float]:
    """Return average precision, and the processor time in seconds."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    from siamkit_questions.origins import find_packaged

    began = time.process_time()
    model = SentenceTransformer(str(find_packaged()), device="cpu")
    with triplets.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["negative"]]
    columns = {name: [row[name] for row in rows] for name in ("anchor", "positive", "negative")}
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch, max_steps=steps, per_device_train_batch_size=TEXTS // 3,
            learning_rate=RATE, warmup_steps=steps // 10, lr_scheduler_type="cosine", seed=seed,
            save_strategy="no", report_to="none", use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict(columns),
            loss=MultipleNegativesRankingLoss(model),
        ).train()
    spent = time.process_time() - began
    texts = sorted({text for a, b, _ in trials for text in (a, b)})
    vectors = model.encode(texts, normalize_embeddings=True)
    return precision(dict(zip(texts, vectors, strict=True)), trials), spent


def parse(settings: list[str]) -> dict[str, Any]:
    import tomllib

    return {key: value for setting in settings for key, value in tomllib.loads(setting).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--alone", action="store_true", help="without the peer")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings: dict[str, Any] = {
        "backbone": "all-minilm-l6-v2", "loss": "multiple-negatives", "temperature": 0.05,
        "identities": TEXTS // 2, "samples": 2, "impostors": 0, "learning_rate": RATE,
        "warmup": 0.1, "steps": options.steps, "validation": 0.0, "precision": "fp32",
        "evaluate_every": 1.0, **parse(options.settings),
    }  # fmt: skip
    trials = read_trials(options.data)
    rows: dict[str, list[float]] = {"siamkit": [], "sentence-transformers": []}
    with tempfile.TemporaryDirectory() as scratch:
        folder, ws = Path(scratch), sk.Workspace(Path(scratch) / "store")
        count = write_pairs(options.data, trials, folder / "pairs.csv")
        table = folder / "triplets.csv"
        mined = ws.mine_negatives(
            folder / "pairs.csv",
            table,
            modality="questions",
            rule=sk.MiningRule(count=1),
            format="triplets",
        )
        print(f"{count:,} pairs, {mined.negatives:,} hard negatives; {len(trials):,} trials")
        before = precision(served(None, trials, ws), trials)
        print(f"before training: AP {before:.2f} %", flush=True)
        for seed in range(options.seeds):
            run = folder / f"run{seed}"
            spent = train_siamkit(table, run, seed, settings)
            rows["siamkit"].append(precision(served(str(run / "encoder"), trials, ws), trials))
            print(f"seed {seed}: siamkit {rows['siamkit'][-1]:.2f} % ({spent:.0f} s)", flush=True)
            if not options.alone:
                ap, spent = train_peer(table, seed, options.steps, trials)
                rows["sentence-transformers"].append(ap)
                print(f"seed {seed}: peer {ap:.2f} % ({spent:.0f} s)", flush=True)
    for name, values in rows.items():
        if len(values) > 1:
            gain, spread = np.mean(values) - before, np.std(values, ddof=1)
            print(f"{name:<22} AP {np.mean(values):.2f} ± {spread:.2f} %, gain {gain:+.2f}")


if __name__ == "__main__":
    main()
