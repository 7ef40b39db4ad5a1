"""Record which source and settings each picture in a folder was painted of."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.atomic import create_folder, create_private
from siamkit.io.sources import to_text

NAME = ".siamkit-style.jsonl"  # hidden: no folder is listed with it


class StyleRecord:
    """The digests of what was painted, in a hidden file beside it: two lines for each picture.

    One is written before a picture and one after it. A picture of which a killed run has written
    the first alone is painted again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / NAME
        self._lines: dict[str, tuple[str, bool]] = {}  # of a picture: its digest, and if it is done
        with (
            suppress(FileNotFoundError),
            self._path.open(encoding="utf-8", errors="replace") as file,
        ):
            for line in file:
                with suppress(ValueError, KeyError, TypeError):  # what a crash has cut
                    fields = foreign.parse_json(line)
                    self._lines[fields["picture"]] = fields["digest"], fields["is_done"]

    def is_done(self, target: Path, digest: str) -> bool:
        """Return True for a picture that is there, and of this digest.

        Raises BadInput for one of anything else, which is not to be replaced unasked.
        """
        if not target.exists():
            return False
        own, is_done = self._lines.get(self._name(target), ("", False))
        if own == digest:
            return is_done
        raise BadInput(
            f"{to_text(target)} exists, and is of another picture or style",
            hint="name another folder; `--overwrite` replaces it",
        )

    def begin(self, target: Path, digest: str) -> None:
        """Note what is about to be written. Raises OSError."""
        self._add(target, digest, is_done=False)

    def finish(self, target: Path, digest: str) -> None:
        """Note that it is written. Raises OSError."""
        self._add(target, digest, is_done=True)

    def _add(self, target: Path, digest: str, *, is_done: bool) -> None:
        name = self._name(target)
        create_folder(self._folder)
        create_private(self._path)
        line = json.dumps({"picture": name, "digest": digest, "is_done": is_done})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}")  # after what a crash may have cut
            file.flush()
            os.fsync(file.fileno())
        self._lines[name] = digest, is_done

    def _name(self, target: Path) -> str:
        return to_text(target.relative_to(self._folder))


def digest_of(style: str, content: bytes) -> str:
    """Return what identifies a picture in a style, by the digests of both."""
    return hashlib.sha256(style.encode() + content).hexdigest()
