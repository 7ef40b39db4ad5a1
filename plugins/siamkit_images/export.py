"""Export timm's networks to encoder folders. Needs torch."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.sdk.extras import require_extra
from siamkit.sdk.hub import offline, require_reachable
from siamkit.sdk.model_folder import Card, read_card, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.sdk.picture_recipe import FILTERS, MODES, PREPARED, prepare, read_recipe
from siamkit.sdk.quiet import quiet
from siamkit.sdk.torch_export import (
    first_line,
    hash_weights,
    require_exportable,
    require_same,
    write_graph,
)

SAME = 0.999  # least cosine between a served vector and timm's, whose scaling rounds differently
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
LIST_MODELS = "to list them: python -c 'import timm; print(timm.list_models(pretrained=True))'"


def import_timm() -> Any:
    require_extra("train", "making an encoder of a network of timm")
    import timm

    return timm


def open_model(model: str, *, offline_default: str) -> Any:
    """Open a timm network with its weights, without its classifier.

    model: a timm name, a hub name or a folder. offline_default: a model that needs no network, for
    the message. Raises BadInput for an unknown model, MissingWeights if it cannot be fetched.
    """
    timm = import_timm()
    if (folder := Path(model).expanduser()).is_dir():
        model = str(folder)
        if not (Path(model) / "config.json").is_file():
            raise BadInput(
                f"{model} has no config.json, so timm has not saved it",
                hint="timm.models.save_for_hf(MODEL, FOLDER) writes one",
            )
        return _to_float32(_create(timm, model, f"local-dir:{model}"), model)
    if model[:1] in "./~" or model.count("/") > 1:  # a hub name is OWNER/MODEL
        raise BadInput(f"there is no folder {model}")
    hub = model if HUB_NAME.fullmatch(model) else _hub_name(timm, model)
    name = f"hf-hub:{model}" if hub == model else model
    try:
        with offline():
            network = _create(timm, model, name)
    except BadInput:  # not in the local hub cache, or not usable
        require_reachable(
            hub, hint=f"without a network use {offline_default}, the installed default, or a folder"
        )
        network = _create(timm, model, name)
    return _to_float32(network, model)


def _hub_name(timm: Any, model: str) -> str:
    """Return the hub name of a model's weights. Raises BadInput if timm has none."""
    architecture = model.split(".")[0]
    if not timm.is_model(model):
        near = get_close_matches(architecture, timm.list_models(), n=5)
        raise BadInput(
            f"timm has no model {model[:80]!r}",
            hint=f"did you mean: {', '.join(near)}" if near else LIST_MODELS,
        )
    tags = timm.list_pretrained(f"{architecture}.*")
    if not tags:
        raise BadInput(
            f"timm has no trained weights of {architecture}; random ones distinguish nothing",
            hint=LIST_MODELS,
        )
    if "." in model and model not in tags:
        raise BadInput(
            f"timm has no weights {model!r}", hint=f"of {architecture}: {', '.join(tags)}"
        )
    config = timm.get_pretrained_cfg(model)
    hub = str(config.hf_hub_id or "")
    return f"{hub}{config.architecture}.{config.tag}" if hub.endswith("/") else hub


def _create(timm: Any, model: str, name: str) -> Any:
    try:
        with quiet():
            return timm.create_model(name, pretrained=True, num_classes=0).eval()
    except MemoryError:
        raise
    except Exception as error:  # timm raises any class
        raise BadInput(f"timm cannot open {model}: {first_line(error)}") from error


def _to_float32(network: Any, model: str) -> Any:
    """Convert the network to float32. Raises BadInput if it is too large to be exported."""
    size = sum(tensor.numel() * 4 for tensor in network.state_dict().values())
    require_exportable(model, size)
    return network.float()


def read_licence(network: Any, name: str) -> str:
    """Return the licence that timm states for the weights, or where to look for it.

    A saved folder repeats the licence of the model that it was started with.
    """
    stated = network.pretrained_cfg.get("license")
    if stated and Path(name).expanduser().is_dir():
        return f"{stated}, says its config.json"
    return str(stated or f"unknown: see {name}")


