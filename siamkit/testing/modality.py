"""Rules of modalities: decode, crop, open an encoder, bring examples."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from siamkit import calibrations, probing
from siamkit.encoders import GRAPH
from siamkit.errors import UnreadableSample
from siamkit.pipeline import open_encoder
from siamkit.protocols import Assesses, Trainable
from siamkit.testing.alike import alike
from siamkit.testing.encoder import SAME, repeated
from siamkit.testing.outcome import Failure, NotRun
from siamkit.testing.subjects import ENOUGH, ModalitySubject
from siamkit.types import Region

GARBAGE = b"\x00\xff\xfe garbage \x80\x81" * 8  # no text in UTF-8, and no file of any kind


def check_kind_is_a_word(seen: ModalitySubject) -> None:
    """`kind` is image, audio, text, or a word of the plugin's own."""
    if not isinstance(kind := seen.plugin.kind, str) or not kind.isidentifier():
        raise Failure("a word", repr(kind), 'kind = "image", "audio", "text" or your own')


def check_detector_is_installed(seen: ModalitySubject) -> None:
    """`detector` is None, or the name of an installed detector of this kind."""
    detectors = probing.loadable("siamkit.regions")
    names = [detector.name for detector in detectors if detector.kind == seen.plugin.kind]
    if (wanted := seen.plugin.detector) is not None and wanted not in names:
        raise Failure(
            f"None{' or one of ' * bool(names)}{', '.join(names)}", repr(wanted),
            "install it, name it in pyproject.toml, or set detector = None",
        )  # fmt: skip


def check_examples_are_enough(seen: ModalitySubject) -> None:
    """examples() gives two samples each of two identities, at least."""
    counts = Counter(label for label, _ in seen.plugin.examples())
    enough = [label for label, count in counts.items() if count >= ENOUGH]
    if len(enough) < ENOUGH:
        raise Failure(
            "two samples each of two identities, at least", f"{dict(counts)}",
            "return [('anna', sample), ('anna', other), ('ben', …), ('ben', …)] from examples():"
            " bytes, paths or texts, made by code or shipped",
        )  # fmt: skip


def check_examples_load(seen: ModalitySubject) -> None:
    """load decodes every example."""
    for label, source in seen.examples:
        try:
            seen.plugin.load(source)
        except Exception as error:
            raise Failure(
                "load to decode every example",
                f"{type(error).__name__} for one of {label}: {error}",
                "examples() must give what load takes",
            ) from error


def check_load_is_repeatable(seen: ModalitySubject) -> None:
    """The same bytes give the same medium."""
    if not alike(seen.media, [seen.plugin.load(source) for _, source in seen.examples]):
        raise Failure(
            "the same medium each time", "load gave another one",
            "decode only; augment in training, and seed what is random",
        )  # fmt: skip


def check_load_path_equals_load_bytes(seen: ModalitySubject) -> None:
    """A file and its content decode to the same medium."""
    if not alike(seen.media, [seen.plugin.load(source) for _, source in seen.examples]):
        raise NotRun("needs load_is_repeatable, which fails")
    with tempfile.TemporaryDirectory() as folder:
        for _, source in seen.examples:
            content = source.encode() if isinstance(source, str) else source
            content = content if isinstance(content, bytes) else content.read_bytes()
            path = Path(folder) / "sample"
            path.write_bytes(content)
            if not alike(seen.plugin.load(path), seen.plugin.load(content)):
                raise Failure(
                    "one medium from a path and from its bytes", "two",
                    "read a path first: source.read_bytes() if isinstance(source, Path)",
                )  # fmt: skip


def check_garbage_is_unreadable(seen: ModalitySubject) -> None:
    """load raises UnreadableSample for bytes that are none of its samples."""
    fix = "catch what your decoder raises: raise UnreadableSample('…') from error"
    try:
        seen.plugin.load(GARBAGE)
    except UnreadableSample:
        return
    except Exception as error:
        raise Failure(
            "UnreadableSample", f"load(garbage) raised {type(error).__name__}: {error}", fix
        ) from error
    raise Failure("UnreadableSample", "load(garbage) gave a medium", fix)


def check_crop_keeps_kind(seen: ModalitySubject) -> None:
    """crop gives a medium of the same class."""
    for medium in copy.deepcopy(seen.media):
        crop = seen.plugin.crop(medium, Region())
        if type(crop) is not type(medium):
            raise Failure(
                f"crop to give a {type(medium).__name__}", f"a {type(crop).__name__}",
                "wrap what was cut as load does",
            )  # fmt: skip


def check_crop_leaves_its_input_alone(seen: ModalitySubject) -> None:
    """crop does not change the medium."""
    media, before = copy.deepcopy(seen.media), copy.deepcopy(seen.media)
    for medium in media:
        seen.plugin.crop(medium, Region())
    if not alike(media, before):
        raise Failure("an unchanged medium", "crop changed it", "cut a copy: array[…].copy()")


