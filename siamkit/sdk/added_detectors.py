"""The detector folders in the cache, for plugins that use another detector if one was added."""

from __future__ import annotations

from pathlib import Path

from siamkit.errors import MissingWeights
from siamkit.io.cache_root import cache_root
from siamkit.sdk.detector_folder import CARD, read_card


def folders_of_family(family: str) -> list[Path]:
    """Return the added detector folders of a family, "sam" say, by name; damaged cards are skipped.

    Opening one checks the rest of it.
    """
    return [card.parent for card in sorted(_shelf().glob(f"*/{CARD}")) if _family(card) == family]


def _shelf() -> Path:
    return cache_root() / "detectors"


def _family(card: Path) -> str:
    try:
        return read_card(card.parent).family
    except MissingWeights:
        return ""
