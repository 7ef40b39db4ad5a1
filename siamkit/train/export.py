"""Export a network to ONNX, check the graph against torch, and put its folder in place."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamkit.errors import PluginError
from siamkit.io.sources import shorten
from siamkit.sdk.onnx import session
from siamkit.sdk.quiet import quiet

OPSET = 17  # onnxruntime 1.20 and later read it
SAME = 0.9999  # least cosine between a served vector and torch's
PROBES = 64  # arrays that both are compared on
LARGE = 1_024  # least size of a tensor that is worth a node to halve
HIGHEST = 60_000.0  # weight to store as float16, which ends at 65504


class _Served(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, arrays: Tensor) -> Tensor:
        return normalize(self.network(arrays).float(), dim=1)


def export_graph(network: nn.Module, arrays: NDArray[Any]) -> bytes:
    """Return the ONNX graph of a network, from any number of arrays to unit vectors.

    arrays: (n, …); the graph is checked on PROBES of them. Raises PluginError if the network
    cannot be written as ONNX, or if a vector differs from torch's.
    """
    served = _Served(network).eval().cpu()
    rows = np.unique(np.linspace(0, len(arrays) - 1, PROBES).astype(np.int64))
    probes = torch.from_numpy(np.array(arrays[rows]))  # a copy: those on disk are read-only
    full = export_onnx(served, (probes[:2],), {"arrays": {0: "n"}})
    with torch.inference_mode():
        expected = served(probes).numpy()
    halved = halve_weights(full)
    if _least_cosine(expected, _run(halved, probes)) >= SAME:
        return halved
    # A head that was hardly trained may depend on the last digits of its weights.
    require_same(expected, _run(full, probes))
    return full


def export_onnx(
    network: nn.Module,
    probes: tuple[Tensor, ...],
    axes: Mapping[str, Mapping[int, str]],
    outputs: Sequence[str] = ("vectors",),
) -> bytes:
    """Write a network as ONNX. Raises PluginError if that is impossible.

    axes: the axes of each input that may vary; of the outputs, the first may.
    """
    file: Any = io.BytesIO()  # torch takes it, though its annotations do not say so
    try:
        with quiet():
            torch.onnx.export(
                network,
                probes,
                file,
                input_names=[*axes],
                output_names=[*outputs],
                dynamic_axes={**axes, outputs[0]: {0: "n"}},
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # torch raises all kinds
        raise PluginError(
            f"the network cannot be written as ONNX: {type(error).__name__}:"
            f" {shorten(str(error).strip())}",
            hint="take another backbone",
        ) from error
    content: bytes = file.getvalue()
    return content


def halve_weights(content: bytes) -> bytes:
    """Store the large weights of a graph as float16; they are cast when it is opened.

    That halves its bytes on disk; it still computes in float32.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(content)
    body = model.graph
    casts = []
    for weights in body.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.size < LARGE or np.abs(values).max() > HIGHEST:
            continue
        name, half = weights.name, f"{weights.name}.half"
        weights.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *body.node]
    del body.node[:]
    body.node.extend(nodes)
    halved: bytes = model.SerializeToString()
    return halved


def require_same(expected: NDArray[np.float32], served: NDArray[np.float32]) -> None:
    """Raise PluginError unless each pair of unit vectors has a cosine of at least SAME."""
    cosine = _least_cosine(expected, served)
    if not cosine >= SAME:
        raise PluginError(f"the exported graph differs from torch: cosine {cosine:.6f}")


def _least_cosine(expected: NDArray[np.float32], served: NDArray[np.float32]) -> float:
    return float((expected * served).sum(axis=1).min())


def _run(graph: bytes, probes: Tensor) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = session(graph).run(None, {"arrays": probes.numpy()})[0]
    return vectors
