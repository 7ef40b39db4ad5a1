"""Rules of a modality's encoder folder: it opens, and its fingerprint covers all of it."""

from __future__ import annotations

import json
import shutil

import numpy as np

from siamkit.embed.pipeline import open_encoder
from siamkit.sdk.model_folder import CARD, GRAPH
from siamkit.stats import calibration_json
from siamkit.testing.encoder import SAME, embed_is_repeatable, embed_is_unit, fingerprint_is_stable
from siamkit.testing.modality import load_is_repeatable
from siamkit.testing.rule import NotRun, require, rule
from siamkit.testing.subjects import ModalitySubject

READ_OR_HASH = "open the folder with siamkit.sdk.model_folder.read_folder, or hash its files"


# An encoder whose examples get other vectors than when it was built is refused.
@rule("let `encoder` open the folder that `build` writes", load_is_repeatable)
def encoder_opens(subject: ModalitySubject) -> None:
    """The default encoder opens; it is built first if the plugin builds it."""
    open_encoder(subject.plugin, None)


@rule("write it with `siamkit calibrate --output`")
def calibration_is_readable(subject: ModalitySubject) -> None:
    """`calibration`, if there is one, is a file of `siamkit calibrate --output`."""
    path = getattr(subject.plugin, "calibration", None)
    if path is None:
        raise NotRun("it ships no calibration")
    calibration_json.read(path)


@rule("use hashlib, not hash(), which differs from process to process; sort sets and keys")
def fingerprint_equal_across_processes(subject: ModalitySubject) -> None:
    """Another process computes the same fingerprint."""
    fingerprint, elsewhere = subject.encoder.fingerprint, subject.report.fingerprint
    if elsewhere is None:
        error = subject.report.import_error or subject.report.use_error
        raise NotRun(f"the other process gave none: {error}")
    is_stable = fingerprint == subject.reopened().fingerprint
    differs = is_stable and fingerprint != elsewhere
    require(not differs, f"{fingerprint} here, {elsewhere} in another one")


@rule(READ_OR_HASH)
def fingerprint_changes_with_weights(subject: ModalitySubject) -> None:
    """A folder whose weights were altered is refused, or has another fingerprint."""
    graph = bytearray(_read(subject, GRAPH))
    graph[len(graph) // 2] ^= 1
    _require_noticed(subject, GRAPH, bytes(graph))


@rule(READ_OR_HASH, fingerprint_changes_with_weights)
def fingerprint_changes_with_constants(subject: ModalitySubject) -> None:
    """A folder whose preprocessing was altered is refused, or has another fingerprint."""
    facts = json.loads(_read(subject, CARD))
    facts["preprocessing"] = {**facts.get("preprocessing", {}), "altered-by-the-kit": 1}
    _require_noticed(subject, CARD, json.dumps(facts).encode())


def _read(subject: ModalitySubject, name: str) -> bytes:
    path = subject.encoder_folder / name
    if not path.exists():
        raise NotRun(f"its encoder folder has no {name}")
    return path.read_bytes()


def _require_noticed(subject: ModalitySubject, name: str, altered: bytes) -> None:
    """Raise Failure if a folder with one altered file opens as if nothing had changed."""
    folder = shutil.copytree(subject.encoder_folder, subject.folder / "encoder")
    (folder / name).write_bytes(altered)
    try:
        fingerprint = subject.plugin.encoder(folder).fingerprint
    except Exception:  # any refusal will do
        return
    same_fingerprint = fingerprint == subject.encoder.fingerprint
    require(not same_fingerprint, f"the same fingerprint for an altered {name}")


@rule(
    "keep all that the vectors depend on inside the folder",
    embed_is_unit,
    embed_is_repeatable,
    fingerprint_is_stable,
)
def reembed_after_save_equal(subject: ModalitySubject) -> None:
    """A copied encoder folder gives the same fingerprint and the same vectors."""
    vectors, fingerprint = subject.embedded(), subject.encoder.fingerprint
    folder = shutil.copytree(subject.encoder_folder, subject.folder / "encoder")
    moved = subject.plugin.encoder(folder)
    difference = np.abs(vectors - moved.embed(subject.crops())).max()
    fingerprints = f"fingerprints {fingerprint}, {moved.fingerprint}"
    is_equal = moved.fingerprint == fingerprint and difference <= SAME
    require(is_equal, f"{fingerprints}, vectors that differ by {difference:.3f}")
