"""Write real embeddings of a given number to a file, for benchmarks of search.

    python benchmarks/real_vectors.py DATA faces 1000000 faces.npy
    python benchmarks/real_vectors.py DATA questions 100000 questions.npy

DATA has the photos of benchmarks/dedupe_faces.py and the questions of benchmarks/dedupe_speed.py.
Faces: each person is a mixture of three people of LFW, with random weights, and has ten vectors
that differ as photos of one person there do, by two random differences at half their length.
Questions: the real ones, and mixtures of two. The order is random, so the first rows are a fair
sample.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from dedupe_speed import embedded, grown, sentences

from siamkit import Workspace
from siamkit.types import Region

PER_PERSON, BLOCK = 10, 5_000  # vectors of one person; people at once


def embed_photos(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Embed the aligned photos of a folder per person; return vectors and names, by name."""
    pipeline = Workspace().pipeline("faces")
    photos = sorted(folder.glob("*/*.jpg"))
    vectors = []
    for start in range(0, len(photos), 32):
        media = [pipeline.modality.load(photo) for photo in photos[start : start + 32]]
        vectors.append(pipeline.encoder.embed([pipeline.modality.crop(m, Region()) for m in media]))
    return np.concatenate(vectors), np.array([photo.parent.name for photo in photos])


def grow_faces(real: np.ndarray, names: np.ndarray, count: int) -> np.ndarray:
    """Return (count, dim) vectors of people who are mixtures of real ones."""
    rng = np.random.default_rng(0)
    same = np.flatnonzero(names[1:] == names[:-1])
    differences = real[same + 1] - real[same]
    parts = []
    for _ in range(-(-count // (BLOCK * PER_PERSON))):
        weights = rng.normal(size=(BLOCK, 3, 1)).astype(np.float32)
        people = _unit((real[rng.integers(0, len(real), (BLOCK, 3))] * weights).sum(axis=1))
        shares = rng.normal(scale=0.5, size=(BLOCK, PER_PERSON, 2, 1)).astype(np.float32)
        drawn = differences[rng.integers(0, len(differences), (BLOCK, PER_PERSON, 2))]
        parts.append(
            _unit(people[:, None] + (drawn * shares).sum(axis=2)).reshape(-1, real.shape[1])
        )
    rows = np.concatenate(parts)[:count]
    return rows[rng.permutation(len(rows))]


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("kind", choices=["faces", "questions"])
    parser.add_argument("count", type=int)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    if options.kind == "faces":
        rows = grow_faces(*embed_photos(options.data / "faces" / "lfw"), options.count)
    else:
        rows = grown(embedded(sentences(options.data / "questions")), options.count)
    np.save(options.file, rows)


if __name__ == "__main__":
    main()
