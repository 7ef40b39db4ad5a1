"""Write VGG networks of torchvision as encoder folders: Gram matrices of their layers. Needs torch.

The layers are those of L. A. Gatys, A. S. Ecker and M. Bethge, "Image Style Transfer Using
Convolutional Neural Networks" (CVPR 2016): the first of each resolution, relu1_1 to relu5_1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.sdk.extras import require_extra
from siamkit.sdk.graph_writer import TYPES, GraphWriter, Port
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.sdk.picture_recipe import prepare, read_recipe
from siamkit.sdk.torch_export import first_line, hash_weights, require_same
from siamkit.sdk.torchvision_hub import open_network
from siamkit_style.statistics import PREPROCESSING, SIDE, append_gram, gram_size, projection

NETWORKS = ("vgg11", "vgg13", "vgg16", "vgg19")
BLOCKS = 5  # resolutions; the first layer of each counts
LICENCE = "BSD-3-Clause (torchvision), trained on ImageNet"
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet, of 255
SAME = 0.999  # least cosine between a served vector and torch's


def open_vgg(model: str) -> tuple[Any, str, str]:
    """Open 'vgg19', with torchvision's weights, or 'vgg19@FILE.pth'.

    Returns its convolutions as torch modules, its licence and its source. Raises BadInput for
    another network or weights that do not fit, MissingWeights if they cannot be fetched.
    """
    name, separator, file = model.partition("@")
    if name not in NETWORKS:
        raise BadInput(
            f"styles cannot use the network {name[:80]!r} of torchvision",
            hint=f"one of: {', '.join(NETWORKS)}",
        )
    if separator and not file:
        raise BadInput(f"{model} names no file of weights after the @")
    require_extra("train", "making an encoder of a network of torchvision")
    models = import_module("torchvision.models")
    if file:
        network, licence = _read(models, name, Path(file).expanduser()), f"unknown: see {file}"
        place = Path(file).name
    else:
        weights = models.get_model_weights(name).DEFAULT
        command = f"run `siamkit encoders add styles {{}} --name {name}`"
        network = open_network(models, name, weights, command)
        licence, place = LICENCE, weights.name
    source = f"torchvision:{name}@{place}, SHA-256 {hash_weights(network)}"
    return network.features.eval(), licence, source


def _read(models: Any, name: str, path: Path) -> Any:
    """Open a network with the weights of a .pth file, which may lack the classifier's."""
    import torch

    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    network = models.get_model(name, weights=None)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        convolutions = {key: value for key, value in state.items() if key.startswith("features.")}
        network.features.load_state_dict(
            {key.removeprefix("features."): value for key, value in convolutions.items()}
        )
    except MemoryError:
        raise
    except Exception as error:  # of pickle, zipfile, torch or the system
        raise BadInput(
            f"{path} does not hold the weights of {name}: {first_line(error)}",
            hint="save them by torch.save(model.state_dict(), FILE)",
        ) from error
    return network


def export(layers: Any, folder: Path, card: Card) -> None:
    """Write the encoder folder of VGG's convolutions; fill in the card's dim and preprocessing.

    Its graph has a tensor by the name of each layer, relu1_1 to relu5_1. Raises PluginError if the
    served vectors differ from those that torch computes.
    """
    graph = GraphWriter()
    planes = graph.node("Transpose", "pixels", perm=(0, 3, 1, 2))
    last = graph.node("Cast", planes, to=TYPES["float32"])
    last = graph.node("Sub", last, np.array(MEAN, np.float32).reshape(3, 1, 1))
    last = graph.node("Div", last, np.array(DEVIATION, np.float32).reshape(3, 1, 1))
    grams = []
    for name, convolution in _named(layers):
        if convolution is None:
            last = graph.node("MaxPool", last, kernel_shape=(2, 2), strides=(2, 2))
            continue
        weight, bias = (part.detach().numpy() for part in (convolution.weight, convolution.bias))
        last = graph.node(
            "Conv", last, weight, bias, kernel_shape=(3, 3), pads=(1,) * 4, strides=(1, 1)
        )
        last = graph.node("Relu", last, output=name)
        if name.endswith("_1"):
            grams.append(append_gram(graph, last, len(weight)))
    joined = graph.node("Concat", *grams, axis=1)
    graph.node("LpNormalization", joined, output="vectors", axis=-1, p=2)
    dim = sum(gram_size(convolution.out_channels) for _, convolution in _first(layers))
    pixels = Port("pixels", "uint8", ("n", SIDE, SIDE, 3))
    content = graph.model(card.name, [pixels], [Port("vectors", "float32", ("n", dim))])
    write_folder(folder, content, replace(card, dim=dim, preprocessing=PREPROCESSING))
    _compare(layers, folder)


def _named(layers: Any) -> Iterator[tuple[str, Any]]:
    """Yield ("relu1_1", convolution) … up to relu5_1, and ("", None) for each pooling."""
    block, layer = 1, 0
    for module in layers:
        kind = type(module).__name__
        if kind == "MaxPool2d":
            yield "", None
            block, layer = block + 1, 0
        elif kind == "Conv2d":
            layer += 1
            yield f"relu{block}_{layer}", module
            if block == BLOCKS:
                return


def _first(layers: Any) -> list[tuple[str, Any]]:
    return [(name, module) for name, module in _named(layers) if name.endswith("_1")]


def _compare(layers: Any, folder: Path) -> None:
    """Raise PluginError unless the vectors equal those of torch, of two drawn pictures."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    waves = np.stack([128 + 90 * np.sin(rows / a + columns / 17) for a in (5, 11, 31)], axis=-1)
    pictures = [rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8), waves.astype(np.uint8)]
    encoder: OnnxEncoder[NDArray[np.uint8]] = OnnxEncoder(
        folder, lambda pixels: prepare(pixels, read_recipe(PREPROCESSING))
    )
    expected = np.stack([_compute(layers, picture) for picture in pictures])
    require_same(encoder.embed(pictures), expected, SAME, peer="torch")


def _compute(layers: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the vector of a picture, computed by torch."""
    import torch
    from torch.nn.functional import max_pool2d, normalize

    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
    parts = []
    with torch.inference_mode():
        planes = (torch.from_numpy(pixels).permute(2, 0, 1)[None].float() - mean) / deviation
        for name, convolution in _named(layers):
            planes = max_pool2d(planes, 2) if convolution is None else convolution(planes).relu()
            if name.endswith("_1"):
                channels = planes[0].flatten(1)
                matrix = torch.from_numpy(projection(len(channels)))
                gram = matrix.T @ (channels @ channels.T) @ matrix
                half = gram[tuple(torch.triu_indices(*gram.shape))]
                parts.append(normalize(half.sign() * half.abs().sqrt(), dim=0))
        vector: NDArray[np.float32] = normalize(torch.cat(parts), dim=0).numpy()
    return vector
