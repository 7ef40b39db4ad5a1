"""Samples that a client may name: texts, data in the call, and files in folders the user chose."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from siamkit.errors import BadInput, SiamkitError
from siamkit.io.places import expand, real
from siamkit.io.sources import Refused
from siamkit.protocols import Source
from siamkit.types import Kind

DATA_URL = re.compile(r"data:[\w.+/;=-]*;base64,", re.IGNORECASE)
MAX_DATA_BYTES = 20 * 2**20  # of a sample in a call: a photograph, or ten minutes of speech
SHOWN = 200  # characters of a sample, in an answer


@dataclass(frozen=True, slots=True)
class Samples:
    """Resolve what a client names. folders: real paths, whose files may be read; no others are."""

    folders: tuple[Path, ...] = ()

    @classmethod
    def in_folders(cls, folders: Sequence[Path]) -> Samples:
        """Allow the files in folders. Raises BadInput for what is not a folder."""
        for folder in folders:
            if not folder.is_dir():
                raise BadInput(f"{folder} is not a folder", hint="name folders of samples, or none")
        return cls(tuple(real(folder) for folder in folders))

    def take(self, sample: str, kind: Kind) -> Source:
        """Return a text as it is, the bytes of a data URL, or the path of a file in a folder.

        Raises BadInput for a file outside of the folders; whether it exists is not said.
        """
        if kind == "text":
            return sample
        if match := DATA_URL.match(sample):
            return _decode(sample[match.end() :])
        if not self.folders:
            raise BadInput(
                "no files may be read",
                hint="the user has to name folders: `siamkit mcp FOLDER`; or send a data URL,"
                " data:image/png;base64,…",
            )
        with suppress(OSError, ValueError):  # too long a name, or one with a NUL
            path = expand(Path(sample))
            for folder in self.folders:  # a relative path is looked up in each
                candidate = real(folder / path)
                if candidate.is_relative_to(folder) and (path.is_absolute() or candidate.exists()):
                    return candidate
        allowed = ", ".join(map(str, self.folders))
        message = f"{sample[:SHOWN]} is not a file in {allowed}"
        raise BadInput(message, hint="only files there may be read")

    def take_each(self, samples: Sequence[str], kind: Kind) -> Iterator[Source]:
        """Yield each sample as `take` returns it; for one that it refuses, its error when read."""
        for sample in samples:
            try:
                yield self.take(sample, kind)
            except SiamkitError as error:
                yield Refused(sample[:SHOWN], error)


def _decode(text: str) -> bytes:
    if len(text) > MAX_DATA_BYTES * 4 // 3 + 4:
        raise BadInput(
            f"the data of a sample exceed {MAX_DATA_BYTES // 2**20} MiB",
            hint="name a file, in a folder that the user allows",
        )
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BadInput(f"a data URL is not base64: {error}") from error
