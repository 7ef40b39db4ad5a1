"""Compare losses, margins and samplers on several data sets: the rates on identities held out.

    python benchmarks/defaults.py DATA [--seeds 3] [--sets faces,voices] [--settings NAME,NAME]

DATA holds extras, faces, signatures and voices. Omniglot: EfficientNet-Lite0, 60 steps of
10 x 3 drawings of small set 1, tested on small set 2 (other alphabets). COIL-20: a head on the
features of EfficientNet-Lite0, 10 objects, tested on the others. Faces, signatures (genuine ones
and forgeries) and voices: a head on the shipped encoder, tested on other people. "untrained" are
those features or vectors as they are. Half of the identities of each set, or the second set, are
only tested on. The rates are the EER of all pairs, and recall@1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from siamkit.host import registry
from siamkit.sdk.model_folder import GRAPH
from siamkit.sdk.onnx import session
from siamkit.stats.metrics import eer
from siamkit.train import checkpoint
from siamkit.train.backbones import build_network
from siamkit.train.config import TrainConfig
from siamkit.train.data import Dataset, load, prepare
from siamkit.train.examples import Example
from siamkit.train.folder import BEST, ENCODER, Origin
from siamkit.train.modality import backbone_name, bind
from siamkit.train.run import TrainingRun
from siamkit.train.split import Split

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from train_characters import Characters, read

HEAD = {"backbone": "encoder", "steps": 300, "learning_rate": 1e-3}
SETTINGS: dict[str, dict[str, Any]] = {
    "triplet 0.1": {"margin": 0.1},
    "triplet 0.2": {},
    "triplet 0.4": {"margin": 0.4},
    "soft-triplet": {"loss": "soft-triplet"},
    "contrastive": {"loss": "contrastive", "margin": 0.5},
    "multi-similarity": {"loss": "multi-similarity"},
    "multiple-negatives": {"loss": "multiple-negatives", "temperature": 0.05},
    "supcon": {"loss": "supcon"},
    "circle": {"loss": "circle"},
    "arcface": {"loss": "arcface", "margin": 0.3, "temperature": 0.05},
    "proxy-anchor": {"loss": "proxy-anchor", "temperature": 0.05},
}


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A data set, prepared: its folder to train in, and the samples that are only tested on."""

    name: str
    modality: Any  # bound to what is trained
    config: TrainConfig
    folder: Path
    tested: Dataset


def halves(examples: list[Example]) -> tuple[list[Example], list[Example]]:
    """Put every other identity on the other side."""
    labels = sorted({example.label for example in examples})
    first = set(labels[::2])
    sides = [e for e in examples if e.label in first], [e for e in examples if e.label not in first]
    return sides


def omniglot(data: Path, scratch: Path) -> tuple[list[Example], list[Example]]:
    sides = []
    for number in (1, 2):
        archive = data / f"extras/omniglot/python/images_background_small{number}.zip"
        with zipfile.ZipFile(archive) as file:
            file.extractall(scratch / f"omniglot-{number}")
        sides.append(read(scratch / f"omniglot-{number}"))
    return sides[0], sides[1]


def coil(data: Path, scratch: Path) -> tuple[list[Example], list[Example]]:
    files = sorted((data / "extras/coil20").glob("*.png"))
    return halves([Example(file, file.name.partition("__")[0]) for file in files])


def faces(data: Path, scratch: Path) -> tuple[list[Example], list[Example]]:
    """Take 200 people with three pictures or more, eight of each at most."""
    people = [sorted(folder.iterdir())[:8] for folder in sorted((data / "faces/lfw").iterdir())]
    chosen = [files for files in people if len(files) > 2][:200]
    return halves([Example(file, file.parent.name) for files in chosen for file in files])


def signatures(data: Path, scratch: Path) -> tuple[list[Example], list[Example]]:
    """Take eight genuine signatures and six forgeries of each of 80 writers."""
    examples = []
    for folder in sorted((data / "signatures/bhsig_hindi").iterdir()):
        for letter, count in (("G", 8), ("F", 6)):
            files = sorted(folder.glob(f"*-{letter}-*.png"))[:count]
            examples += [Example(file, folder.name, letter == "F") for file in files]
    return halves(examples)


def voices(data: Path, scratch: Path) -> tuple[list[Example], list[Example]]:
    sets = ("librispeech_test-other", "librispeech_train-clean-100_segments", "emodb")
    files = [file for name in sets for file in sorted((data / "voices" / name).glob("*/*.flac"))]
    return halves([Example(file, f"{file.parts[-3]}/{file.parts[-2]}") for file in files])


