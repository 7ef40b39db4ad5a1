"""Events of a training run, as its iterator yields them and train.jsonl records them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TypeAlias

UNPROVEN = "not shown to gain"  # the outcome of a run whose error fell, but not beyond chance


@dataclass(frozen=True, slots=True)
class Started:
    """Sent once, before the first step; `step` is above 0 if the run was resumed."""

    step: int
    steps: int
    identities: int  # trained on
    samples: int
    impostors: int
    validation_identities: int
    validation_samples: int
    parameters: int  # trained ones
    device: str
    precision: str
    processes: int


@dataclass(frozen=True, slots=True)
class Step:
    """Sent after each optimiser step. Distances are squared Euclidean of unit vectors, [0, 4]."""

    step: int
    loss: float
    active: float  # share of the possible triplets of the batch that violate the margin
    positive: float  # mean d²(A, P) over the batch
    negative: float  # mean d²(A, N)
    spread: float  # mean d² of two embeddings of the batch; towards 0 they collapse
    miner: str
    learning_rate: float
    samples_per_second: float
    seconds: float  # since the run began, resumptions included


@dataclass(frozen=True, slots=True)
class Measured:
    """Rates on the validation identities. Records of earlier versions lack those with a default.

    `error` is `eer_impostors` if there are 30 such pairs or more; or else the EER against both
    these pairs and the hard ones.
    """

    step: int
    eer: float  # equal error rate in [0, 1] of mated pairs against all of different identities
    eer_impostors: float | None  # against impostors and pairs labelled different
    _: KW_ONLY
    eer_hard: float | None = None  # against each sample's nearest ones of other identities
    error: float | None = None  # one of these EERs, by which the step is selected
    low: float | None = None  # its 95 % interval over identities; None for fewer than five
    high: float | None = None
    fmr: float | None = None  # the lowest false match rate of the same pairs that they can show,
    fnmr: float | None = None  # and the false non-match rate there
    recall_at_1: float | None = None  # share of samples whose nearest is of their identity
    recall_at_5: float | None = None  # … with one of their identity among the five nearest
    map_at_r: float | None = None  # mean average precision at R, see siamkit.stats.retrieval
    spearman: float | None = None  # of scored pairs: rank correlation; `error` is 1 less this


@dataclass(frozen=True, slots=True)
class Evaluated(Measured):
    """The rates of the weights at a step."""

    best: bool  # the lowest `error` so far


@dataclass(frozen=True, slots=True)
class Baseline(Measured):
    """The rates of what a user has without training, on the same samples; the step is 0."""

    name: str  # "the encoder NAME as it is", say


@dataclass(frozen=True, slots=True)
class Verdict:
    """The best step against the best of what a user has without training; the last event."""

    step: int  # the last of the run
    gained: bool | None  # None: there is nothing to compare with
    alternative: str | None  # the best one: the name of its Baseline
    before: float | None  # its error
    error: float | None  # of the best step
    low: float | None  # how much lower that is: the 98 % interval over identities,
    high: float | None  # None for fewer than five
    identities: int  # that the errors are measured on
    negatives: str  # the pairs that the errors are against
    advice: str  # what to try, if nothing was gained


def outcome_of(verdict: Verdict) -> str:
    """Name the outcome of a Verdict, see `outcome`; "" if there was nothing to compare with."""
    if verdict.gained is None or verdict.before is None or verdict.error is None:
        return ""
    return outcome(verdict.gained, verdict.before, verdict.error)


def outcome(gained: bool, before: float, error: float) -> str:
    """Name the outcome of a comparison: 'gained', UNPROVEN or 'no gain'."""
    if gained:
        return "gained"
    return UNPROVEN if error < before else "no gain"


def interval_of_fall(low: float, high: float) -> str:
    """Describe a Verdict's interval: '98% interval of the fall: 0.02 to 50.6 points'.

    What one decimal would round to 0 keeps two digits: its sign decides.
    """
    ends = (
        f"{points:.1f}" if abs(points) >= 0.05 else f"{points:.2g}"
        for points in (100 * low, 100 * high)
    )
    return f"98% interval of the fall: {' to '.join(ends)} points"


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint was written."""

    step: int
    path: Path


@dataclass(frozen=True, slots=True)
class Alarm:
    """A fault in training, with what was done about it."""

    step: int
    name: str  # "collapse" or "diverged"
    message: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Training has ended."""

    step: int
    reason: str


@dataclass(frozen=True, slots=True)
class LocaliserStarted:
    """Started, of a localiser."""

    step: int
    steps: int
    labels: int
    pictures: int  # trained on
    nothing: int  # of these, pictures that show none of the objects
    validation_pictures: int
    validation_nothing: int
    parameters: int  # trained ones
    device: str
    processes: int


@dataclass(frozen=True, slots=True)
class LocaliserStep:
    """Step, of a localiser: the parts of its loss add up."""

    step: int
    loss: float
    presence: float  # cross-entropy in nats of "an object is there"
    box: float
    label: float  # cross-entropy in nats, of the pictures that show an object
    learning_rate: float
    samples_per_second: float
    seconds: float  # since the run began, resumptions included


@dataclass(frozen=True, slots=True)
class LocaliserEvaluated:
    """Rates on the validation pictures, in [0, 1]."""

    step: int
    loss: float
    error: float  # share of pictures answered wrongly: see `hits`, or an object where none is
    hits: float | None  # of those with an object: it is reported, its label is right, IoU >= 0.5
    labels: float | None  # of those with an object: the label is right
    iou: float | None  # mean over those with an object
    auc: float | None  # of "an object is there"; None unless there are both kinds of pictures
    best: bool  # the lowest error so far, or an equal one with a lower loss


Event: TypeAlias = (
    Started
    | Step
    | Evaluated
    | Baseline
    | Verdict
    | Saved
    | Alarm
    | Stopped
    | LocaliserStarted
    | LocaliserStep
    | LocaliserEvaluated
)
