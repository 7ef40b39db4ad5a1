"""The nouns of siamkit. Imports numpy for typing only, so importing this module is cheap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image as PILImage

# A sample: a file, its content, or a text; a picture as (height, width, 3) uint8 RGB or (height,
# width) grey; a sound as samples (n,) or (n, channels), float in [-1, 1] or int16, and its rate.
Input: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | NDArray[Any] | PILImage.Image"
    " | tuple[NDArray[Any], int] | Image | Clip"
)
Vectors: TypeAlias = "NDArray[np.float32]"  # (n, dim) C-contiguous, each row of L2 norm 1
Ids: TypeAlias = "NDArray[np.int64]"  # (n,) templates.id in the store; -1 pads a short result
# (height, width) of the pixels that a region's box touches, True = keep: see siamkit.sdk.masks
Mask: TypeAlias = "NDArray[np.bool_]"
Points: TypeAlias = "NDArray[np.float32]"  # (k, 2) x, y in pixels of the source image
Kind: TypeAlias = str  # "image", "audio", "text", or a word that a plugin brings
Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom; px; half open
Span: TypeAlias = tuple[float, float]  # start, stop; seconds from the clip's start; half open
# Takes a step's name, the units done, and the total, which is 0 if unknown.
Progress: TypeAlias = Callable[[str, int, int], None]


def ignore_progress(step: str, done: int, total: int) -> None:
    """Show no progress: the default."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An item that could not be used: its place, and the reason."""

    reason: str
    name: str = ""  # its id or source
    line: int | None = None  # in its list, from 1

    @property
    def where(self) -> str:
        """Its line, or else its name."""
        return self.name if self.line is None else f"line {self.line}"

    def __str__(self) -> str:
        """The place and the reason, without a repeated name: 'line 3: its text is empty'."""
        return f"{self.where}: {self.reason.removeprefix(self.where).lstrip(': ')}"


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One decoded picture, EXIF orientation already applied.

    Examples:
        >>> sk.Image(photo).pixels.shape
        (200, 338, 3)
    """

    pixels: NDArray[np.uint8]  # (height, width, 3) RGB
    notes: tuple[str, ...] = ()  # what decoding left out or had to guess, for people


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One decoded mono sound.

    Examples:
        >>> import numpy
        >>> sk.Clip(numpy.zeros(16000, numpy.float32), 16000).seconds
        1.0
    """

    samples: NDArray[np.float32]  # (n,) in [-1, 1]
    rate: int  # Hz
    notes: tuple[str, ...] = ()  # what decoding left out or had to guess, for people

    @property
    def seconds(self) -> float:
        """The duration."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The part of a sample to embed, as a detector found it.

    Examples:
        >>> sk.Region((10.0, 20.0, 90.0, 100.0)).where
        (10.0, 20.0, 90.0, 100.0)
    """

    where: Box | Span | None = None  # None means the whole sample
    score: float = 1.0  # the detector's confidence in [0, 1]
    mask: Mask | None = None
    landmarks: Points | None = None
    parts: tuple[Span, ...] = ()  # of a span: the stretches to use, in order; () is all of it
    label: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Marks of one object in a picture, in its pixels: at least a point on it, or a box.

    Examples:
        >>> sk.Prompt(box=(10, 20, 90, 100)).points
        ()
    """

    points: tuple[tuple[float, float], ...] = ()  # x, y on the object
    not_points: tuple[tuple[float, float], ...] = ()  # x, y on something else
    box: Box | None = None  # around the object


@dataclass(frozen=True, slots=True)
class Quality:
    """Enrolment quality of a region. Enrolment refuses a region with problems.

    No decision is made on a region that is not comparable: its vector would be much the same
    whatever it shows, so a high score would mean nothing.

    Examples:
        >>> sk.Quality(0.9, measures={"width_px": 96.0}).comparable
        True
    """

    score: float  # in [0, 1]; 1 is best
    problems: tuple[str, ...] = ()  # for people, each with the measured value and the limit
    measures: Mapping[str, float] = field(default_factory=dict)  # {"width_px": 96.0, ...}
    comparable: bool = True


class Decision(StrEnum):
    """The decision of an answer, which is true only for `SAME` and `PRESENT`.

    A member is a string, in JSON too, and equals it: `Decision.SAME == "same"`. An inconclusive
    answer is false, as a different one is: compare with a member to tell the two apart.

    Examples:
        >>> from siamkit import Decision
        >>> bool(Decision.SAME), bool(Decision.DIFFERENT), bool(Decision.INCONCLUSIVE)
        (True, False, False)
        >>> print(Decision.INCONCLUSIVE)
        inconclusive
    """

    SAME = "same"
    DIFFERENT = "different"
    INCONCLUSIVE = "inconclusive"  # the score is in the grey zone, or a sample shows too little
    PRESENT = "present"  # of a picture that was searched: it shows something enrolled
    ABSENT = "absent"  # or nothing that is enrolled

    def __bool__(self) -> bool:
        return self in (Decision.SAME, Decision.PRESENT)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why two samples do not count as the same, however high their score.

    decision: `Decision.DIFFERENT` or `Decision.INCONCLUSIVE`; a plugin may write it as a string.
    """

    decision: Decision
    reason: str  # for people

    def __post_init__(self) -> None:
        object.__setattr__(self, "decision", Decision(self.decision))


