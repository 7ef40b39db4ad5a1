"""Pictures that are drawn to maximise a channel do so."""

from __future__ import annotations

import numpy as np
import pytest

from siamkit.errors import BadInput
from siamkit.sdk.graph_writer import GraphWriter, Port
from siamkit.sdk.layers import cut, read_layers
from siamkit.sdk.onnx import encoder_session
from siamkit.train.pictures.maximise import maximise

CHANNELS = (1, 4)


def network(side: int, colours: int) -> bytes:
    """Two layers of random 3 x 3 kernels, on pictures of the given size."""
    generator, writer = np.random.default_rng(0), GraphWriter()
    tensor, inputs = "pictures", colours
    for outputs in (6, 6):
        kernels = generator.normal(size=(outputs, inputs, 3, 3)).astype(np.float32)
        tensor = writer.node("Conv", tensor, kernels, pads=(1, 1, 1, 1))
        tensor, inputs = writer.node("Relu", tensor), outputs
    writer.node("GlobalAveragePool", tensor, output="vectors")
    ports = [Port("pictures", "float32", ("n", colours, side, side))]
    return writer.model("network", ports, [Port("vectors", "float32", None)])


def test_a_drawn_picture_raises_its_channel_more_than_noise_and_the_other_channels_picture():
    graph = network(32, 3)
    layer = read_layers(graph)[1]
    drawn = maximise(graph, layer, CHANNELS)
    assert drawn.shape == (2, 3, 32, 32)
    assert drawn.min() >= 0
    assert drawn.max() <= 255
    noise = np.random.default_rng(0).uniform(0, 255, (1, 3, 32, 32)).astype(np.float32)
    session = encoder_session(cut(graph, [layer.tensor]))
    (responses,) = session.run(None, {"pictures": np.concatenate([drawn, noise])})
    means = responses[:, CHANNELS].mean(axis=(2, 3))
    assert means.argmax(axis=0).tolist() == [0, 1]
    assert np.array_equal(drawn, maximise(graph, layer, CHANNELS))


def test_an_encoder_of_other_media_has_no_pictures_to_draw():
    graph = network(32, 8)
    with pytest.raises(BadInput, match="only encoders of pictures"):
        maximise(graph, read_layers(graph)[0], [1], steps=1)
