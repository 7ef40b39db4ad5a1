"""Choose a loss for pairs, and refuse one that cannot learn from them."""

from __future__ import annotations

from dataclasses import replace

from siamkit.errors import BadInput
from siamkit.train.config import TrainConfig
from siamkit.train.examples import Data
from siamkit.train.loss_settings import AUTO, PARAMETERS, loss_names
from siamkit.train.pairs import Pairs

# Losses of "auto", by what pairs say.
POSITIVE, LABELLED, GRADED = "multiple-negatives", "cosent", "cosent"


def fit_loss(config: TrainConfig, data: Data) -> TrainConfig:
    """Return a configuration with the loss that `auto` stands for.

    Raises BadInput for graded pairs and a loss that needs to know what is the same.
    """
    pairs = data.pairs
    if config.loss == AUTO:
        return replace(config, loss=_loss_for(pairs))
    needing = [n for n in loss_names(config.loss) if n != GRADED and n in PARAMETERS]
    if pairs.graded and needing:
        raise BadInput(
            f"loss = {needing[0]} needs pairs that are the same or different, and these have scores"
            " between",
            hint=f"leave it out, which takes {GRADED}; or write 1 and 0 in place of the scores",
        )
    return config


def describe_form(form: str, config: TrainConfig) -> str:
    """Add the losses to what was read; nothing was said of labelled samples, and nothing is."""
    return f"{form}; loss: {', '.join(config.loss_names())}" if form else ""


def _loss_for(pairs: Pairs) -> str:
    if not len(pairs):
        return "triplet"
    if pairs.graded:
        return GRADED
    return POSITIVE if (pairs.scores == 1).all() else LABELLED


def draws_pairs(config: TrainConfig, pairs: Pairs) -> bool:
    """Return True if batches are of pairs, as cosent compares them, not of identities."""
    both = len(pairs) > 0 and pairs.scores.min() < pairs.scores.max()
    return pairs.graded or (both and GRADED in loss_names(config.loss))
