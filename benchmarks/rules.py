"""Measure what ruling, forms and seals cost a signature's score.

    python benchmarks/rules.py DATA [--signatures N] [--kinds WORD ...] [--forged]

A genuine signature of a validation writer is scanned clean, and once more with lines or a seal over
it. `same` compares the two scans: median and 5th percentile of the score, and the share below
EQUAL_ERRORS (FNMR). `mated` compares the ruled scan with a clean one of another signature of
the writer. `lost` counts pictures in which no signature was found; their score counts as -1.

--forged compares genuine signatures with genuine and skilled forged ones, first with all of them
clean, then each pair on sheets of one kind, all kinds in turn: FNMR, FMR and EER. All drawing is
seeded, so two versions of siamkit see the same pictures.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pil
from ruled_sheets import KINDS, Kind, scan
from signature_trials import Signature, by_writer, read

from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.errors import NothingFound
from siamkit.stats.metrics import eer

EQUAL_ERRORS = 0.772  # score at which as many genuine signatures fail as forgeries pass


def embed(pipeline: Pipeline, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """(n, dim) unit vectors of the best region of each picture; rows of NaN where there is none."""
    rows = np.full((len(pictures), pipeline.encoder.dim), np.nan, np.float32)
    for number, pixels in enumerate(pictures):
        content = io.BytesIO()
        pil.fromarray(pixels).save(content, "PNG", compress_level=0)
        source = pipeline.read(content.getvalue())
        try:
            medium = pipeline.load(source)
            if regions := pipeline.find_regions(medium, source):
                crop = pipeline.crop(medium, regions[0], source)
                rows[number] = pipeline.embed([crop])[0][0]
        except NothingFound:
            continue
    return rows


def trials(signatures: Sequence[Signature], count: int) -> list[tuple[str, str, str]]:
    """Genuine signature, another one of the writer, a skilled forgery: the writers take turns."""
    rng = np.random.default_rng(20261122)
    drawn = []
    writers = list(by_writer(signatures).values())
    for turn in range(count):
        members = writers[(turn * 7) % len(writers)]
        genuine = [signatures[i].path for i in members if not signatures[i].forged]
        forged = [signatures[i].path for i in members if signatures[i].forged]
        first, second = rng.choice(genuine, 2, replace=False)
        drawn.append((str(first), str(second), str(rng.choice(forged))))
    return drawn


def scores(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) cosines of rows; -1 where one is missing."""
    return np.nan_to_num(np.einsum("nd,nd->n", left, right), nan=-1.0)


def by_kind(table: Table, names: Sequence[str]) -> None:
    """Print a line per kind."""
    clean = KINDS["nothing"]
    first, second = table.vectors(0, [clean], 1), table.vectors(1, [clean], 2)
    print(f"{'':26} {'same score':>13} {'same':>6} {'mated':>6}")
    print(f"{'over the ink':26} {'median':>6} {'5 %':>6} {'FNMR':>6} {'FNMR':>6}  lost", flush=True)
    for name in names:
        ruled = table.vectors(0, [KINDS[name]], 3)
        same, mated = scores(first, ruled), scores(second, ruled)
        middle, low = np.percentile(same, [50, 5])
        rates = [(row < EQUAL_ERRORS).mean() for row in (same, mated)]
        lost = np.isnan(ruled[:, 0]).sum()
        print(
            f"{name:26} {middle:6.3f} {low:6.3f} {rates[0]:6.1%} {rates[1]:6.1%} {lost:5}",
            flush=True,
        )


def against_forgeries(table: Table, names: Sequence[str]) -> None:
    """Print error rates of genuine and forged pairs, clean and on sheets of one kind each."""
    for title, kinds in (("clean", ["nothing"]), ("a kind a pair", names)):
        drawn = [KINDS[name] for name in kinds]
        first, second, forged = (table.vectors(which, drawn, 5 + which) for which in range(3))
        mated, non_mated = scores(first, second), scores(first, forged)
        rate, at = eer(mated, non_mated)
        print(
            f"{title:15} FNMR {(mated < EQUAL_ERRORS).mean():6.1%}"
            f"  FMR {(non_mated >= EQUAL_ERRORS).mean():6.1%}  EER {rate:6.1%} at {at:.3f}",
            flush=True,
        )


@dataclass(frozen=True)
class Table:
    """The signatures that are compared."""

    data: Path
    rows: Sequence[tuple[str, str, str]]
    pipeline: Pipeline

    def vectors(self, which: int, kinds: Sequence[Kind], seed: int) -> NDArray[np.float32]:
        """(n, dim) vectors of one column of signatures, on sheets of the kinds in turn."""
        return embed(
            self.pipeline,
            [
                scan(self.data / row[which], kinds[number % len(kinds)], (seed, number))
                for number, row in enumerate(self.rows)
            ],
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--signatures", type=int, default=93)
    parser.add_argument("--kinds", nargs="*", help="only kinds whose names contain a word")
    parser.add_argument("--forged", action="store_true")
    options = parser.parse_args()
    names = [n for n in KINDS if not options.kinds or any(word in n for word in options.kinds)]
    rows = trials([s for s in read(options.data) if s.validation], options.signatures)
    pipeline = open_pipeline("signatures", encoder=None, detector="signatures")
    run = against_forgeries if options.forged else by_kind
    run(Table(options.data, rows, pipeline), names)


if __name__ == "__main__":
    main()
