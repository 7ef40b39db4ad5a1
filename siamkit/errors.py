"""Everything siamkit raises on purpose, with the exit code that the command line gives it.

SiamkitError                 exit 1
├── PluginError                   a plugin is absent, twice present, or broke its contract
├── StoreError                    no such gallery, a newer schema, a locked or read-only database
├── EncoderMismatch               vectors of two spaces would have been compared
├── MissingWeights                no weights here, and none may be fetched
├── Uncalibrated                  a decision was asked for and no threshold is known
├── BadInput             exit 2    what the caller gave cannot be used as it is
│   ├── UnreadableSample               a file that could not be opened or decoded
│   ├── SeveralFound                   one region was wanted, the detector saw more
│   └── LowQuality                     a region too small, too blurred, too dark, … to enrol
└── NothingFound         exit 4    the detector saw nothing to embed
"""

from __future__ import annotations


class SiamkitError(Exception):
    """message says what happened and to what; hint says what to type next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class PluginError(SiamkitError): ...


class StoreError(SiamkitError): ...


class EncoderMismatch(SiamkitError): ...


class MissingWeights(SiamkitError): ...


class Uncalibrated(SiamkitError): ...


class BadInput(SiamkitError):
    exit_code = 2


class UnreadableSample(BadInput): ...


class SeveralFound(BadInput): ...


class LowQuality(BadInput): ...


class NothingFound(SiamkitError):
    exit_code = 4
