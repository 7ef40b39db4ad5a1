"""List the items to dedupe: a table of texts, a folder of files, or a list of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from siamkit.embed.manifests import read_source_list
from siamkit.errors import BadInput
from siamkit.flows.dedupe_items import Item
from siamkit.host import registry
from siamkit.io import table_read
from siamkit.io.folders import files_under
from siamkit.io.sources import to_text
from siamkit.io.table_read import TextColumns
from siamkit.types import Fault


def list_items(
    source: str, stdin: TextIO, columns: TextColumns, modality: str, faults: list[Fault]
) -> Iterator[Item]:
    """Yield the items of a source, `-` being standard input. Rows without text go to `faults`."""
    if Path(source).is_dir():
        number = 0
        for number, file in enumerate(files_under(Path(source)), 1):
            yield Item(number, to_text(file), file)
        if not number:
            raise BadInput(f"there is no file in {to_text(Path(source))}")
    elif registry.load("siamkit.modalities", modality).kind == "text":
        for row in table_read.mark_repeated_ids(table_read.read_texts(source, stdin, columns)):
            name = str(row.line) if row.id is None else row.id
            if row.error:
                faults.append(Fault(row.error, name, row.line))
            else:
                yield Item(row.line, name, row.text)
    else:
        sources, unread = read_source_list(
            source, stdin, table=columns.table, encoding=columns.encoding
        )
        faults += unread
        for number, path in enumerate(sources, 1):
            if isinstance(path, str):
                raise BadInput(
                    f'"text" needs a text modality; {modality} are not text',
                    hint='write {"source": "PATH"} on each line',
                )
            yield Item(number, str(number), path)
