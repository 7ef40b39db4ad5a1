"""Open torchvision's networks by builder name, with weights of its hub or of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.sdk.extras import require_extra
from siamkit.sdk.torch_export import first_line, hash_weights
from siamkit.sdk.torchvision_hub import open_network
from siamkit_objects.label_files import read_labels

BACKGROUND = "__background__"
# Builders whose own weights torchvision runs with normalisations of eps 0, by their frozen layers.
WITHOUT_EPS = ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "retinanet_resnet50_fpn")
# Their outputs have no decoder here: key points, and FCOS, whose scores are means of two.
UNSUPPORTED = ("keypointrcnn_resnet50_fpn", "fcos_resnet50_fpn")
LICENCE = "BSD-3-Clause (torchvision); see the terms of the data that it was trained on"


@dataclass(frozen=True, slots=True)
class Original:
    """A torchvision network to export."""

    name: str  # of its builder
    kind: str  # "detection" or "segmentation"
    network: Any
    transforms: Any  # torchvision's own preprocessing
    labels: tuple[str, ...]
    first: int  # number of the first label: 1 if 0 is the background, which is never found
    licence: str
    source: str


def open_original(model: str, labels: Path | None) -> Original:
    """Open 'BUILDER', with the weights of torchvision's hub, or 'BUILDER@FILE.pth'.

    labels: a file with the names of the classes that a file's weights were trained for. Raises
    BadInput for an unknown builder or weights that do not fit it, MissingWeights without
    torchvision, or if its hub cannot be reached.
    """
    models = _import_models()
    name, separator, file = model.partition("@")
    kind = _kind(models, name)
    if separator and not file:
        raise BadInput(f"{model} names no file of weights after the @")
    default = models.get_model_weights(name).DEFAULT
    names = tuple(str(category) for category in default.meta["categories"])
    if file:
        state = _read_state(Path(file).expanduser())
        classes = _count_classes(models, name, state, file)
        names = _names(names, labels, classes, file, kind)
        network = _fill(models, name, state, classes, file)
        if name in WITHOUT_EPS and Path(file).name == default.url.rsplit("/", 1)[-1]:
            _clear_eps(network)
    elif labels is not None:
        raise BadInput(f"torchvision's weights of {name} have labels: leave out --labels")
    else:
        network = open_network(models, name, default, "use {}")
    # RetinaNet scores each class for itself, its unused background too.
    first = int(kind == "detection" and type(network).__name__ != "RetinaNet")
    digest = hash_weights(network)
    return Original(
        name=name,
        kind=kind,
        network=network.eval(),
        transforms=default.transforms(),
        labels=names[first:],
        first=first,
        licence=f"unknown: see {Path(file).name}" if file else LICENCE,
        source=f"torchvision:{name}@{Path(file).name if file else default.name}, SHA-256 {digest}",
    )


def _import_models() -> Any:
    require_extra("train", "making a detector of a network of torchvision")
    return import_module("torchvision.models")


def _kind(models: Any, name: str) -> str:
    """Return "detection" or "segmentation". Raises BadInput for any other builder."""
    kinds = {
        builder: kind
        for kind in ("detection", "segmentation")
        for builder in models.list_models(getattr(models, kind))
        if builder not in UNSUPPORTED
    }
    if name not in kinds:
        near = get_close_matches(name, kinds, n=4, cutoff=0.5)
        raise BadInput(
            f"torchvision has no detector or semantic network {name[:80]!r} that can be added",
            hint=f"did you mean: {', '.join(near)}" if near else f"one of: {', '.join(kinds)}",
        )
    return kinds[name]


def _clear_eps(network: Any) -> None:
    """Do to weights of torchvision's that come as a file what its builder does to its own."""
    for module in network.modules():
        if type(module).__name__ == "BatchNorm2d":
            module.eps = 0.0


