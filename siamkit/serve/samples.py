"""What clients send: files and texts, as samples of a modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from siamkit.errors import BadInput
from siamkit.io.sources import InMemory
from siamkit.serve.failures import RequestError
from siamkit.serve.fields import Field, Upload
from siamkit.workspace import Workspace

Sample: TypeAlias = InMemory | str
Files: TypeAlias = Annotated[
    tuple[Upload, ...], Field("Pictures or sounds: parts of a form, or {name, base64} in JSON.")
]
Texts: TypeAlias = Annotated[
    tuple[str, ...], Field("Samples themselves, where the modality's samples are texts.")
]


def take_samples(
    modality: str, files: Sequence[Upload], texts: Sequence[str], *, least: int = 1, most: int = 0
) -> list[Sample]:
    """Return files, then texts, as samples. A text is never taken for a path.

    least, most: how many there must be; most 0: any number. Raises BadInput for texts where
    samples are files, and for an empty file; RequestError for another number.
    """
    if texts and Workspace.kind(modality) != "text":
        raise BadInput(f"{modality} are not texts", hint="send them as files")
    number = len(files) + len(texts)
    if number < least or (most and number > most):
        what = f"{least} file or text" if least == 1 else f"{least} files or texts"
        more = "" if least == most else " or more"
        raise RequestError(422, "invalid_request", f"expected {what}{more}; got {number}")
    return [*files, *texts]