def check_quality_is_in_range(seen: ModalitySubject) -> None:
    """assess, if there is one, gives scores in [0, 1]."""
    if not isinstance(seen.plugin, Assesses):
        raise NotRun("it does not assess")
    scores = [seen.plugin.assess(medium, Region()).score for medium in seen.media]
    if not all(0 <= score <= 1 for score in scores):
        raise Failure("qualities in [0, 1]", f"{scores}", "scale and clip the score")


def check_encoder_opens(seen: ModalitySubject) -> None:
    """The default encoder opens; it is built first if the plugin builds it."""
    open_encoder(seen.plugin, None)


def check_calibration_is_read(seen: ModalitySubject) -> None:
    """`calibration`, if there is one, is a file of `siamkit calibrate --output`."""
    shipped = getattr(seen.plugin, "calibration", None)
    if shipped is None:
        raise NotRun("it ships no calibration")
    calibrations.read(shipped)


def check_fingerprint_equal_across_processes(seen: ModalitySubject) -> None:
    """Another process computes the same fingerprint."""
    here, there = seen.encoder.fingerprint, seen.apart.fingerprint
    if there is None:
        raise NotRun(f"the other process gave none: {seen.apart.imported or seen.apart.used}")
    if here != there and here == seen.reopened().fingerprint:
        raise Failure(
            "one fingerprint in every process", f"{here} here, {there} there",
            "use hashlib, not hash(), which differs from process to process; sort sets and keys",
        )  # fmt: skip


def check_fingerprint_changes_with_weights(seen: ModalitySubject) -> None:
    """A folder whose weights were altered is refused, or has another fingerprint."""
    with tempfile.TemporaryDirectory() as made:
        folder = shutil.copytree(seen.folder, Path(made) / "encoder")
        graph = bytearray((folder / GRAPH).read_bytes())
        graph[len(graph) // 2] ^= 0x01
        (folder / GRAPH).write_bytes(graph)
        try:
            opened = seen.plugin.encoder(folder)
        except Exception:  # refused, which is all that is asked
            return
        if opened.fingerprint == seen.encoder.fingerprint:
            raise Failure(
                "another fingerprint, or MissingWeights, for altered weights", "the same",
                "open the folder with siamkit.encoders.read_folder, or hash its files",
            )  # fmt: skip


def check_reembed_after_save_equal(seen: ModalitySubject) -> None:
    """A copied encoder folder gives the same fingerprint and the same vectors."""
    with tempfile.TemporaryDirectory() as made:
        folder = shutil.copytree(seen.folder, Path(made) / "encoder")
        opened = seen.plugin.encoder(folder)
        if repeated(seen) > SAME or seen.encoder.fingerprint != seen.reopened().fingerprint:
            raise NotRun("needs embed_is_repeatable and fingerprint_is_stable, of which one fails")
        moved = np.abs(seen.vectors - opened.embed(seen.crops())).max(initial=0.0)
        if opened.fingerprint != seen.encoder.fingerprint or moved > SAME:
            raise Failure(
                "the same encoder from a copy of its folder",
                f"fingerprints {seen.encoder.fingerprint}, {opened.fingerprint}, vectors that"
                f" differ by {moved:.3f}",
                "keep all that the vectors depend on inside of the folder",
            )


def check_arrays_are_alike(seen: ModalitySubject) -> None:
    """array, of a trainable modality, has one shape and dtype, which augment keeps."""
    if not isinstance(plugin := seen.plugin, Trainable):
        raise NotRun("it has no array and augment to train with")
    made = [plugin.array(crop) for crop in seen.crops()]
    own, shared = np.random.default_rng(0), np.random.default_rng(1)
    made += [plugin.augment(array.copy(), own, shared) for array in made]
    shapes = sorted({f"{array.dtype} {array.shape}" for array in made})
    if len(shapes) > 1:
        raise Failure(
            "one shape and dtype", " and ".join(shapes), "resize in array, not in augment"
        )


def check_preprocessing_is_json(seen: ModalitySubject) -> None:
    """preprocessing, of a trainable modality, is what JSON can hold."""
    if not isinstance(plugin := seen.plugin, Trainable):
        raise NotRun("it has no preprocessing to train with")
    constants = plugin.preprocessing()
    try:
        kept = json.loads(json.dumps(constants))
    except (TypeError, ValueError) as error:
        raise Failure("JSON values", str(error), "use str, int, float, list and dict") from error
    if kept != constants:
        raise Failure("constants that JSON keeps", f"{constants} became {kept}", "no tuples")


CHECKS = (
    check_kind_is_a_word,
    check_detector_is_installed,
    check_examples_are_enough,
    check_examples_load,
    check_load_is_repeatable,
    check_load_path_equals_load_bytes,
    check_garbage_is_unreadable,
    check_crop_keeps_kind,
    check_crop_leaves_its_input_alone,
    check_quality_is_in_range,
    check_encoder_opens,
    check_calibration_is_read,
    check_fingerprint_equal_across_processes,
    check_fingerprint_changes_with_weights,
    check_reembed_after_save_equal,
    check_arrays_are_alike,
    check_preprocessing_is_json,
)
