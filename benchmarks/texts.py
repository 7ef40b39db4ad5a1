"""Train MiniLM on labelled pairs with mined hard negatives; peer: sentence-transformers.

    python benchmarks/texts.py DATA [--steps 200] [--seeds 3] [--only siamkit]

DATA holds qqp/qqp_pairs.csv, Quora Question Pairs. 3 000 of them, duplicates and others, are to
train on; `mine-negatives` adds a hard negative for each question of a duplicate (margin 0.05).
Trials are the other pairs; none shares a question with those. Both trainers begin with
all-MiniLM-L6-v2, read the same table, and learn from 24 pairs a step at a peak rate of RATE, with
CoSENT at temperature 0.05:

    siamkit                what `loss = "auto"` takes for labelled pairs
    sentence-transformers  its trainer with CoSENTLoss, whose scale of 20 is the same temperature

Both have AdamW, a warm-up over a tenth of the steps, then a cosine. Average precision is of the
trials; each model embeds as it is served. The last step counts. Questions have at most 16 words,
which halves the time.
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
from siamkit.train.pairs import components

PAIRS, WORDS = 3_000, 16
BATCH = 24  # pairs of a step
RATE = 5e-5
MARGIN = 0.05  # a mined negative is this much farther than the duplicate
Trials = list[tuple[str, str, int]]


def split_pairs(data: Path) -> tuple[Trials, Trials]:
    """Return the pairs to train on, and the trials. No question is in both."""
    with (data / "qqp" / "qqp_pairs.csv").open(newline="") as file:
        rows = [
            (row["question1"], row["question2"], int(row["is_duplicate"]))
            for row in csv.DictReader(file)
            if _are_short(row["question1"], row["question2"])
        ]
    numbers: dict[str, int] = {}
    pairs = [[numbers.setdefault(_folded(text), len(numbers)) for text in row[:2]] for row in rows]
    groups = components(len(numbers), np.array(pairs))[[left for left, _ in pairs]]
    rank = np.random.default_rng(0).permutation(groups.max() + 1)[groups]
    order = np.argsort(rank, kind="stable")
    last = rank[order[PAIRS - 1]]
    return [rows[row] for row in order if rank[row] <= last], [
        rows[row] for row in order if rank[row] > last
    ]


def write_table(path: Path, pairs: Trials) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("a", "b", "label"), *pairs])


def read_table(path: Path) -> Trials:
    with path.open(newline="") as file:
        return [(row["a"], row["b"], int(row["label"])) for row in csv.DictReader(file)]


def add_mined(ws: sk.Workspace, pairs: Trials, folder: Path) -> tuple[Path, int]:
    """Write a table of pairs and of mined negatives; return it, and the number of the latter."""
    labelled, mined, table = (folder / f"{name}.csv" for name in ("labelled", "mined", "table"))
    write_table(labelled, pairs)
    rule = sk.MiningRule(count=1, margin=MARGIN)
    ws.mine_negatives(labelled, mined, modality="questions", rule=rule, format="pairs")
    present = {frozenset(pair[:2]) for pair in pairs}
    new = [row for row in read_table(mined) if not row[2] and frozenset(row[:2]) not in present]
    write_table(table, [*pairs, *new])
    return table, len(new)


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


def train_peer(table: Path, seed: int, steps: int, trials: Trials) -> tuple[float, float]:
    """Return average precision, and the processor time in seconds."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.losses import CoSENTLoss

    from siamkit_questions.bert import FOLDER

    began = time.process_time()
    model = SentenceTransformer(str(FOLDER), device="cpu")
    left, right, labels = zip(*read_table(table), strict=True)
    columns = {"sentence1": left, "sentence2": right, "score": [float(label) for label in labels]}
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch, max_steps=steps, per_device_train_batch_size=BATCH,
            learning_rate=RATE, warmup_steps=steps // 10, lr_scheduler_type="cosine", seed=seed,
            save_strategy="no", report_to="none", use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict(columns),
            loss=CoSENTLoss(model),
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
    parser.add_argument("--only", choices=("siamkit", "peer"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings: dict[str, Any] = {
        "backbone": "all-minilm-l6-v2", "temperature": 0.05, "identities": BATCH, "samples": 2,
        "learning_rate": RATE, "warmup": 0.1, "steps": options.steps, "validation": 0.0,
        "precision": "fp32", "evaluate_every": 1.0, **parse(options.settings),
    }  # fmt: skip
    pairs, trials = split_pairs(options.data)
    rows: dict[str, list[float]] = {"siamkit": [], "peer": []}
    with tempfile.TemporaryDirectory() as scratch:
        folder, ws = Path(scratch), sk.Workspace(Path(scratch) / "store")
        table, mined = add_mined(ws, pairs, folder)
        print(f"{len(pairs):,} pairs, {mined:,} hard negatives; {len(trials):,} trials")
        before = precision(served(None, trials, ws), trials)
        print(f"before training: AP {before:.2f} %", flush=True)
        for seed in range(options.seeds):
            if options.only != "peer":
                run = folder / f"run{seed}"
                spent = train_siamkit(table, run, seed, settings)
                rows["siamkit"].append(precision(served(str(run / "encoder"), trials, ws), trials))
                print(
                    f"seed {seed}: siamkit {rows['siamkit'][-1]:.2f} % ({spent:.0f} s)", flush=True
                )
            if options.only != "siamkit":
                ap, spent = train_peer(table, seed, options.steps, trials)
                rows["peer"].append(ap)
                print(f"seed {seed}: peer {ap:.2f} % ({spent:.0f} s)", flush=True)
    for name, values in rows.items():
        if len(values) > 1:
            gain, spread = np.mean(values) - before, np.std(values, ddof=1)
            print(f"{name:<8} AP {np.mean(values):.2f} ± {spread:.2f} %, gain {gain:+.2f}")


if __name__ == "__main__":
    main()
