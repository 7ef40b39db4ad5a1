"""The nouns of siamkit. Imports numpy for typing only, so importing this module is cheap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[np.float32]  # (n, dim) C-contiguous, each row of L2 norm 1
    Ids: TypeAlias = NDArray[np.int64]  # (n,) templates.id in the store; -1 pads a short result
    Mask: TypeAlias = NDArray[np.bool_]  # (height, width) of the region's box, True = keep
    Points: TypeAlias = NDArray[np.float32]  # (k, 2) x, y in pixels of the source image

Kind: TypeAlias = str  # "image", "audio", "text", or a word that a plugin brings
Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom; px; half open
Span: TypeAlias = tuple[float, float]  # start, stop; seconds from the clip's start; half open
# Takes the name of a step, how much of it is done, and of how much; 0 where that is not known.
Progress: TypeAlias = Callable[[str, int, int], None]


def ignore_progress(step: str, done: int, total: int) -> None:
    """Show no progress: the default."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An item that could not be used: where it stands, and why."""

    reason: str
    name: str = ""  # its id or source
    line: int | None = None  # in its list, from 1

    @property
    def where(self) -> str:
        """Its line, or else its name."""
        return self.name if self.line is None else f"line {self.line}"

    def __str__(self) -> str:
        """Where and why, without a repeated name: 'line 3: its text is empty'."""
        return f"{self.where}: {self.reason.removeprefix(self.where).lstrip(': ')}"


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One decoded picture, EXIF orientation already applied."""

    pixels: NDArray[np.uint8]  # (height, width, 3) RGB


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One decoded mono sound."""

    samples: NDArray[np.float32]  # (n,) in [-1, 1]
    rate: int  # Hz

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The part of a sample that is worth embedding, as a detector saw it."""

    where: Box | Span | None = None  # None means the whole sample
    score: float = 1.0  # the detector's confidence in [0, 1]
    mask: Mask | None = None
    landmarks: Points | None = None
    parts: tuple[Span, ...] = ()  # of a span: the stretches that count, in order; () is all of it
    label: str = ""


@dataclass(frozen=True, slots=True)
class Quality:
    """How fit a region is for enrolment. Enrolment refuses a region with problems."""

    score: float  # in [0, 1]; 1 is as good as it gets
    problems: tuple[str, ...] = ()  # each names what was measured and the limit, for people
    measures: Mapping[str, float] = field(default_factory=dict)  # {"width_px": 96.0, ...}


@dataclass(frozen=True, slots=True)
class Threshold:
    """Scores at or above `value` count as the same; chosen for a stated false match rate."""

    value: float  # cosine in [-1, 1]; or what is decided on instead: a probability, an S-norm
    fmr: float | None = None  # the false match rate (ISO/IEC 19795-1) it was chosen for
    source: str = "given by the caller"  # the data that rate was measured on
    fpir: float | None = None  # or for a false positive identification rate, 1:N


@dataclass(frozen=True, slots=True)
class Steps:
    """An error rate and the threshold for it, at rates that fall."""

    rates: tuple[float, ...]  # in (0, 1]; the last is the lowest that the data supports
    thresholds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FpirModel:
    """Thresholds for false positive identification rates, however many are enrolled."""

    persons: int  # of whom the probes were
    sizes: tuple[int, ...]  # identities, rising; the last is what the calibration had
    rates: tuple[float, ...]  # FPIRs, falling
    thresholds: tuple[tuple[float, ...], ...]  # a row a size, one a rate
    level: float  # the highest of a probe's scores exceeds this one with probability `share`
    share: float  # in (0, 1)
    scale: float  # of the generalised Pareto distribution of what exceeds it
    shape: float
    growth: float  # in [0, 1]: the FPIR of so much larger a crowd grows by this power of it


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the scores of one encoder mean, as labelled comparisons have shown it.

    See siamkit.stats.calibration_fit, which makes it, and siamkit.stats.calibration, which reads
    it.
    """

    fingerprint: str  # of the encoder
    source: str  # the data, for people
    method: Literal["logistic", "isotonic"]
    scores: tuple[float, ...]  # knots, rising
    llrs: tuple[float, ...]  # natural log-likelihood ratios of mated to non-mated at the knots
    false_matches: Steps  # the lowest threshold for an FMR
    false_non_matches: Steps  # the highest threshold for an FNMR
    fmr: float  # that decisions are made at, unless the caller says otherwise
    fpir: float  # the same for identification
    mated: int  # comparisons
    non_mated: int
    identities: int
    impostor_pairs: int  # pairs of identities behind the non-mated comparisons
    fpir_model: FpirModel | None = None
    # How a probe was scored against all samples of an identity; None: one sample against one.
    fusion: Literal["best", "mean"] | None = None
    brier: float | None = None  # mean squared error of probabilities, cross-fitted by identity
    ece: float | None = None  # expected calibration error, likewise
    cllr: float | None = None  # cost of the log-likelihood ratios, bits, likewise
    min_cllr: float | None = None  # what it would be if they were calibrated perfectly
    # Of bins of probability: its mean, the share that is mated, and its weight; likewise.
    reliability: tuple[tuple[float, float, float], ...] = ()
    # The same of adaptive S-norm (see siamkit.stats.snorm), by which the gallery decides if it is
    # there.
    normalised: Calibration | None = None
    pairs: Calibration | None = None  # the same of one sample against one, beside a fusion


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors are comparable if, and only if, they lie in the same space."""

    id: int
    modality: str
    fingerprint: str
    dim: int


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """The last change an index has applied. seq orders; nonce proves it is our own history."""

    seq: int = 0
    nonce: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """What an index found. scores are cosine similarities, best first, -inf where ids is -1."""

    ids: Ids  # (n, k)
    scores: NDArray[np.float32]  # (n, k)


@dataclass(frozen=True, slots=True, eq=False)
class Mined:
    """Near pairs among the rows of a matrix, a block of rows at a time."""

    left: Ids  # (k,) row numbers, each smaller than its partner; a pair may come twice
    right: Ids  # (k,)
    scores: NDArray[np.float32]  # (k,) cosines
    done: int  # rows that have been looked at so far


@dataclass(frozen=True, slots=True)
class Match:
    """One nearest identity, in words a person can read."""

    identity: str
    score: float  # cosine in [-1, 1]
    sample_id: int  # the identity's nearest sample
    source: str  # the file (or text) that sample came from
    probability: float | None = None  # that it is the same, by a reranker or a calibration
    normalised: float | None = None  # the score by adaptive S-norm, where that is decided on


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a 1:1 question."""

    decision: Literal["same", "different", "can't tell"]
    score: float  # cosine in [-1, 1]
    threshold: Threshold  # of a reranker it is on the probability
    probability: float | None = None  # that the two are the same, by a reranker or a calibration
    different_below: float | None = None  # the score; between it and the threshold none can tell
    normalised: float | None = None  # the score by adaptive S-norm, if that is decided on
    llr: float | None = None  # natural log-likelihood ratio of mated to non-mated, by a calibration
    highest_llr: float | None = None  # that the calibration could have given