def _read_state(path: Path) -> dict[str, Any]:
    """Read the tensors of a .pth file, also if they are inside a checkpoint."""
    import torch

    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # of pickle, zipfile, torch or the system
        raise BadInput(
            f"{path} cannot be read as weights: {first_line(error)}",
            hint="save them by torch.save(model.state_dict(), FILE)",
        ) from error
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    ):
        raise BadInput(
            f"{path} does not hold weights by name",
            hint="save them by torch.save(model.state_dict(), FILE)",
        )
    return {key: value for key, value in content.items() if _is_weight(key)}


def _is_weight(key: str) -> bool:
    return not key.endswith("num_batches_tracked")  # a frozen normalisation does not have it


def _build(models: Any, name: str, classes: int, state: Mapping[str, Any]) -> Any:
    options: dict[str, Any] = {"num_classes": classes}
    if any(key.startswith("aux_classifier.") for key in state):
        options["aux_loss"] = True
    return models.get_model(name, weights=None, weights_backbone=None, **options)


def _shapes(models: Any, name: str, classes: int, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shapes of a network's tensors by name, without making it."""
    import torch

    with torch.device("meta"):
        network = _build(models, name, classes, state)
    return {k: tuple(v.shape) for k, v in network.state_dict().items() if _is_weight(k)}


def _count_classes(models: Any, name: str, state: Mapping[str, Any], file: str) -> int:
    """Return the number of classes, background included, that weights were trained for.

    Raises BadInput for weights of another network.
    """
    two, three = (_shapes(models, name, classes, state) for classes in (2, 3))
    if set(two) != set(state):
        raise BadInput(
            f"{file} does not fit {name}: {_describe_keys(models, set(state), set(two))}"
        )
    for key, shape in two.items():
        per_class = three[key][0] - shape[0] if shape else 0
        if per_class:
            return int(2 + (state[key].shape[0] - shape[0]) / per_class)
    raise BadInput(f"{name} has no classes")


def _describe_keys(models: Any, given: set[str], own: set[str]) -> str:
    """Return whose weights have these names, or the first name that differs."""
    for kind in ("detection", "segmentation"):
        for name in models.list_models(getattr(models, kind)):
            try:
                others = set(_shapes(models, name, 2, dict.fromkeys(given)))
            except (TypeError, ValueError):  # a builder with other options
                continue
            if others == given:
                return f"its weights are those of {name}"
    missing, extra = sorted(own - given), sorted(given - own)
    if missing:
        return f"it lacks {len(missing)} of {len(own)} weights, such as {missing[0]}"
    return f"it has weights that the network has not, such as {extra[0]}"


def _names(
    defaults: Sequence[str], labels: Path | None, classes: int, file: str, kind: str
) -> tuple[str, ...]:
    """Return the names of all classes, the background first. Raises BadInput if they do not fit."""
    if labels is None:
        if classes != len(defaults):
            raise BadInput(
                f"{file} has {classes} classes, torchvision's own weights have {len(defaults)}",
                hint="give their names, without the background, by --labels FILE",
            )
        return tuple(defaults)
    names = read_labels(labels)
    if len(names) == classes and (kind == "segmentation" or names[0] == BACKGROUND):
        return names
    if len(names) != classes - 1:
        raise BadInput(
            f"{labels} has {len(names)} labels, {file} has {classes - 1} classes and the background"
        )
    return (BACKGROUND, *names)


def _fill(models: Any, name: str, state: dict[str, Any], classes: int, file: str) -> Any:
    """Return a network with weights of a file. Raises BadInput if a shape differs."""
    network = _build(models, name, classes, state)
    for key, tensor in network.state_dict().items():
        if _is_weight(key) and state[key].shape != tensor.shape:
            raise BadInput(
                f"{file} does not fit {name} with {classes} classes: {key} has the shape"
                f" {tuple(state[key].shape)}, expected {tuple(tensor.shape)}"
            )
    network.load_state_dict(state, strict=False)
    return network
