"""Read labelled examples: a folder per identity, a manifest, or a gallery of the store."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from siamkit.embed.manifests import read_labelled_folder
from siamkit.errors import BadInput
from siamkit.io.absent import hint_for_absent
from siamkit.io.sources import shorten, to_path, to_text
from siamkit.io.table_read import open_table
from siamkit.io.table_record import Table, list_columns, parse_all
from siamkit.io.table_values import MISSING, as_text, plain_text
from siamkit.store import Store, galleries, samples
from siamkit.store.labels import normalise_label
from siamkit.store.samples import Sample
from siamkit.train.pairs import NO_PAIRS, Pairs

log = logging.getLogger("siamkit")
T = TypeVar("T")
IMPOSTORS = "impostors"  # a folder inside an identity's folder
COLUMNS = ("path", "text", "label", "impostor", "split", "category")
YES_NO = dict.fromkeys(("1", "yes", "true"), True) | dict.fromkeys(("0", "no", "false", ""), False)
SPLITS = {"train": "train", "validation": "validation", "val": "validation", "": None}
MAX_REMARKS = 20  # most remarks of one kind


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled sample, genuine or an impostor: an imitation of the identity that it names."""

    source: Path | str  # a file, or the text itself
    label: str
    impostor: bool = False
    split: str | None = None  # "train", "validation", or None to leave it to chance
    enrolled: Sample | None = None  # of a gallery: the content and the region that were enrolled
    category: str = ""  # of its identity, for batches of one category

    @property
    def name(self) -> str:
        """Return the path as text, or the text itself."""
        return self.source if isinstance(self.source, str) else to_text(self.source)


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Examples, the pairs of them if there are any, and remarks on both."""

    examples: Sequence[Example]
    pairs: Pairs = NO_PAIRS  # if there are any, the examples differ by name
    form: str = ""  # what was read, in one line; empty for labelled samples
    notes: Sequence[str] = ()


def read_examples(
    origin: str,
    *,
    table: str | None = None,
    encoding: str | None = None,
    by_category: bool = False,
) -> list[Example]:
    """Read the examples of a folder or of a manifest: a table, JSON lines included.

    In a folder, each folder directly in it is an identity and holds its samples at any depth;
    those below a folder `impostors` in it imitate the identity. A manifest has the columns (or
    keys) label and path, or text instead of path, and optionally impostor (1, 0, yes, no, true,
    false, or empty), split (train, validation, val, or empty) and category. Paths are relative to
    it. table: of a database, or a sheet. encoding: of a table that is not UTF-8. by_category: the
    folders are categories that hold those of identities, see siamkit.train.categories.

    Raises BadInput for anything else, naming every bad line.
    """
    path = Path(origin)
    if not path.exists():
        raise BadInput(
            f"{to_text(path)} is neither a folder nor a file",
            hint=hint_for_absent(path)
            or "give a folder per identity, a CSV (path,label), JSON lines, or gallery:NAME",
        )
    if path.is_dir():
        examples = _read_folder(path, by_category)
    else:
        with open_table(path, table=table, plain=".csv", encoding=encoding) as opened:
            examples = read_manifest(opened, path.parent, {})
    if not examples:
        raise BadInput(
            f"{to_text(path)} holds no examples",
            hint="give a folder per identity, or a CSV with the columns path,label",
        )
    return examples


def gallery_examples(store: Store, gallery: str, modality: str) -> list[Example]:
    """Return the samples enrolled in a gallery, in the regions that were enrolled.

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
    """Remark on labels that look like slips of the pen, one line each.

    These are labels that differ in case or blanks alone, and labels with a single genuine sample
    that are one edit away from exactly one other. If several are near, they are a numbered series.
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


def require_files(examples: Iterable[Example], modality: str) -> None:
    """Raise BadInput for a text among the samples of a modality that is not of texts."""
    text = next((example for example in examples if isinstance(example.source, str)), None)
    if text:
        raise BadInput(
            f"{shorten(text.name)!r} is a text, and {modality} are not texts",
            hint="name files, in a column path",
        )


def at_most(lines: Sequence[str], limit: int = MAX_REMARKS) -> list[str]:
    """Return the first lines, and one that counts the others."""
    more = [f"… and {len(lines) - limit:,} more of this kind"] if len(lines) > limit else []
    return [*lines[:limit], *more]


def _read_folder(folder: Path, by_category: bool) -> list[Example]:
    examples, loose = [], 0
    pairs, faults = read_labelled_folder(folder, deep=by_category)
    for fault in faults:
        log.warning(f"left out: {fault}")
    for label, file in pairs:
        inner = Path(file).relative_to(folder).parts[1:]
        if not inner:
            loose += 1
            continue
        impostor = any(part.casefold() == IMPOSTORS for part in inner[:-1])
        examples.append(Example(file, label, impostor))
    if loose and examples:
        log.warning(f"{loose:,} files directly in {to_text(folder)} have no label: left out")
    return examples


def is_manifest(table: Table, named: Mapping[str, str]) -> bool:
    """Return True if a table has a label and a sample in each row, by name or as `named` says."""
    kinds = {kind for kind in COLUMNS if kind in named or table.find(kind) is not None}
    return "label" in kinds and bool({"path", "text"} & kinds)


def read_manifest(table: Table, base: Path, named: Mapping[str, str]) -> list[Example]:
    """Read the examples of a table, see read_examples.

    base: of its paths. named: the columns that hold some of COLUMNS, where their names differ.
    """
    if table.has_header and not is_manifest(table, named):
        raise BadInput(
            f"{table.name} has the columns {list_columns(table.columns)}",
            hint="its first line must name label and path, or label and text; or two samples of a"
            " pair, as in a,b,label; `--column KIND=NAME` reads columns of other names",
        )
    spelt = {kind: named.get(kind, kind) for kind in COLUMNS}
    examples = parse_all(
        table.read(*spelt.values()),
        lambda values: _example({kind: values[name] for kind, name in spelt.items()}, base),
        table.name,
        "columns: path or text, label, impostor (1 or 0), split (train or validation)",
    )
    read = {table.find(name) for name in spelt.values()}
    present = {kind for kind, name in spelt.items() if table.find(name) is not None}
    for column in table.columns:
        near = get_close_matches(column.strip().lower(), COLUMNS, n=1)
        if column not in read and near and near[0] not in present:
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
        normalise_label(label),
        choose(values, "impostor", YES_NO),
        choose(values, "split", SPLITS),
        category=_category(values["category"]),
    )


def _category(value: Any) -> str:
    """Return a category as it is compared, like a label; empty for a missing value."""
    text = plain_text(value)
    return "" if text is None or text in MISSING or not text.strip() else normalise_label(text)


def choose(values: Mapping[str, Any], key: str, meanings: Mapping[str, T]) -> T:
    """Return the meaning of a word in a column; a missing value is the word ''.

    Raises BadInput that does not name the row.
    """
    value = values[key]
    text = plain_text(value)
    word = "" if value is None or text in MISSING else (text or str(value)).strip().lower()
    if word not in meanings:
        raise BadInput(
            f"{key} is {shorten(str(value))!r}, not one of {', '.join(filter(None, meanings))}"
        )
    return meanings[word]


def _one_edit_away(counts: Mapping[str, int]) -> Iterator[tuple[str, list[str]]]:
    """Yield each label with one sample, and the labels with more that are one edit away from it.

    A digit for another digit does not count: identities are often numbered. Labels are compared by
    their patterns, in time proportional to their length.
    """
    lonely = [label for label, count in counts.items() if count == 1]
    by_pattern = defaultdict(set)
    for label, count in counts.items() if lonely else ():
        for pattern in _patterns(label) if count > 1 else ():
            by_pattern[pattern].add(label)
    for label in lonely:
        near = set().union(*(by_pattern.get(pattern, ()) for pattern in _patterns(label)))
        yield label, sorted(other for other in near if not _is_renumbered(label, other))


def _patterns(label: str) -> Iterator[str]:
    """Yield patterns of which two labels share one if they are one edit apart.

    An edit adds, removes or replaces one character.
    """
    yield label
    for position, _ in enumerate(label):
        before, after = label[:position], label[position + 1 :]
        yield before + after
        yield f"{before}\0{after}"


def _is_renumbered(a: str, b: str) -> bool:
    """Return True if two labels that share a pattern differ in digits, or by two edits."""
    if len(a) != len(b):
        return False
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
    return len(pairs) > 1 or all(x.isdigit() and y.isdigit() for x, y in pairs)
