"""Measure the false positive rate per picture of `siamkit find` on pictures not calibrated on.

    python benchmarks/find_rates.py DATA [--encoder detail] [--detector proposals] [--tiles PX]
        [--draws 5] [--seeds 40]

DATA: the folder `objects` with logos/ and coco/. One exemplar per brand is enrolled, for each of
the draws. Pictures without a logo are split in halves, at random: one sets the threshold, the other
shows the rate. A second row takes COCO's pictures as the first half: pictures of another kind.
Printed: target and realised FPIR, the share of draws above 1.5 times the target, and how many
pictures with a logo get a box, and one of the right brand.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np

from siamkit import BadInput, Workspace
from siamkit.embed.batches import EmbeddedSource, Job
from siamkit.embed.pipeline import DEFAULT
from siamkit.flows.find_places import FALLBACK, PictureSearch, open_search
from siamkit.stats import per_picture
from siamkit.types import Region

TARGETS = (0.05, 0.1, 0.2)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def enrol(ws: Workspace, folder: Path, encoder: str | None, draws: int) -> list[str]:
    """Enrol the exemplars of each draw in a gallery of its own; return the galleries."""
    for draw in range(1, draws + 1):
        ws.create_gallery(f"draw-{draw}", "images", encoder=encoder)
    for row in read(folder / "exemplars.csv"):
        if int(row["draw"]) > draws:
            continue
        gallery = f"draw-{row['draw']}"
        box = tuple(float(row[edge]) for edge in ("left", "top", "right", "bottom"))
        ws.enrol(
            gallery,
            row["brand"],
            folder / row["image"],
            choose=lambda _, b=box: [(Region(b), None)],
        )
    return [gallery.name for gallery in ws.galleries()]


def embed(search: PictureSearch, paths: list[Path]) -> list[EmbeddedSource]:
    """Embed pictures once for all draws; boxes may be moved for each, see flows.find_refine."""
    sources = []
    for batch in search.embed(Job(path) for path in paths):
        for source in batch:
            if source.error:
                raise BadInput(str(source.error))
            sources.append(source)
        print(f"\r{len(sources)} of {len(paths)} pictures", end="", flush=True)
    print()
    return sources


def score(search: PictureSearch, sources: list[EmbeddedSource]) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) highest scores, and the brand of each."""
    places = list(search.compare(sources))
    brands = [p.matches[0].identity if p.matches else "" for p in places]
    return np.array([p.highest for p in places]), np.array(brands)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", help="of the images [default: their own]")
    parser.add_argument("--detector", default=FALLBACK)
    parser.add_argument("--tiles", type=int)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=40, help="halves per draw")
    options = parser.parse_args()
    logos = options.data / "logos"
    queries = read(logos / "queries.csv")
    truth = np.array([row["brand"] for row in queries])
    coco = sorted((options.data / "coco" / "images").iterdir())[: int((truth == "").sum())]
    rows: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    limits: list[float] = []  # for an FPIR of 0.05
    with tempfile.TemporaryDirectory() as store, Workspace(store) as ws:
        galleries = enrol(ws, logos, options.encoder, options.draws)
        detector = options.detector or DEFAULT
        pipeline = ws.pipeline("images", encoder=options.encoder, detector=detector)
        searches = [
            open_search(ws.index(ws.gallery(name)), pipeline, tiles=options.tiles)
            for name in galleries
        ]
        sources = embed(searches[0], [logos / row["image"] for row in queries])
        others = embed(searches[0], coco)
        for draw, search in enumerate(searches):
            highest, brands = score(search, sources)
            foreign = score(search, others)[0]
            limits.append(
                round(per_picture.threshold_for_rate(highest[truth == ""].tolist(), 0.05), 3)
            )
            for target in TARGETS:
                for seed in range(options.seeds):
                    rng = np.random.default_rng([draw, seed])
                    order = rng.permutation(np.flatnonzero(truth == ""))
                    half, rest = np.array_split(order, 2)
                    for name, measured in (("logos", highest[half]), ("coco", foreign)):
                        limit = per_picture.threshold_for_rate(measured.tolist(), target)
                        reached = highest >= limit
                        right = reached & (brands == truth)
                        shown = truth != ""
                        rates = reached[rest].mean(), reached[shown].mean(), right[shown].mean()
                        rows.setdefault((name, target), []).append(rates)
    print(f"threshold of all {int((truth == '').sum())} pictures without a logo, by draw:", limits)
    print("calibrated on  target  realised (sd)  above 1.5 x target  any box  right brand first")
    for (name, target), values in sorted(rows.items()):
        table = np.array(values)
        realised, found, right = table.mean(axis=0)
        above = (table[:, 0] > 1.5 * target).mean()
        print(
            f"{name:13}  {target:6.2f}  {realised:.3f} ({table[:, 0].std():.3f})"
            f"  {above:18.2f}  {found:7.3f}  {right:.3f}"
        )


if __name__ == "__main__":
    main()
