"""Rules of crop and assess: a region of a medium, as the encoder wants it."""

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
from siamkit.testing.alike import alike
from siamkit.testing.blank import blank
from siamkit.testing.corner import corner, is_empty, speck, with_noise
from siamkit.testing.outcome import Failure, NotRun, lacking
from siamkit.testing.run import needs
from siamkit.testing.subjects import ModalitySubject
from siamkit.types import Region


def check_crop_keeps_kind(seen: ModalitySubject) -> None:
    """crop gives a medium of the same class."""
    for medium in copy.deepcopy(seen.media):
        crop = seen.plugin.crop(medium, Region())
        if type(crop) is not type(medium):
            raise Failure(
                f"crop to give a {type(medium).__name__}", f"a {type(crop).__name__}",
                "wrap what was cut as load does",
            )  # fmt: skip


def check_crop_takes_regions(seen: ModalitySubject) -> None:
    """crop gives a medium of the same class, not an empty one, of any region, bare or tiny."""
    needs(seen, check_crop_keeps_kind)
    tried = False
    fix = (
        "round the edges; rows are top to bottom; do without landmarks where there are none;"
        " raise NothingFound('…') where no pixel is in it"
    )
    specks = [(medium, region) for medium in seen.media[:1] if (region := speck(medium))]
    for medium, region in chain(_parts(seen), specks):
        tried = True
        try:
            crop = seen.plugin.crop(copy.deepcopy(medium), region)
        except SiamkitError:  # it says that nothing is to be seen there
            continue
        except Exception as error:
            got = f"{type(error).__name__} for {region.where}: {error}"
            raise Failure("a crop of each region", got, fix) from error
        if type(crop) is not type(medium) or is_empty(crop):
            empty = "an empty one" if type(crop) is type(medium) else f"a {type(crop).__name__}"
            raise Failure(
                f"a {type(medium).__name__} with something in it",
                f"{empty} for {region.where}", fix,
            )  # fmt: skip
    if not tried:
        raise NotRun("no detector of it finds anything, and the kit cannot cut its media itself")


def check_crop_shows_its_region(seen: ModalitySubject) -> None:
    """What lies inside of a region changes its crop, unless regions change nothing at all."""
    compared = False
    for medium in seen.media:
        if (region := corner(medium)) is None:
            continue
        plain = _cut(seen, copy.deepcopy(medium), region)
        noisy = _cut(seen, with_noise(medium, region), region)
        whole = _cut(seen, copy.deepcopy(medium), Region())
        if plain is None or noisy is None or alike(plain, whole):
            continue
        compared = True
        if alike(plain, noisy):
            raise Failure(
                f"another crop where the pixels of {region.where} change", "the same",
                "pixels[top:bottom, left:right]; samples from start * rate to stop * rate",
            )  # fmt: skip
    if not compared:
        raise NotRun("regions change nothing, or the kit cannot change a part of its media")


def check_crop_leaves_its_input_alone(seen: ModalitySubject) -> None:
    """crop does not change the medium."""
    for medium, region in _regions(seen):
        given = copy.deepcopy(medium)
        _cut(seen, given, region)
        if not alike(given, medium):
            raise Failure("an unchanged medium", "crop changed it", "cut a copy: array[…].copy()")


def check_quality_is_in_range(seen: ModalitySubject) -> None:
    """assess, if there is one, gives scores in [0, 1]."""
    if not isinstance(seen.plugin, Assesses):
        raise NotRun("it does not assess")
    scores = []
    for medium, region in _regions(seen):
        with suppress(SiamkitError):  # it says that nothing is to be seen there
            scores.append(seen.plugin.assess(copy.deepcopy(medium), region).score)
    if not all(0 <= score <= 1 for score in scores):
        raise Failure("qualities in [0, 1]", f"{scores}", "scale and clip the score")


def check_assess_leaves_its_input_alone(seen: ModalitySubject) -> None:
    """assess, if there is one, does not change the medium."""
    if not isinstance(seen.plugin, Assesses):
        raise NotRun("it does not assess")
    needs(seen, check_quality_is_in_range)
    for medium, region in _regions(seen):
        given = copy.deepcopy(medium)
        with suppress(SiamkitError):
            seen.plugin.assess(given, region)
        if not alike(given, medium):
            raise Failure("an unchanged medium", "assess changed it", "work on a copy")


def check_blank_is_embedded_or_refused(seen: ModalitySubject) -> None:
    """A blank or tiny medium gives a vector, or an error of siamkit's kinds: NothingFound, say."""
    _ = seen.vectors  # which says, of a good sample, whether anything is embedded
    encoder = seen.encoder
    for medium in blank(seen.plugin.kind):
        if type(medium) is not type(seen.media[0]):
            raise NotRun("the kit has no blank medium of its class")
        fix = "raise NothingFound('…') in crop where there is nothing to embed"
        try:
            row = np.asarray(encoder.embed([seen.plugin.crop(medium, Region())]))
        except SiamkitError:
            continue
        except Exception as error:
            raise Failure(
                "a vector, or NothingFound", f"{type(error).__name__}: {error}", fix
            ) from error
        if not abs(np.linalg.norm(row) - 1) <= NORM_TOLERANCE:
            raise Failure("a vector of norm 1, or NothingFound", f"{row!r:.80}", fix)


def _parts(seen: ModalitySubject) -> Iterator[tuple[Any, Region]]:
    """Every example as its detector cuts it, and a corner of it."""
    for medium, found in zip(seen.media, seen.found, strict=True):
        for region in (*found, corner(medium)):
            if region is not None:
                yield medium, region


def _regions(seen: ModalitySubject) -> Iterator[tuple[Any, Region]]:
    """Every example whole, and its parts."""
    yield from ((medium, Region()) for medium in seen.media)
    yield from _parts(seen)


def _cut(seen: ModalitySubject, medium: Any, region: Region) -> Any:
    """A crop, or None where the plugin says that nothing is there."""
    try:
        return seen.plugin.crop(medium, region)
    except SiamkitError:
        return None
    except Exception as error:
        raise lacking("crop_takes_regions") from error


CHECKS = (
    check_crop_keeps_kind,
    check_crop_takes_regions,
    check_crop_shows_its_region,
    check_crop_leaves_its_input_alone,
    check_quality_is_in_range,
    check_assess_leaves_its_input_alone,
    check_blank_is_embedded_or_refused,
)
