"""Measure faces per second end to end, and by bare model calls; peer: OpenCV, the same weights.

    python benchmarks/faces_speed.py

End to end is `siamkit.embed.batches.embed_all`, which the command line uses: read, decode, detect,
assess, align, embed in batches. The bare calls are the same plugin's, one after another in one
Python thread, with the models on all cores, on the same pictures. OpenCV runs the same networks
(FaceDetectorYN, FaceRecognizerSF) on pictures of their own size.
"""

from __future__ import annotations

import statistics
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from timing import elapsed, table

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import open_pipeline
from siamkit.types import Image
from siamkit_facefinder import yunet
from siamkit_faces.modality import SHIPPED

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
bgr = cv2.imread(str(photos[0]))
peer_finder = cv2.FaceDetectorYN.create(str(yunet.GRAPH), "", bgr.shape[1::-1], 0.6)
peer_encoder = cv2.FaceRecognizerSF.create(str(SHIPPED / "encoder.onnx"), "")
peer_chip = peer_encoder.alignCrop(bgr, peer_finder.detect(bgr)[1][0])
peer_vector = peer_encoder.feature(peer_chip)[0]
same_chip = Image(np.ascontiguousarray(peer_chip[:, :, ::-1]))
cosine = float(encoder.embed([same_chip])[0] @ peer_vector / np.linalg.norm(peer_vector))


def compare(ours, peers) -> tuple[str, str, str]:
    """Milliseconds a call of each, in turn, and the median ratio."""
    times = [(per_face(ours, 5), per_face(peers, 5)) for _ in range(ROUNDS)]
    own, other = (statistics.median(side) for side in zip(*times, strict=True))
    ratio = statistics.median(o / p for o, p in times)
    return f"{own:.1f} ms", f"{other:.1f} ms", f"{ratio:.2f}"


detect = compare(lambda: finder.find(picture), lambda: peer_finder.detect(bgr))
embed = compare(lambda: encoder.embed([chip]), lambda: peer_encoder.feature(peer_chip))
decode = per_face(lambda: modality.load(photos[0].read_bytes()))
table(
    [
        ("figure", "measured", "goal"),
        ("faces end to end", f"{len(photos) / end_to_end_seconds:.1f}/s", ">= 20"),
        ("the bare calls", f"{len(photos) / sum_of_calls:.1f}/s", ""),
        ("end to end / bare calls", f"{ratio:.2f}", ">= 0.9"),
        ("decode one photo", f"{decode:.1f} ms", ""),
        ("detect", detect[0], ""),
        ("the same by OpenCV, and siamkit / OpenCV", *detect[1:]),
        ("align", f"{per_face(lambda: modality.crop(picture, region)):.1f} ms", ""),
        ("embed one aligned face", embed[0], ""),
        ("the same by OpenCV, and siamkit / OpenCV", *embed[1:]),
        ("cosine of the two vectors of a chip", f"{cosine:.6f}", ">= 0.9999"),
    ]
)
