"""Output of `siamkit find`: the verdict first, then the numbers, then where they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import siamkit as sk
from siamkit.cli.options import FindChoice
from siamkit.cli.output import count_of, echo, one_line
from siamkit.cli.probes import WIDEST_NAME, short_name
from siamkit.cli.query_results import print_columns
from siamkit.cli.streamed_table import StreamedTable
from siamkit.errors import SiamkitError
from siamkit.io.places import here
from siamkit.io.wording import format_probability, shorten_source

EXIT_ABSENT, EXIT_INCONCLUSIVE = 3, 5
NAMED = 5  # identities in the line of a picture


@dataclass(slots=True)
class Results:
    """The pictures of one command, as JSON and as an exit code."""

    gallery: str
    setup: FindChoice
    keeps_facts: bool
    pictures: list[dict[str, Any]] = field(default_factory=list)
    decisions: Counter[sk.Decision] = field(default_factory=Counter)
    errors: list[SiamkitError] = field(default_factory=list)
    threshold: sk.Threshold | None = None
    count: int = 0

    def add(self, picture: sk.SearchedPicture) -> None:
        self.count += 1
        if picture.error:
            self.errors.append(picture.error)
        else:
            self.decisions[picture.decision] += 1
            self.threshold = picture.threshold
        if self.keeps_facts:
            self.pictures.append(picture.to_dict())

    def facts(self) -> dict[str, Any]:
        """Return what --json prints."""
        return {
            "gallery": self.gallery,
            "threshold": asdict(self.threshold) if self.threshold else None,
            "pictures": self.pictures,
        }

    def hint(self) -> str:
        """Return how to get a threshold, where none is known; else ""."""
        if self.threshold or not self.decisions:
            return ""
        command = f"siamkit calibrate {self.gallery} --find PICTURES{self.setup.options}"
        return f"run `{command}`, with pictures of nothing enrolled, or give --threshold"

    def summary(self) -> str:
        """Return '12 pictures: 5 present, 7 absent, 1 failed'."""
        counts = [f"{count:,} {decision}" for decision, count in self.decisions.items()]
        counts += [f"{len(self.errors):,} failed"] * bool(self.errors)
        return f"{count_of(self.count, 'picture')}: {', '.join(counts)}"

    def exit_code(self) -> int:
        """Return that of the best outcome; of the errors if every picture failed."""
        if self.errors and len(self.errors) == self.count:
            return min(error.exit_code for error in self.errors)
        if sk.Decision.PRESENT in self.decisions:
            return 0
        return EXIT_INCONCLUSIVE if sk.Decision.INCONCLUSIVE in self.decisions else EXIT_ABSENT


def show(picture: sk.SearchedPicture, *, verbose: bool) -> None:
    """Print the verdict on the only picture, a line of detail, and its sightings as a table."""
    echo(verdict(picture))
    basis = describe_basis(picture.threshold)
    if not picture.sightings:
        echo(f"{_describe_nearest(picture.nearest)}, {basis}")
        return
    echo(basis)
    cells = _cells(picture, verbose=verbose)
    print_columns([*cells], [list(row) for row in zip(*cells.values(), strict=True)])


def verdict(picture: sk.SearchedPicture) -> str:
    """Return the identities that are there, `absent` or `inconclusive`."""
    if not picture.sightings:
        return str(picture.decision)
    counts = dict.fromkeys(picture.identities, 0)
    for sighting in picture.sightings:
        counts[sighting.identity] += 1
    named = [
        one_line(identity, 50) + (f" ×{count}" if count > 1 else "")
        for identity, count in counts.items()
    ]
    more = f" and {len(named) - NAMED:,} more" if len(named) > NAMED else ""
    return f"{', '.join(named[:NAMED])}{more}"


def _cells(picture: sk.SearchedPicture, *, verbose: bool) -> dict[str, list[Any]]:
    """Return the columns of the sightings; a rate and the nearest example with `verbose`."""
    folder, sightings = here(), picture.sightings
    cells: dict[str, list[Any]] = {
        "#": list(range(1, len(sightings) + 1)),
        "region": [_box(s) for s in sightings],
        "answer": [one_line(s.identity, 50) for s in sightings],
        "probability": [_share(s.probability) for s in sightings],
        "score": [s.score for s in sightings],
    }
    if verbose:
        rates = [None if s.fpir is None else odds(s.fpir) for s in sightings]
        cells["so high without it"] = rates
        cells["enrolled from"] = [one_line(s.source.removeprefix(folder), 100) for s in sightings]
    return cells


def _share(probability: float | None) -> str | None:
    return None if probability is None else format_probability(probability)


class PictureTable:
    """The one table of many pictures, with a row per sighting."""

    def __init__(self, names: Sequence[str]) -> None:
        """Prepare the columns for pictures of these names."""
        width = min(WIDEST_NAME, max(map(len, names), default=1))
        columns = [("file", width), ("#", 2), ("region", 19), ("answer", 24)]
        columns += [("probability", 11), ("score", 7)]
        self.table = StreamedTable(columns, ("#", "probability", "score"))

    def add(self, picture: sk.SearchedPicture) -> None:
        """Print the rows of a picture; of one without sightings, its verdict and nearest score."""
        name = short_name(Path(picture.source), self.table.widths[0])
        for number, sighting in enumerate(picture.sightings, 1):
            shown = sighting.identity, _share(sighting.probability), sighting.score
            self.table.add([name, number, _box(sighting), *shown])
        if not picture.sightings:
            nearest = picture.nearest
            share = _share(nearest.probability) if nearest else None
            score = nearest.score if nearest else None
            self.table.add([name, None, None, str(picture.decision), share, score])


def _describe_nearest(nearest: sk.Sighting | None) -> str:
    if nearest is None:
        return "the detector finds nothing in it"
    rate = "" if nearest.fpir is None else f" (so high in {odds(nearest.fpir)} without it)"
    name = one_line(nearest.identity, 50)
    return f"nearest: {name} at {_box(nearest)}, score {nearest.score:.3f}{rate}"


def odds(rate: float) -> str:
    """Describe the share, at most, of pictures for people: '1 in 50 pictures'."""
    return f"1 in {1 / rate:.0f} pictures" if rate < 0.2 else f"{rate:.0%} of pictures"


def describe_basis(threshold: sk.Threshold | None) -> str:
    """Say from which score a thing counts as present, and what that lets pass."""
    if threshold is None:
        return "no threshold is known"
    limit = f"present from {threshold.value:.3f}"
    if threshold.fpir:
        rate = f"{odds(threshold.fpir)} without anything enrolled would get a box"
        return f"{limit}: at most {rate}, measured on {shorten_source(threshold.source)}"
    return f"{limit}: {threshold.source}"


def describe(threshold: sk.Threshold) -> str:
    """Describe a threshold for people: '0.812, false positive rate 0.05 per picture'."""
    rate = f", false positive rate {threshold.fpir:g} per picture" if threshold.fpir else ""
    return f"{threshold.value:.3f}{rate}"


def _box(sighting: sk.Sighting) -> str:
    assert sighting.region.where
    return ",".join(f"{edge:.0f}" for edge in sighting.region.where)
