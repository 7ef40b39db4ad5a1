"""Output of `siamkit find`: the verdict first, then the numbers, then where they come from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import siamkit as sk
from siamkit.cli.options import FindChoice
from siamkit.cli.output import echo, one_line, stderr, table
from siamkit.errors import SiamkitError
from siamkit.io.places import here
from siamkit.io.wording import format_probability

EXIT_ABSENT, EXIT_CANT_TELL = 3, 5
NAMED = 5  # identities in the line of a picture


@dataclass(slots=True)
class Results:
    """The pictures of one command, as JSON and as an exit code."""

    gallery: str
    setup: FindChoice
    keeps_facts: bool
    pictures: list[dict[str, Any]] = field(default_factory=list)
    decisions: set[sk.Decision] = field(default_factory=set)
    errors: list[SiamkitError] = field(default_factory=list)
    threshold: sk.Threshold | None = None
    count: int = 0

    def add(self, picture: sk.SearchedPicture) -> None:
        self.count += 1
        if picture.error:
            self.errors.append(picture.error)
        else:
            self.decisions.add(picture.decision)
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

    def show_basis(self) -> None:
        """Print where the threshold comes from, or how to get one."""
        if self.threshold:
            echo(f"The threshold is {describe(self.threshold)}: {self.threshold.source}")
        elif self.decisions:
            command = f"siamkit calibrate {self.gallery} --find PICTURES{self.setup.options}"
            stderr(f"Hint: run `{command}`, with pictures of nothing enrolled, or give --threshold")

    def exit_code(self) -> int:
        """Return that of the best outcome; of the errors if every picture failed."""
        if self.errors and len(self.errors) == self.count:
            return min(error.exit_code for error in self.errors)
        if sk.Decision.PRESENT in self.decisions:
            return 0
        return EXIT_CANT_TELL if sk.Decision.INCONCLUSIVE in self.decisions else EXIT_ABSENT


def show(picture: sk.SearchedPicture) -> None:
    """Print the verdict on a picture, and its sightings as a table."""
    name = one_line(picture.source, 100)
    if not picture.sightings:
        verdict = "absent" if picture.threshold else "inconclusive, as no threshold is known"
        echo(f"{name}: {verdict}{_describe_nearest(picture.nearest)}")
        return
    counts = dict.fromkeys(picture.identities, 0)
    for sighting in picture.sightings:
        counts[sighting.identity] += 1
    named = [
        one_line(identity, 50) + (f" ×{count}" if count > 1 else "")
        for identity, count in counts.items()
    ]
    more = f" and {len(named) - NAMED:,} more" if len(named) > NAMED else ""
    echo(f"{name}: {', '.join(named[:NAMED])}{more}")
    table(*_columns(picture.sightings))


def _columns(sightings: tuple[sk.Sighting, ...]) -> tuple[list[str], list[list[Any]]]:
    """Return head and rows; a column is left out where no sighting has a value."""
    folder = here()
    cells: dict[str, list[Any]] = {
        "#": list(range(1, len(sightings) + 1)),
        "identity": [one_line(s.identity, 50) for s in sightings],
        "box": [_box(s) for s in sightings],
        "score": [s.score for s in sightings],
        "probability": [
            None if s.probability is None else format_probability(s.probability) for s in sightings
        ],
        "so high without it": [None if s.fpir is None else odds(s.fpir) for s in sightings],
        "enrolled from": [one_line(s.source.removeprefix(folder), 100) for s in sightings],
    }
    shown = {head: column for head, column in cells.items() if set(column) != {None}}
    return list(shown), [list(row) for row in zip(*shown.values(), strict=True)]


def _describe_nearest(nearest: sk.Sighting | None) -> str:
    if nearest is None:
        return "; the detector finds nothing in it"
    rate = "" if nearest.fpir is None else f", so high in {odds(nearest.fpir)} without it"
    return (
        f"; nearest: {one_line(nearest.identity, 50)} {nearest.score:.3f} at {_box(nearest)}{rate}"
    )


def odds(rate: float) -> str:
    """Describe the share, at most, of pictures for people: '1 in 50 pictures'."""
    return f"1 in {1 / rate:.0f} pictures" if rate < 0.2 else f"{rate:.0%} of pictures"


def describe(threshold: sk.Threshold) -> str:
    """Describe a threshold for people: '0.812, false positive rate 0.05 per picture'."""
    rate = f", false positive rate {threshold.fpir:g} per picture" if threshold.fpir else ""
    return f"{threshold.value:.3f}{rate}"


def _box(sighting: sk.Sighting) -> str:
    assert sighting.region.where
    return ",".join(f"{edge:.0f}" for edge in sighting.region.where)
