"""Errors as answers: `{code, message, hint, request_id}`, with the status of each kind."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TypedDict

from siamkit import errors
from siamkit.errors import SiamkitError

log = logging.getLogger("siamkit.serve")
MULTI = 207  # of several samples some could not be used: each of these has an error
RETRY_SECONDS = 2  # after which a client that was turned away may ask again
# The first class that an error is an instance of decides.
STATUS: dict[type[SiamkitError], int] = {
    errors.UnknownName: 404,
    errors.NameTaken: 409,
    errors.EncoderMismatch: 409,
    errors.Uncalibrated: 409,
    errors.BadInput: 422,
    errors.NothingFound: 422,
    errors.MissingWeights: 422,
    errors.MissingPackage: 501,
    errors.StoreError: 503,
    SiamkitError: 500,
}


class Failure(TypedDict):
    """Why a request was not answered."""

    code: str
    message: str
    hint: str
    request_id: str


class RequestError(errors.BadInput):
    """A request that HTTP or its schema does not allow. status: of the answer."""

    def __init__(self, status: int, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status, self.code = status, code
        self.headers: dict[str, str] = {}


class Busy(RequestError):
    """Too many requests at once."""

    def __init__(self, message: str, *, seconds: int = RETRY_SECONDS) -> None:
        super().__init__(429, "busy", message, hint=f"ask again in {seconds} s")
        self.headers = {"Retry-After": str(seconds)}


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error; 500 for one that is a bug."""
    if isinstance(error, RequestError):
        return error.status
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def code_of(error: Exception) -> str:
    """Return the word for a kind of error: 'unreadable_sample', 'internal_error'."""
    if isinstance(error, RequestError):
        return error.code
    if not isinstance(error, SiamkitError):
        return "internal_error"
    kind = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def describe(error: Exception, request_id: str, root: Path) -> Failure:
    """Describe an error. root: the store's folder, which no reply may tell."""
    if not isinstance(error, SiamkitError):
        log.error("request %s failed", request_id, exc_info=error)
        hint = "this is a bug in siamkit; the log of the server says more"
        return Failure(
            code="internal_error", message="internal error", hint=hint, request_id=request_id
        )
    message, hint = (_without_path(text, root) for text in (str(error), error.hint))
    return Failure(code=code_of(error), message=message, hint=hint, request_id=request_id)


def _without_path(text: str, root: Path) -> str:
    return text.replace(str(root), "the store")
