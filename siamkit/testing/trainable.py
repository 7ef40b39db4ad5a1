"""Rules of modalities that can be trained: their arrays, variants and constants."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.protocols import Trainable
from siamkit.testing.media import same_value
from siamkit.testing.rule import NotRun, require, rule
from siamkit.testing.subjects import ModalitySubject


@rule("resize in array, not in augment; np.asarray(picture, dtype=np.uint8)")
def arrays_have_one_shape(subject: ModalitySubject) -> None:
    """array gives one shape and dtype, uint8 pictures for images, which augment keeps."""
    plugin = _trainable(subject)
    arrays = [plugin.array(crop) for crop in subject.crops()]
    arrays += [_augmented(plugin, array.copy()) for array in arrays]
    shapes = sorted({f"{array.dtype} {array.shape}" for array in arrays})
    is_picture = arrays[0].dtype == np.uint8 and arrays[0].ndim in (2, 3)
    is_valid = is_picture or subject.plugin.kind != "image"
    require(len(shapes) == 1 and is_valid, " and ".join(shapes))


@rule("use own.random(), not random or np.random: a training must repeat", arrays_have_one_shape)
def augment_is_repeatable(subject: ModalitySubject) -> None:
    """augment of a trainable modality takes random numbers from its generators only."""
    plugin = _trainable(subject)
    for crop in subject.crops():
        array = plugin.array(crop)
        variants = [_augmented(plugin, array.copy()) for _ in range(2)]
        require(same_value(*variants), "another variant for the same generators")


@rule("work on a copy: array.copy()", arrays_have_one_shape)
def augment_leaves_its_input_alone(subject: ModalitySubject) -> None:
    """augment of a trainable modality does not change its input array."""
    plugin = _trainable(subject)
    for crop in subject.crops():
        array = plugin.array(crop).copy()
        before = array.copy()
        _augmented(plugin, array)
        require(same_value(array, before), "augment changed it")


@rule("use str, int, float, list and dict; lists, not tuples")
def preprocessing_is_json(subject: ModalitySubject) -> None:
    """preprocessing of a trainable modality is plain JSON."""
    constants = _trainable(subject).preprocessing()
    stored = json.loads(json.dumps(constants))
    require(stored == constants, f"{constants} became {stored}")


def _trainable(subject: ModalitySubject) -> Trainable[Any]:
    if not isinstance(subject.plugin, Trainable):
        raise NotRun("it has no array, augment and preprocessing to train with")
    return subject.plugin


def _augmented(plugin: Trainable[Any], array: NDArray[Any]) -> NDArray[Any]:
    return plugin.augment(array, np.random.default_rng(0), np.random.default_rng(1))
