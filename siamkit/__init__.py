"""Similarity search and verification from one example."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siamkit.embed import region_choosers
    from siamkit.embed.pipeline import DEFAULT
    from siamkit.errors import (
        BadInput,
        EncoderMismatch,
        IndexUnavailable,
        LowQuality,
        MissingPackage,
        MissingWeights,
        NameTaken,
        NothingFound,
        PluginError,
        SeveralFound,
        SiamkitError,
        StoreError,
        Uncalibrated,
        UnknownName,
        UnreadableSample,
    )
    from siamkit.flows.answer import Answer
    from siamkit.flows.answer_lists import Answers, Batch
    from siamkit.flows.audit import Finding
    from siamkit.flows.classify import Classified, ClassMatch
    from siamkit.flows.decide import DecisionRule
    from siamkit.flows.dedupe import Deduped
    from siamkit.flows.dedupe_items import Item
    from siamkit.flows.detect import Detected
    from siamkit.flows.detectors import DetectorState
    from siamkit.flows.embed import Embedded, EmbeddedPlace, Embeddings
    from siamkit.flows.encoders import EncoderState
    from siamkit.flows.enrol import EnrolResult
    from siamkit.flows.evaluate import EvaluationSettings
    from siamkit.flows.explain import Explanation
    from siamkit.flows.find import SearchedPicture, Sighting
    from siamkit.flows.import_ import Imported
    from siamkit.flows.layer_attention import AttentionExplanation
    from siamkit.flows.layers import LayerChoice, LayersExplanation
    from siamkit.flows.reembed import Reembedded
    from siamkit.flows.style import Stylised
    from siamkit.flows.timeline import Timeline, Turn
    from siamkit.flows.verification import Verification
    from siamkit.io.table_read import TextColumns
    from siamkit.reports.find import FindFiles
    from siamkit.reports.region_files import RegionFiles
    from siamkit.sdk import region_formats
    from siamkit.stats.calibration_fit import CalibrationTargets
    from siamkit.stats.drift import Drift
    from siamkit.store.galleries import Gallery
    from siamkit.store.labels import Holding
    from siamkit.store.merges import Merger
    from siamkit.store.samples import Sample
    from siamkit.train import events as training_events
    from siamkit.train import log as training_log
    from siamkit.train.config import TrainConfig
    from siamkit.train.localise.config import LocaliserConfig
    from siamkit.train.localise.run import LocaliserResult, LocaliserRun
    from siamkit.train.mine import MinedNegatives, MiningRule, Suspect
    from siamkit.train.pictures import events as painting_events
    from siamkit.train.pictures.events import Painted
    from siamkit.train.pictures.reconstructions import Reconstructions
    from siamkit.train.pictures.settings import DescentSettings
    from siamkit.train.run import TrainingResult, TrainingRun
    from siamkit.train.series.folds import FoldsResult, FoldsRun
    from siamkit.train.series.sweep import SweepResult, SweepRun
    from siamkit.types import (
        Clip,
        Decision,
        Image,
        Input,
        Match,
        Prompt,
        Quality,
        Region,
        Threshold,
        Verdict,
    )
    from siamkit.workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "DEFAULT",
    "Answer",
    "Answers",
    "AttentionExplanation",
    "BadInput",
    "Batch",
    "CalibrationTargets",
    "ClassMatch",
    "Classified",
    "Clip",
    "Decision",
    "DecisionRule",
    "Deduped",
    "DescentSettings",
    "Detected",
    "DetectorState",
    "Drift",
    "Embedded",
    "EmbeddedPlace",
    "Embeddings",
    "EncoderMismatch",
    "EncoderState",
    "EnrolResult",
    "EvaluationSettings",
    "Explanation",
    "FindFiles",
    "Finding",
    "FoldsResult",
    "FoldsRun",
    "Gallery",
    "Holding",
    "Image",
    "Imported",
    "IndexUnavailable",
    "Input",
    "Item",
    "LayerChoice",
    "LayersExplanation",
    "LocaliserConfig",
    "LocaliserResult",
    "LocaliserRun",
    "LowQuality",
    "Match",
    "Merger",
    "MinedNegatives",
    "MiningRule",
    "MissingPackage",
    "MissingWeights",
    "NameTaken",
    "NothingFound",
    "Painted",
    "PluginError",
    "Prompt",
    "Quality",
    "Reconstructions",
    "Reembedded",
    "Region",
    "RegionFiles",
    "Sample",
    "SearchedPicture",
    "SeveralFound",
    "SiamkitError",
    "Sighting",
    "StoreError",
    "Stylised",
    "Suspect",
    "SweepResult",
    "SweepRun",
    "TextColumns",
    "Threshold",
    "Timeline",
    "TrainConfig",
    "TrainingResult",
    "TrainingRun",
    "Turn",
    "Uncalibrated",
    "UnknownName",
    "UnreadableSample",
    "Verdict",
    "Verification",
    "Workspace",
    "__version__",
    "painting_events",
    "region_choosers",
    "region_formats",
    "training_events",
    "training_log",
]

_HOME = {
    "Answer": "siamkit.flows.answer",
    "Answers": "siamkit.flows.answer_lists",
    "AttentionExplanation": "siamkit.flows.layer_attention",
    "Batch": "siamkit.flows.answer_lists",
    "CalibrationTargets": "siamkit.stats.calibration_fit",
    "ClassMatch": "siamkit.flows.classify",
    "Classified": "siamkit.flows.classify",
    "TextColumns": "siamkit.io.table_read",
    "DEFAULT": "siamkit.embed.pipeline",
    "DecisionRule": "siamkit.flows.decide",
    "Deduped": "siamkit.flows.dedupe",
    "DescentSettings": "siamkit.train.pictures.settings",
    "Detected": "siamkit.flows.detect",
    "Drift": "siamkit.stats.drift",
    "DetectorState": "siamkit.flows.detectors",
    "Embedded": "siamkit.flows.embed",
    "EmbeddedPlace": "siamkit.flows.embed",
    "Embeddings": "siamkit.flows.embed",
    "EncoderState": "siamkit.flows.encoders",
    "EnrolResult": "siamkit.flows.enrol",
    "EvaluationSettings": "siamkit.flows.evaluate",
    "Explanation": "siamkit.flows.explain",
    "SearchedPicture": "siamkit.flows.find",
    "Sighting": "siamkit.flows.find",
    "FindFiles": "siamkit.reports.find",
    "Finding": "siamkit.flows.audit",
    "FoldsResult": "siamkit.train.series.folds",
    "FoldsRun": "siamkit.train.series.folds",
    "Gallery": "siamkit.store.galleries",
    "Holding": "siamkit.store.labels",
    "Merger": "siamkit.store.merges",
    "Imported": "siamkit.flows.import_",
    "Item": "siamkit.flows.dedupe_items",
    "LayerChoice": "siamkit.flows.layers",
    "LayersExplanation": "siamkit.flows.layers",
    "LocaliserConfig": "siamkit.train.localise.config",
    "LocaliserResult": "siamkit.train.localise.run",
    "LocaliserRun": "siamkit.train.localise.run",
    "Painted": "siamkit.train.pictures.events",
    "MinedNegatives": "siamkit.train.mine",
    "MiningRule": "siamkit.train.mine",
    "Suspect": "siamkit.train.mine",
    "Reconstructions": "siamkit.train.pictures.reconstructions",
    "Reembedded": "siamkit.flows.reembed",
    "RegionFiles": "siamkit.reports.region_files",
    "Sample": "siamkit.store.samples",
    "Stylised": "siamkit.flows.style",
    "Timeline": "siamkit.flows.timeline",
    "SweepResult": "siamkit.train.series.sweep",
    "SweepRun": "siamkit.train.series.sweep",
    "TrainConfig": "siamkit.train.config",
    "TrainingResult": "siamkit.train.run",
    "TrainingRun": "siamkit.train.run",
    "Turn": "siamkit.flows.timeline",
    "Verification": "siamkit.flows.verification",
    "Workspace": "siamkit.workspace",
    **dict.fromkeys(
        [
            "Clip",
            "Decision",
            "Image",
            "Input",
            "Match",
            "Prompt",
            "Quality",
            "Region",
            "Threshold",
            "Verdict",
        ],
        "siamkit.types",
    ),
}

_MODULES = {
    "region_choosers": "siamkit.embed.region_choosers",
    "region_formats": "siamkit.sdk.region_formats",
    "painting_events": "siamkit.train.pictures.events",
    "training_events": "siamkit.train.events",
    "training_log": "siamkit.train.log",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that `import siamkit` is free."""
    if name.startswith("_") or name not in __all__:
        raise AttributeError(f"module 'siamkit' has no attribute {name!r}")
    if name in _MODULES:
        return import_module(_MODULES[name])
    return getattr(import_module(_HOME.get(name, "siamkit.errors")), name)


def __dir__() -> list[str]:
    return __all__
