"""Rules of modalities that can be trained: their arrays, variants and constants."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.protocols import Trainable
from siamkit.testing.equality import same_value
from siamkit.testing.outcome import Failure, NotRun
from siamkit.testing.run import needs
from siamkit.testing.subjects import ModalitySubject


def check_arrays_have_one_shape(subject: ModalitySubject) -> None:
    """array of a trainable modality has one shape and dtype, which augment keeps."""
    plugin = _trainable(subject)
    arrays = [plugin.array(crop) for crop in subject.crops()]
    arrays += [_augmented(plugin, array.copy()) for array in arrays]
    shapes = sorted({f"{array.dtype} {array.shape}" for array in arrays})
    if len(shapes) > 1:
        raise Failure(
            "one shape and dtype", " and ".join(shapes), "resize in array, not in augment"
        )
    is_picture = arrays[0].dtype == np.uint8 and arrays[0].ndim in (2, 3)
    if subject.plugin.kind == "image" and not is_picture:
        raise Failure(
            "a picture: (height, width) or (height, width, channels) uint8",
            shapes[0],
            "np.asarray(picture, dtype=np.uint8)",
        )


def check_augment_is_repeatable(subject: ModalitySubject) -> None:
    """augment of a trainable modality takes random numbers from its generators only."""
    plugin = _trainable(subject)
    needs(subject, check_arrays_have_one_shape)
    for crop in subject.crops():
        array = plugin.array(crop)
        if not same_value(_augmented(plugin, array.copy()), _augmented(plugin, array.copy())):
            raise Failure(
                "the same variant for the same generators",
                "another one",
                "use own.random(), not random or np.random, so that a training can be repeated",
            )


def check_augment_leaves_its_input_alone(subject: ModalitySubject) -> None:
    """augment of a trainable modality does not change its input array."""
    plugin = _trainable(subject)
    needs(subject, check_arrays_have_one_shape)
    for crop in subject.crops():
        array = plugin.array(crop).copy()
        before = array.copy()
        _augmented(plugin, array)
        if not same_value(array, before):
            raise Failure(
                "an unchanged array", "augment changed it", "work on a copy: array.copy()"
            )


def check_preprocessing_is_json(subject: ModalitySubject) -> None:
    """preprocessing of a trainable modality is plain JSON."""
    constants = _trainable(subject).preprocessing()
    try:
        stored = json.loads(json.dumps(constants))
    except (TypeError, ValueError) as error:
        raise Failure("JSON values", str(error), "use str, int, float, list and dict") from error
    if stored != constants:
        raise Failure(
            "constants that JSON keeps", f"{constants} became {stored}", "use lists, not tuples"
        )


def _trainable(subject: ModalitySubject) -> Trainable[Any]:
    if not isinstance(subject.plugin, Trainable):
        raise NotRun("it has no array, augment and preprocessing to train with")
    return subject.plugin


def _augmented(plugin: Trainable[Any], array: NDArray[Any]) -> NDArray[Any]:
    return plugin.augment(array, np.random.default_rng(0), np.random.default_rng(1))


CHECKS = (
    check_arrays_have_one_shape,
    check_augment_is_repeatable,
    check_augment_leaves_its_input_alone,
    check_preprocessing_is_json,
)
