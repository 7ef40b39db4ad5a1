"""Vectors of a plugin's examples, kept with an encoder to notice when the plugin's code changes.

A fingerprint covers the graph and the constants that the plugin lists, but not what its code does
to a sample before. If that changes, vectors under one fingerprint are no longer comparable.
"""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, PluginError
from siamkit.host import registry
from siamkit.io import foreign, sources
from siamkit.protocols import Modality
from siamkit.types import Region

log = logging.getLogger("siamkit")
EXAMPLE_COUNT = 4  # examples whose vectors are kept
LEAST_COSINE = 0.999  # between a vector and the same one computed again


def write_vectors(plugin: Modality[Any], folder: Path, path: Path) -> bool:
    """Embed some examples by the encoder in `folder`, and write the vectors to `path`.

    Returns False if there are none: the plugin has no examples, or they cannot be embedded.
    """
    try:
        with registry.calling(plugin, "embedding its examples"):
            record = _embed_examples(plugin, folder)
    except Exception:  # of any class: the fault shows when the encoder is used
        record = {}
    path.write_text(json.dumps(record), encoding="utf-8")
    return record != {}


def require_alike(plugin: Modality[Any], before: Path, after: Path, *, alternative: str) -> bool:
    """Raise PluginError if an example's vector has changed under an unchanged fingerprint.

    alternative: the way out other than changing a constant, for people. Returns True if the
    vectors of before are to be kept: otherwise small changes, each close to the last, would add up.
    """
    old, new = _read(before), _read(after)
    if not old or not new or old["fingerprint"] != new["fingerprint"]:
        return False
    common = old["vectors"].keys() & new["vectors"].keys()
    if not common:
        log.warning(
            f"{registry.describe(plugin)} has changed its examples: siamkit cannot check whether it"
            f" still gives the same vectors under fingerprint {new['fingerprint']}"
        )
    for digest in common:
        if not _cosine(old["vectors"][digest], new["vectors"][digest]) >= LEAST_COSINE:
            raise PluginError(
                f"{registry.describe(plugin)} turns its examples into different vectors,"
                f" but its fingerprint is still {new['fingerprint']}",
                hint="change one of the constants on its card, such as a version number; or"
                f" {alternative}",
            )
    return True


def _read(path: Path) -> dict[str, Any]:
    """Read what `write_vectors` wrote; {} if the file is absent or damaged."""
    try:
        record = foreign.read_json(path)
        is_sound = isinstance(record["fingerprint"], str) and isinstance(record["vectors"], dict)
        return record if is_sound and record["vectors"] else {}
    except (BadInput, KeyError, TypeError):
        return {}


def _cosine(left: Any, right: Any) -> float:
    """Return the dot product of two unit vectors; NaN if they are not vectors of one length."""
    try:
        return float(sum(a * b for a, b in zip(left, right, strict=True)))
    except (TypeError, ValueError):
        return math.nan


def _embed_examples(plugin: Modality[Any], folder: Path) -> dict[str, Any]:
    encoder = plugin.encoder(folder)
    vectors = {}
    for _, source in list(plugin.examples())[:EXAMPLE_COUNT]:
        content = sources.read(source, text=isinstance(source, str))
        crop = plugin.crop(plugin.load(source), Region())
        vectors[content.digest.hex()] = encoder.embed([crop])[0].tolist()
    return {"fingerprint": encoder.fingerprint, "vectors": vectors}
