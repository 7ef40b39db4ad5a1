"""Vectors of a plugin's examples, kept with an encoder that was made here, to notice other code.

A fingerprint is over the graph and the constants that the plugin names. What its code does to a
sample before is not in it; where that changes, vectors under one fingerprint would not compare.
"""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from siamkit.errors import PluginError
from siamkit.host import registry
from siamkit.io import sources
from siamkit.types import Region

log = logging.getLogger("siamkit")
KEPT = 4  # of the examples
LEAST_COSINE = 0.999  # of a vector and the same one made again


def write(plugin: Any, folder: Path, path: Path) -> bool:
    """Embed some examples by the encoder in `folder`, and keep the vectors. False if none."""
    try:
        with registry.at_work(plugin, "embedding its examples"):
            kept = _embedded(plugin, folder)
    except Exception:  # of whatever kind: it is looked at when it is used
        kept = {}
    path.write_text(json.dumps(kept), encoding="utf-8")
    return kept != {}


def require_alike(plugin: Any, before: Path, after: Path, *, otherwise: str) -> bool:
    """Raise PluginError where an example has another vector than before under one fingerprint.

    otherwise: what may be done instead of changing a constant, for people. True if the vectors of
    before are to be kept: else small changes would add up, each alike to the last.
    """
    old, new = _read(before), _read(after)
    if not old or not new or old["fingerprint"] != new["fingerprint"]:
        return False
    common = old["vectors"].keys() & new["vectors"].keys()
    if not common:
        log.warning(
            f"{registry.who(plugin)} has other examples than before: whether it makes the same"
            f" vectors under fingerprint {new['fingerprint']} cannot be told"
        )
    for content in common:
        if not _cosine(old["vectors"][content], new["vectors"][content]) >= LEAST_COSINE:
            raise PluginError(
                f"{registry.who(plugin)} turns its examples into other vectors than before, and its"
                f" fingerprint is still {new['fingerprint']}",
                hint="change one of the constants that its card keeps, a version number, say; or"
                f" {otherwise}",
            )
    return True


def _read(path: Path) -> dict[str, Any]:
    """What `write` has kept; {} for a file that is absent or damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return kept if kept.keys() >= {"fingerprint", "vectors"} and kept["vectors"] else {}
    except (OSError, ValueError, AttributeError):
        return {}


def _cosine(one: Any, other: Any) -> float:
    """NaN for what is no pair of vectors."""
    try:
        return float(sum(a * b for a, b in zip(one, other, strict=True)))
    except (TypeError, ValueError):
        return math.nan


def _embedded(plugin: Any, folder: Path) -> dict[str, Any]:
    encoder = plugin.encoder(folder)
    vectors = {}
    for _, source in list(plugin.examples())[:KEPT]:
        content = sources.read(source, text=isinstance(source, str))
        crop = plugin.crop(plugin.load(source), Region())
        vectors[content.digest.hex()] = encoder.embed([crop])[0].tolist()
    return {"fingerprint": encoder.fingerprint, "vectors": vectors}
