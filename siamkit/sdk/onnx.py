"""Run ONNX graphs on the CPU: sessions, threads and batches for every plugin. Never imports torch.

The environment variable SIAMKIT_THREADS limits the threads of a model (default: one per core). Set
it to 1 in a process that serves many requests at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.model_folder import CardedEncoder, read_folder

if TYPE_CHECKING:
    import onnxruntime
    from numpy.typing import NDArray

    from siamkit.types import Vectors

M = TypeVar("M")

BATCH = 32  # media per run: larger batches measured no faster on 2 cores and need more memory


def threads() -> int:
    """Return SIAMKIT_THREADS, the threads a model may use; 0, the default, means all cores.

    Raises BadInput unless it is a whole number.
    """
    value = os.environ.get("SIAMKIT_THREADS", "0")
    if not value.isdigit():
        raise BadInput(
            f"SIAMKIT_THREADS is {value!r}", hint="set a whole number; 0 means all cores"
        )
    return int(value)


def session(model: Path | bytes, *, intra: int | None = None) -> onnxruntime.InferenceSession:
    """Open an ONNX graph, a file or its content, on the CPU.

    intra: threads that share each operator of a run; `threads()` if None. Raises MissingWeights
    if the graph is absent or damaged.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads() if intra is None else intra
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised; stderr belongs to the program
    options.enable_mem_pattern = False  # it plans memory for one shape; pictures have many
    # Threads that spin while they wait measured 1.5 x slower when two models, or two processes,
    # share the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        graph = model if isinstance(model, bytes) else str(model)
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises several classes of its own
        raise MissingWeights(f"the model could not be opened: {error}") from error


class OnnxEncoder(CardedEncoder, Generic[M]):
    """Encoder that runs the graph of a folder, in batches of BATCH.

    `prepare` turns one medium into an array of the graph's input shape, without the batch, and
    dtype. Opening raises MissingWeights if the folder is absent or damaged.
    """

    def __init__(self, folder: Path, prepare: Callable[[M], NDArray[Any]]) -> None:
        self.folder = folder
        self.card, graph = read_folder(folder)
        self._prepare = prepare
        self._session = session(graph)
        self._input = self._session.get_inputs()[0].name

    def embed(self, batch: Sequence[M]) -> Vectors:
        """Return (len(batch), dim) float32, rows of norm 1.

        Raises PluginError if the graph's output does not have the shape that the card states.
        """
        import numpy as np

        rows = np.empty((len(batch), self.dim), dtype=np.float32)
        for start in range(0, len(batch), BATCH):
            arrays = np.stack([self._prepare(medium) for medium in batch[start : start + BATCH]])
            vectors = self._session.run(None, {self._input: arrays})[0]
            self.require_shape(vectors, len(arrays))
            rows[start : start + len(arrays)] = vectors
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows
