"""The places in the file of a snapshot's rows, see rows_file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """The places in a file of `count` rows of `dim` floats."""

    count: int
    dim: int

    @property
    def row_bytes(self) -> int:
        return 4 * self.dim

    @property
    def ids(self) -> int:
        """Offset of the ids."""
        return (self.count * self.row_bytes + 7) // 8 * 8

    @property
    def erased(self) -> int:
        """Offset of the bits of erased rows."""
        return self.ids + 8 * self.count

    @property
    def bytes(self) -> int:
        return self.erased + self.count // 8 + 1
