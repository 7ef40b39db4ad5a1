"""Lists of answers: those about the regions of one sample, and those about many samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import SiamkitError
from siamkit.io.presentable import Presentable
from siamkit.io.sources import shorten
from siamkit.io.wording import NOT_ENROLLED, OTHERS, Nouns, nouns_of
from siamkit.types import Decision

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The probe that an answer is about, for a notebook to show."""

    samples: tuple[Any, ...] = ()  # as the caller gave them
    kind: str = ""  # of media
    nouns: Nouns = OTHERS  # for identities


def asked(pipeline: Pipeline, *samples: Any) -> Asked:
    """Return what is kept of a question: the samples, and the words of the modality."""
    return Asked(samples, pipeline.modality.kind, nouns_of(pipeline.modality))


class Answers(Presentable, list[T]):
    """The answers about one sample, a list with one for each region.

    In a batch, a sample that could not be used has an `error` and no answers.

    Examples:
        >>> answers = ws.query("faces", photo)
        >>> answers
        <Answers about picture of 338 x 200 px: collins, not enrolled>
        >>> answers.rows()[0]["decision"]
        'same'
    """

    __slots__ = ("asked", "error", "source")

    def __init__(
        self,
        answers: Iterable[T] = (),
        *,
        source: str = "",
        error: SiamkitError | None = None,
        asked: Asked | None = None,
    ) -> None:
        """Make a list. source: the sample's name. asked: the sample itself."""
        super().__init__(answers)
        self.source, self.error, self.asked = source, error, asked or Asked()

    def __repr__(self) -> str:
        """The verdicts in short: `<Answers about group.jpg: alice, not enrolled>`."""
        verdicts = ", ".join(map(_say, self)) or f"{type(self.error).__name__}: {self.error}"
        return f"<Answers about {shorten(self.source)}: {verdicts}>"

    __str__ = __repr__


def _say(answer: Any) -> str:
    """Return the identity of an answer, or why there is none."""
    is_unknown = answer.decision == Decision.DIFFERENT
    return str(answer.identity or (NOT_ENROLLED if is_unknown else answer.decision))


class Batch(Presentable, list[T]):
    """The answers about many samples, a list with one item for each, in their order.

    Examples:
        >>> batch = ws.query("faces", ["collins-2.png", "absent.png"])
        >>> [answers.error is None for answers in batch]
        [True, False]
        >>> len(batch.rows())
        2
    """

    __slots__ = ("about", "key")

    def __init__(
        self, items: Iterable[T] = (), *, key: str = "items", about: Mapping[str, Any] | None = None
    ) -> None:
        """Make a list. key: the name of the list in `to_dict`. about: what stands beside it."""
        super().__init__(items)
        self.key, self.about = key, dict(about or {})

    @property
    def errors(self) -> list[SiamkitError]:
        """The errors of the samples that could not be used."""
        return [error for item in self if (error := getattr(item, "error", None))]
