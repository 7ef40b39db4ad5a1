"""Similarity search and verification from one example."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siamkit.errors import (
        BadInput,
        EncoderMismatch,
        LowQuality,
        MissingWeights,
        NothingFound,
        PluginError,
        SeveralFound,
        SiamkitError,
        StoreError,
        Uncalibrated,
        UnreadableSample,
    )
    from siamkit.flows.audit import Finding
    from siamkit.flows.classify import Classified, ClassMatch
    from siamkit.flows.dedupe import Deduped, Item
    from siamkit.flows.enrol import Enrolled
    from siamkit.flows.explain import Explanation
    from siamkit.flows.query import Answer
    from siamkit.flows.timeline import Timeline, Turn
    from siamkit.flows.verify import Verification
    from siamkit.stats.drift import Drift
    from siamkit.types import Clip, Image, Match, Quality, Region, Threshold, Verdict
    from siamkit.workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "BadInput",
    "ClassMatch",
    "Classified",
    "Clip",
    "Deduped",
    "Drift",
    "EncoderMismatch",
    "Enrolled",
    "Explanation",
    "Finding",
    "Image",
    "Item",
    "LowQuality",
    "Match",
    "MissingWeights",
    "NothingFound",
    "PluginError",
    "Quality",
    "Region",
    "SeveralFound",
    "SiamkitError",
    "StoreError",
    "Threshold",
    "Timeline",
    "Turn",
    "Uncalibrated",
    "UnreadableSample",
    "Verdict",
    "Verification",
    "Workspace",
    "__version__",
]

_HOME = {
    "Answer": "siamkit.flows.query",
    "ClassMatch": "siamkit.flows.classify",
    "Classified": "siamkit.flows.classify",
    "Drift": "siamkit.stats.drift",
    "Finding": "siamkit.flows.audit",
    "Deduped": "siamkit.flows.dedupe",
    "Explanation": "siamkit.flows.explain",
    "Item": "siamkit.flows.dedupe",
    "Timeline": "siamkit.flows.timeline",
    "Turn": "siamkit.flows.timeline",
    "Enrolled": "siamkit.flows.enrol",
    "Verification": "siamkit.flows.verify",
    "Workspace": "siamkit.workspace",
    **dict.fromkeys(
        ["Clip", "Image", "Match", "Quality", "Region", "Threshold", "Verdict"], "siamkit.types"
    ),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that `import siamkit` is free."""
    if name.startswith("_") or name not in __all__:
        raise AttributeError(f"module 'siamkit' has no attribute {name!r}")
    return getattr(import_module(_HOME.get(name, "siamkit.errors")), name)


def __dir__() -> list[str]:
    return __all__
