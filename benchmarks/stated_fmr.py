"""Compare the false match rate that a trained encoder states with that on other identities.

    python benchmarks/stated_fmr.py DATA [--steps 100] [--only NAME]

DATA holds faces/lfw, signatures/cedar_bin, voices and questions/trials.csv. Half of the identities
take no part in the run at all. The other half trains a head on the modality's encoder, with half of
it for validation; the threshold is the one on the exported card. "realised" is the rate of the same
kind of pairs of the identities that took no part: with skilled forgeries for signatures, of
questions labelled different, and the hard pairs of faces and voices. The goal is a ratio within 2
either way.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from training_parts import embed_whole

import siamkit as sk
from siamkit.sdk.model_folder import read_card
from siamkit.train import validation
from siamkit.train.pairs import components

PEOPLE, SEED = 300, 0  # most identities of a set
EACH, OF_A_VOICE = 12, 40  # most samples of each; there are few speakers


@dataclass(frozen=True)
class Half:
    """Samples of half of the identities: a table to train on, or what to score."""

    header: tuple[str, ...]
    rows: list[tuple[object, ...]]
    samples: list[Path | str]
    held: validation.HeldOut


def from_groups(
    groups: dict[str, list[Path]], forged: dict[str, list[Path]], each: int = EACH
) -> list[Half]:
    names = np.random.default_rng(SEED).permutation(sorted(groups))[:PEOPLE].tolist()
    halves = []
    for part in (names[::2], names[1::2]):
        rows = [
            (path, name, kind)
            for name in part
            for kind, files in ((0, groups[name]), (1, forged.get(name, [])))
            for path in files[:each]
        ]
        numbers = {name: number for number, name in enumerate(part)}
        held = validation.HeldOut(
            np.array([numbers[name] for _, name, _ in rows]),
            np.array([kind == 1 for *_, kind in rows]),
            np.empty((0, 2), np.int64),
            np.empty(0, bool),
            np.arange(len(rows)),
        )
        halves.append(Half(("path", "label", "impostor"), rows, [row[0] for row in rows], held))
    return halves


def grouped(files: Iterable[Path], name: Callable[[Path], str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(files):
        groups[name(file)].append(file)
    return {key: some for key, some in groups.items() if len(some) > 1}


def faces(data: Path) -> list[Half]:
    files = (data / "faces" / "lfw").glob("*/*.jpg")
    return from_groups(grouped(files, lambda file: file.parent.name), {})


def signatures(data: Path) -> list[Half]:
    genuine, forged = (
        grouped((data / "signatures" / "cedar_bin" / kind).glob("*.png"),
                lambda file: file.stem.split("_")[1])
        for kind in ("full_org", "full_forg")
    )  # fmt: skip
    return from_groups(genuine, forged)


def voices(data: Path) -> list[Half]:
    files = [
        file
        for folder in ("librispeech_test-other", "librispeech_train-clean-100_segments", "emodb")
        for file in (data / "voices" / folder).rglob("*")
        if file.suffix in (".flac", ".wav")
    ]
    return from_groups(grouped(files, lambda file: file.parent.name), {}, OF_A_VOICE)


def questions(data: Path) -> list[Half]:
    with (data / "questions" / "trials.csv").open(newline="") as file:
        pairs = [(row["a"], row["b"], int(row["label"])) for row in csv.DictReader(file)]
    texts = sorted({text for a, b, _ in pairs for text in (a, b)})
    number = {text: index for index, text in enumerate(texts)}
    rows = np.array([(number[a], number[b]) for a, b, _ in pairs])
    groups = components(len(texts), rows)  # of all pairs: no text is in both halves
    same = np.array([label == 1 for *_, label in pairs])
    labels = components(len(texts), rows[same])
    halves = []
    for half in (0, 1):
        chosen = groups[rows[:, 0]] % 2 == half
        own = np.unique(rows[chosen])
        held = validation.HeldOut(
            labels[own],
            np.zeros(len(own), bool),
            np.searchsorted(own, rows[chosen]),
            same[chosen],
            np.arange(len(own)),
        )
        table = [pair for pair, is_own in zip(pairs, chosen, strict=True) if is_own]
        halves.append(Half(("a", "b", "label"), table, [texts[row] for row in own], held))
    return halves


def measure(name: str, halves: list[Half], steps: int) -> str:
    ours, others = halves
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with (folder / "data.csv").open("w", newline="") as file:
            csv.writer(file).writerows([ours.header, *ours.rows])
        ws = sk.Workspace(folder / "store")
        run = ws.train(
            folder / "data.csv", folder / "run", modality=name, detector=None,
            config={"backbone": "encoder", "steps": steps, "validation": 0.5, "seed": SEED},
        )  # fmt: skip
        for _ in run.events():
            pass
        run.export()  # also if nothing is gained
        card = read_card(folder / "run" / "encoder")
        if card.threshold is None or not card.threshold.fmr:
            return f"{name:<11} none stated"
        vectors = embed_whole(ws, name, others.samples, folder / "run" / "encoder")
    scores = validation.score(vectors, others.held)
    realised = float((scores.trials.rejected >= card.threshold.value).mean())
    ratio = realised / card.threshold.fmr
    return (
        f"{name:<11} {card.threshold.fmr:7.3f} {realised:9.4f} {ratio:6.2f}"
        f" {len(scores.trials.rejected):8,}  {card.threshold.source}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--only")
    options = parser.parse_args()
    print(f"{'modality':<11} {'stated':>7} {'realised':>9} {'ratio':>6} {'pairs':>8}  stated from")
    for read in (signatures, questions, voices, faces):
        if options.only in (None, read.__name__):
            print(measure(read.__name__, read(options.data), options.steps), flush=True)


if __name__ == "__main__":
    main()
