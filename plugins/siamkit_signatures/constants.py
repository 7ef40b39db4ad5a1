"""Every number of this plugin that changes an array, for the encoder's fingerprint."""

from __future__ import annotations

from typing import Any

from siamkit_signatures import canvas, cut, ink, rules


def constants() -> dict[str, Any]:
    """JSON values: what a card holds is equal to it, or the vectors are others."""
    return {
        "size": [canvas.HEIGHT, canvas.WIDTH],
        "margin": canvas.MARGIN,
        "fold": canvas.FOLD,
        "scaling": "to fit, aspect kept, centred; area averages, bilinear if enlarged",
        "cut": [cut.AROUND, cut.WITHIN],
        "longest": ink.LONGEST,
        "paper": [ink.COARSE, ink.PAPER, ink.DARKEST],
        "threshold": ["Otsu", ink.LEAST_CONTRAST, ink.NOISE],
        "specks": [ink.SPECK, ink.SPECK_SHARE, ink.LESS, ink.FAR, ink.LEAST_SIDE],
        "rules": [
            *ink.RULES, *rules.RUN, rules.RUNS, rules.STEEPEST, rules.WAVER, rules.FILLED,
            rules.THICKEST,
        ],
    }  # fmt: skip
