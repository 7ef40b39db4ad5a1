"""Run ONNX graphs on the CPU: sessions and batches for every plugin. Never imports torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from siamkit.errors import MissingWeights, PluginError
from siamkit.sdk import foreign_graph, forks
from siamkit.sdk.model_folder import CardedEncoder, read_folder
from siamkit.sdk.threads import threads

if TYPE_CHECKING:
    import onnxruntime
    from numpy.typing import NDArray

    from siamkit.types import Vectors

M = TypeVar("M")

ANOTHER_ENCODER = "`siamkit reembed GALLERY --encoder default` moves a gallery to another encoder"
BATCH = 32  # media per run: larger batches measured no faster on 2 cores and need more memory


def runtime() -> Any:
    """Import onnxruntime without its telemetry, whose thread a forked child awaits as it ends."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


class Session:
    """An open ONNX graph, with the methods of onnxruntime.InferenceSession.

    Threads may run it at once. The threads that it runs on do not survive a fork: the child opens
    the graph again when it first runs it.

    ahead: open the graph in a thread while the caller goes on; a graph that cannot be opened then
    raises MissingWeights when it is first used.
    """

    def __init__(
        self, graph: str | bytes, options: onnxruntime.SessionOptions, *, ahead: bool = False
    ) -> None:
        self._graph, self._options = graph, options
        self._opened: onnxruntime.InferenceSession | None = None
        self._opening: Future[onnxruntime.InferenceSession] | None = None
        if ahead:
            with_one_thread = ThreadPoolExecutor(1)
            self._opening = with_one_thread.submit(self._open)
            with_one_thread.shutdown(wait=False)
        else:
            self._opened = self._open()
        forks.renew_in_child(self, Session._renew, before=Session._finish_opening)

    def _open(self) -> onnxruntime.InferenceSession:
        providers = ["CPUExecutionProvider"]
        try:
            return runtime().InferenceSession(self._graph, self._options, providers=providers)
        except Exception as error:  # onnxruntime raises several classes of its own
            raise MissingWeights(f"the model could not be opened: {error}") from error

    def _renew(self) -> None:
        """Leave the parent's threads alone, in the child of a fork."""
        for opened in (self._opened, self._opening):  # freeing one would wait for its threads
            forks.never_free(opened)
        self._opened = self._opening = None

    def _finish_opening(self) -> None:
        """Wait for the thread that opens the graph: in a fork, its locks would stay held."""
        if self._opening is not None:
            wait([self._opening])

    def run(
        self,
        outputs: Sequence[str] | None,
        inputs: dict[str, Any],
        options: onnxruntime.RunOptions | None = None,
    ) -> list[Any]:
        """Run the graph on arrays by name; return its outputs, all if `outputs` is None."""
        results: list[Any] = self.opened.run(outputs, inputs, options)
        return results

    @property
    def opened(self) -> onnxruntime.InferenceSession:
        """The session of onnxruntime. It is of no use after a fork, where this is another."""
        opened = self._opened
        if opened is None:
            opening = self._opening
            opened = self._opened = self._open() if opening is None else opening.result()
        return opened

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked for by copy and pickle, before there is a session
            raise AttributeError(name)
        return getattr(self.opened, name)


class OutOfMemory(PluginError):
    """A model needs more memory than SIAMKIT_MODEL_MEMORY allows."""


def session(model: Path | bytes, *, intra: int | None = None) -> Session:
    """Open an ONNX graph, a file or its content, on the CPU.

    intra: threads that share each operator of a run; `threads()` if None. Raises MissingWeights
    if the graph is absent or damaged.
    """
    graph = model if isinstance(model, bytes) else os.path.abspath(model)
    return Session(graph, _options(intra))


def encoder_session(
    graph: bytes, *, intra: int | None = None, tensors: Path | None = None, ahead: bool = False
) -> Session:
    """Open the graph of a model folder, within the limits of siamkit.sdk.foreign_graph.

    tensors: the one file that may hold tensors of it; its hash belongs on the card. ahead: as in
    Session. Run it by `run_encoder` or `run_guarded`. Raises MissingWeights if the graph is damaged
    or refused.
    """
    options = _options(intra)
    foreign_graph.restrict(options, graph, tensors)
    if b"DequantizeLinear" in graph and b"QuantizeLinear" not in graph:
        # Only weights are packed. Unpacked once, not in each run, SFace takes two thirds of the
        # time.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        # A second copy of them, in another order, would take a quarter of the opening, and runs no
        # faster.
        options.add_session_config_entry("session.disable_prepacking", "1")
    return Session(graph, options, ahead=ahead)


def run_encoder(opened: Session, inputs: dict[str, Any]) -> NDArray[Any]:
    """Return the first output of a run. Raises OutOfMemory if its memory does not suffice."""
    output: NDArray[Any] = run_guarded(opened, inputs)[0]
    return output


def run_guarded(opened: Session, inputs: dict[str, Any]) -> list[Any]:
    """Return all outputs of a run of an `encoder_session`, whatever the model is for.

    Raises OutOfMemory if its memory does not suffice.
    """
    try:
        return opened.run(None, inputs, foreign_graph.run_options())
    except Exception as error:  # onnxruntime raises several classes of its own
        if foreign_graph.is_out_of_memory(error):
            limit = foreign_graph.memory_limit() >> 20
            raise OutOfMemory(
                f"the model needs more than {limit:,} MB of memory",
                hint="set SIAMKIT_MODEL_MEMORY to more MB if you trust it",
            ) from error
        raise


def _options(intra: int | None) -> onnxruntime.SessionOptions:
    options = runtime().SessionOptions()
    options.intra_op_num_threads = threads() if intra is None else intra
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised; stderr belongs to the program
    options.enable_mem_pattern = False  # it plans memory for one shape; pictures have many
    # Threads that spin while they wait measured 1.5 x slower when two models, or two processes,
    # share the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


class OnnxEncoder(CardedEncoder, Generic[M]):
    """Encoder that runs the graph of a folder, in batches of BATCH.

    `prepare` turns one medium into an array of the graph's input shape, without the batch, and
    dtype. Opening raises MissingWeights if the folder is absent or damaged; the first run does if
    onnxruntime cannot open the graph.
    """

    def __init__(self, folder: Path, prepare: Callable[[M], NDArray[Any]]) -> None:
        self.folder = folder
        self.card, graph = read_folder(folder)
        self._prepare = prepare
        self._session = encoder_session(graph, ahead=True)

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

    def inputs(self, batch: Sequence[M]) -> dict[str, NDArray[Any]]:
        """Return the graph's input for a batch, by its name."""
        import numpy as np

        name = self._session.get_inputs()[0].name
        return {name: np.stack([self._prepare(medium) for medium in batch])}

    def _run(self, arrays: NDArray[Any]) -> NDArray[Any]:
        """Embed arrays, in two halves if they need too much memory at once."""
        import numpy as np

        try:
            name = self._session.get_inputs()[0].name
            vectors = run_encoder(self._session, {name: arrays})
        except OutOfMemory:
            if len(arrays) == 1:
                raise
            half = len(arrays) // 2
            return np.concatenate([self._run(arrays[:half]), self._run(arrays[half:])])
        except MissingWeights as error:  # past the opening, where a gallery's name would be added
            raise MissingWeights(f"{self.folder}: {error}", hint=ANOTHER_ENCODER) from error
        self.require_shape(vectors, len(arrays))
        return vectors
