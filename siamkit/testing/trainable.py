"""Rules of modalities that can be trained: arrays, their variants, and constants."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from siamkit.protocols import Trainable
from siamkit.testing.alike import alike
from siamkit.testing.outcome import Failure, NotRun
from siamkit.testing.run import needs
from siamkit.testing.subjects import ModalitySubject


def check_arrays_are_alike(seen: ModalitySubject) -> None:
    """array, of a trainable modality, has one shape and dtype, which augment keeps."""
    plugin = _trainable(seen)
    made = [plugin.array(crop) for crop in seen.crops()]
    made += [_varied(plugin, array.copy()) for array in made]
    shapes = sorted({f"{array.dtype} {array.shape}" for array in made})
    if len(shapes) > 1:
        raise Failure(
            "one shape and dtype", " and ".join(shapes), "resize in array, not in augment"
        )
    if plugin.kind == "image" and (made[0].dtype != np.uint8 or made[0].ndim not in (2, 3)):
        raise Failure(
            "a picture: (height, width) or (height, width, channels) uint8", shapes[0],
            "np.asarray(picture, dtype=np.uint8)",
        )  # fmt: skip


def check_augment_is_repeatable(seen: ModalitySubject) -> None:
    """augment, of a trainable modality, draws from the generators that it is given alone."""
    plugin = _trainable(seen)
    needs(seen, check_arrays_are_alike)
    for crop in seen.crops():
        array = plugin.array(crop)
        if not alike(_varied(plugin, array.copy()), _varied(plugin, array.copy())):
            raise Failure(
                "the same variant for the same generators", "another one",
                "use own.random(), not random or np.random: a training can be run again then",
            )  # fmt: skip


def check_augment_leaves_its_input_alone(seen: ModalitySubject) -> None:
    """augment, of a trainable modality, does not change the array that it is given."""
    plugin = _trainable(seen)
    needs(seen, check_arrays_are_alike)
    for crop in seen.crops():
        given = plugin.array(crop).copy()
        before = given.copy()
        _varied(plugin, given)
        if not alike(given, before):
            raise Failure(
                "an unchanged array", "augment changed it", "work on a copy: array.copy()"
            )


def check_preprocessing_is_json(seen: ModalitySubject) -> None:
    """preprocessing, of a trainable modality, is what JSON can hold."""
    constants = _trainable(seen).preprocessing()
    try:
        kept = json.loads(json.dumps(constants))
    except (TypeError, ValueError) as error:
        raise Failure("JSON values", str(error), "use str, int, float, list and dict") from error
    if kept != constants:
        raise Failure("constants that JSON keeps", f"{constants} became {kept}", "no tuples")


def _trainable(seen: ModalitySubject) -> Any:
    if not isinstance(seen.plugin, Trainable):
        raise NotRun("it has no array, augment and preprocessing to train with")
    return seen.plugin


def _varied(plugin: Any, array: Any) -> Any:
    return plugin.augment(array, np.random.default_rng(0), np.random.default_rng(1))


CHECKS = (
    check_arrays_are_alike,
    check_augment_is_repeatable,
    check_augment_leaves_its_input_alone,
    check_preprocessing_is_json,
)
