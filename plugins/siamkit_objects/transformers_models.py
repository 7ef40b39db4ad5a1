"""Open transformers' detectors and segmenters by hub name or folder, with their processors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.extras import require_extra
from siamkit.sdk.hub import offline, require_reachable
from siamkit.sdk.quiet import quiet
from siamkit.sdk.torch_export import first_line, hash_weights, require_exportable
from siamkit_objects.inputs import MAX_SIDE

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
BILINEAR = 2  # PIL.Image.Resampling.BILINEAR, what all of these networks are trained with
YOLOS_MULTIPLE = -16  # its processor rounds the sides down
# The network's class and the family of its outputs, by the `model_type` of a config.
NETWORKS: Mapping[str, tuple[str, str]] = {
    "detr": ("DetrForObjectDetection", "detr"),
    "rt_detr": ("RTDetrForObjectDetection", "detr"),
    "rt_detr_v2": ("RTDetrV2ForObjectDetection", "detr"),
    "d_fine": ("DFineForObjectDetection", "detr"),
    "yolos": ("YolosForObjectDetection", "detr"),
    "segformer": ("SegformerForSemanticSegmentation", "semantic"),
    "mask2former": ("Mask2FormerForUniversalSegmentation", "masks"),
    "sam": ("SamModel", "sam"),
    "sam2": ("Sam2Model", "sam"),
    "sam2_video": ("Sam2Model", "sam"),  # what the published SAM 2 weights call themselves
}


@dataclass(frozen=True, slots=True)
class Original:
    """A network of transformers to export."""

    name: str
    kind: str  # its `model_type`
    family: str
    network: Any
    processor: Any
    labels: tuple[str, ...]
    licence: str
    source: str

    @property
    def images(self) -> Any:
        """The part of the processor that prepares pictures."""
        return getattr(self.processor, "image_processor", self.processor)


def open_original(model: str) -> Original:
    """Open a model by its hub name or folder.

    Raises BadInput if it is not one of NETWORKS or its weights do not fit, MissingWeights without
    transformers, or if it cannot be fetched.
    """
    transformers = _import_transformers()
    folder = Path(model).expanduser()
    if folder.is_dir():
        try:
            with offline(), quiet():
                return _open(transformers, str(folder), folder.name)
        except OSError as error:
            raise BadInput(
                f"transformers cannot open {folder}: {first_line(error)}",
                hint="network.save_pretrained(FOLDER) and processor.save_pretrained(FOLDER) write"
                " what is needed",
            ) from error
    if not HUB_NAME.fullmatch(model):
        raise BadInput(f"{model[:80]!r} is neither a folder nor a hub name, OWNER/MODEL")
    try:
        with offline(), quiet():
            return _open(transformers, model, model)
    except OSError:  # not in the local hub cache
        require_reachable(model, hint="without a network give a folder that has its files")
    try:
        with quiet():
            return _open(transformers, model, model)
    except OSError as error:
        raise MissingWeights(f"{model} could not be fetched: {first_line(error)}") from error


def _import_transformers() -> Any:
    require_extra("train", "making a detector of a model of transformers")
    return import_module("transformers")


def _open(transformers: Any, path: str, name: str) -> Original:
    """Load config, weights and processor. Raises OSError if a file is not there."""
    try:
        config = transformers.AutoConfig.from_pretrained(path)
    except ValueError as error:  # a config that names no architecture
        raise BadInput(f"{name} is not a transformers model: {first_line(error)}") from error
    kind = str(config.model_type)
    if kind not in NETWORKS:
        raise BadInput(
            f"{name} is a {kind}, which cannot be added",
            hint=f"known: {', '.join(sorted(NETWORKS))}",
        )
    class_name, family = NETWORKS[kind]
    network = _load(getattr(transformers, class_name), path, name)
    processor_class = "AutoProcessor" if family == "sam" else "AutoImageProcessor"
    try:
        processor = getattr(transformers, processor_class).from_pretrained(path)
    except (ValueError, TypeError, KeyError) as error:  # of a processor's settings
        raise BadInput(f"the processor of {name} cannot be opened: {first_line(error)}") from error
    if kind == "mask2former" and "semantic" in name.lower():
        family = "semantic"
    labels = () if family == "sam" else _read_labels(network.config, name)
    return Original(
        name=name.rsplit("/", 1)[-1],
        kind=kind,
        family=family,
        network=network,
        processor=processor,
        labels=labels,
        licence=_read_licence(path, name),
        source=f"transformers:{name}, SHA-256 {hash_weights(network)}",
    )


def _load(network_class: Any, path: str, name: str) -> Any:
    """Return the network in float32. Raises BadInput for weights that do not fill it exactly."""
    import torch

    try:
        network, report = network_class.from_pretrained(
            path,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (OSError, MemoryError):
        raise
    except Exception as error:  # transformers, timm and safetensors raise any class
        raise BadInput(f"transformers cannot open {name}: {first_line(error)}") from error
    for key, given, expected in sorted(report["mismatched_keys"]):
        raise BadInput(
            f"the weights of {name} do not fit its config: {key} has the shape {tuple(given)},"
            f" {network_class.__name__} with {network.config.num_labels} labels needs"
            f" {tuple(expected)}"
        )
    missing = sorted(report["missing_keys"])
    if missing:
        raise BadInput(
            f"the weights of {name} are not those of a {network_class.__name__}, as its config"
            f" says: {len(missing)} are missing, such as {missing[0]}"
        )
    require_exportable(name, sum(4 * tensor.numel() for tensor in network.state_dict().values()))
    return network.eval()


def _read_labels(config: Any, name: str) -> tuple[str, ...]:
    names = {int(number): str(label) for number, label in config.id2label.items()}
    if sorted(names) != list(range(len(names))):
        raise BadInput(f"the labels of {name} are not numbered from 0 to {len(names) - 1}")
    return tuple(names[number] for number in range(len(names)))


def _read_licence(path: str, name: str) -> str:
    """Return the licence that the README of a folder declares, or where to look for it."""
    readme = Path(path) / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    line = re.search(r"\A---\s*\n(?:.*\n)*?license:[ \t]*(\S.*)$", text, re.MULTILINE)
    return line[1].strip().strip("\"'") if line else f"unknown: see {name}"


def read_recipe(original: Original) -> dict[str, Any]:
    """Return the input recipe that does what the model's processor does to one picture.

    Raises BadInput if it does something that the recipe cannot say.
    """
    images = original.images
    unknown = [
        text
        for text, is_present in {
            f"resampling {images.resample}": images.do_resize and images.resample != BILINEAR,
            "a centre crop": getattr(images, "do_center_crop", None),
            "padding": original.family != "sam" and getattr(images, "pad_size", None),
        }.items()
        if is_present
    ]
    if unknown:
        raise BadInput(f"{original.name} prepares pictures by {unknown[0]}: not supported")
    recipe: dict[str, Any] = {
        "size": None,
        "resize": "none",
        "interpolation": "torch-antialias",
        "channels": "RGB",
        "layout": "NCHW",
        "scale": float(images.rescale_factor) if images.do_rescale else 1.0,
        "mean": [float(value) for value in images.image_mean] if images.do_normalize else [0.0] * 3,
        "std": [float(value) for value in images.image_std] if images.do_normalize else [1.0] * 3,
        "pad": 0,
    }
    if images.do_resize:
        recipe |= _read_size(images.size, original)
    return recipe


def _read_size(size: Any, original: Original) -> dict[str, Any]:
    if size.height and size.width:
        return {"size": [int(size.height), int(size.width)], "resize": "stretch"}
    if size.shortest_edge:
        multiple = int(getattr(original.images, "size_divisor", None) or 1)
        return {
            "size": [int(size.shortest_edge), int(size.longest_edge or MAX_SIDE)],
            "resize": "shortest",
            "multiple": YOLOS_MULTIPLE if original.kind == "yolos" else multiple,
        }
    if size.longest_edge:
        return {"size": [int(size.longest_edge)] * 2, "resize": "longest"}
    raise BadInput(f"{original.name} resizes pictures to {size}: not supported")
