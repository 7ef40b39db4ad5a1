"""The files to write about answers, as a command's options name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class AnswerOutputs:
    """The files to write; None where absent. annotated: a picture, or a folder for several."""

    output: Path | None = None
    report: Path | None = None
    annotated: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """The files and folders that are written."""
        return [path for path in (self.output, self.report, self.annotated) if path]

    def picture_of(self, stem: str, *, several: bool) -> Path | None:
        """Return where the annotated picture of a source is saved; None if none is.

        stem: a relative path without a suffix. several: `annotated` is a folder.
        """
        if self.annotated is None or not several:
            return self.annotated
        return self.annotated / f"{stem}.jpg"

    @property
    def needs_picture(self) -> bool:
        """True if the pixels of probes are needed, which are then decoded once more."""
        return bool(self.report or self.annotated)
