"""Run ONNX graphs on the CPU: sessions, threads and batches for every plugin. Never imports torch.

The environment variable SIAMKIT_THREADS limits the threads of a model (default: one per core). Set
it to 1 in a process that serves many requests at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from siamkit.errors import BadInput, MissingWeights, PluginError
from siamkit.sdk import foreign_graph
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


class OutOfMemory(PluginError):
    """An encoder needs more memory than SIAMKIT_MODEL_MEMORY allows."""


def session(model: Path | bytes, *, intra: int | None = None) -> onnxruntime.InferenceSession:
    """Open an ONNX graph, a file or its content, on the CPU.

    intra: threads that share each operator of a run; `threads()` if None. Raises MissingWeights
    if the graph is absent or damaged.
    """
    return _open(model, _options(intra))


def encoder_session(
    graph: bytes, *, intra: int | None = None, tensors: Path | None = None
) -> onnxruntime.InferenceSession:
    """Open the graph of an encoder folder, within the limits of siamkit.sdk.foreign_graph.

    tensors: the one file that may hold tensors of it; its hash belongs on the card. Run it by
    `run_encoder`. Raises MissingWeights if the graph is damaged or refused.
    """
    options = _options(intra)
    foreign_graph.restrict(options, graph, tensors)
    return _open(graph, options)


def run_encoder(opened: onnxruntime.InferenceSession, inputs: dict[str, Any]) -> NDArray[Any]:
    """Return the first output of a run. Raises OutOfMemory if its memory does not suffice."""
    try:
        output: NDArray[Any] = opened.run(None, inputs, foreign_graph.run_options())[0]
    except Exception as error:  # onnxruntime raises several classes of its own
        if foreign_graph.is_out_of_memory(error):
            limit = foreign_graph.memory_limit() >> 20
            raise OutOfMemory(
                f"the encoder needs more than {limit:,} MB of memory",
                hint="set SIAMKIT_MODEL_MEMORY to more MB if you trust it",
            ) from error
        raise
    return output


def _options(intra: int | None) -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads() if intra is None else intra
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised; stderr belongs to the program
    options.enable_mem_pattern = False  # it plans memory for one shape; pictures have many
    # Threads that spin while they wait measured 1.5 x slower when two models, or two processes,
    # share the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _open(model: Path | bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    import onnxruntime

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
        self._session = encoder_session(graph)
        self._input = self._session.get_inputs()[0].name

    def embed(self, batch: Sequence[M]) -> Vectors:
        """Return (len(batch), dim) float32, rows of norm 1.

        Raises PluginError if the graph's output does not have the shape that the card states.
        """
        import numpy as np

        rows = np.empty((len(batch), self.dim), dtype=np.float32)
        for start in range(0, len(batch), BATCH):
            arrays = np.stack([self._prepare(medium) for medium in batch[start : start + BATCH]])
            rows[start : start + len(arrays)] = self._run(arrays)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    def _run(self, arrays: NDArray[Any]) -> NDArray[Any]:
        """Embed arrays, in two halves if they need too much memory at once."""
        import numpy as np

        try:
            vectors = run_encoder(self._session, {self._input: arrays})
        except OutOfMemory:
            if len(arrays) == 1:
                raise
            half = len(arrays) // 2
            return np.concatenate([self._run(arrays[:half]), self._run(arrays[half:])])
        self.require_shape(vectors, len(arrays))
        return vectors
