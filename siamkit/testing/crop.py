"""Rules of crop and assess: a region of a medium, as the encoder takes it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

import numpy as np

from siamkit.embed.pipeline import NORM_TOLERANCE
from siamkit.errors import SiamkitError
from siamkit.protocols import Assesses
from siamkit.testing.blank_media import blank_media
from siamkit.testing.equality import same_value
from siamkit.testing.media_parts import corner, is_empty, speck, with_noise
from siamkit.testing.outcome import Failure, NotRun, needs_failed
from siamkit.testing.run import needs
from siamkit.testing.subjects import ModalitySubject
from siamkit.types import Region


def check_crop_keeps_kind(subject: ModalitySubject) -> None:
    """crop gives a medium of the same class."""
    for medium in copy.deepcopy(subject.media):
        crop = subject.plugin.crop(medium, Region())
        if type(crop) is not type(medium):
            raise Failure(
                f"crop to give a {type(medium).__name__}",
                f"a {type(crop).__name__}",
                "wrap the crop in the class that load returns",
            )


def check_crop_takes_regions(subject: ModalitySubject) -> None:
    """crop takes any region, bare or tiny, and gives a medium of the same class, not empty."""
    needs(subject, check_crop_keeps_kind)
    fix = (
        "round the edges; rows are top to bottom; do without landmarks where there are none;"
        " raise NothingFound('…') for a region without a pixel"
    )
    specks = [(medium, region) for medium in subject.media[:1] if (region := speck(medium))]
    regions = [*chain(_parts(subject), specks)]
    if not regions:
        raise NotRun("its detector finds nothing, and the kit cannot cut its media itself")
    for medium, region in regions:
        try:
            crop = subject.plugin.crop(copy.deepcopy(medium), region)
        except SiamkitError:  # the plugin says that the region has nothing in it
            continue
        except Exception as error:
            failure = f"{type(error).__name__} for {region.where}: {error}"
            raise Failure("a crop of each region", failure, fix) from error
        if type(crop) is not type(medium) or is_empty(crop):
            kind = "an empty one" if type(crop) is type(medium) else f"a {type(crop).__name__}"
            raise Failure(
                f"a {type(medium).__name__} with something in it", f"{kind} for {region.where}", fix
            )


def check_crop_follows_its_region(subject: ModalitySubject) -> None:
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
        if same_value(plain, noisy):
            raise Failure(
                f"another crop where the pixels of {region.where} change",
                "the same",
                "pixels[top:bottom, left:right]; samples from start * rate to stop * rate",
            )
    if not compared:
        raise NotRun("crop ignores regions, or the kit cannot change a part of its media")


def check_crop_leaves_its_input_alone(subject: ModalitySubject) -> None:
    """crop does not change the medium."""
    for medium, region in _regions(subject):
        cropped = copy.deepcopy(medium)
        _crop(subject, cropped, region)
        if not same_value(cropped, medium):
            raise Failure("an unchanged medium", "crop changed it", "cut a copy: array[…].copy()")


def check_quality_is_in_range(subject: ModalitySubject) -> None:
    """assess, if there is one, gives scores in [0, 1]."""
    if not isinstance(subject.plugin, Assesses):
        raise NotRun("it does not assess")
    scores = []
    for medium, region in _regions(subject):
        with suppress(SiamkitError):  # the plugin says that the region has nothing in it
            scores.append(subject.plugin.assess(copy.deepcopy(medium), region).score)
    if not all(0 <= score <= 1 for score in scores):
        raise Failure("qualities in [0, 1]", f"{scores}", "scale and clip the score")


def check_assess_leaves_its_input_alone(subject: ModalitySubject) -> None:
    """assess, if there is one, does not change the medium."""
    if not isinstance(subject.plugin, Assesses):
        raise NotRun("it does not assess")
    needs(subject, check_quality_is_in_range)
    for medium, region in _regions(subject):
        assessed = copy.deepcopy(medium)
        with suppress(SiamkitError):
            subject.plugin.assess(assessed, region)
        if not same_value(assessed, medium):
            raise Failure("an unchanged medium", "assess changed it", "work on a copy")


def check_blank_is_embedded_or_refused(subject: ModalitySubject) -> None:
    """A blank or tiny medium gives a vector, or an error of siamkit's such as NothingFound."""
    _ = subject.vectors  # does not run unless good samples are embedded
    encoder = subject.encoder
    fix = "raise NothingFound('…') in crop where there is nothing to embed"
    for medium in blank_media(subject.plugin.kind):
        if type(medium) is not type(subject.media[0]):
            raise NotRun("the kit has no blank medium of its class")
        try:
            row = np.asarray(encoder.embed([subject.plugin.crop(medium, Region())]))
        except SiamkitError:
            continue
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            raise Failure("a vector, or NothingFound", failure, fix) from error
        if not abs(np.linalg.norm(row) - 1) <= NORM_TOLERANCE:
            raise Failure("a vector of norm 1, or NothingFound", f"{row!r:.80}", fix)


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


CHECKS = (
    check_crop_keeps_kind,
    check_crop_takes_regions,
    check_crop_follows_its_region,
    check_crop_leaves_its_input_alone,
    check_quality_is_in_range,
    check_assess_leaves_its_input_alone,
    check_blank_is_embedded_or_refused,
)
