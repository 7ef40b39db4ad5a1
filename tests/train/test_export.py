"""The served graph gives torch's vectors, in as few bytes as that allows."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from siamkit.errors import PluginError
from siamkit.sdk.onnx import session
from siamkit.train import export

ARRAYS = np.random.default_rng(0).integers(0, 255, (200, 32), dtype=np.uint8)


class Embedding(nn.Module):
    """One matrix: `around` in all its cells, and what matters on top of that."""

    def __init__(self, around: float) -> None:
        super().__init__()
        fine = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))
        self.matrix = nn.Parameter(around + fine)
        self.around = around

    def forward(self, arrays):
        rows = arrays.float()
        return rows @ self.matrix.T - self.around * rows.sum(dim=1, keepdim=True)


@pytest.mark.parametrize(("around", "dtype"), [(0.0, "float16"), (1000.0, "float32")])
def test_weights_are_halved_where_the_vectors_stay_the_same(around, dtype):
    network = Embedding(around)
    content = export.export_graph(network, ARRAYS)
    weights = [
        onnx.numpy_helper.to_array(w) for w in onnx.load_from_string(content).graph.initializer
    ]
    assert str(max(weights, key=np.size).dtype) == dtype
    found = session(content).run(None, {"arrays": ARRAYS})[0]
    with torch.inference_mode():
        wanted = nn.functional.normalize(network(torch.from_numpy(ARRAYS)), dim=1).numpy()
    assert (found * wanted).sum(axis=1).min() >= 0.9999


class Unwritable(nn.Module):
    def forward(self, arrays):
        return torch.linalg.eigvalsh(arrays.float()[:, None] * arrays.float()[:, :, None])


def test_what_onnx_cannot_say_is_one_line(capfd):
    with pytest.raises(PluginError, match="cannot be written as ONNX"):
        export.export_graph(Unwritable(), ARRAYS[:4])
    assert capfd.readouterr().out == ""
