"""Export torch modules as ONNX graphs for encoder folders, and compare them. Needs torch."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput, PluginError

if TYPE_CHECKING:
    import torch

    from siamkit.types import Vectors

OPSET = 17  # the first with LayerNormalization; onnxruntime 1.20 and later read it
MAX_WEIGHTS = 1_900_000_000  # bytes: the graph passes through protobuf, whose limit is 2 GiB


def require_exportable(model: object, size: int) -> None:
    """Raise BadInput if a model has more than MAX_WEIGHTS bytes of weights."""
    if size > MAX_WEIGHTS:
        raise BadInput(
            f"{model} is too large: {size / 1e9:.1f} GB of weights, at most"
            f" {MAX_WEIGHTS / 1e9:.1f} can be exported"
        )


def write_graph(
    network: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    target: Any,
    axes: Mapping[str, Mapping[int, str]],
    *,
    model: object,
    hint: str = "",
) -> int:
    """Write a module as an ONNX graph with the output `vectors`; return their dimension.

    network: in eval mode; takes `example` and returns (n, dim). target: a path, or a binary
    stream. axes: the axes of each input that may vary, the first n: {"pixels": {0: "n"}}.
    model: its name, for errors. Raises BadInput if the output is not rows, or torch fails.
    """
    import torch

    n = next(iter(axes.values()))[0]
    try:
        with torch.inference_mode():
            shape = tuple(network(*example).shape)
            if len(shape) != 2:
                raise BadInput(f"{model} returns features of shape {shape}, not rows")
            torch.onnx.export(
                network,
                example,
                target,
                input_names=list(axes),
                output_names=["vectors"],
                dynamic_axes={**axes, "vectors": {0: n}},
                opset_version=OPSET,
                dynamo=False,  # the newer exporter needs one more package
            )
    except (MemoryError, BadInput):
        raise
    except Exception as error:  # torch has an unrelated class for each operator it lacks
        raise BadInput(
            f"{model} cannot be exported to ONNX: {first_line(error)}", hint=hint
        ) from error
    return int(shape[1])


def trace(
    network: torch.nn.Module,
    example: tuple[Any, ...],
    model: object,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
) -> bytes:
    """Return a module in eval mode as an ONNX graph with any inputs and outputs.

    model: its name, for errors. axes: those that may vary, of an input or output. Raises BadInput
    if torch fails.
    """
    import torch

    file: Any = io.BytesIO()
    try:
        with torch.inference_mode():
            torch.onnx.export(
                network,
                example,
                file,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes=dict(axes),
                opset_version=OPSET,
                dynamo=False,  # the newer exporter needs one more package
            )
    except MemoryError:
        raise
    except Exception as error:  # torch has an unrelated class for each operator it lacks
        raise BadInput(f"{model} cannot be exported to ONNX: {first_line(error)}") from error
    graph: bytes = file.getvalue()
    return graph


def hash_weights(network: torch.nn.Module) -> str:
    """Return the SHA-256 of all tensors with their names."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def require_same(served: Vectors, expected: Vectors, least: float, *, peer: str) -> None:
    """Raise PluginError unless all (n, dim) unit rows have a cosine of at least `least`.

    peer: the library that computed the expected ones, for the message.
    """
    worst = float((served * expected).sum(axis=1).min())
    if not worst >= least:
        raise PluginError(
            f"the exported model returns different vectors from {peer}: cosine {worst:.5f},"
            f" expected at least {least}"
        )


def first_line(error: Exception) -> str:
    """Return the class of an error, and the first sentence of its first line.

    Some libraries write pages; torch's second sentence is how to load files that are not safe.
    """
    lines = str(error).strip().splitlines()
    reason = lines[0].partition(". ")[0][:200] if lines else ""
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
