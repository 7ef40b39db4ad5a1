"""Train on few identities: is what a run leaves its user with ever worse than no training?

    python benchmarks/few_identities.py DATA [--steps 200] [--seeds 3] [--set KEY=VALUE …]

DATA holds coil20/ (20 objects) and ../faces/orl/ (40 people), both of them as images of any kind.
Half of the identities take no part in the run at all: the equal error rates are theirs, against
all pairs of two of them. The other half goes to `siamkit train`, with half of it for validation.
"left with" is the encoder that the run exports, or the untrained one if it exports none; "trained"
is what `siamkit train export` gives in any case. The goal is that "left with" is never above
"untrained".
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from training_parts import embed_whole, error

import siamkit as sk
from siamkit.cli.settings_text import parse_settings

EACH = 10  # pictures of each identity
Pictures = dict[str, list[Path]]


def read_coil(data: Path) -> Pictures:
    pictures: Pictures = defaultdict(list)
    for path in sorted((data / "coil20").glob("*.png")):
        pictures[path.name.partition("__")[0]].append(path)
    return {name: paths[:: len(paths) // EACH][:EACH] for name, paths in pictures.items()}


def read_orl(data: Path) -> Pictures:
    folders = sorted((data.parent / "faces" / "orl").glob("s*"))
    return {folder.name: sorted(folder.glob("*.pgm"))[:EACH] for folder in folders}


def measure(pictures: Pictures, seed: int, settings: dict[str, object]) -> tuple[float, ...]:
    """Return the errors of the untrained encoder, of the trained one, and of what is left."""
    names = np.random.default_rng(seed).permutation(sorted(pictures)).tolist()
    trained, tested = names[: len(names) // 2], names[len(names) // 2 :]
    paths = [path for name in tested for path in pictures[name]]
    labels = np.repeat(np.arange(len(tested)), [len(pictures[name]) for name in tested])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with (folder / "data.csv").open("w", newline="") as file:
            rows = [(path, name) for name in trained for path in pictures[name]]
            csv.writer(file).writerows([("path", "label"), *rows])
        ws = sk.Workspace(folder / "store")
        run = ws.train(
            folder / "data.csv", folder / "run", modality="images", detector=None,
            config={"seed": seed, "validation": 0.5, **settings},
        )  # fmt: skip
        for _ in run.events():
            pass
        exported = run.result().encoder
        run.export()
        errors = []
        for encoder in (None, folder / "run" / "encoder"):
            vectors = embed_whole(ws, "images", paths, encoder)
            errors.append(error(vectors @ vectors.T, labels))
    before, after = errors
    return before, after, after if exported else before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    settings = {"steps": options.steps, "backbone": "encoder", **parse_settings(options.set)}
    print(f"{'data':<8} {'seed':>4} {'untrained':>10} {'trained':>8} {'left with':>10}")
    worse = 0
    for name, read in (("COIL-20", read_coil), ("ORL", read_orl)):
        pictures = read(options.data)
        for seed in range(options.seeds):
            before, after, left = measure(pictures, seed, settings)
            worse += left > before
            print(f"{name:<8} {seed:4} {before:10.2f} {after:8.2f} {left:10.2f}", flush=True)
    print(f"worse than untrained: {worse} of {2 * options.seeds} runs")


if __name__ == "__main__":
    main()
