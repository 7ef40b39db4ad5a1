"""Measure error rates on trials of real faces; peer: the face_recognition pipeline.

    python benchmarks/accuracy.py DATA [--skip-peer]

DATA holds trials.csv (LFW crops), trials_orl.csv and trials_photos.csv: a,b,label. A trial with a
file that gave no vector is scored below all others, so a mated one is a false non-match at any
threshold; their number is printed. EER and FNMR as in ISO/IEC 19795-1.

siamkit: `siamkit embed --largest` (LFW crops with --detector none), cosine. The peer: HOG detector,
first face, Euclidean distance; for LFW crops the whole picture is the face box.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from siamkit.stats.metrics import eer, fnmr_at

SETS = {"LFW crops": "trials.csv", "ORL": "trials_orl.csv", "photos": "trials_photos.csv"}
CROPPED = {"LFW crops"}


def trials(path: Path) -> list[tuple[str, str, int]]:
    with path.open(newline="") as file:
        return [(row["a"], row["b"], int(row["label"])) for row in csv.DictReader(file)]


def ours(data: Path, files: list[str], cropped: bool) -> dict[str, np.ndarray]:
    """File -> (128,) unit vector, through the command line."""
    with tempfile.TemporaryDirectory() as folder:
        listed, output = Path(folder) / "list.txt", Path(folder) / "v.npy"
        listed.write_text("".join(f"{data / name}\n" for name in files))
        command = [sys.executable, "-m", "siamkit", "embed", "-m", "faces", "--largest"]
        command += ["--from", str(listed), "--output", str(output)]
        subprocess.run(command + ["--detector", "none"] * cropped, check=True, capture_output=True)
        rows = np.load(output)
        lines = map(json.loads, output.with_suffix(".jsonl").read_text().splitlines())
        vectors = {line["source"]: rows[line["row"]] for line in lines if "row" in line}
    return {name: vectors[str(data / name)] for name in files if str(data / name) in vectors}


def peer(data: Path, files: list[str], cropped: bool) -> dict[str, np.ndarray]:
    """File -> (128,) vector of face_recognition, not normalised."""
    import face_recognition

    encodings = {}
    for name in files:
        pixels = face_recognition.load_image_file(data / name)
        box = [(0, pixels.shape[1], pixels.shape[0], 0)] if cropped else None
        vectors = face_recognition.face_encodings(pixels, known_face_locations=box)
        if vectors:
            encodings[name] = vectors[0]
    return encodings


def report(name: str, pipeline: str, pairs: list[tuple[str, str, int]], score: np.ndarray) -> None:
    label = np.array([label for *_, label in pairs])
    missing = ~np.isfinite(score)
    score = np.where(missing, -np.inf, score)
    mated, non_mated = score[label == 1], score[label == 0]
    rates = [
        eer(mated, non_mated)[0],
        *(fnmr_at(mated, non_mated, limit)[0] for limit in (1e-2, 1e-3)),
    ]
    figures = "  ".join(f"{value:9.4f}" for value in rates)
    print(f"{name:10}  {pipeline:17}  {len(pairs):6}  {figures}  {missing.sum():8}", flush=True)


def main() -> None:
    data = Path(sys.argv[1])
    peers = "--skip-peer" not in sys.argv and find_spec("face_recognition") is not None
    print(f"{'set':10}  {'pipeline':17}  trials  {'EER':>9}  FNMR@0.01  FNMR@1e-3  unscored")
    for name, file in SETS.items():
        pairs = trials(data / file)
        files = sorted({path for a, b, _ in pairs for path in (a, b)})
        cropped = name in CROPPED
        own = ours(data, files, cropped)
        cosine = [float(own[a] @ own[b]) if a in own and b in own else np.nan for a, b, _ in pairs]
        report(name, "siamkit", pairs, np.array(cosine))
        if peers:
            peer_vectors = peer(data, files, cropped)
            near = [
                -float(np.linalg.norm(peer_vectors[a] - peer_vectors[b]))
                if a in peer_vectors and b in peer_vectors
                else np.nan
                for a, b, _ in pairs
            ]
            report(name, "face_recognition", pairs, np.array(near))


if __name__ == "__main__":
    main()
