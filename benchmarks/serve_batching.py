"""Does it pay to embed the samples of concurrent requests together?

    SIAMKIT_THREADS=1 python benchmarks/serve_batching.py

Prints, for each modality, the CPU time of eight samples one at a time against that of a batch of
eight. Above 1, a server that waits for others before it embeds would save time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import siamkit as sk
from siamkit.types import Region

SAMPLES, ROUNDS = 8, 10
PICTURE = Path(str(find_spec("skimage").origin)).parent / "data" / "astronaut.png"  # type: ignore[union-attr]
SOURCES: dict[str, Path | str] = {
    "faces": PICTURE,
    "images": PICTURE,
    "questions": "How do I sign in to my account today?",
}


def cpu_of(work: Callable[[], object]) -> float:
    """Return the seconds of CPU that a piece of work takes, the least of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        rounds.append(time.process_time() - start)
    return min(rounds)


def main() -> None:
    ws = sk.Workspace()
    print(f"{'':10}  one by one   as a batch   ratio")
    for modality, source in SOURCES.items():
        pipeline = ws.pipeline(modality)
        content = pipeline.read(source)
        medium = pipeline.load(content)
        detector, embed = pipeline.detector, pipeline.encoder.embed
        region = detector.find(medium)[0] if detector else Region()
        crop = pipeline.crop(medium, region, content)
        one = cpu_of(lambda: [embed([crop]) for _ in range(SAMPLES)])  # noqa: B023
        batch = cpu_of(lambda: embed([crop] * SAMPLES))  # noqa: B023
        print(f"{modality:10} {one * 1e3:8.1f} ms {batch * 1e3:9.1f} ms {one / batch:7.2f}")


if __name__ == "__main__":
    main()
