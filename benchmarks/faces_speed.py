"""Measure faces per second end to end, and by bare model calls; peer: dlib's own network.

    python benchmarks/faces_speed.py

End to end is `siamkit.embed.batches.embed_all`, which the command line uses: read, decode, detect,
assess, align, embed in batches. The bare calls are the same plugin's, one after another in one
Python thread, with the models on all cores, on the same pictures.
"""

from __future__ import annotations

import statistics
from importlib.util import find_spec
from pathlib import Path

import dlib
import numpy as np
from timing import elapsed, table

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import open_pipeline

ROUNDS, COPIES = 5, 20

photos = [
    Path(find_spec("skimage").origin).parent / "data" / "astronaut.png",
    Path(find_spec("matplotlib").origin).parent / "mpl-data/sample_data/grace_hopper.jpg",
] * COPIES
pipe = open_pipeline("faces", encoder=None, detector="facefinder")
modality, finder, encoder = pipe.modality, pipe.detector, pipe.encoder


def end_to_end() -> int:
    done = [
        d
        for batch in batches.embed_all(pipe, map(Job, photos), region_choosers.largest_region)
        for d in batch
    ]
    return sum(len(d.regions) for d in done)


def bare() -> int:
    chips = []
    for path in photos:
        picture = modality.load(path.read_bytes())
        (region, *_) = finder.find(picture)
        chips.append(modality.crop(picture, region))
    return len(encoder.embed(chips))


def per_face(call, count: int = 20) -> float:
    """Milliseconds a call, the median of `count`."""
    return statistics.median(elapsed(call) for _ in range(count)) * 1000


end_to_end(), bare()  # warm-up
pairs = [(elapsed(end_to_end), elapsed(bare)) for _ in range(ROUNDS)]
end_to_end_seconds, sum_of_calls = (statistics.median(side) for side in zip(*pairs, strict=True))
ratio = statistics.median(b / a for a, b in pairs)

picture = modality.load(photos[0].read_bytes())
region = finder.find(picture)[0]
chip = modality.crop(picture, region)
weights = Path(find_spec("face_recognition_models").origin).parent / "models"
dlib_network = dlib.face_recognition_model_v1(
    str(weights / "dlib_face_recognition_resnet_model_v1.dat")
)
vector = np.array(dlib_network.compute_face_descriptor(chip.pixels))
difference = np.abs(encoder.embed([chip])[0] - vector / np.linalg.norm(vector)).max()
times = [
    (
        per_face(lambda: encoder.embed([chip]), 5),
        per_face(lambda: dlib_network.compute_face_descriptor(chip.pixels), 5),
    )
    for _ in range(ROUNDS)
]
siamkit_ms, dlib_ms = (statistics.median(side) for side in zip(*times, strict=True))
table(
    [
        ("figure", "measured", "goal"),
        ("faces end to end", f"{len(photos) / end_to_end_seconds:.1f}/s", ""),
        ("the bare calls", f"{len(photos) / sum_of_calls:.1f}/s", ""),
        ("end to end / bare calls", f"{ratio:.2f}", ">= 0.9"),
        (
            "decode one photo",
            f"{per_face(lambda: modality.load(photos[0].read_bytes())):.1f} ms",
            "",
        ),
        ("detect", f"{per_face(lambda: finder.find(picture)):.1f} ms", ""),
        ("align", f"{per_face(lambda: modality.crop(picture, region)):.1f} ms", ""),
        ("embed one aligned face", f"{siamkit_ms:.1f} ms", ""),
        ("the same by dlib's network", f"{dlib_ms:.1f} ms", ""),
        ("times faster", f"{statistics.median(d / o for o, d in times):.1f}", ">= 5"),
        ("largest difference of unit vectors", f"{difference:.1e}", "<= 1e-6"),
    ]
)
