"""Rules of modalities: their attributes, their examples, and how they decode."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from siamkit.errors import PluginError, UnreadableSample
from siamkit.host import contract, registry
from siamkit.protocols import Source
from siamkit.testing.equality import same_value
from siamkit.testing.outcome import Failure
from siamkit.testing.run import needs
from siamkit.testing.subjects import ENOUGH, DetectorSubject, ModalitySubject

GARBAGE = b"\x00\xff\xfe garbage \x80\x81" * 8  # not text in UTF-8, and not a file of any format
CATCH = "catch what your decoder raises: raise UnreadableSample('…') from error"


def check_kind_is_a_word(subject: ModalitySubject | DetectorSubject) -> None:
    """`kind` is image, audio, text, or a word of the plugin's own."""
    if not isinstance(kind := subject.plugin.kind, str) or not kind.isidentifier():
        raise Failure("a word", repr(kind), 'kind = "image", "audio", "text" or your own')


def check_detector_is_installed(subject: ModalitySubject) -> None:
    """`detector` is None, or the name of an installed detector of this kind."""
    name, kind = subject.plugin.detector, subject.plugin.kind
    if name is None:
        return
    fix = "install it, name it in pyproject.toml, or set detector = None"
    try:
        detector = registry.load("siamkit.regions", name)
    except PluginError as error:
        raise Failure("None or an installed detector's name", f"{name!r}: {error}", fix) from error
    if detector.kind != kind:
        raise Failure(f"a detector of kind {kind}", f"{name!r} of kind {detector.kind}", fix)


def check_options_fit(subject: ModalitySubject) -> None:
    """Optional attributes (`encoders`, `fusion` …), where present, have their types and values."""
    if fault := contract.option_fault(subject.plugin):
        raise Failure(
            "optional attributes as the protocol has them", f"it {fault}", "set it, or leave it out"
        )


def check_examples_are_enough(subject: ModalitySubject) -> None:
    """examples() gives at least two samples each of two identities."""
    samples: dict[str, set[Source]] = defaultdict(set)
    for label, source in subject.plugin.examples():
        samples[label].add(source)
    complete = [label for label, sources in samples.items() if len(sources) >= ENOUGH]
    if len([label for label in complete if isinstance(label, str)]) < ENOUGH:
        raise Failure(
            "at least two different samples each of two identities",
            f"{ {label: len(sources) for label, sources in samples.items()} }",
            "return [('anna', sample), ('anna', other), ('ben', …), ('ben', …)] from examples():"
            " bytes, paths or texts, computed or shipped",
        )


def check_examples_are_repeatable(subject: ModalitySubject) -> None:
    """examples() gives the same samples each time."""
    first, second = (
        [(label, _content(source)) for label, source in examples]
        for examples in (subject.examples, subject.plugin.examples())
    )
    if first != second:
        raise Failure(
            "the same examples each time",
            "other ones",
            "seed what is random: encoders are compared by the vectors of their examples",
        )


def check_examples_load(subject: ModalitySubject) -> None:
    """load decodes every example."""
    for label, source in subject.examples:
        try:
            subject.plugin.load(source)
        except Exception as error:
            raise Failure(
                "load to decode every example",
                f"{type(error).__name__} for one of {label}: {error}",
                "examples() must give what load takes",
            ) from error


def check_load_is_repeatable(subject: ModalitySubject) -> None:
    """The same bytes give the same medium."""
    media = subject.media
    if not same_value(media, [subject.plugin.load(source) for _, source in subject.examples]):
        raise Failure(
            "the same medium each time",
            "load gave another one",
            "decode only; augment in training, and seed what is random",
        )


def check_load_path_equals_load_bytes(subject: ModalitySubject) -> None:
    """A file and its content decode to the same medium."""
    needs(subject, check_load_is_repeatable)
    with tempfile.TemporaryDirectory() as folder:
        for _, source in subject.examples:
            content = _content(source)
            path = Path(folder) / "sample"
            path.write_bytes(content)
            if not same_value(subject.plugin.load(path), subject.plugin.load(content)):
                raise Failure(
                    "one medium from a path and from its bytes",
                    "two",
                    "read a path first: source.read_bytes() if isinstance(source, Path)",
                )


def check_garbage_is_unreadable(subject: ModalitySubject) -> None:
    """load raises UnreadableSample for bytes that are not a sample."""
    needs(subject, check_examples_load)
    try:
        subject.plugin.load(GARBAGE)
    except UnreadableSample:
        return
    except Exception as error:
        raise Failure(
            "UnreadableSample", f"load(garbage) raised {type(error).__name__}: {error}", CATCH
        ) from error
    raise Failure("UnreadableSample", "load(garbage) gave a medium", CATCH)


def check_damage_is_unreadable(subject: ModalitySubject) -> None:
    """For no bytes, or a sample cut short, load raises UnreadableSample if anything."""
    needs(subject, check_garbage_is_unreadable)
    for damage, content in _damaged_samples(subject):
        try:
            subject.plugin.load(content)
        except UnreadableSample:
            continue
        except Exception as error:
            raise Failure(
                "a medium or UnreadableSample",
                f"{type(error).__name__} for {damage}: {error}",
                CATCH,
            ) from error


def _content(source: Source) -> bytes:
    if isinstance(source, str):
        return source.encode()
    return source if isinstance(source, bytes) else source.read_bytes()


def _damaged_samples(subject: ModalitySubject) -> Iterator[tuple[str, bytes]]:
    yield "no bytes", b""
    for _, source in subject.examples:
        content = _content(source)
        for share in (0.1, 0.5, 0.9):
            yield f"the first {share:.0%} of an example", content[: int(share * len(content))]


CHECKS = (
    check_kind_is_a_word,
    check_detector_is_installed,
    check_options_fit,
    check_examples_are_enough,
    check_examples_are_repeatable,
    check_examples_load,
    check_load_is_repeatable,
    check_load_path_equals_load_bytes,
    check_garbage_is_unreadable,
    check_damage_is_unreadable,
)
