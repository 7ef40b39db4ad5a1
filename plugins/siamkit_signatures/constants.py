"""All constants of this plugin that change an array, for the encoder's fingerprint."""

from __future__ import annotations

from typing import Any

from siamkit_signatures import canvas, cut, ink, rules


def constants() -> dict[str, Any]:
    """Return the constants as JSON values; an encoder whose card differs gives other vectors."""
    ruling = [*ink.RULES, *rules.RUN, rules.RUNS, rules.STEEPEST, rules.WAVER]
    return {
        "size": [canvas.HEIGHT, canvas.WIDTH],
        "margin": canvas.MARGIN,
        "fold": canvas.FOLD,
        "scaling": "to fit, aspect kept, centred; area averages, bilinear if enlarged",
        "cut": [cut.AROUND, cut.WITHIN],
        "longest": ink.MAX_SIDE,
        "paper": [ink.COARSE, ink.PAPER, ink.DARKEST],
        "threshold": ["Otsu", ink.LEAST_CONTRAST, ink.NOISE],
        "specks": [ink.SPECK, ink.SPECK_SHARE, ink.LESS, ink.FAR, ink.LEAST_SIDE],
        "rules": [*ruling, rules.FILLED, rules.THICKEST],
    }
