"""The errors that siamkit raises on purpose, with their exit codes.

    SiamkitError             exit 1
    ├── PluginError
    ├── StoreError
    │   ├── UnknownName
    │   ├── NameTaken
    │   └── IndexUnavailable
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
    """The message names the input and what is wrong with it; the hint, what to type next.

    Examples:
        >>> try: ws.query("fases", photo)
        ... except sk.SiamkitError as error: print(error.hint)
        did you mean 'faces'?
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class PluginError(SiamkitError):
    """A plugin is missing, installed twice, or broke its contract.

    Examples:
        >>> try: ws.pipeline("fases")
        ... except sk.PluginError as error: print(error.hint)
        did you mean 'faces'?
    """


class StoreError(SiamkitError):
    """No such gallery, a newer schema, a locked, read-only, altered or damaged database.

    Examples:
        >>> try: ws.count("nobody")
        ... except sk.StoreError as error: print(str(error)[:19])
        no gallery 'nobody'
    """


class UnknownName(StoreError):
    """The store has no gallery, identity or sample of this name.

    Examples:
        >>> try: ws.identity("nobody")
        ... except sk.UnknownName as error: print(str(error)[:20])
        no identity 'nobody'
    """


class NameTaken(StoreError):
    """A gallery or identity of this name exists already.

    Examples:
        >>> try: ws.create_gallery("faces")
        ... except sk.NameTaken as error: print(error)
        gallery 'faces' already exists
    """


class IndexUnavailable(StoreError):
    """The server of a gallery's index does not answer, or refuses what it is asked.

    Examples:
        >>> issubclass(sk.IndexUnavailable, sk.StoreError)
        True
    """


class EncoderMismatch(SiamkitError):
    """Vectors of two spaces would have been compared.

    Examples:
        >>> issubclass(sk.EncoderMismatch, sk.SiamkitError)
        True
    """


class MissingWeights(SiamkitError):
    """Weights are not installed, and may not be fetched.

    Examples:
        >>> try: ws.pipeline("questions", encoder="nothing")
        ... except sk.MissingWeights: print("no such encoder")
        no such encoder
    """


class MissingPackage(SiamkitError):
    """A package of an extra is not installed; the hint has the command that installs it.

    Examples:
        >>> issubclass(sk.MissingPackage, sk.SiamkitError)
        True
    """


class Uncalibrated(SiamkitError):
    """A decision needs a threshold or rate that has not been measured.

    Examples:
        >>> rule = sk.DecisionRule(fpir=1e-9)
        >>> try: ws.query("faces", photo, rule=rule)
        ... except sk.Uncalibrated as error: print(str(error)[:36])
        a false positive identification rate
    """


class BadInput(SiamkitError):
    """The caller's input cannot be used as it is.

    Examples:
        >>> try: ws.query("faces", 3.5)
        ... except sk.BadInput as error: print(error)
        probe: expected a path, bytes, PIL image or array; got a float
    """

    exit_code = 2


class UnreadableSample(BadInput):
    """A file could not be opened or decoded.

    Examples:
        >>> try: ws.query("faces", "absent.jpg")
        ... except sk.UnreadableSample as error: print(error)
        absent.jpg cannot be read: No such file or directory
    """


class SeveralFound(BadInput):
    """The detector found several regions where one is needed.

    Examples:
        >>> try: ws.enrol("faces", "both", photo)
        ... except sk.SeveralFound as error: print(error)
        picture of 338 x 200 px: 2 usable regions in it: 49,50,121,143; 225,57,285,134
    """


class LowQuality(BadInput):
    """A region is too small, too blurred, too dark, … to enrol.

    Examples:
        >>> dark = (photo * 0.02).astype("uint8")
        >>> try: ws.enrol("faces", "dark", dark)
        ... except sk.LowQuality: print("too dark")
        too dark
    """


class NothingFound(SiamkitError):
    """The detector found nothing to embed or to show.

    Examples:
        >>> import numpy
        >>> blank = numpy.zeros((200, 200, 3), numpy.uint8)
        >>> try: ws.query("faces", blank)
        ... except sk.NothingFound as error: print(error)
        picture of 200 x 200 px: no face was found in it
    """

    exit_code = 4
