"""Options that say from where on two samples count as the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from siamkit.cli.options.base import COSINE, RATE, F, bundle

threshold = click.option(
    "--threshold",
    type=COSINE,
    metavar="T",
    help="Cosine (with --rerank, probability) at or above which two samples count as the same"
    " [default: the gallery's].",
)
fmr = click.option(
    "--fmr",
    type=RATE,
    metavar="RATE",
    help="Maximum false match rate of one comparison, by the calibration; 1e-3, for example.",
)
find_threshold = click.option(
    "--threshold",
    type=COSINE,
    metavar="T",
    help="Cosine (with --rerank, probability) from which a thing counts as present [default: by the"
    " calibration].",
)
find_fpir = click.option(
    "--fpir",
    type=RATE,
    metavar="RATE",
    help="Maximum share of pictures without anything enrolled that get a box, by the calibration.",
)
fpir = click.option(
    "--fpir",
    type=RATE,
    metavar="RATE",
    help="Maximum false positive identification rate, at any gallery size, by the calibration.",
)


def _or_none(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    return None if value == "none" else value


rerank = click.option(
    "--rerank",
    "reranker",
    metavar="NAME|none",
    callback=_or_none,
    help="Let a reranker decide by its probability: `keypoints` of images, `lexical` of questions"
    " (for research: fitted to non-commercial data), `strokes` of signatures [default: `strokes`"
    " where `query` and `verify` compare signatures, else none].",
)


def decision_rule(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Add some of --threshold, --fmr, --fpir and --rerank; the command gets them as `rule`."""
    return bundle("rule", "DecisionRule", *decorators)