def export(model: Any, folder: Path, card: Card) -> None:
    """Write the encoder folder of a timm network: uint8 pictures to unit vectors.

    Fills in the card's dim and preprocessing, and adds the weights' SHA-256 to its source. Raises
    BadInput if it cannot be served, PluginError if the served vectors differ from timm's.
    """
    with quiet():
        config = import_timm().data.resolve_model_data_config(model)
        constants = _constants(config)
        graph, dim = _trace(model, config, constants, card.source)
        source = f"{card.source}, SHA-256 {hash_weights(model)}"
        write_folder(folder, graph, replace(card, dim=dim, preprocessing=constants, source=source))
        _compare(model, config, folder, card.source)


def _constants(config: dict[str, Any]) -> dict[str, Any]:
    """Convert timm's data config to a card's constants. Raises BadInput if it is unsupported."""
    channels, *size = config["input_size"]
    mean = [float(value) for value in config["mean"]]
    constants = {
        "size": [int(edge) for edge in size],
        "crop": float(config["crop_pct"]),
        "mode": str(config.get("crop_mode") or "center"),
        "interpolation": str(config["interpolation"]),
        "fill": [round(255 * value) for value in (mean * 3)[:3]],
        "mean": mean,
        "std": [float(value) for value in config["std"]],
        "prepared": PREPARED,
    }
    mode, interpolation = constants["mode"], constants["interpolation"]
    if channels != 3 or mode not in MODES or interpolation not in FILTERS:
        raise BadInput(
            f"a network with {channels} channels, crop {mode} and interpolation {interpolation}"
            " is not supported"
        )
    return constants


def _trace(
    model: Any, config: dict[str, Any], constants: dict[str, Any], name: str
) -> tuple[bytes, int]:
    """Return the graph, and the dimension of its vectors."""
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
    file, axes = io.BytesIO(), {"pixels": {0: "n"}}
    hint = "use a convolutional network, such as resnet50 or mobilenetv3_large_100"
    dim = write_graph(Served().eval(), (probes,), file, axes, model=name, hint=hint)
    return file.getvalue(), dim


def _compare(model: Any, config: dict[str, Any], folder: Path, name: str) -> None:
    """Raise PluginError unless the vectors equal those of timm's transform and torch.

    Raises BadInput if torch's vectors are not finite, or zero.
    """
    import torch
    from PIL import Image as pil

    transform = import_timm().data.create_transform(**config, is_training=False)
    pictures = probes()
    with torch.inference_mode():
        ready = torch.stack([transform(pil.fromarray(pixels)) for pixels in pictures])
        features = model(ready)
        expected = torch.nn.functional.normalize(features, dim=1).numpy()
    if not np.isfinite(expected).all() or not features.any(dim=1).all():
        raise BadInput(f"{name} returns vectors of zeros, NaN or Inf: its weights are damaged")
    recipe = read_recipe(read_card(folder).preprocessing)
    encoder: OnnxEncoder[NDArray[np.uint8]] = OnnxEncoder(folder, lambda p: prepare(p, recipe))
    require_same(encoder.embed(pictures), expected, SAME, peer="timm")


def probes() -> list[NDArray[np.uint8]]:
    """Return pictures to compare two models on: small, wide, tall; smooth, with edges, noisy."""
    rng = np.random.default_rng(0)
    pictures = []
    for height, width in ((300, 400), (517, 250), (64, 64), (224, 224)):
        rows, columns = np.mgrid[0:height, 0:width]
        smooth = [
            128 + 90 * np.sin(rows / a + columns / b) for a, b in ((31, 47), (23, -61), (53, 29))
        ]
        edges = 60 * ((rows // 40 + columns // 56) % 2)
        noise = rng.normal(0, 6, (height, width, 3))
        picture = np.stack(smooth, axis=-1) + edges[..., None] + noise
        pictures.append(np.clip(picture, 0, 255).astype(np.uint8))
    return pictures
