"""The `.json` beside a snapshot: its structure, and the state of its files, checked itself."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from siamkit_faiss.checksums import FileState
from siamkit_faiss.files import replacing
from siamkit_faiss.layout import Layout

FORMAT = 2  # 1 was one FAISS index per snapshot


class Refused(Exception):
    """A snapshot cannot be used. The message completes the sentence 'FILE …'."""


@dataclass(frozen=True, slots=True)
class CodesCard:
    """The compressed codes of a snapshot's rows."""

    structure: str  # by the grammar of faiss.index_factory
    recall: float  # @10, measured when they were built
    nprobe: int  # lists that a query scans
    candidates: int  # rows that a query scores exactly, for ten hits
    trained_on: int  # number of rows then
    file: FileState


@dataclass(frozen=True, slots=True)
class Card:
    """Content of the .json beside a snapshot."""

    dim: int
    count: int
    rows: FileState
    codes: CodesCard | None = None
    purged: int = 0  # change up to which removed rows were erased since
    format: int = FORMAT

    @property
    def layout(self) -> Layout:
        """The places in the rows file."""
        return Layout(self.count, self.dim)


def read(path: Path) -> Card:
    """Read a card. Raises Refused, OSError."""
    require_file(path)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        checksum = fields.pop("checksum", None)
        if "format" not in fields and "structure" in fields:
            raise Refused("is of an earlier version of siamkit")
        if checksum != _checksum(fields):
            raise ValueError("its checksum is not the one recorded")
        codes = fields.pop("codes")
        if codes is not None:
            codes = CodesCard(**{**codes, "file": FileState(**codes["file"])})
        return Card(**{**fields, "rows": FileState(**fields["rows"]), "codes": codes})
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise Refused(f"has a damaged {path.name}") from error


def write(path: Path, card: Card) -> None:
    """Write a card, durably. Raises OSError."""
    fields = asdict(card)
    content = json.dumps({**fields, "checksum": _checksum(fields)}, sort_keys=True)
    with replacing(path) as temporary:
        temporary.write_text(content + "\n", encoding="utf-8")


def require_file(path: Path) -> None:
    """Raise OSError unless it is a file: reading a pipe would wait for ever."""
    if not path.is_file():
        raise OSError(f"{path.name} is not a file")


def _checksum(fields: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(fields, sort_keys=True).encode())
