"""Rules of crop and assess: a region of a medium, as the encoder takes it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from siamkit.embed.pipeline import NORM_TOLERANCE
from siamkit.errors import SiamkitError
from siamkit.protocols import Assesses
from siamkit.testing.encoder import embed_is_unit
from siamkit.testing.media import blank_media, corner, is_empty, same_value, speck, with_noise
from siamkit.testing.rule import NotRun, attempt, needs_failed, require, rule
from siamkit.testing.subjects import ModalitySubject
from siamkit.types import Region


@rule("wrap the crop in the class that load returns")
def crop_keeps_kind(subject: ModalitySubject) -> None:
    """crop gives a medium of the same class."""
    for medium in copy.deepcopy(subject.media):
        crop = subject.plugin.crop(medium, Region())
        classes = f"a {type(crop).__name__} of a {type(medium).__name__}"
        require(type(crop) is type(medium), classes)


@rule(
    "round the edges; rows are top to bottom; do without landmarks where there are none; raise"
    " NothingFound('…') for a region without a pixel",
    crop_keeps_kind,
)
def crop_takes_regions(subject: ModalitySubject) -> None:
    """crop takes any region, bare or tiny, and gives a medium of the same class, not empty."""
    specks = [(medium, speck(medium)) for medium in subject.media[:1]]
    regions = [(m, region) for m, region in [*_parts(subject), *specks] if region]
    if not regions:
        raise NotRun("its detector finds nothing, and the kit cannot cut its media itself")
    for medium, region in regions:
        with attempt(f"{region.where}", SiamkitError):  # it says that the region has nothing in it
            crop = subject.plugin.crop(copy.deepcopy(medium), region)
            same_class = type(crop) is type(medium)
            kind = "an empty medium" if same_class else f"a {type(crop).__name__}"
            require(same_class and not is_empty(crop), f"{kind} for {region.where}")


@rule("pixels[top:bottom, left:right]; samples from start * rate to stop * rate")
def crop_follows_its_region(subject: ModalitySubject) -> None:
    """The content of a region changes its crop, unless crop ignores regions."""
    compared = False
    for medium in subject.media:
        if (region := corner(medium)) is None:
            continue
        plain = _crop(subject, copy.deepcopy(medium), region)
        noisy = _crop(subject, with_noise(medium, region), region)
        uncut = _crop(subject, copy.deepcopy(medium), Region())
        if plain is None or noisy is None or same_value(plain, uncut):
            continue
        compared = True
        same_crop = same_value(plain, noisy)
        require(not same_crop, f"the same crop where the pixels of {region.where} change")
    if not compared:
        raise NotRun("crop ignores regions, or the kit cannot change a part of its media")


@rule("cut a copy: array[…].copy()")
def crop_leaves_its_input_alone(subject: ModalitySubject) -> None:
    """crop does not change the medium."""
    for medium, region in _regions(subject):
        cropped = copy.deepcopy(medium)
        _crop(subject, cropped, region)
        require(same_value(cropped, medium), "crop changed it")


@rule("scale and clip the score")
def quality_is_in_range(subject: ModalitySubject) -> None:
    """assess, if there is one, gives scores in [0, 1]."""
    plugin = _assessing(subject)
    for medium, region in _regions(subject):
        with suppress(SiamkitError):  # the plugin says that the region has nothing in it
            score = plugin.assess(copy.deepcopy(medium), region).score
            require(0 <= score <= 1, f"{score}")


@rule("work on a copy", quality_is_in_range)
def assess_leaves_its_input_alone(subject: ModalitySubject) -> None:
    """assess, if there is one, does not change the medium."""
    plugin = _assessing(subject)
    for medium, region in _regions(subject):
        assessed = copy.deepcopy(medium)
        with suppress(SiamkitError):
            plugin.assess(assessed, region)
        require(same_value(assessed, medium), "assess changed it")


@rule("raise NothingFound('…') in crop where there is nothing to embed", embed_is_unit)
def blank_is_embedded_or_refused(subject: ModalitySubject) -> None:
    """A blank or tiny medium gives a vector of norm 1, or a SiamkitError such as NothingFound."""
    for medium in blank_media(subject.plugin.kind, subject.media):
        with attempt("a blank medium", SiamkitError):
            row = np.asarray(subject.encoder.embed([subject.plugin.crop(medium, Region())]))
            require(abs(np.linalg.norm(row) - 1) <= NORM_TOLERANCE, f"{row!r:.80}")


def _assessing(subject: ModalitySubject) -> Assesses[Any]:
    if not isinstance(subject.plugin, Assesses):
        raise NotRun("it does not assess")
    return subject.plugin


def _parts(subject: ModalitySubject) -> Iterator[tuple[Any, Region]]:
    """Every example with each region of its detector, and with a corner."""
    for medium, regions in zip(subject.media, subject.regions, strict=True):
        for region in (*regions, corner(medium)):
            if region is not None:
                yield medium, region


def _regions(subject: ModalitySubject) -> Iterator[tuple[Any, Region]]:
    """Every example whole, and its parts."""
    yield from ((medium, Region()) for medium in subject.media)
    yield from _parts(subject)


def _crop(subject: ModalitySubject, medium: Any, region: Region) -> Any:
    """A crop, or None if the plugin says that the region has nothing in it."""
    try:
        return subject.plugin.crop(medium, region)
    except SiamkitError:
        return None
    except Exception as error:
        raise needs_failed("crop_takes_regions") from error
