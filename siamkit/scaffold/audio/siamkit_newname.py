"""newname: tell which sounds have the same source."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.errors import MissingWeights, NothingFound, UnreadableSample
from siamkit.protocols import Source
from siamkit.sdk.model_folder import Card, projection, require_preprocessing, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.sdk.regions import spans
from siamkit.sdk.sound import load_clip
from siamkit.types import Clip, Region

RATE, WINDOW = 16_000, 1024  # Hz; samples of a spectrum
FEATURES, DIM = 64, 64  # numbers per clip as the network sees it, and per vector
# Everything that changes what the network sees. Raise `version` when `features` changes:
# vectors of other constants are never compared.
CONSTANTS = {"version": 1, "rate": RATE, "features": FEATURES}


class NewNameModality:
    name = "newname"
    kind = "audio"
    detector: str | None = None  # a region detector's name; None compares whole recordings
    backbone = "encoder"  # `siamkit train` puts a new head on the encoder
    encoders: Mapping[str, str] = {"start": "a random projection, until one is trained"}

    def load(self, source: Source) -> Clip:
        if isinstance(source, str):
            raise UnreadableSample("expected a sound file or its content, not text")
        return load_clip(source, RATE)

    def crop(self, medium: Clip, region: Region) -> Clip:
        if region.where is None:
            return medium
        edges = [[round(t * RATE) for t in span] for span in spans(region, medium.seconds)]
        samples = np.concatenate([medium.samples[a:b] for a, b in edges])
        if not len(samples):
            raise NothingFound("it has no sound in it")
        return Clip(samples, medium.rate)

    def build(self, name: str, folder: Path) -> None:
        matrix = np.random.default_rng(0).standard_normal((FEATURES, DIM))
        card = Card(self.name, name, DIM, CONSTANTS, "CC0-1.0", "random numbers")
        write_folder(folder, projection(matrix, np.float32), card)

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[Clip]:
        if folder is None:
            raise MissingWeights(
                "there is no encoder here", hint="run `siamkit encoders build newname`"
            )
        opened = OnnxEncoder(folder, features)
        require_preprocessing(opened.card, folder, CONSTANTS, hint="train again")
        return opened

    def examples(self) -> Sequence[tuple[str, Source]]:
        return [(label, sample(identity, n)) for identity, label in enumerate("ab") for n in (0, 1)]


def features(medium: Clip) -> np.ndarray[Any, Any]:
    """(FEATURES,) float32: the loudness of each frequency band, relative to the mean."""
    padded = np.pad(medium.samples, (0, -len(medium.samples) % WINDOW))
    spectra = np.abs(np.fft.rfft(padded.reshape(-1, WINDOW) * np.hanning(WINDOW)))
    bands = spectra.mean(axis=0)[:-1].reshape(FEATURES, -1).mean(axis=1)
    loud = np.log(bands + 1e-3)
    return np.asarray(loud - loud.mean() + 1e-6, np.float32)


def sample(identity: int, number: int) -> bytes:
    """A WAV file: a chord of the identity's own, in different noise each time."""
    import soundfile

    rng = np.random.default_rng([identity, number])
    tones = np.random.default_rng(identity).uniform(200, 6000, (4, 1))
    times = np.arange(RATE) / RATE
    sound = np.sin(2 * np.pi * (tones * times + rng.random((4, 1)))).mean(axis=0)
    content = io.BytesIO()
    soundfile.write(content, 0.5 * sound + rng.normal(0, 0.02, RATE), RATE, format="WAV")
    return content.getvalue()
