"""Faults of detectors."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from planted.good import Hums, Spots, plant
from siamkit.types import Region


def find_in_place(self, medium):
    regions = Spots.find(self, medium)
    medium.pixels[0] = 0
    return regions


def find_of_tall_pictures(self, medium):
    height, width = medium.pixels.shape[:2]
    return [] if width > height and 1 / (height - 1) else Spots.find(self, medium)


def find_with_a_memory(self, medium):
    last, self.last = getattr(self, "last", None), medium.pixels.mean()
    where = (0.0, 0.0, 9.0, 9.0 if last == self.last else 8.0)
    return [replace(region, where=where, mask=None) for region in Spots.find(self, medium)]


def masked(mask, where=None):
    """A region of each one found, with a mask."""
    return lambda region: replace(region, where=where or region.where, mask=mask)


EMPTY_MASK, SMALL_MASK = np.zeros((2, 3), np.bool_), np.ones((2, 2), np.bool_)
REGIONS = [  # functions of a good region
    ("find_gives_regions", lambda region: region.where),
    ("find_gives_regions", lambda region: Region(np.array(region.where))),
    ("find_gives_regions", lambda region: Region((0.5, 1.5))),
    ("find_gives_regions", lambda region: Region(region.where, np.float32(1))),
    ("find_gives_regions", lambda region: Region(region.where, label=3)),
    ("regions_in_bounds", lambda region: replace(region, where=(0.0, 0.0, 33.0, 9.0), mask=None)),
    ("scores_in_range", lambda region: replace(region, score=region.score + 0.5)),
    ("labels_are_declared", lambda region: replace(region, label="blot")),
    ("min_score_is_kept", lambda region: replace(region, score=region.score / 4)),
    ("mask_fits_box", masked(SMALL_MASK)),
    ("mask_fits_box", masked(EMPTY_MASK, where=(0.0, 0.0, 3.0, 2.0))),
    ("find_gives_regions", lambda region: Region(region.where, landmarks=np.ones(10))),
    (
        "find_is_repeatable",
        lambda region: replace(region, where=(0.0, 0.0, 9.0, random.uniform(5, 9)), mask=None),
    ),
]


def finding(change):
    """A find whose regions are changed, each on its own."""
    return {"find": lambda self, medium: [change(r) for r in Spots.find(self, medium)]}


FAULTS = [
    ("members_fit", {"kind": ""}),
    ("nothing_is_an_empty_list", {"find": lambda self, medium: Spots.find(self, medium) or None}),
    ("nothing_is_an_empty_list", {"find": find_of_tall_pictures}),
    ("regions_best_first", {"find": lambda self, medium: Spots.find(self, medium)[::-1]}),
    ("find_is_repeatable", {"find": find_with_a_memory}),
    ("find_leaves_its_input_alone", {"find": find_in_place}),
    *((check, finding(change)) for check, change in REGIONS),
]
PROMPTED = [Region((0.0, 0.0, 2.5, 2.0), 0.9)]
FAULTS += [
    ("labels_are_declared", {"labels": ("spot", "spot")}),
    ("min_score_is_kept", {"with_min_score": lambda self, min_score: Spots()}),
    ("prompts_are_followed", {"find_prompted": lambda self, medium, prompt: PROMPTED}),
    ("prompts_are_followed", {"find_prompted": lambda self, medium, prompt: []}),
]
SOUND_FAULTS = [
    ("parts_in_order", {"parts": ((0.2, 0.4), (0.1, 0.15))}),
    ("parts_in_order", {"parts": ((0.2, 0.2),)}),
]
PLANTED = [*plant(__name__, Spots, FAULTS), *plant(__name__, Hums, SOUND_FAULTS)]
