"""Derive the speech detector's graph from the published one, to take all frames in one run.

    python tools/speech_network.py plugins/siamkit_speech/silero.onnx

Reads the graph in the package silero-vad==6.2.3, which must be installed, writes the derived one,
and compares the two. The published graph takes one frame per run, so most of the time is spent on
starting runs. Only its LSTM needs the frames in order; here the rest takes all of them at once.
The weights are unchanged.
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
HOP, OVERHANG = 128, 64  # samples: step of the STFT; mirrored at the end of a frame
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
        outputs, (hidden, cell) = self.lstm(x.squeeze(2).unsqueeze(1), (state[:1], state[1:]))
        probabilities = self.out(outputs.squeeze(1).relu()).sigmoid().squeeze(1)
        return probabilities, torch.cat([hidden, cell])


def find_published() -> Path:
    """Return the graph in the package silero-vad, which is not imported."""
    spec = find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise SystemExit("silero-vad is not installed: pip install silero-vad==6.2.3")
    return Path(spec.origin).parent / PUBLISHED


def run_published(samples: np.ndarray) -> np.ndarray:
    """Return (frames,) probabilities of the published graph, which takes one frame per run."""
    session = onnxruntime.InferenceSession(find_published())
    count = len(samples) // FRAME
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), samples])
    state, probabilities = np.zeros(STATE, np.float32), np.empty(count, np.float32)
    for number in range(count):
        frame = padded[None, number * FRAME : number * FRAME + CONTEXT + FRAME]
        inputs = {"input": frame, "state": state, "sr": np.array(16_000)}
        probability, state = session.run(None, inputs)
        probabilities[number] = probability[0, 0]
    return probabilities


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    out = Path(sys.argv[1])
    tensors = onnx.load(find_published()).graph.initializer
    weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in tensors}
    network = SpeechNetwork(weights).eval()
    samples = np.random.default_rng(0).normal(0, 0.1, 200 * FRAME).astype(np.float32)
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), samples])
    frames = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME].copy()
    probes = (torch.from_numpy(frames), torch.zeros(STATE))
    graph = written(network, probes, {"frames": {0: "n"}, "state": {}}, ("heard", "after"))
    out.write_bytes(graph)
    inputs = {"frames": frames, "state": np.zeros(STATE, np.float32)}
    probabilities = onnxruntime.InferenceSession(graph).run(None, inputs)[0]
    worst = float(np.abs(probabilities - run_published(samples)).max())
    if worst > SAME:
        raise SystemExit(f"the graph differs from the published one by {worst:.1e}")
    print(f"{out}: {len(graph):,} bytes of ONNX; largest difference of a probability {worst:.1e}")


if __name__ == "__main__":
    main()
