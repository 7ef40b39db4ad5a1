"""What was trained becomes an encoder folder: an ONNX graph, checked against torch, and a card."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamkit.errors import PluginError
from siamkit.io.sources import shorten
from siamkit.sdk.onnx import session
from siamkit.sdk.quiet import quiet

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPSET = 17  # onnxruntime 1.20 and later read it
SAME = 0.9999  # least cosine of a served vector and torch's
PROBES = 64
LARGE = 1_024  # weights of a tensor from which halving it is worth a node
HIGHEST = 60_000.0  # float16 ends at 65504
PACKAGES = ("siamkit", "torch", "timm", "onnx", "numpy")


class _Served(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, arrays: Tensor) -> Tensor:
        return normalize(self.network(arrays).float(), dim=1)


def export_graph(network: nn.Module, arrays: NDArray[Any]) -> bytes:
    """The ONNX graph of a network: arrays of any number to unit vectors.

    arrays: (n, …) of which PROBES are what it is checked on. Raises PluginError if the network
    cannot be written as ONNX, or if a vector comes out other than torch's.
    """
    served = _Served(network).eval().cpu()
    spread = np.unique(np.linspace(0, len(arrays) - 1, PROBES).astype(np.int64))
    probes = torch.from_numpy(np.array(arrays[spread]))  # a copy: those on disk are read-only
    whole = export_onnx(served, (probes[:2],), {"arrays": {0: "n"}})
    with torch.inference_mode():
        wanted = served(probes).numpy()
    smaller = halve_weights(whole)
    if _worst(wanted, _served_by(smaller, probes)) >= SAME:
        return smaller
    # A head that was hardly trained may hang on the last digits of its weights.
    require_same(wanted, _served_by(whole, probes))
    return whole


def export_onnx(
    network: nn.Module,
    probes: tuple[Tensor, ...],
    axes: Mapping[str, Mapping[int, str]],
    outputs: Sequence[str] = ("vectors",),
) -> bytes:
    """The ONNX graph of a network. axes: of each input, those that may vary; of outputs, the first.

    Raises PluginError if it cannot be written.
    """
    made: Any = io.BytesIO()  # which torch takes, though its annotations do not say so
    try:
        with quiet():
            torch.onnx.export(
                network, probes, made, input_names=[*axes], output_names=[*outputs],
                dynamic_axes={**axes, outputs[0]: {0: "n"}}, opset_version=OPSET, dynamo=False,
            )  # fmt: skip
    except Exception as error:  # of any kind
        raise PluginError(
            f"the network cannot be written as ONNX: {type(error).__name__}:"
            f" {shorten(str(error).strip())}",
            hint="take another backbone",
        ) from error
    content: bytes = made.getvalue()
    return content


def halve_weights(content: bytes) -> bytes:
    """The graph with its large weights stored as float16, and cast when it is opened.

    Half the bytes on disk; what is computed is float32, and `graph` compares the vectors.
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
    made: bytes = model.SerializeToString()
    return made


def require_same(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> None:
    """Raise PluginError unless each two unit vectors have a cosine of SAME at least."""
    worst = _worst(wanted, found)
    if not worst >= SAME:
        raise PluginError(f"the exported graph differs from torch: cosine {worst:.6f}")


def _worst(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    return float((wanted * found).sum(axis=1).min())


def _served_by(content: bytes, probes: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = session(content).run(None, {"arrays": probes.numpy()})[0]
    return found


def versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def replace_folder(folder: Path, make: Callable[[Path], None]) -> None:
    """Have a folder made beside its place, then move it there: it is whole or absent."""
    with tempfile.TemporaryDirectory(prefix=".encoder-", dir=folder.parent) as made:
        ready = Path(made) / folder.name
        ready.mkdir()
        make(ready)
        shutil.rmtree(folder, ignore_errors=True)
        ready.rename(folder)
