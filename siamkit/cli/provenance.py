"""The origin of a threshold, in words: what would pass it, and what that was measured on."""

from __future__ import annotations

import siamkit as sk
from siamkit.io.wording import OTHERS, Nouns, describe_rate


def what_passes(threshold: sk.Threshold, nouns: Nouns) -> str:
    """Say how often others would pass: '1 in 1,000 pairs of different people would pass'."""
    return describe_rate(threshold, nouns).partition(", measured on ")[0]


def describe_match(threshold: sk.Threshold | None, nouns: Nouns = OTHERS) -> str:
    """Say from which score two samples count as the same, and how often others would pass.

    As in 'same person from 0.450: 1 in 1,000 pairs of different people would pass, measured on
    LFW'.
    """
    if threshold is None:
        return "no threshold yet: `siamkit calibrate` measures one"
    rate = describe_rate(threshold, nouns)
    return f"same {nouns.singular} from {threshold.value:.3f}" + (f": {rate}" if rate else "")
