"""The errors that siamkit raises on purpose, with their exit codes.

    SiamkitError             exit 1
    ├── PluginError
    ├── StoreError
    ├── EncoderMismatch
    ├── MissingWeights
    ├── MissingPackage
    ├── Uncalibrated
    ├── BadInput             exit 2
    │   ├── UnreadableSample
    │   ├── SeveralFound
    │   └── LowQuality
    └── NothingFound         exit 4

A class without an exit code here has that of its parent.
"""

from __future__ import annotations


class SiamkitError(Exception):
    """The message names the input and what is wrong with it; the hint, what to type next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class PluginError(SiamkitError):
    """A plugin is missing, installed twice, or broke its contract."""


class StoreError(SiamkitError):
    """No such gallery, a newer schema, a locked, read-only, altered or damaged database."""


class EncoderMismatch(SiamkitError):
    """Vectors of two spaces would have been compared."""


class MissingWeights(SiamkitError):
    """Weights are not installed, and may not be fetched."""


class MissingPackage(SiamkitError):
    """A package of an extra is not installed; the hint has the command that installs it."""


class Uncalibrated(SiamkitError):
    """A decision needs a threshold or rate that has not been measured."""


class BadInput(SiamkitError):
    """The caller's input cannot be used as it is."""

    exit_code = 2


class UnreadableSample(BadInput):
    """A file could not be opened or decoded."""


class SeveralFound(BadInput):
    """The detector found several regions where one is needed."""


class LowQuality(BadInput):
    """A region is too small, too blurred, too dark, … to enrol."""


class NothingFound(SiamkitError):
    """The detector found nothing to embed or to show."""

    exit_code = 4
