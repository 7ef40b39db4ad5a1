"""The encoder of shipped weights as an ONNX graph, written without torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from siamkit.sdk.graph_writer import TYPES, GraphWriter, Port
from siamkit.sdk.inverted_residuals import LITE0, NetworkWriter
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.tensors import read_tensors
from siamkit_style.statistics import PREPROCESSING, SIDE, append_moments

# The last block of each resolution, but for the coarsest: its channels tell what is shown.
STAGES = 5
LAYERS = {"block2_2": 24, "block3_2": 40, "block4_3": 80, "block5_3": 112}  # name -> channels
WHITENING = Path(__file__).with_name("whitening.safetensors")  # tools/style_whitening.py writes it


def build(folder: Path, card: Card) -> None:
    """Write the folder of the encoder `moments`; fill in the card's dim and preprocessing.

    Raises MissingWeights.
    """
    tensors = read_tensors(WHITENING)[0]
    graph = GraphWriter()
    centred = graph.node("Sub", append_statistics(graph), tensors["mean"])
    whitened = graph.node("MatMul", centred, tensors["matrix"])
    graph.node("LpNormalization", whitened, output="vectors", axis=-1, p=2)
    dim = tensors["matrix"].shape[1]
    write_folder(
        folder, model(graph, card.name, dim), replace(card, dim=dim, preprocessing=PREPROCESSING)
    )


def append_statistics(graph: GraphWriter, *, output: str = "") -> str:
    """Append EfficientNet-Lite0 and the moments of LAYERS, (n, 512) rows, after `pixels`."""
    planes = graph.node("Transpose", "pixels", perm=(0, 3, 1, 2))
    planes = graph.node("Cast", planes, to=TYPES["float32"])
    blocks = NetworkWriter(graph, LITE0).blocks(planes, stages=STAGES, are_named=True)
    moments = [append_moments(graph, blocks[name]) for name in LAYERS]
    return graph.node("Concat", *moments, output=output, axis=1)


def model(graph: GraphWriter, name: str, dim: int) -> bytes:
    """Return the model of a graph from `pixels` to `vectors`."""
    pixels = Port("pixels", "uint8", ("n", SIDE, SIDE, 3))
    return graph.model(name, [pixels], [Port("vectors", "float32", ("n", dim))])
