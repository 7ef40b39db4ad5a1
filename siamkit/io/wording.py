"""Words for answers, the same in every command, table, page and picture."""

from __future__ import annotations

import re
from typing import NamedTuple

from siamkit.types import Threshold

NOT_ENROLLED, INCONCLUSIVE = "not enrolled", "inconclusive"
SCALES = {"cosine": "score", "snorm": "score (S-norm)", "probability": "probability"}
CERTAIN = 0.9995  # a probability at or above it is shown as more than 0.999


class Nouns(NamedTuple):
    """The word for an identity of a modality: a person, a writer, a question."""

    singular: str
    plural: str


BY_KIND = {"image": Nouns("picture", "pictures"), "audio": Nouns("sound", "sounds")}
BY_KIND["text"] = Nouns("text", "texts")
OTHERS = Nouns("identity", "identities")


def nouns_of(modality: object) -> Nouns:
    """Return the words of a modality for its identities: its own, or those of its kind."""
    stated = getattr(modality, "nouns", None)
    return Nouns(*stated) if stated else BY_KIND.get(getattr(modality, "kind", ""), OTHERS)


def format_probability(share: float) -> str:
    """Format a probability; never as 0 or 1, for no data makes that certain."""
    return "> 0.999" if share >= CERTAIN else "< 0.001" if share < 1 - CERTAIN else f"{share:.3f}"


def format_odds(rate: float) -> str:
    """Format a rate before what it counts: '1 in 1,000', or '18 % of' above one in ten."""
    return f"1 in {round(1 / rate):,}" if rate <= 0.1 else f"{rate * 100:.0f} % of"


def describe_pair(decision: str, nouns: Nouns, probability: float | None = None) -> str:
    """Return the verdict on two samples: 'same person (probability 0.998)'.

    decision: "same", "different" or "inconclusive". probability: that they are the same.
    """
    words = {"same": f"same {nouns.singular}", "different": f"different {nouns.plural}"}
    return words.get(decision, INCONCLUSIVE) + _in_brackets(decision, nouns, probability)


def describe_identity(
    decision: str, identity: str, nouns: Nouns, probability: float | None = None
) -> str:
    """Return the answer of a search: 'alice (probability 0.998)', or 'not enrolled'.

    decision: whether the sample is of `identity`, the nearest. probability: that it is.
    """
    if decision == "same":
        return identity + _in_brackets(decision, nouns, probability)
    if decision == "different":
        return NOT_ENROLLED
    return f"{INCONCLUSIVE}: perhaps {identity}{_in_brackets('same', nouns, probability)}"


def _in_brackets(decision: str, nouns: Nouns, probability: float | None) -> str:
    if probability is None:
        return ""
    of = "" if decision == "same" else f" of the same {nouns.singular}"
    return f" (probability{of} {format_probability(probability)})"


def describe_rate(threshold: Threshold, nouns: Nouns) -> str:
    """Say in words what a threshold lets pass, and what that was measured on; '' if unknown.

    As in 'at most 1 in 1,000 pairs of different people would pass, measured on LFW'.
    """
    if threshold.fpir:
        outcome = f"{format_odds(threshold.fpir)} searches for a stranger would find somebody"
        if nouns.singular not in ("person", "speaker", "writer"):
            outcome = f"{format_odds(threshold.fpir)} searches for what is not enrolled would match"
    elif threshold.fmr:
        pairs = threshold.among or f"pairs of different {nouns.plural}"
        outcome = f"{format_odds(threshold.fmr)} {pairs} would pass"
    else:
        return ""
    return f"at most {outcome}, measured on {shorten_source(threshold.source)}"


def shorten_source(source: str) -> str:
    """Return the name of the data that a threshold was measured on, without its details."""
    name = re.split(r"[,:;(]", source, maxsplit=1)[0].strip()
    return re.sub(r"^(precision|recall|highest) .*? on ", "", name)


def describe_score(
    scale: str, score: float, threshold: Threshold | None, below: float | None, nouns: Nouns
) -> str:
    """Say how a score compares with the thresholds, and what they let pass.

    As in 'score 0.812, same from 0.371: at most 1 in 1,000 pairs of different people would pass,
    measured on LFW'. scale: a key of SCALES. below: different below it; None: below the threshold.
    """
    value = format_probability(score) if scale == "probability" else f"{score:.3f}"
    name = f"{SCALES[scale]} {value}"
    if threshold is None:
        return f"{name}; no threshold is known: give --threshold"
    limits = f"same from {threshold.value:.3f}"
    if below is not None and below <= score < threshold.value:
        limits = f"between {below:.3f} (different below) and {threshold.value:.3f} (same from)"
    rate = describe_rate(threshold, nouns)
    return f"{name}, {limits}{': ' + rate if rate else ''}"
