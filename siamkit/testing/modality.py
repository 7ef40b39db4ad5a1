"""Rules of modalities: what they say of themselves, bring as examples, and decode."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from siamkit.errors import PluginError, UnreadableSample
from siamkit.host import contract, registry
from siamkit.testing.alike import alike
from siamkit.testing.outcome import Failure
from siamkit.testing.run import needs
from siamkit.testing.subjects import ENOUGH, ModalitySubject, Subject

GARBAGE = b"\x00\xff\xfe garbage \x80\x81" * 8  # no text in UTF-8, and no file of any kind


def check_kind_is_a_word(seen: Subject) -> None:
    """`kind` is image, audio, text, or a word of the plugin's own."""
    if not isinstance(kind := seen.plugin.kind, str) or not kind.isidentifier():
        raise Failure("a word", repr(kind), 'kind = "image", "audio", "text" or your own')


def check_detector_is_installed(seen: ModalitySubject) -> None:
    """`detector` is None, or the name of an installed detector of this kind."""
    name, kind = seen.plugin.detector, seen.plugin.kind
    if name is None:
        return
    fix = "install it, name it in pyproject.toml, or set detector = None"
    try:
        detector = registry.load("siamkit.regions", name)
    except PluginError as error:
        raise Failure("None or an installed detector's name", f"{name!r}: {error}", fix) from error
    if detector.kind != kind:
        raise Failure(f"a detector of kind {kind}", f"{name!r} of kind {detector.kind}", fix)


def check_examples_are_enough(seen: ModalitySubject) -> None:
    """examples() gives two samples each of two identities, at least."""
    given: dict[str, set[Any]] = defaultdict(set)
    for label, source in seen.plugin.examples():
        given[label].add(source)
    enough = [label for label in given if len(given[label]) >= ENOUGH and isinstance(label, str)]
    if len(enough) < ENOUGH:
        raise Failure(
            "two different samples each of two identities, at least",
            f"{ {label: len(sources) for label, sources in given.items()} }",
            "return [('anna', sample), ('anna', other), ('ben', …), ('ben', …)] from examples():"
            " bytes, paths or texts, made by code or shipped",
        )  # fmt: skip


def check_examples_are_repeatable(seen: ModalitySubject) -> None:
    """examples() gives the same samples each time."""
    once, again = (
        [(label, _content(source)) for label, source in given]
        for given in (seen.examples, seen.plugin.examples())
    )
    if once != again:
        raise Failure(
            "the same examples each time", "other ones",
            "seed what is random: encoders are compared by the vectors of their examples",
        )  # fmt: skip


def check_options_fit(seen: ModalitySubject) -> None:
    """What a modality may have beside (`encoders`, `fusion` …) is what it should be."""
    if fault := contract.option_fault(seen.plugin):
        raise Failure("options as they should be", f"it {fault}", "set it, or leave it out")


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
    needs(seen, check_load_is_repeatable)
    with tempfile.TemporaryDirectory() as folder:
        for _, source in seen.examples:
            content = _content(source)
            path = Path(folder) / "sample"
            path.write_bytes(content)
            if not alike(seen.plugin.load(path), seen.plugin.load(content)):
                raise Failure(
                    "one medium from a path and from its bytes", "two",
                    "read a path first: source.read_bytes() if isinstance(source, Path)",
                )  # fmt: skip


def check_garbage_is_unreadable(seen: ModalitySubject) -> None:
    """load raises UnreadableSample for bytes that are none of its samples."""
    needs(seen, check_examples_load)
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


def check_damage_is_unreadable(seen: ModalitySubject) -> None:
    """load raises nothing but UnreadableSample for no bytes, or a sample cut short."""
    needs(seen, check_garbage_is_unreadable)
    for what, source in _damaged(seen):
        try:
            seen.plugin.load(source)
        except UnreadableSample:
            continue
        except Exception as error:
            raise Failure(
                "a medium or UnreadableSample", f"{type(error).__name__} for {what}: {error}",
                "catch what your decoder raises: raise UnreadableSample('…') from error",
            ) from error  # fmt: skip


def _content(source: Path | bytes | str) -> bytes:
    if isinstance(source, str):
        return source.encode()
    return source if isinstance(source, bytes) else source.read_bytes()


def _damaged(seen: ModalitySubject) -> Iterator[tuple[str, Any]]:
    yield "no bytes", b""
    for _, source in seen.examples:
        content = _content(source)
        for share in (0.1, 0.5, 0.9):
            yield f"an example of which {share:.0%} is left", content[: int(share * len(content))]


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
