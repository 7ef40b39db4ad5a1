"""Rules of a modality's encoder folder: it opens, and its fingerprint covers all of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import numpy as np

from siamkit.embed.pipeline import open_encoder
from siamkit.sdk.model_folder import CARD, GRAPH
from siamkit.stats import calibration_json
from siamkit.testing.encoder import SAME, embed_is_repeatable, fingerprint_is_stable
from siamkit.testing.modality import load_is_repeatable
from siamkit.testing.rule import Failure, NotRun, require, rule
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

    def alter(graph: bytes) -> bytes:
        middle = len(graph) // 2
        return graph[:middle] + bytes([graph[middle] ^ 0x01]) + graph[middle + 1 :]

    _require_noticed(subject, GRAPH, alter)


@rule(READ_OR_HASH, fingerprint_changes_with_weights)
def fingerprint_changes_with_constants(subject: ModalitySubject) -> None:
    """A folder whose preprocessing was altered is refused, or has another fingerprint."""

    def alter(card: bytes) -> bytes:
        facts = json.loads(card)
        facts["preprocessing"] = {**facts.get("preprocessing", {}), "altered-by-the-kit": 1}
        return json.dumps(facts).encode()

    _require_noticed(subject, CARD, alter)


def _require_noticed(subject: ModalitySubject, name: str, alter: Callable[[bytes], bytes]) -> None:
    """Raise Failure if a folder with one altered file opens as if nothing had changed."""
    if not (subject.encoder_folder / name).exists():
        raise NotRun(f"its encoder folder has no {name}")
    folder = shutil.copytree(subject.encoder_folder, subject.folder / "encoder")
    (folder / name).write_bytes(alter((folder / name).read_bytes()))
    try:
        altered = subject.plugin.encoder(folder)
    except Exception:  # any refusal will do
        return
    if altered.fingerprint == subject.encoder.fingerprint:
        raise Failure(f"the same fingerprint for an altered {name}")


@rule(
    "keep all that the vectors depend on inside the folder",
    embed_is_repeatable,
    fingerprint_is_stable,
)
def reembed_after_save_equal(subject: ModalitySubject) -> None:
    """A copied encoder folder gives the same fingerprint and the same vectors."""
    vectors, fingerprint = subject.vectors, subject.encoder.fingerprint
    moved = subject.plugin.encoder(
        shutil.copytree(subject.encoder_folder, subject.folder / "encoder")
    )
    difference = np.abs(vectors - np.asarray(moved.embed(subject.crops()))).max(initial=0.0)
    require(
        moved.fingerprint == fingerprint and difference <= SAME,
        f"fingerprints {fingerprint}, {moved.fingerprint}, vectors that differ by {difference:.3f}",
    )
