"""Vectors of the faces and voices of DATA, unchanged or as another camera or microphone gives them.

Each change is drawn from a seed of its sample, so the same call always gives the same vectors. They
are kept in the user's temporary folder, in a file named by a hash of what they were made from.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pil
from PIL import ImageFilter
from scipy.signal import butter, sosfilt

from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.embed.region_choosers import area
from siamkit.errors import NothingFound
from siamkit.types import Clip, Image

Change = Callable[[Any, np.random.Generator], Any]
VOICES = {
    "segments": "librispeech_train-clean-100_segments",
    "librispeech": "librispeech_test-other",
    "emodb": "emodb",
}


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """(n, dim) unit vectors, whose they are, and the files they came from."""

    vectors: np.ndarray
    identities: np.ndarray  # (n,) str
    files: list[str]


def faces(data: Path, change: str = "", *, least: int = 2) -> Made:
    """LFW crops of everybody with `least` pictures."""
    people = sorted(path for path in (data / "faces" / "lfw").iterdir() if path.is_dir())
    files = [f for person in people if len(pictures := sorted(person.glob("*.jpg"))) >= least
             for f in pictures]  # fmt: skip
    return embed("faces", None, files, change, PICTURES)


def voices(data: Path, change: str = "") -> Made:
    """Segments, LibriSpeech and Emo-DB; clips without speech are left out."""
    files = [f for name in VOICES.values() for f in sorted((data / "voices" / name).glob("*/*.*"))]
    return embed("voices", "speech", files, change, SOUNDS)


def embed(
    modality: str,
    detector: str | None,
    files: Sequence[Path],
    change: str,
    changes: Mapping[str, Change],
) -> Made:
    pipeline = open_pipeline(modality, encoder=None, detector=detector)
    listed = "\n".join(str(file) for file in files)
    key = hashlib.sha256(f"{pipeline.encoder.fingerprint} {change} {listed}".encode()).hexdigest()
    cache = Path(tempfile.gettempdir()) / f"siamkit-bench-{modality}-{key[:12]}.npz"
    if not cache.exists():
        alter = changes[change] if change else None
        rows = [_embed_file(pipeline, file, alter) for file in files]
        good = np.array([row is not None for row in rows])
        np.savez(cache, good=good, vectors=np.stack([row for row in rows if row is not None]))
    with np.load(cache) as stored:
        good, vectors = stored["good"], stored["vectors"]
    used = [file for file, ok in zip(files, good, strict=True) if ok]
    identities = np.array([f"{file.parent.parent.name}/{file.parent.name}" for file in used])
    return Made(vectors, identities, [str(file) for file in used])


def _embed_file(pipeline: Pipeline, file: Path, alter: Change | None) -> np.ndarray | None:
    content = pipeline.read(file)
    medium = pipeline.load(content)
    if alter:
        medium = alter(medium, np.random.default_rng(zlib.crc32(file.name.encode())))
    try:
        region = max(pipeline.find_regions(medium, content), key=area, default=None)
        if region is None:
            return None
        rows, good = pipeline.embed([pipeline.crop(medium, region, content)])
    except NothingFound:
        return None
    return rows[0] if good[0] else None


# --- microphones ---


def _filtered(kind: str, *edges: float) -> Change:
    def change(clip: Clip, rng: np.random.Generator) -> Clip:
        sos = butter(4, edges if len(edges) > 1 else edges[0], kind, fs=clip.rate, output="sos")
        return Clip(sosfilt(sos, clip.samples).astype(np.float32), clip.rate)

    return change


def _noisy(decibel: float, before: Change | None = None) -> Change:
    """White noise, so far below the sound's mean power."""

    def change(clip: Clip, rng: np.random.Generator) -> Clip:
        clip = before(clip, rng) if before else clip
        level = np.sqrt(np.mean(clip.samples**2)) * 10 ** (-decibel / 20)
        noise = rng.normal(0, level, len(clip.samples))
        return Clip((clip.samples + noise).astype(np.float32), clip.rate)

    return change


SOUNDS: dict[str, Change] = {
    "telephone": _filtered("bandpass", 300, 3400),
    "telephone, 20 dB": _noisy(20, _filtered("bandpass", 300, 3400)),
    "low-pass 2 kHz": _filtered("lowpass", 2000),
    "noise, 15 dB": _noisy(15),
}


# --- cameras ---


def _picture(function: Callable[[pil.Image], pil.Image]) -> Change:
    def change(image: Image, rng: np.random.Generator) -> Image:
        return Image(np.asarray(function(pil.fromarray(image.pixels)), dtype=np.uint8))

    return change


def _jpeg(image: pil.Image) -> pil.Image:
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=10)
    return pil.open(packed).convert("RGB")


def _gamma(image: pil.Image) -> pil.Image:
    return image.point([round(255 * (v / 255) ** 2.5) for v in range(256)] * 3)


PICTURES: dict[str, Change] = {
    "blur, 2 px": _picture(lambda image: image.filter(ImageFilter.GaussianBlur(2))),
    "gamma 2.5": _picture(_gamma),
    "JPEG 10": _picture(_jpeg),
    "28 px": _picture(lambda image: image.resize((28, 28)).resize(image.size)),
}


# --- other models: of vectors ---


def rotated(vectors: np.ndarray, rng: np.random.Generator, degrees: float) -> np.ndarray:
    """Every vector turned by about so many degrees, all by one rotation."""
    from scipy.linalg import expm

    dim = vectors.shape[1]
    skew = rng.normal(size=(dim, dim))
    skew = (skew - skew.T) / np.sqrt(2 * dim)  # a unit vector moves by about 1 an angle of 1
    return (vectors @ expm(np.radians(degrees) * skew)).astype(np.float32)


def noisy(vectors: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Noise of a length of `share` of the vector's, which is what rounded weights come to."""
    noise = rng.normal(size=vectors.shape) / np.sqrt(vectors.shape[1])
    moved = vectors + share * noise
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
