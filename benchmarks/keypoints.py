"""Fit the reranker `keypoints` of images, and measure what a second look is worth.

    python benchmarks/keypoints.py DATA

DATA: the folder `objects` with logos/, whose true boxes are compared: 70 exemplars with 89 boxes.
The constants of siamkit_images.keypoints are fitted to every second brand; the figures are of the
others, and of flat pictures of scikit-image, each turned, tilted and lit otherwise. For each
encoder: constants, threshold, AUC of the cosine, the inliers and both, and the share of boxes whose
best exemplar of the draw has the right brand.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from siamkit import Image, Workspace
from siamkit.sdk.media import load_image
from siamkit_images import Images
from siamkit_images.keypoints import count_inliers, find_corners

FMR = 0.01  # of the limit, over all pairs of different brands
CAPPED = 0.95  # share of different pairs whose cosine counts in full: above, corners must decide
FLAT = ("brick", "camera", "cat", "clock", "coffee", "colorwheel", "coins", "grass", "gravel")
FLAT += ("logo", "page", "rocket", "text", "hubble_deep_field", "moon", "astronaut")


def cut(path: Path, box: tuple[float, ...]) -> Image:
    left, top, right, bottom = (max(0, round(edge)) for edge in box)
    return Image(load_image(path).pixels[top:bottom, left:right])


def read(logos: Path) -> tuple[list[tuple[str, str, Image]], list[tuple[str, str, Image]]]:
    """Return (brand, draw, crop) of the exemplars, and (brand, picture, crop) of the queries."""
    with (logos / "exemplars.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    edges = ("left", "top", "right", "bottom")
    exemplars = [
        (row["brand"], row["draw"], cut(logos / row["image"], tuple(float(row[e]) for e in edges)))
        for row in rows
    ]
    truth = json.loads((logos / "instances.json").read_text(encoding="utf-8"))
    brands = {category["id"]: category["name"] for category in truth["categories"]}
    files = {image["id"]: image["file_name"] for image in truth["images"]}
    queries = []
    for note in truth["annotations"]:
        x, y, width, height = note["bbox"]
        file = files[note["image_id"]]
        crop = cut(logos / "images" / Path(file).name, (x, y, x + width, y + height))
        queries.append((brands[note["category_id"]], file, crop))
    return exemplars, queries


def warp(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a picture seen from the side, turned by up to 20 degrees, smaller and darker."""
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + rng.uniform(-0.12, 0.12, (4, 2)) * (width, height)
    angle, centre = np.deg2rad(rng.uniform(-20, 20)), corners.mean(axis=0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = ((moved - centre) @ turn.T * 0.7 + centre).astype(np.float32)
    seen = cv2.warpPerspective(
        pixels, cv2.getPerspectiveTransform(corners, moved), (width, height), borderValue=[128] * 3
    )
    return np.clip(seen * rng.uniform(0.6, 1.1), 0, 255).astype(np.uint8)


def flat_inliers() -> tuple[np.ndarray, np.ndarray]:
    """Return (n, n) inliers of flat pictures and warped ones, and where both are the same."""
    from skimage import color, data

    rng = np.random.default_rng(0)
    pictures = []
    for name in FLAT:
        pixels = getattr(data, name)()
        pixels = color.gray2rgb(pixels) if pixels.ndim == 2 else pixels[..., :3]
        pictures.append(np.ascontiguousarray(pixels))
    plain = [find_corners(pixels) for pixels in pictures]
    seen = [find_corners(warp(pixels, rng)) for pixels in pictures]
    inliers = [[count_inliers(left, right) for right in seen] for left in plain]
    return np.array(inliers), np.eye(len(FLAT), dtype=bool)


def odds(constants: np.ndarray, features: np.ndarray) -> np.ndarray:
    return constants[0] + features @ constants[1:]


def fit(features: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Return offset and slopes, as if half of all pairs were the same."""
    model = LogisticRegression(C=100.0, class_weight="balanced").fit(features, same)
    return np.round(np.concatenate([model.intercept_, model.coef_[0]]), 3)


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    cv2.setNumThreads(1)
    exemplars, queries = read(Path(sys.argv[1]) / "logos")
    brands, draws = (np.array([item[i] for item in exemplars]) for i in (0, 1))
    truth = np.array([item[0] for item in queries])
    corners = [[find_corners(item[2].pixels) for item in items] for items in (queries, exemplars)]
    counts = [count_inliers(*pair) for pair in product(*corners)]
    inliers = np.array(counts).reshape(len(queries), len(exemplars))
    same = truth[:, None] == brands[None]
    fitted = np.isin(brands, np.unique(brands)[::2]), np.isin(truth, np.unique(brands)[::2])
    learn, test = np.ix_(fitted[1], fitted[0]), np.ix_(~fitted[1], ~fitted[0])
    flat, flat_same = flat_inliers()
    by_inliers = np.log1p(inliers)[..., None]
    print(f"other brands: {same[test].sum()} pairs the same, {(~same[test]).sum()} different")
    with tempfile.TemporaryDirectory() as store, Workspace(store) as ws:
        for name in ("any", *Images.encoders):
            features = by_inliers
            if name != "any":
                encoder = ws.pipeline("images", encoder=name, detector=None).encoder
                q, e = (
                    encoder.embed([item[2] for item in items]) for items in (queries, exemplars)
                )
                cosines = q @ e.T
                cap = round(float(np.quantile(cosines[learn][~same[learn]], CAPPED)), 2)
                capped = np.minimum(cosines, cap)[..., None]
                features = np.concatenate([by_inliers, capped], axis=2)
            constants = fit(features[learn].reshape(-1, features.shape[2]), same[learn].ravel())
            scores = odds(constants, features)
            limit = np.quantile(scores[~same], 1 - FMR)
            print(f"{name}: constants {constants.tolist()}, at {1 / (1 + np.exp(-limit)):.3f}:")
            print(
                f"  different taken for the same {(scores[test][~same[test]] > limit).mean():.4f},"
                f" same recognised {(scores[test][same[test]] > limit).mean():.3f}"
            )
            measured = {"inliers": by_inliers[..., 0], "both": scores}
            if name != "any":
                measured["cosine"] = cosines
                need = np.expm1((limit - constants[0] - constants[2] * cap) / constants[1])
                print(f"  cosine capped at {cap}: from there {need:.1f} inliers are needed")
            for what, values in measured.items():
                auc = roc_auc_score(same[test].ravel(), values[test].ravel())
                first = np.mean([right(values[:, draws == d], brands[draws == d], truth, ~fitted[1])
                                 for d in np.unique(draws)])  # fmt: skip
                print(f"  {what}: AUC {auc:.3f}, right brand first {first:.3f}")
            if name == "any":
                passed = odds(constants, np.log1p(flat)[..., None]) > limit
                print(f"flat pictures: same {passed[flat_same].mean():.3f} of {len(flat)},")
                print(f"  different {passed[~flat_same].mean():.4f}; inliers {np.diag(flat)}")


def right(values: np.ndarray, brands: np.ndarray, truth: np.ndarray, rows: np.ndarray) -> float:
    """Return the share of the boxes `rows` whose best exemplar has the right brand."""
    return float((brands[values.argmax(axis=1)] == truth)[rows].mean())


if __name__ == "__main__":
    main()
