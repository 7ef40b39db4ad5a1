"""Rules of a modality's encoder folder: it opens, and its fingerprint stands for all of it."""

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


def check_encoder_opens(seen: ModalitySubject) -> None:
    """The default encoder opens; it is built first if the plugin builds it."""
    needs(seen, check_load_is_repeatable)  # other vectors of the examples are refused
    open_encoder(seen.plugin, None)


def check_calibration_is_read(seen: ModalitySubject) -> None:
    """`calibration`, if there is one, is a file of `siamkit calibrate --output`."""
    shipped = getattr(seen.plugin, "calibration", None)
    if shipped is None:
        raise NotRun("it ships no calibration")
    calibration_json.read(shipped)


def check_fingerprint_equal_across_processes(seen: ModalitySubject) -> None:
    """Another process computes the same fingerprint."""
    here, there = seen.encoder.fingerprint, seen.report.fingerprint
    if there is None:
        raise NotRun(
            f"the other process gave none: {seen.report.import_error or seen.report.use_error}"
        )
    if here != there and here == seen.reopened().fingerprint:
        raise Failure(
            "one fingerprint in every process", f"{here} here, {there} there",
            "use hashlib, not hash(), which differs from process to process; sort sets and keys",
        )  # fmt: skip


def check_fingerprint_changes_with_weights(seen: ModalitySubject) -> None:
    """A folder whose weights were altered is refused, or has another fingerprint."""

    def alter(graph: bytes) -> bytes:
        middle = len(graph) // 2
        return graph[:middle] + bytes([graph[middle] ^ 0x01]) + graph[middle + 1 :]

    _require_noticed(seen, GRAPH, alter, "weights")


def check_fingerprint_changes_with_constants(seen: ModalitySubject) -> None:
    """A folder whose preprocessing was altered is refused, or has another fingerprint."""
    needs(seen, check_fingerprint_changes_with_weights)

    def alter(card: bytes) -> bytes:
        facts = json.loads(card)
        facts["preprocessing"] = {**facts.get("preprocessing", {}), "altered-by-the-kit": 1}
        return json.dumps(facts).encode()

    _require_noticed(seen, CARD, alter, "constants")


def _require_noticed(
    seen: ModalitySubject, name: str, alter: Callable[[bytes], bytes], what: str
) -> None:
    """Raise Failure if a folder with one file altered opens as if nothing were."""
    if not (seen.folder / name).exists():
        raise NotRun(f"its encoder folder has no {name}")
    with tempfile.TemporaryDirectory() as made:
        folder = shutil.copytree(seen.folder, Path(made) / "encoder")
        (folder / name).write_bytes(alter((folder / name).read_bytes()))
        try:
            opened = seen.plugin.encoder(folder)
        except Exception:  # refused, which is all that is asked
            return
        if opened.fingerprint == seen.encoder.fingerprint:
            raise Failure(
                f"another fingerprint, or MissingWeights, for altered {what}", "the same",
                "open the folder with siamkit.sdk.model_folder.read_folder, or hash its files",
            )  # fmt: skip


def check_reembed_after_save_equal(seen: ModalitySubject) -> None:
    """A copied encoder folder gives the same fingerprint and the same vectors."""
    needs(seen, check_embed_is_repeatable, check_fingerprint_is_stable)
    with tempfile.TemporaryDirectory() as made:
        folder = shutil.copytree(seen.folder, Path(made) / "encoder")
        opened = seen.plugin.encoder(folder)
        moved = np.abs(seen.vectors - np.asarray(opened.embed(seen.crops()))).max(initial=0.0)
        if opened.fingerprint != seen.encoder.fingerprint or moved > SAME:
            raise Failure(
                "the same encoder from a copy of its folder",
                f"fingerprints {seen.encoder.fingerprint}, {opened.fingerprint}, vectors that"
                f" differ by {moved:.3f}",
                "keep all that the vectors depend on inside of the folder",
            )


CHECKS = (
    check_encoder_opens,
    check_calibration_is_read,
    check_fingerprint_equal_across_processes,
    check_fingerprint_changes_with_weights,
    check_fingerprint_changes_with_constants,
    check_reembed_after_save_equal,
)
