"""Everything siamkit raises on purpose, with the exit code that the command line gives it.

    SiamkitError             exit 1
    ├── PluginError
    ├── StoreError
    ├── EncoderMismatch
    ├── MissingWeights
    ├── Uncalibrated
    ├── BadInput             exit 2
    │   ├── UnreadableSample
    │   ├── SeveralFound
    │   └── LowQuality
    └── NothingFound         exit 4

Those without an exit code of their own have that of what they are a kind of.
"""

from __future__ import annotations


class SiamkitError(Exception):
    """message says what happened and to what; hint says what to type next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class PluginError(SiamkitError):
    """A plugin is absent, twice present, or broke its contract."""


class StoreError(SiamkitError):
    """No such gallery, a newer schema, a locked or read-only database."""


class EncoderMismatch(SiamkitError):
    """Vectors of two spaces would have been compared."""


class MissingWeights(SiamkitError):
    """No weights are here, and none may be fetched."""


class Uncalibrated(SiamkitError):
    """A decision was asked for, and no threshold is known."""


class BadInput(SiamkitError):
    """What the caller gave cannot be used as it is."""

    exit_code = 2


class UnreadableSample(BadInput):
    """A file could not be opened or decoded."""


class SeveralFound(BadInput):
    """One region was wanted, and the detector saw more."""


class LowQuality(BadInput):
    """A region is too small, too blurred, too dark, … to enrol."""


class NothingFound(SiamkitError):
    """The detector saw nothing to embed."""

    exit_code = 4
