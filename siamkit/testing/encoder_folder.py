"""Rules of a modality's encoder folder: it opens, and its fingerprint covers all of it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from siamkit.embed.pipeline import open_encoder
from siamkit.sdk.model_folder import CARD, GRAPH
from siamkit.stats import calibration_json
from siamkit.testing.encoder import (
    SAME,
    check_embed_is_repeatable,
    check_fingerprint_is_stable,
)
from siamkit.testing.modality import check_load_is_repeatable
from siamkit.testing.outcome import Failure, NotRun
from siamkit.testing.run import needs
from siamkit.testing.subjects import ModalitySubject


def check_encoder_opens(subject: ModalitySubject) -> None:
    """The default encoder opens; it is built first if the plugin builds it."""
    needs(subject, check_load_is_repeatable)  # an encoder with other vectors of examples is refused
    open_encoder(subject.plugin, None)


def check_calibration_is_readable(subject: ModalitySubject) -> None:
    """`calibration`, if there is one, is a file of `siamkit calibrate --output`."""
    path = getattr(subject.plugin, "calibration", None)
    if path is None:
        raise NotRun("it ships no calibration")
    calibration_json.read(path)


def check_fingerprint_equal_across_processes(subject: ModalitySubject) -> None:
    """Another process computes the same fingerprint."""
    fingerprint, elsewhere = subject.encoder.fingerprint, subject.report.fingerprint
    if elsewhere is None:
        error = subject.report.import_error or subject.report.use_error
        raise NotRun(f"the other process gave none: {error}")
    if fingerprint != elsewhere and fingerprint == subject.reopened().fingerprint:
        raise Failure(
            "one fingerprint in every process",
            f"{fingerprint} here, {elsewhere} in another one",
            "use hashlib, not hash(), which differs from process to process; sort sets and keys",
        )


def check_fingerprint_changes_with_weights(subject: ModalitySubject) -> None:
    """A folder whose weights were altered is refused, or has another fingerprint."""

    def alter(graph: bytes) -> bytes:
        middle = len(graph) // 2
        return graph[:middle] + bytes([graph[middle] ^ 0x01]) + graph[middle + 1 :]

    _require_noticed(subject, GRAPH, alter, "weights")


def check_fingerprint_changes_with_constants(subject: ModalitySubject) -> None:
    """A folder whose preprocessing was altered is refused, or has another fingerprint."""
    needs(subject, check_fingerprint_changes_with_weights)

    def alter(card: bytes) -> bytes:
        facts = json.loads(card)
        facts["preprocessing"] = {**facts.get("preprocessing", {}), "altered-by-the-kit": 1}
        return json.dumps(facts).encode()

    _require_noticed(subject, CARD, alter, "constants")


def _require_noticed(
    subject: ModalitySubject, name: str, alter: Callable[[bytes], bytes], content: str
) -> None:
    """Raise Failure if a folder with one altered file opens as if nothing had changed."""
    if not (subject.folder / name).exists():
        raise NotRun(f"its encoder folder has no {name}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = shutil.copytree(subject.folder, Path(scratch) / "encoder")
        (folder / name).write_bytes(alter((folder / name).read_bytes()))
        try:
            altered = subject.plugin.encoder(folder)
        except Exception:  # any refusal will do
            return
        if altered.fingerprint == subject.encoder.fingerprint:
            raise Failure(
                f"another fingerprint, or MissingWeights, for altered {content}",
                "the same",
                "open the folder with siamkit.sdk.model_folder.read_folder, or hash its files",
            )


def check_reembed_after_save_equal(subject: ModalitySubject) -> None:
    """A copied encoder folder gives the same fingerprint and the same vectors."""
    needs(subject, check_embed_is_repeatable, check_fingerprint_is_stable)
    vectors = subject.vectors
    with tempfile.TemporaryDirectory() as scratch:
        folder = shutil.copytree(subject.folder, Path(scratch) / "encoder")
        moved = subject.plugin.encoder(folder)
        difference = np.abs(vectors - np.asarray(moved.embed(subject.crops()))).max(initial=0.0)
        if moved.fingerprint != subject.encoder.fingerprint or difference > SAME:
            raise Failure(
                "the same encoder from a copy of its folder",
                f"fingerprints {subject.encoder.fingerprint}, {moved.fingerprint}, vectors that"
                f" differ by {difference:.3f}",
                "keep all that the vectors depend on inside the folder",
            )


CHECKS = (
    check_encoder_opens,
    check_calibration_is_readable,
    check_fingerprint_equal_across_processes,
    check_fingerprint_changes_with_weights,
    check_fingerprint_changes_with_constants,
    check_reembed_after_save_equal,
)
