"""Measure simple baselines on the trials of signatures.py (1 reference).

    python benchmarks/signature_baselines.py DATA [--writers all]

EER over the trials of DATA/trials.csv (skilled forgeries) and DATA/trials_random.csv whose writers
are validation writers, with one threshold for all; 95 % intervals over writers. Nothing here is
fitted to signatures. The canvas is the box around the ink, scaled to fit 128 x 256 with its aspect
ratio kept. The rows of sizes ignore the strokes: they show what the scanning and cropping of the
data give away.

Needs scikit-image and siamkit[train]. One thread.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import torch
from signature_trials import (
    SETS,
    Pairs,
    Signature,
    equal_error_rate,
    grouped,
    interval,
    joined,
    listed_pairs,
    parts,
    read,
)
from skimage.feature import hog
from skimage.metrics import structural_similarity

from siamkit.sdk.efficientnet_lite0 import lite0

HEIGHT, WIDTH, MARGIN = 128, 256, 4  # pixels
INK = 128  # grey levels below it are ink; the files are bilevel, or nearly
RATIO = 0.8  # of the two nearest descriptors: Lowe, IJCV 60, 2004, section 7.1

Ink: TypeAlias = np.ndarray  # (height, width) bool, True where there is ink
Scores: TypeAlias = Callable[[Pairs], np.ndarray]


def ink_of(file: Path) -> Ink:
    picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise SystemExit(f"{file} cannot be read as a picture")
    return np.asarray(picture < INK)


def box(ink: Ink) -> Ink:
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def padded(ink: Ink) -> Ink:
    """The ink's box in the middle of the smallest frame of the canvas' aspect."""
    cut = box(ink)
    height = max(cut.shape[0], round(cut.shape[1] * HEIGHT / WIDTH))
    width = max(cut.shape[1], round(cut.shape[0] * WIDTH / HEIGHT))
    return _centred(cut, np.zeros((height, width), bool))


def canvas(ink: Ink) -> np.ndarray:
    """(128, 256) uint8, ink 255 on 0."""
    cut = box(ink).astype(np.uint8) * 255
    scale = min((HEIGHT - 2 * MARGIN) / cut.shape[0], (WIDTH - 2 * MARGIN) / cut.shape[1])
    size = [max(1, round(side * scale)) for side in cut.shape[::-1]]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return _centred(
        cv2.resize(cut, size, interpolation=interpolation), np.zeros((HEIGHT, WIDTH), np.uint8)
    )


def _centred(part: np.ndarray, onto: np.ndarray) -> np.ndarray:
    top, left = ((outer - inner) // 2 for outer, inner in zip(onto.shape, part.shape, strict=True))
    onto[top : top + part.shape[0], left : left + part.shape[1]] = part
    return onto


def near(measures: np.ndarray) -> Scores:
    """Score by minus the distance of (n, k) measures, each in standard deviations."""
    scaled = (measures - measures.mean(axis=0)) / np.maximum(measures.std(axis=0), 1e-9)
    return lambda pairs: -np.linalg.norm(scaled[pairs.left] - scaled[pairs.right], axis=1)


def cosine(vectors: np.ndarray) -> Scores:
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return lambda pairs: np.einsum("nd,nd->n", rows[pairs.left], rows[pairs.right])


def sizes(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """(n, 3) height, width, and share of ink."""
    return np.array([[*picture.shape, (picture > 0).mean()] for picture in pictures])


def imagenet(canvases: Sequence[np.ndarray]) -> np.ndarray:
    """(n, 1280) features before the classifier of EfficientNet-Lite0."""
    network = lite0().eval()
    features = []
    with torch.inference_mode():
        for start in range(0, len(canvases), 32):
            paper = 255 - np.stack(canvases[start : start + 32]).astype(np.float32)
            batch = torch.from_numpy(paper / 127.5 - 1)[:, None].expand(-1, 3, -1, -1)
            features.append(network(batch).numpy())
    return np.concatenate(features)


def ssim(canvases: Sequence[np.ndarray]) -> Scores:
    def score(pairs: Pairs) -> np.ndarray:
        both = zip(pairs.left, pairs.right, strict=True)
        return np.array([structural_similarity(canvases[a], canvases[b]) for a, b in both])

    return score


def orb(canvases: Sequence[np.ndarray]) -> Scores:
    """The share of ORB descriptors with a clear nearest in the other, of canvases doubled."""
    finder = cv2.ORB_create(nfeatures=500, fastThreshold=5)
    large = (cv2.resize(c, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR) for c in canvases)
    described = [finder.detectAndCompute(picture, None)[1] for picture in large]
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)

    def clear(a: np.ndarray | None, b: np.ndarray | None) -> float:
        if a is None or b is None or len(b) < 2:
            return 0.0
        matches = matcher.knnMatch(a, b, k=2)
        return sum(first.distance < RATIO * second.distance for first, second in matches) / len(a)

    def score(pairs: Pairs) -> np.ndarray:
        both = [(described[a], described[b]) for a, b in zip(pairs.left, pairs.right, strict=True)]
        return np.array([(clear(a, b) + clear(b, a)) / 2 for a, b in both])

    return score


def hogs(canvases: Sequence[np.ndarray]) -> np.ndarray:
    """(n, d) histograms of oriented gradients: Dalal and Triggs, CVPR 2005, cells of 16 pixels."""
    return np.stack([hog(c, 9, (16, 16), (2, 2), block_norm="L2-Hys") for c in canvases])


def baselines(pictures: Sequence[Ink]) -> Iterator[tuple[str, Scores]]:
    original, cropped = sizes(pictures), sizes([padded(picture) for picture in pictures])
    yield "height of the file", near(original[:, :1])
    yield "height, width, ink: file", near(original)
    yield "height, width, ink: cropped", near(cropped)
    yield "ink alone: cropped", near(cropped[:, 2:])
    canvases = [canvas(picture) for picture in pictures]
    yield "SSIM", ssim(canvases)
    yield "ORB, ratio test", orb(canvases)
    yield "HOG, cosine", cosine(hogs(canvases))
    yield "ImageNet features, cosine", cosine(imagenet(canvases))


def rates(
    score: Scores, skilled: Pairs, random: Pairs, signatures: Sequence[Signature]
) -> Mapping[str, str]:
    """Column -> 'EER [interval]', in percent."""
    row = {}
    for kind, pairs in (("skilled", skilled), ("random", random)):
        for part, groups in parts(grouped(signatures, pairs, score(pairs))):
            if kind == "skilled" or part == "all":
                low, high = interval(groups)
                rate = equal_error_rate(*joined(groups))
                row[f"{kind} {part}"] = f"{rate:.1%} [{100 * low:.0f}, {100 * high:.0f}]"
    return row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--writers", choices=["validation", "all"], default="validation")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    all_writers = options.writers == "all"
    signatures = [s for s in read(options.data) if all_writers or s.validation]
    skilled = listed_pairs(options.data, "trials.csv", signatures)
    random = listed_pairs(options.data, "trials_random.csv", signatures)
    print(f"skilled: {len(skilled.left)} trials, random: {len(random.left)} trials")
    columns = ["skilled all", *(f"skilled {name}" for name in SETS.values()), "random all"]
    print(f"{'EER':28}" + "".join(f"{column:>20}" for column in columns), flush=True)
    pictures = [ink_of(options.data / signature.path) for signature in signatures]
    for name, score in baselines(pictures):
        row = rates(score, skilled, random, signatures)
        print(f"{name:28}" + "".join(f"{row[column]:>20}" for column in columns), flush=True)


if __name__ == "__main__":
    main()
