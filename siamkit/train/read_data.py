"""Read what people bring to train on: labelled samples, pairs, triplets, or pairs with scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from siamkit.errors import BadInput
from siamkit.io.sources import to_text
from siamkit.io.table_datasets import is_datasets_folder, open_datasets
from siamkit.io.table_read import open_table
from siamkit.io.table_record import Table, list_columns
from siamkit.store import Store
from siamkit.train.categories import categorise
from siamkit.train.examples import Data, gallery_examples, is_manifest, read_examples, read_manifest
from siamkit.train.folder import Origin
from siamkit.train.paired import Judgement, PairColumns, find_pair_columns, read_judgements
from siamkit.train.relate import relate

GALLERY = "gallery:"  # before the name of a gallery whose samples are the examples
PAIR_KINDS = ("a", "b", "anchor", "positive", "negative", "score")
KINDS = ("sample", "text", "path", "label", "impostor", "split", "category", *PAIR_KINDS)
OpenStore: TypeAlias = Callable[[], Store]


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of the data in a table, where the names of its columns do not say them."""

    table: str | None = None  # of a database, or the sheet
    encoding: str | None = None  # of a table that is not UTF-8
    # One of KINDS -> a column; a sample is a text or a path, as the modality has it.
    columns: Mapping[str, str] = field(default_factory=dict)
    top_score: float = 1.0  # the score of two samples that are the same


def read_origin(origin: Origin, open_store: OpenStore, *, is_text: bool, by_category: bool) -> Data:
    """Read the data of a run, see `read_data`.

    open_store: called if they are a gallery's.
    """
    if origin.origin.startswith(GALLERY):
        gallery = origin.origin.removeprefix(GALLERY)
        return Data(gallery_examples(open_store(), gallery, origin.modality))
    layout = Layout(origin.table, origin.encoding, origin.columns, origin.top_score)
    return read_data(origin.origin, layout, is_text=is_text, by_category=by_category)


def read_data(origin: str, layout: Layout, *, is_text: bool, by_category: bool = False) -> Data:
    """Read a folder per identity, a table, or a folder that Hugging Face `datasets` saved.

    A table is a manifest, see read_examples, or has two samples in each row: see
    siamkit.train.paired. is_text: samples are texts, not files relative to the table. by_category:
    a folder holds one per category.

    Raises BadInput for anything else, naming every bad line.
    """
    path = Path(origin)
    named = {
        ("text" if is_text else "path") if kind == "sample" else kind: name
        for kind, name in layout.columns.items()
    }
    _require_kinds(named)
    is_table = path.is_file() or is_datasets_folder(path)
    if not is_table and (named or layout.top_score != 1):
        raise BadInput(f"{to_text(path)} is not a table: it has no columns to name")
    if not is_table:
        examples = read_examples(origin, by_category=by_category)
        return Data(categorise(examples, origin) if by_category else examples)
    data = _read_table(path, layout, named, is_text=is_text)
    if not data.examples:
        raise BadInput(
            f"{to_text(path)} holds no examples",
            hint="give a folder per identity, a CSV with the columns path,label, or pairs",
        )
    return data


def _read_table(path: Path, layout: Layout, named: Mapping[str, str], *, is_text: bool) -> Data:
    with _open(path, layout) as table:
        _require_columns(table, named.values())
        base = path if path.is_dir() else path.parent
        columns = _pair_columns(table, named)
        if layout.top_score != 1 and (columns is None or columns.target is None):
            raise BadInput(f"{table.name} has no column of scores: --top-score has no effect")
        if columns is None:
            return Data(read_manifest(table, base, named))
        judgements = read_judgements(
            table, columns, is_text=is_text, base=base, top_score=layout.top_score
        )
    if not judgements:
        return Data([])
    related, pairs, notes = relate(judgements, table.name)
    return Data(related, pairs, _form(judgements, columns), notes)


def _require_columns(table: Table, names: Iterable[str]) -> None:
    for name in names:
        if table.has_header and table.find(name) is None:
            raise BadInput(
                f"{table.name} has no column {name!r}",
                hint=f"--column KIND=NAME, one of: {list_columns(table.columns)}",
            )


def _require_kinds(named: Mapping[str, str]) -> None:
    for kind in named:
        if re.sub(r"_\d+$", "", kind) not in KINDS:
            raise BadInput(f"--column {kind}=…: unknown kind", hint=f"one of: {', '.join(KINDS)}")


@contextmanager
def _open(path: Path, layout: Layout) -> Iterator[Table]:
    if path.is_dir():
        yield open_datasets(path)
        return
    with open_table(path, table=layout.table, plain=".csv", encoding=layout.encoding) as table:
        yield table


def _pair_columns(table: Table, named: Mapping[str, str]) -> PairColumns | None:
    """Return the columns of pairs, unless the table is, or is said to be, a manifest."""
    names_pairs = any(re.sub(r"_\d+$", "", kind) in PAIR_KINDS for kind in named)
    if not names_pairs and (is_manifest(table, named) or {"text", "path"} & named.keys()):
        return None
    return find_pair_columns(table, named)


def _form(judgements: list[Judgement], columns: PairColumns) -> str:
    """Describe what was read: 4,000 pairs: 1,500 the same, 2,500 different."""
    scores = [judgement.score for judgement in judgements]
    count, same, different = len(scores), scores.count(1), scores.count(0)
    if same + different < count:
        return f"{count:,} pairs with scores from {min(scores):.2g} to {max(scores):.2g}"
    rows = f"{count:,} pairs"
    if columns.negatives:
        lines = len({judgement.line for judgement in judgements})
        rows = f"{lines:,} lines of an anchor, a positive and its negatives, {count:,} pairs"
    return f"{rows}: {same:,} the same, {different:,} different"