SETS: dict[str, tuple[Callable[..., Any], str, dict[str, Any]]] = {
    "omniglot": (
        omniglot,
        "characters",
        {
            "backbone": "efficientnet-lite0", "steps": 60, "identities": 10, "samples": 3,
            "learning_rate": 1e-3,
        },
    ),
    "coil": (coil, "images", {"frozen": True, "steps": 300}),
    "faces": (faces, "faces", HEAD),
    "signatures": (signatures, "signatures", HEAD),
    "voices": (voices, "voices", HEAD),
}  # fmt: skip


def prepare_set(name: str, data: Path, scratch: Path) -> Trial:
    collect, modality_name, settings = SETS[name]
    config = TrainConfig().changed({**settings, "device": "cpu", "precision": "fp32"})
    modality: Any = Characters()
    if modality_name != "characters":
        modality = bind(registry.load("siamkit.modalities", modality_name), config)
    trained, tested = collect(data, scratch)
    folders = [scratch / name / side for side in ("trained", "tested")]
    for folder in folders:
        folder.mkdir(parents=True)
    prepare(trained, modality, None, folders[0], Split(config.validation, 0))
    dataset = prepare(tested, modality, None, folders[1], Split(0, 0)).dataset
    return Trial(name, modality, config, folders[0], dataset)


def rates(vectors: np.ndarray, dataset: Dataset) -> tuple[float, float]:
    """Return the EER in % of all pairs, or of the pairs with an impostor, and recall@1 in %."""
    labels, genuine = dataset.labels, ~dataset.impostor
    cosines = vectors @ vectors.T
    same, upper = labels[:, None] == labels, np.triu(np.ones((len(labels),) * 2, bool), 1)
    both, imitation = genuine[:, None] & genuine, genuine[:, None] ^ genuine
    rejected = same & imitation if dataset.impostor.any() else ~same & both
    error = eer(cosines[same & both & upper], cosines[rejected & upper])[0]
    nearest = cosines[np.ix_(genuine, genuine)]
    np.fill_diagonal(nearest, -np.inf)
    recall = (labels[genuine][nearest.argmax(1)] == labels[genuine]).mean()
    return 100 * error, 100 * float(recall)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def untrained(trial: Trial) -> np.ndarray:
    """Return the encoder's vectors of the tested samples, or the features of the backbone."""
    arrays = trial.tested.arrays
    if trial.config.backbone == "encoder":
        return unit(np.asarray(arrays))
    config = replace(trial.config, dim=2)
    name = backbone_name(trial.modality, config)
    trunk = build_network(config, name, arrays.shape[1:]).trunk.eval()
    with torch.inference_mode():
        batches = [trunk(torch.from_numpy(np.array(part))) for part in np.array_split(arrays, 20)]
    return unit(torch.cat(batches).float().numpy())


def trained(trial: Trial, changes: dict[str, Any], seed: int) -> np.ndarray:
    """Train as in one run, and return the vectors of the tested samples at its best step."""
    config = trial.config.changed({**changes, "seed": seed})
    origin = Origin(trial.modality.name, "", None, "", "x")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        shutil.copytree(trial.folder, folder)
        run = TrainingRun(folder, trial.modality, config, origin, load(folder))
        for _ in run.events():
            pass
        tensors, _ = checkpoint.read(folder / BEST)
        if config.backbone == "encoder":
            weight, bias = (tensors[f"average.{name}"].numpy() for name in ("weight", "bias"))
            return unit(trial.tested.arrays @ weight.T + bias)
        run.export()
        graph = session((folder / ENCODER / GRAPH).read_bytes())
        parts = np.array_split(trial.tested.arrays, 20)
        return np.concatenate([graph.run(None, {"arrays": np.array(part)})[0] for part in parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--settings", default=",".join(SETTINGS))
    options = parser.parse_args()
    print(f"{'set':<11} {'setting':<20} {'EER %':>7} {'spread':>7} {'R@1 %':>7} {'spread':>7}")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.sets.split(","):
            trial = prepare_set(name, options.data, Path(scratch))
            rows = {"untrained": [rates(untrained(trial), trial.tested)]}
            for setting in options.settings.split(","):
                rows[setting] = [
                    rates(trained(trial, SETTINGS[setting], seed), trial.tested)
                    for seed in range(options.seeds)
                ]
            for setting, values in rows.items():
                (eer, recall), (d_eer, d_recall) = np.mean(values, 0), np.std(values, 0)
                line = f"{name:<11} {setting:<20} {eer:7.2f} {d_eer:7.2f} {recall:7.2f}"
                print(f"{line} {d_recall:7.2f}", flush=True)


if __name__ == "__main__":
    main()