# In the source of a threshold: pairs that are alike, as siamkit.train measures on them.
HARD_PAIRS = {
    "hard pairs and pairs labelled different": "hard pairs and pairs labelled different",
    "hard pairs and pairs with an impostor": "hard pairs and impostors",
    "hard pairs of different identities": "hard pairs",
    "pairs labelled different": "pairs labelled different",
    "skilled forgeries": "skilled forgeries",
    "pairs with an impostor": "impostors",
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """The score at or above which two samples count as the same, and the rate it is set for.

    Examples:
        >>> sk.Threshold(0.5, fmr=0.01).fmr
        0.01
    """

    value: float  # cosine in [-1, 1], or else the probability or S-norm that decides
    fmr: float | None = None  # the false match rate (ISO/IEC 19795-1) it was chosen for
    source: str = "given by the caller"  # the data that rate was measured on
    fpir: float | None = None  # or the false positive identification rate, 1:N

    @property
    def among(self) -> str:
        """The pairs that `fmr` counts if these are alike: of all pairs far fewer match; else ''."""
        return next((name for words, name in HARD_PAIRS.items() if words in self.source), "")


@dataclass(frozen=True, slots=True)
class ErrorCurve:
    """Thresholds for an error rate, at falling rates."""

    rates: tuple[float, ...]  # in (0, 1]; the last is the lowest that the data supports
    thresholds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FpirModel:
    """Thresholds for false positive identification rates at any gallery size, see stats.fpir."""

    persons: int  # identities that the probes belong to
    sizes: tuple[int, ...]  # enrolled identities, rising; the last is the calibration's own
    rates: tuple[float, ...]  # FPIRs, falling
    thresholds: tuple[tuple[float, ...], ...]  # one row per size, one column per rate
    level: float  # a probe's highest score exceeds this one with probability `share`
    share: float  # in (0, 1)
    scale: float  # of the generalised Pareto distribution of the excess
    shape: float
    growth: float  # in [0, 1]: an x times larger gallery counts as x ** growth times larger


@dataclass(frozen=True, slots=True)
class Calibration:
    """The meaning of one encoder's scores, measured on labelled comparisons.

    siamkit.stats.calibration_fit fits it, and siamkit.stats.calibration reads it.
    """

    fingerprint: str  # of the encoder
    source: str  # the data, for people
    method: Literal["logistic", "isotonic"]
    scores: tuple[float, ...]  # knots, rising
    llrs: tuple[float, ...]  # natural log-likelihood ratios of mated to non-mated at the knots
    false_matches: ErrorCurve  # the lowest threshold for an FMR
    false_non_matches: ErrorCurve  # the highest threshold for an FNMR
    fmr: float  # at which decisions are made, unless the caller chooses another
    fpir: float  # the same for identification
    mated: int  # comparisons
    non_mated: int
    identities: int
    non_mated_identity_pairs: int  # pairs of identities behind the non-mated comparisons
    fpir_model: FpirModel | None = None
    # How a probe was scored against an identity's samples; None: one sample against one.
    fusion: Literal["best", "mean"] | None = None
    brier: float | None = None  # mean squared error of probabilities, cross-fitted by identity
    ece: float | None = None  # expected calibration error, likewise
    cllr: float | None = None  # cost of the log-likelihood ratios in bits, likewise
    min_cllr: float | None = None  # the cost if they were calibrated perfectly
    # For bins of probability: its mean, the mated share, and the weight; likewise.
    reliability: tuple[tuple[float, float, float], ...] = ()
    # The same for adaptive S-norm (see siamkit.stats.snorm); if present, the gallery decides by it.
    normalised: Calibration | None = None
    pairs: Calibration | None = None  # the same for one sample against one, beside a fusion
    # The same for the mean of an identity's samples, from so many on: the numbers rise.
    of_means: tuple[tuple[int, Calibration], ...] = ()


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors are comparable if, and only if, they lie in the same space."""

    id: int
    modality: str
    fingerprint: str
    dim: int


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """The last change that an index has applied. seq orders; nonce identifies its log."""

    seq: int = 0
    nonce: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The result of a search. scores are cosines, best first; -inf where ids is -1."""

    ids: Ids  # (n, k)
    scores: NDArray[np.float32]  # (n, k)


@dataclass(frozen=True, slots=True, eq=False)
class Mined:
    """Near pairs among the rows of a matrix, a block of rows at a time."""

    left: Ids  # (k,) row numbers, each smaller than its partner; a pair may be repeated
    right: Ids  # (k,)
    scores: NDArray[np.float32]  # (k,) cosines
    done: int  # rows searched so far


@dataclass(frozen=True, slots=True)
class Match:
    """A nearest identity, with its label and nearest sample.

    Examples:
        >>> match = ws.query("questions", "How do I log in?")[0].matches[0]
        >>> match.identity, match.source
        ('sign in', 'How do I log in?')
    """

    identity: str
    score: float  # cosine in [-1, 1]
    sample_id: int  # the identity's nearest sample
    source: str  # the file (or text) of that sample
    probability: float | None = None  # that it is the same, by a reranker or a calibration
    normalised: float | None = None  # the score by adaptive S-norm, if that decides
    objection: Objection | None = None  # why it is not the same, however high the score


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a 1:1 comparison.

    Examples:
        >>> verdict = ws.verify("questions", "How do I log in?", "How can I log in?").verdict
        >>> verdict.decision.value, verdict.score > verdict.threshold.value
        ('same', True)
    """

    decision: Decision
    score: float  # cosine in [-1, 1]
    threshold: Threshold  # on the probability, if a reranker decides
    probability: float | None = None  # that the two are the same, by a reranker or a calibration
    different_below: float | None = None  # a score; from it to the threshold: inconclusive
    normalised: float | None = None  # the score by adaptive S-norm, if that decides
    llr: float | None = None  # natural log-likelihood ratio of mated to non-mated, by a calibration
    highest_llr: float | None = None  # the highest that the calibration can give
    objection: Objection | None = None  # decides, whatever the score
    reranker: str | None = None  # whose probability the threshold is on, if one decides

    def __bool__(self) -> bool:
        """True if the two are the same."""
        return bool(self.decision)
