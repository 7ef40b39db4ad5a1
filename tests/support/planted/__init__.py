"""Good plugins that keep every rule, and the same with one fault each."""

from __future__ import annotations

from planted import (
    any_plugin,
    detectors,
    encoders,
    index_files,
    indexes,
    modalities,
    optional_indexes,
)
from planted.good import Dots, Hums, Spots

__all__ = ["PLANTED", "Dots", "Hums", "Spots"]

MODULES = (
    any_plugin,
    modalities,
    encoders,
    detectors,
    indexes,
    index_files,
    optional_indexes,
)
# (a function that constructs the plugin, the check that must catch its fault)
PLANTED = [planted for module in MODULES for planted in module.PLANTED]
