"""ONNX Runtime for every plugin: sessions, threads and batches, so that no plugin writes them.

Nothing here imports torch. `SIAMKIT_THREADS` sets how many threads a model may use (default: all
cores); one process that serves many requests at once wants 1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from siamkit.errors import BadInput, MissingWeights, PluginError
from siamkit.sdk.model_folder import Carded, read_folder

if TYPE_CHECKING:
    import onnxruntime
    from numpy.typing import NDArray

    from siamkit.types import Vectors

M = TypeVar("M")

BATCH = 32  # images a call: larger batches measured no faster on 2 cores and cost memory


def threads() -> int:
    """How many threads a model may use: SIAMKIT_THREADS, or 0 for all cores."""
    value = os.environ.get("SIAMKIT_THREADS", "0")
    if not value.isdigit():
        raise BadInput(
            f"SIAMKIT_THREADS is {value!r}", hint="set a whole number; 0 means all cores"
        )
    return int(value)


def session(model: Path | bytes, *, intra: int | None = None) -> onnxruntime.InferenceSession:
    """Open one ONNX graph on the CPU. Raises MissingWeights if it is absent or damaged.

    `intra` threads share each operator of a run; `threads()` unless given.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads() if intra is None else intra
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is raised says it: stderr belongs to the program
    options.enable_mem_pattern = False  # plans memory for one shape; pictures come in many
    # Threads that spin while they wait measured 1.5 x slower wherever two models, or two
    # processes, share the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        graph = model if isinstance(model, bytes) else str(model)
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own unrelated classes here
        raise MissingWeights(f"the model could not be opened: {error}") from error


class OnnxEncoder(Carded, Generic[M]):
    """An encoder folder, served. `prepare` makes one medium into the array the graph eats."""

    def __init__(self, folder: Path, prepare: Callable[[M], NDArray[Any]]) -> None:
        self.folder = folder
        self.card, graph = read_folder(folder)
        self._prepare = prepare
        self._session = session(graph)
        self._input = self._session.get_inputs()[0].name

    @property
    def mated(self) -> float | None:
        return self.card.mated

    def embed(self, batch: Sequence[M]) -> Vectors:
        """(len(batch), dim) float32, rows of norm 1. Raises PluginError on NaN or a wrong shape."""
        import numpy as np

        rows = np.empty((len(batch), self.dim), dtype=np.float32)
        for start in range(0, len(batch), BATCH):
            part = np.stack([self._prepare(medium) for medium in batch[start : start + BATCH]])
            out = self._session.run(None, {self._input: part})[0]
            if out.shape != (len(part), self.dim):
                raise PluginError(
                    f"encoder {self.fingerprint} gave {out.shape}, not {(len(part), self.dim)}"
                )
            rows[start : start + len(part)] = out
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows
