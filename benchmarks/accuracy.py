"""Error rates on trials of real faces, beside the face_recognition pipeline on the same trials.

    python accuracy.py DATA [--skip-peer]

DATA holds trials.csv (LFW crops), trials_orl.csv and trials_photos.csv: a,b,label. A trial of a
file that gave no vector is scored below every other: a mated one is then a false non-match at
any threshold, and how many there are is printed. EER and FNMR as in ISO/IEC 19795-1.

Ours: `siamkit embed --largest` (LFW crops with --detector none), cosine. The peer: HOG detector,
first face, Euclidean distance; for LFW crops the whole picture is its face box.
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
        found = {line["source"]: rows[line["row"]] for line in lines if "row" in line}
    return {name: found[str(data / name)] for name in files if str(data / name) in found}


def peer(data: Path, files: list[str], cropped: bool) -> dict[str, np.ndarray]:
    """File -> (128,) vector of face_recognition, not normalised."""
    import face_recognition

    found = {}
    for name in files:
        pixels = face_recognition.load_image_file(data / name)
        box = [(0, pixels.shape[1], pixels.shape[0], 0)] if cropped else None
        vectors = face_recognition.face_encodings(pixels, known_face_locations=box)
        if vectors:
            found[name] = vectors[0]
    return found


def report(name: str, who: str, pairs: list[tuple[str, str, int]], score: np.ndarray) -> None:
    label = np.array([label for *_, label in pairs])
    missing = ~np.isfinite(score)
    score = np.where(missing, -np.inf, score)
    mated, other = score[label == 1], score[label == 0]
    found = [eer(mated, other)[0], *(fnmr_at(mated, other, limit)[0] for limit in (1e-2, 1e-3))]
    figures = "  ".join(f"{value:9.4f}" for value in found)
    print(f"{name:10}  {who:17}  {len(pairs):6}  {figures}  {missing.sum():8}", flush=True)


def main() -> None:
    data = Path(sys.argv[1])
    peers = "--skip-peer" not in sys.argv and find_spec("face_recognition") is not None
    print(f"{'set':10}  {'pipeline':17}  trials  {'EER':>9}  FNMR@0.01  FNMR@1e-3  unscored")
    for name, file in SETS.items():
        pairs = trials(data / file)
        files = sorted({path for a, b, _ in pairs for path in (a, b)})
        cropped = name in CROPPED
        mine = ours(data, files, cropped)
        cosine = [
            float(mine[a] @ mine[b]) if a in mine and b in mine else np.nan for a, b, _ in pairs
        ]
        report(name, "siamkit", pairs, np.array(cosine))
        if peers:
            theirs = peer(data, files, cropped)
            near = [
                -float(np.linalg.norm(theirs[a] - theirs[b]))
                if a in theirs and b in theirs
                else np.nan
                for a, b, _ in pairs
            ]
            report(name, "face_recognition", pairs, np.array(near))


if __name__ == "__main__":
    main()
