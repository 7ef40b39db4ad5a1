"""Rules of modalities: their detector, examples, decoding, and arrays to train with."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import UnreadableSample
from siamkit.host import registry
from siamkit.protocols import Source, Trainable
from siamkit.testing.media import same_value
from siamkit.testing.rule import Failure, NotRun, attempt, require, rule
from siamkit.testing.subjects import ENOUGH, ModalitySubject

GARBAGE = b"\x00\xff\xfe garbage \x80\x81" * 8  # not text in UTF-8, and not a file of any format
CATCH = "catch what your decoder raises: raise UnreadableSample('…') from error"


@rule("install it, name it in pyproject.toml, or set detector = None")
def detector_is_installed(subject: ModalitySubject) -> None:
    """`detector` is None, or the name of an installed detector of this kind."""
    if (name := subject.plugin.detector) is not None:
        kind = registry.load("siamkit.regions", name).kind
        require(kind == subject.plugin.kind, f"{name!r} of kind {kind}")


@rule(
    "return [('anna', sample), ('anna', other), ('ben', …), ('ben', …)] from examples(): bytes,"
    " paths or texts, computed or shipped"
)
def examples_are_enough(subject: ModalitySubject) -> None:
    """examples() gives at least two different samples each of two identities."""
    samples: dict[str, set[Source]] = defaultdict(set)
    for label, source in subject.plugin.examples():
        samples[label].add(source)
    counts = {label: len(sources) for label, sources in samples.items()}
    complete = [label for label in counts if isinstance(label, str) and counts[label] >= ENOUGH]
    require(len(complete) >= ENOUGH, f"{counts}")


@rule("seed what is random: encoders are compared by the vectors of their examples")
def examples_are_repeatable(subject: ModalitySubject) -> None:
    """examples() gives the same samples each time."""
    first, second = (
        [(label, _content(source)) for label, source in examples]
        for examples in (subject.examples, subject.plugin.examples())
    )
    require(first == second, "other ones")


@rule("examples() must give what load takes")
def examples_load(subject: ModalitySubject) -> None:
    """load decodes every example."""
    for label, source in subject.examples:
        with attempt(f"one of {label}"):
            subject.plugin.load(source)


@rule("decode only; augment in training, and seed what is random")
def load_is_repeatable(subject: ModalitySubject) -> None:
    """The same bytes give the same medium."""
    media = subject.media
    repeated = [subject.plugin.load(source) for _, source in subject.examples]
    require(same_value(media, repeated), "load gave another one")


@rule("read a path first: source.read_bytes() if isinstance(source, Path)", load_is_repeatable)
def load_path_equals_load_bytes(subject: ModalitySubject) -> None:
    """A file and its content decode to the same medium."""
    path = subject.folder / "sample"
    for _, source in subject.examples:
        path.write_bytes(content := _content(source))
        media = subject.plugin.load(path), subject.plugin.load(content)
        require(same_value(*media), "two media from a path and from its bytes")


@rule(CATCH, examples_load)
def garbage_is_unreadable(subject: ModalitySubject) -> None:
    """load raises UnreadableSample for bytes that are not a sample."""
    with attempt("load(garbage)", UnreadableSample):
        subject.plugin.load(GARBAGE)
        raise Failure("load(garbage) gave a medium")


@rule(CATCH, garbage_is_unreadable)
def damage_is_unreadable(subject: ModalitySubject) -> None:
    """For no bytes, or a sample cut short, load raises UnreadableSample if anything."""
    for _, source in subject.examples:
        content = _content(source)
        for share in (0, 0.1, 0.5, 0.9):
            with attempt(f"the first {share:.0%} of an example", UnreadableSample):
                subject.plugin.load(content[: int(share * len(content))])


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


def _content(source: Source) -> bytes:
    if isinstance(source, str):
        return source.encode()
    return source if isinstance(source, bytes) else source.read_bytes()


def _trainable(subject: ModalitySubject) -> Trainable[Any]:
    if not isinstance(subject.plugin, Trainable):
        raise NotRun("it has no array, augment and preprocessing to train with")
    return subject.plugin


def _augmented(plugin: Trainable[Any], array: NDArray[Any]) -> NDArray[Any]:
    return plugin.augment(array, np.random.default_rng(0), np.random.default_rng(1))
