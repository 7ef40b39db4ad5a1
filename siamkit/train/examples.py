"""Labelled examples to train on: a folder per identity, a manifest, or a gallery of the store."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.embed.region_choosers import name_sample
from siamkit.errors import BadInput
from siamkit.io.sources import files_under, shorten, to_path, to_text
from siamkit.io.table_read import as_text, open_table
from siamkit.io.table_record import bad_lines, list_columns
from siamkit.store import galleries, samples

if TYPE_CHECKING:
    from siamkit.store import Store
    from siamkit.store.samples import Sample

log = logging.getLogger("siamkit")
IMPOSTORS = "impostors"  # a folder inside an identity's folder
COLUMNS = ("path", "text", "label", "impostor", "split")
YES_NO = {
    "1": True, "yes": True, "true": True, "0": False, "no": False, "false": False, "": False,
}  # fmt: skip
SPLITS = {"train": "train", "validation": "validation", "val": "validation", "": None}
SHOWN = 20  # bad lines that one message names, and remarks of one kind


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled sample, genuine or an impostor: an imitation of the identity that it names."""

    source: Path | str  # a file, or the text itself
    label: str
    impostor: bool = False
    split: str | None = None  # "train", "validation", or None: as it falls
    enrolled: Sample | None = None  # out of a gallery: which content and region it was

    @property
    def name(self) -> str:
        """The whole text, or the path as text."""
        return self.source if isinstance(self.source, str) else to_text(self.source)


def read_examples(origin: str) -> list[Example]:
    """The examples of a folder or of a manifest: a table, JSON lines included.

    In a folder, each folder directly in it is an identity and holds its samples at any depth;
    those below a folder `impostors` in it imitate the identity. A manifest has the columns (or
    keys) label and path, or text instead of path, and optionally impostor (1, 0, yes, no, true,
    false, or empty) and split (train, validation, val, or empty). Paths are relative to it.
    Raises BadInput, naming every bad line, for what is none of these.
    """
    path = Path(origin)
    if not path.exists():
        raise BadInput(
            f"{to_text(path)} is neither a folder nor a file",
            hint="give a folder per identity, a CSV (path,label), JSON lines, or gallery:NAME",
        )
    found = _folder(path) if path.is_dir() else _manifest(path)
    if not found:
        raise BadInput(
            f"{to_text(path)} holds no examples",
            hint="it may hold a folder per identity, or be a CSV with the columns path,label",
        )
    return found


def gallery_examples(store: Store, gallery: str, modality: str) -> list[Example]:
    """What is enrolled in a gallery, in the regions that were enrolled.

    Raises StoreError if there is no such gallery, BadInput if it holds another modality.
    """
    target = galleries.get(store, gallery)
    if target.space.modality != modality:
        raise BadInput(
            f"gallery {gallery!r} holds {target.space.modality}, not {modality}",
            hint=f"-m {target.space.modality}, or another gallery",
        )
    return [
        Example(
            sample.source if sample.inline else to_path(sample.source),
            sample.identity,
            enrolled=sample,
        )
        for sample in samples.of_gallery(store, target)
    ]


def label_notes(examples: Iterable[Example]) -> list[str]:
    """What looks like a slip of the pen in the labels, a line each.

    That is labels that differ in case or blanks alone, and one with a single genuine sample that
    is one edit away from exactly one other (where it is near several, numbers are counted up).
    """
    counts = Counter(example.label for example in examples if not example.impostor)
    alike = defaultdict(list)
    for label in sorted(counts):
        alike["".join(label.split()).casefold()].append(label)
    blanks = [
        f"{' and '.join(map(repr, labels))} differ in case or blanks alone, and count as"
        f" {len(labels)} identities"
        for labels in alike.values()
        if len(labels) > 1
    ]
    typos = [
        f"{label!r} has one sample; did you mean {near[0]!r}?"
        for label, near in _one_edit_away(counts)
        if len(near) == 1 and len(alike["".join(label.split()).casefold()]) == 1
    ]
    return [*at_most(blanks), *at_most(typos)]


