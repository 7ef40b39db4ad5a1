"""Write the speech detector's graph out of the published one, all frames of a clip in one run.

    python speech_network.py OUT.onnx           # with silero-vad==6.2.3 installed

The published graph takes a frame a run, so that most of the time goes to starting runs. Only its
LSTM needs the frames in order: here everything else takes them at once. Weights are as published.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from siamkit.train.export import written
from siamkit_speech.silero import CONTEXT, FRAME, STATE

PUBLISHED = "data/silero_vad_16k_op15.onnx"
HOP, OVERHANG = 128, 64  # samples: of the STFT, and that are mirrored behind a frame
STRIDES = (1, 2, 2, 1)  # of the encoder's convolutions
SAME = 1e-5  # the largest difference of two probabilities


class SpeechNetwork(nn.Module):
    """Silero VAD v6 (Silero Team 2024, MIT): (n, 576) frames and a (2, 1, 128) state."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.basis = nn.Parameter(weights["model.stft.forward_basis_buffer"])
        for part in ("weight", "bias"):
            for number in range(len(STRIDES)):
                value = weights[f"model.encoder.{number}.reparam_conv.{part}"]
                self.register_parameter(f"{part}{number}", nn.Parameter(value))
        self.lstm = nn.LSTM(STATE[2], STATE[2])
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(self.lstm, f"{part}_l0").data = weights[f"model.decoder.rnn.{part}"]
        self.out = nn.Linear(STATE[2], 1)
        self.out.weight.data = weights["model.decoder.decoder.2.weight"][:, :, 0]
        self.out.bias.data = weights["model.decoder.decoder.2.bias"]

    def forward(self, frames: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        padded = F.pad(frames.unsqueeze(1), (0, OVERHANG), mode="reflect")
        real, imaginary = F.conv1d(padded, self.basis, stride=HOP).chunk(2, dim=1)
        x = (real.square() + imaginary.square()).sqrt()
        for number, stride in enumerate(STRIDES):
            weight, bias = getattr(self, f"weight{number}"), getattr(self, f"bias{number}")
            x = F.conv1d(x, weight, bias, stride, padding=1).relu()
        heard, (hidden, cell) = self.lstm(x.squeeze(2).unsqueeze(1), (state[:1], state[1:]))
        said = self.out(heard.squeeze(1).relu()).sigmoid().squeeze(1)
        return said, torch.cat([hidden, cell])


def published() -> Path:
    """The graph inside of the package silero-vad, which is not imported."""
    spec = find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise SystemExit("silero-vad is not installed: pip install silero-vad==6.2.3")
    return Path(spec.origin).parent / PUBLISHED


def step_by_step(samples: np.ndarray) -> np.ndarray:
    """(frames,) probabilities as the published graph gives them, a frame a run."""
    session = onnxruntime.InferenceSession(published())
    count = len(samples) // FRAME
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), samples])
    state, heard = np.zeros(STATE, np.float32), np.empty(count, np.float32)
    for number in range(count):
        seen = padded[None, number * FRAME : number * FRAME + CONTEXT + FRAME]
        fed = {"input": seen, "state": state, "sr": np.array(16_000)}
        said, state = session.run(None, fed)
        heard[number] = said[0, 0]
    return heard


def main() -> None:
    out = Path(sys.argv[1])
    stored = onnx.load(published()).graph.initializer
    weights = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in stored}
    network = SpeechNetwork(weights).eval()
    samples = np.random.default_rng(0).normal(0, 0.1, 200 * FRAME).astype(np.float32)
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), samples])
    frames = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME].copy()
    probes = (torch.from_numpy(frames), torch.zeros(STATE))
    graph = written(network, probes, {"frames": {0: "n"}, "state": {}}, ("heard", "after"))
    out.write_bytes(graph)
    fed = {"frames": frames, "state": np.zeros(STATE, np.float32)}
    found = onnxruntime.InferenceSession(graph).run(None, fed)[0]
    worst = float(np.abs(found - step_by_step(samples)).max())
    if worst > SAME:
        raise SystemExit(f"it differs from the published one by {worst:.1e}")
    print(f"{out}: {len(graph):,} bytes of ONNX; largest difference of a probability {worst:.1e}")


if __name__ == "__main__":
    main()
