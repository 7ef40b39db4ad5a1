"""Train an encoder for handwritten characters, or any small drawings, from a folder of your own.

    python examples/train_characters.py FOLDER [--steps 600] [-o RUN]

FOLDER holds one folder per character, each with pictures of it by several hands, as Omniglot does
(Lake, Salakhutdinov and Tenenbaum 2015); the folders may lie at any depth, for example in one
folder per alphabet. samples.py draws such a folder, `characters`. A fifth of the characters is kept
out of training, to measure 1-shot 20-way accuracy: how often a picture is matched to its character
out of 20 (or as many as there are), each of which is shown once.

The class below is a whole modality. Installed as an entry point of `siamkit.modalities` (see
docs/training.md), the same lines make `siamkit train FOLDER -m characters -o RUN` work.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput, SiamkitError
from siamkit.sdk.media import load_image
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.train.config import TrainConfig
from siamkit.train.data import Dataset, prepare
from siamkit.train.events import Evaluated, Step
from siamkit.train.examples import Example
from siamkit.train.folder import Origin
from siamkit.train.run import TrainingRun
from siamkit.train.split import Split
from siamkit.types import Image, Region

SIZE = 64  # px
WAYS, ROUNDS = 20, 400


class Characters:
    """Drawings of one size: dark lines on a light ground, whole pictures."""

    name = "characters"
    kind = "image"
    detector = None
    backbone = "efficientnet-lite0"

    def load(self, source: Any) -> Image:
        return load_image(source)

    def crop(self, medium: Image, region: Region) -> Image:
        return medium

    def array(self, medium: Image) -> NDArray[np.uint8]:
        grey = cv2.cvtColor(medium.pixels, cv2.COLOR_RGB2GRAY)
        return np.asarray(255 - cv2.resize(grey, (SIZE, SIZE), interpolation=cv2.INTER_AREA))

    def augment(
        self, array: NDArray[np.uint8], own: np.random.Generator, shared: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Turn, scale and move a drawing a little."""
        angle, scale = own.normal(0, 6), np.exp(own.normal(0, 0.08))
        matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), angle, scale)
        matrix[:, 2] += own.normal(0, 2, 2)
        return np.asarray(cv2.warpAffine(array, matrix, (SIZE, SIZE)), np.uint8)

    def preprocessing(self) -> dict[str, Any]:
        return {"size": SIZE, "ink": "255 on 0"}

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[Image]:
        assert folder is not None, "characters have no weights of their own"
        return OnnxEncoder(folder, self.array)

    def examples(self) -> list[Any]:
        return []


def read(folder: Path) -> list[Example]:
    """Each folder with pictures directly in it is a character, named by its path."""
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not files:
        raise BadInput(
            f"{folder} holds no pictures" if folder.is_dir() else f"{folder} is not a folder",
            hint="give one with a folder per character in it, and pictures (.png, .jpg) in those",
        )
    return [Example(f, str(f.parent.relative_to(folder)), False, None) for f in files]


def one_shot(dataset: Dataset, folder: Path) -> tuple[int, float]:
    """Return the number of characters to choose from, and how often the right one is nearest."""
    encoder = Characters().encoder(folder)
    rows = np.flatnonzero(~dataset.training)
    images = [Image(np.repeat((255 - dataset.arrays[row])[:, :, None], 3, 2)) for row in rows]
    vectors, labels = encoder.embed(images), dataset.labels[rows]
    rng, right = np.random.default_rng(0), 0
    characters, pictures = np.unique(labels, return_counts=True)
    characters = characters[pictures > 1]  # one to show, one to ask about
    ways = min(WAYS, len(characters))
    for _ in range(ROUNDS):
        drawn = rng.choice(characters, ways, replace=False)
        pairs = [rng.choice(np.flatnonzero(labels == c), 2, replace=False) for c in drawn]
        gallery = vectors[[enrolled for enrolled, _ in pairs]]
        probe = vectors[pairs[0][1]]
        right += int(np.argmax(gallery @ probe)) == 0
    return ways, right / ROUNDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("-o", "--output", type=Path, default=Path("characters-run"))
    options = parser.parse_args()

    config = TrainConfig(steps=options.steps, identities=24, average=0.98)
    origin = Origin("characters", str(options.folder), None, "your own", "characters")
    examples = read(options.folder)
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        split = Split(config.validation, config.seed)
        prepared = prepare(examples, Characters(), None, options.output, split)
    except BadInput as error:
        hint = "give more characters, each with two pictures at least"
        raise BadInput(f"{options.folder}: {error}", hint=hint) from error
    run = TrainingRun(options.output, Characters(), config, origin, prepared)
    for event in run.events():
        if isinstance(event, Evaluated):
            print(f"step {event.step}: equal error rate {event.eer:.2%}")
        elif isinstance(event, Step) and event.step % 50 == 0:
            print(f"step {event.step}: loss {event.loss:.3f}, active {event.active:.1%}")
    if run.result().gained is False:
        print("nothing is gained over the features of the backbone without training")
        run.export()  # not by default
    ways, accuracy = one_shot(prepared.dataset, options.output / "encoder")
    print(f"1-shot {ways}-way accuracy on characters never trained on: {accuracy:.1%}")


if __name__ == "__main__":
    try:
        main()
    except SiamkitError as error:
        print(f"Error: {error}\nHint: {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