def at_most(lines: Sequence[str], limit: int = SHOWN) -> list[str]:
    """The first lines, and how many more there are."""
    more = [f"… and {len(lines) - limit:,} more of this kind"] if len(lines) > limit else []
    return [*lines[:limit], *more]


def _folder(folder: Path) -> list[Example]:
    found, loose = [], 0
    labels: dict[str, str] = {}
    for file in files_under(folder):
        first, *inner = file.relative_to(folder).parts
        if not inner:
            loose += 1
            continue
        if first not in labels:
            try:
                labels[first] = samples.checked_label(first)
            except BadInput as error:
                raise name_sample(to_text(folder / first), error) from error
        impostor = any(part.casefold() == IMPOSTORS for part in inner[:-1])
        found.append(Example(file, labels[first], impostor))
    if loose and found:
        log.warning(f"{loose:,} files directly in {to_text(folder)} belong to nobody: left out")
    return found


def _manifest(path: Path) -> list[Example]:
    examples, faults = [], []
    with open_table(path, plain=".csv") as table:
        columns = table.columns
        if table.has_header and ("label" not in columns or not {"path", "text"} & set(columns)):
            raise BadInput(
                f"{table.name} has the columns {list_columns(columns)}",
                hint="its first line must name label and path, or label and text",
            )
        for record in table.read(*COLUMNS):
            try:
                if record.error:
                    raise BadInput(record.error)
                examples.append(_example(record.values, path.parent))
            except BadInput as error:
                faults.append((record.line, str(error)))
    if faults:
        hint = "columns: path or text, label, impostor (1 or 0), split (train or validation)"
        raise bad_lines(table.name, faults, hint)
    for column in columns:
        near = get_close_matches(column.strip().lower(), COLUMNS, n=1)
        if column not in COLUMNS and near and near[0] not in columns:
            log.warning(f"{table.name}: {column!r} is not read; did you mean {near[0]!r}?")
    return examples


def _example(values: Mapping[str, Any], base: Path) -> Example:
    """Return the example of one row. Raises BadInput that does not name the row."""
    path, text = values["path"], values["text"]
    label, fault = as_text(values["label"])
    if fault:
        raise BadInput(f"its label {fault}")
    if bool(path) == bool(text) or not isinstance(path or text, str):
        raise BadInput("it has both a path and a text" if path and text else "there is no path")
    return Example(
        base / str(path) if path else str(text),
        samples.checked_label(label),
        _word(values, "impostor", YES_NO) or False,
        _word(values, "split", SPLITS),
    )


def _word(values: Mapping[str, Any], key: str, known: Mapping[str, Any]) -> Any:
    value = values[key]
    word = "" if value is None else str(value).strip().lower()
    if word not in known:
        raise BadInput(
            f"{key} is {shorten(str(value))!r}, not one of {', '.join(filter(None, known))}"
        )
    return known[word]


def _one_edit_away(counts: Mapping[str, int]) -> Iterator[tuple[str, list[str]]]:
    """Each label with one sample, and the labels with more that are one edit away from it.

    A digit for another digit is no edit: so are identities numbered. Found by what is left when
    one character is taken away or made a blank, in time proportional to the labels' length.
    """
    lonely = [label for label, count in counts.items() if count == 1]
    by_pattern = defaultdict(set)
    for label, count in counts.items() if lonely else ():
        for pattern in _patterns(label) if count > 1 else ():
            by_pattern[pattern].add(label)
    for label in lonely:
        near = set().union(*(by_pattern.get(pattern, ()) for pattern in _patterns(label)))
        yield label, sorted(other for other in near if not _renumbered(label, other))


def _patterns(label: str) -> Iterator[str]:
    """Two labels share one if they differ by one character more, less, or another."""
    yield label
    for at, _ in enumerate(label):
        yield label[:at] + label[at + 1 :]
        yield f"{label[:at]}\0{label[at + 1 :]}"


def _renumbered(one: str, other: str) -> bool:
    pairs = [(a, b) for a, b in zip(one, other, strict=False) if a != b]
    digits = all(a.isdigit() and b.isdigit() for a, b in pairs)
    deleted = len(one) == len(other) and len(pairs) > 1  # two different deletions, two edits
    return deleted or (len(one) == len(other) and digits)
