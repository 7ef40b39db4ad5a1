"""Open a folder that Hugging Face `datasets` saved (save_to_disk) as one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io.extras import require_extra
from siamkit.io.sources import to_text
from siamkit.io.table_record import Record, Table, refusing

ONE, SEVERAL = "state.json", "dataset_dict.json"  # files that name such a folder
# The side of the split that a part of a DatasetDict is on. Others are not read.
SIDES = {"train": "train", **dict.fromkeys(("validation", "val", "dev", "valid"), "validation")}
MEDIA = ("Image", "Audio", "Video")  # features whose cells are files, not text


def is_datasets_folder(path: Path) -> bool:
    """Return True for a folder that `Dataset.save_to_disk`, or DatasetDict's, wrote."""
    return (path / ONE).is_file() or (path / SEVERAL).is_file()


def open_datasets(path: Path) -> Table:
    """Open a saved Dataset, or the train and validation parts of a DatasetDict as one table.

    The latter has a column `split` beside its own. Raises MissingPackage without `datasets`, and
    BadInput if the folder is damaged, and on reading a column of pictures or sounds.
    """
    name = to_text(path)
    require_extra("datasets", name)
    from datasets import Dataset, load_from_disk

    refuse = partial(refusing, f"{name} cannot be read by datasets", Exception)
    with refuse():
        opened = load_from_disk(str(path))
    is_single = isinstance(opened, Dataset)
    parts = {"": opened} if is_single else {s: opened[s] for s in opened if s.lower() in SIDES}
    if not parts:
        raise BadInput(
            f"{name} has the splits {', '.join(map(str, opened))}", hint="one must be train"
        )
    first = next(iter(parts.values()))

    def read(columns: Sequence[str]) -> Iterator[Record]:
        named = [column for column in dict.fromkeys(columns) if column in first.column_names]
        for column in named:
            if (kind := type(first.features[column]).__name__) in MEDIA:
                raise BadInput(
                    f"{name}: {column} holds {kind.lower()}s themselves, not paths",
                    hint="save them as files, and their paths in a table",
                )
        number = 0
        for split, part in parts.items():
            with refuse():
                rows: Any = part.select_columns(named).with_format(None)
                for row in rows:
                    number += 1
                    side = {} if is_single else {"split": SIDES[split.lower()]}
                    yield Record(number, {**row, **side})

    own_columns = [column for column in first.column_names if column != "split"]
    return Table(name, first.column_names if is_single else [*own_columns, "split"], read)
