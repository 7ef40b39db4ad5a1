"""Export transformers' detectors and segmenters to detector folders. Needs transformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import BadInput
from siamkit.sdk import boxes
from siamkit.sdk.detector_folder import DetectorCard, write_folder
from siamkit.sdk.masks import of_picture
from siamkit.sdk.quiet import quiet
from siamkit.sdk.torch_export import trace
from siamkit.types import Image, Region
from siamkit_objects import export_check, export_sam
from siamkit_objects.export_check import Agreement, Expected
from siamkit_objects.transformers_models import Original, open_original, read_recipe

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

PEER = "transformers"
MIN_SCORE = 0.5  # the threshold of transformers' processors
MIN_SHARE = 0.001  # of the picture: smaller pieces of a class are noise
MAX_REGIONS = 300
BACKGROUND = ("background", "__background__", "unlabeled", "unlabelled", "void")
MASK_SIDE = 384  # px: what Mask2Former's processor enlarges all masks to
# px of the picture that a network is traced with: nothing in it is a round number of windows or
# strides, so that no padding is left out of the graph.
EXAMPLE = (270, 410)


def write_transformers_folder(model: str, folder: Path, labels: Path | None = None) -> Agreement:
    """Write the detector folder of a transformers model, OWNER/MODEL of the hub or a folder.

    Returns how well it agrees with transformers on `export_check.probes()`. Raises BadInput for a
    model of another kind or unfit weights, MissingWeights without transformers or the hub,
    PluginError if the exported model finds other regions.
    """
    if labels is not None:
        raise BadInput("transformers' models have labels: leave out --labels")
    original = open_original(model)
    with quiet():
        if original.family == "sam":
            return export_sam.write(original, folder)
        write_folder(folder, _export(original), _card(original))
        return _check(original, folder)


def _card(original: Original) -> DetectorCard:
    decode: dict[str, Any] = {}
    if original.family == "detr":
        decode = {"scores": "softmax" if original.kind in ("detr", "yolos") else "sigmoid"}
    elif original.family == "semantic":
        decode = {
            "scores": "softmax" if original.kind == "segformer" else "share",
            "background": [label for label in original.labels if label.lower() in BACKGROUND],
            "min_share": MIN_SHARE,
        }
    return DetectorCard(
        name=original.name,
        plugin="objects",
        family=original.family,
        labels=original.labels,
        input=read_recipe(original),
        decode=decode,
        min_score=0.0 if original.family == "semantic" else MIN_SCORE,
        iou=None,
        max_regions=MAX_REGIONS,
        licence=original.licence,
        source=original.source,
    )


def _export(original: Original) -> bytes:
    """Return the graph of a network that finds boxes, classes or masks."""
    import torch

    network, family = original.network, original.family

    class Served(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
            outputs = self.network(pixel_values=pixels)
            if original.kind == "mask2former":
                classes, masks = _enlarge_masks(outputs)
                return (_to_planes(classes, masks),) if family == "semantic" else (classes, masks)
            if family == "semantic":
                return (outputs.logits,)
            return outputs.logits, outputs.pred_boxes

    recipe = read_recipe(original)
    example = np.random.default_rng(0).integers(0, 256, (*EXAMPLE, 3), np.uint8)
    sides = {2: "height", 3: "width"}
    axes = {} if recipe["resize"] == "stretch" else {"pixels": sides}
    if axes and original.kind == "segformer":
        axes["planes"] = sides
    with _traceable(original.kind):
        return trace(
            Served().eval(),
            (_prepare(original, example),),
            original.name,
            inputs=["pixels"],
            outputs=["planes"] if family == "semantic" else ["logits", "places"],
            axes=axes,
        )


def _prepare(original: Original, picture: NDArray[np.uint8]) -> torch.Tensor:
    pixels: torch.Tensor = original.images(images=picture, return_tensors="pt")["pixel_values"]
    return pixels


def _enlarge_masks(outputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return Mask2Former's class and mask logits, these as large as its processor makes them."""
    from torch.nn.functional import interpolate

    side = (MASK_SIDE, MASK_SIDE)
    masks = outputs.masks_queries_logits
    masks = interpolate(masks, size=side, mode="bilinear", align_corners=False)
    return outputs.class_queries_logits, masks


def _to_planes(classes: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return a plane per class, (1, c, h, w), as post_process_semantic_segmentation does."""
    import torch

    return torch.einsum("bqc,bqhw->bchw", classes.softmax(-1)[..., :-1], masks.sigmoid())


class _Traceable:
    """Torch, but sizes that it makes a tensor or a range of stay variable in a traced graph."""

    def __getattr__(self, name: str) -> Any:
        import torch

        return getattr(torch, name)

    def tensor(self, value: Any, dtype: Any = None, device: Any = None) -> torch.Tensor:
        import torch

        if isinstance(value, list | tuple) and value:
            return torch.stack([self.tensor(part, dtype, device) for part in value])
        converted: torch.Tensor = torch.as_tensor(value, device=device)
        return converted if dtype is None else converted.to(dtype)

    as_tensor = tensor

    def linspace(self, start: Any, end: Any, steps: Any, **options: Any) -> torch.Tensor:
        """Return `steps` numbers from `start` on, one apart: no others are asked for here."""
        import torch

        numbers: torch.Tensor = torch.arange(steps, **options) + start
        return numbers


@contextmanager
def _traceable(kind: str) -> Iterator[None]:
    """Let Mask2Former be traced for pictures of any size: its code makes constants of sizes."""
    if kind != "mask2former":
        yield
        return
    from transformers.models.mask2former import modeling_mask2former as module

    before = module.torch
    module.torch = _Traceable()
    try:
        yield
    finally:
        module.torch = before


def _check(original: Original, folder: Path) -> Agreement:
    """Compare the folder's regions, or classes of pixels, with transformers' own."""
    import torch

    from siamkit_objects.folder import FolderDetector

    def run(picture: NDArray[np.uint8]) -> Any:
        with torch.inference_mode():
            pixels = _prepare(original, picture)
            return original.network(pixel_values=pixels.to(original.network.dtype))

    def expect_maps(picture: NDArray[np.uint8]) -> tuple[Any, Any]:
        outputs = run(picture)
        is_plain = original.kind == "segformer"
        planes = outputs.logits if is_plain else _to_planes(*_enlarge_masks(outputs))
        return export_check.to_maps(planes, picture.shape[:2], logits=is_plain)

    if original.family == "semantic":
        return export_check.require_same_maps(folder, original.network, expect_maps, peer=PEER)
    detector, total = FolderDetector(folder), Agreement()
    find = _find_masks if original.family == "masks" else _find_boxes

    def expect(picture: NDArray[np.uint8]) -> Expected:
        return find(original, run(picture), picture), None

    for picture in export_check.probes():
        expected = expect(picture)
        least = export_check.threshold(expected[0], detector.min_score)
        served = detector.with_min_score(least).find(Image(picture))
        exact = partial(export_check.in_float64, original.network, partial(expect, picture))
        total |= export_check.require_same(served, expected, exact, peer=PEER, least=least)
    return total


def _find_boxes(original: Original, outputs: Any, picture: NDArray[np.uint8]) -> list[Region]:
    """Return every query's region, as the model's processor decodes it."""
    height, width = picture.shape[:2]
    answer = original.images.post_process_object_detection(
        outputs, threshold=0.0, target_sizes=[(height, width)]
    )[0]
    columns = (answer[key].tolist() for key in ("boxes", "scores", "labels"))
    regions = [
        Region(boxes.clip(tuple(box), width, height), score, label=original.labels[label])
        for box, score, label in zip(*columns, strict=True)
    ]
    sides = boxes.areas(boxes.array(regions))
    return [region for region, area in zip(regions, sides, strict=True) if area > 0]


def _find_masks(original: Original, outputs: Any, picture: NDArray[np.uint8]) -> list[Region]:
    """Return every query's mask, as the model's processor decodes it."""
    answer = original.images.post_process_instance_segmentation(
        outputs, threshold=0.0, target_sizes=[picture.shape[:2]], return_binary_maps=True
    )[0]
    regions = [
        of_picture(mask.numpy() > 0, segment["score"], original.labels[segment["label_id"]])
        for mask, segment in zip(answer["segmentation"], answer["segments_info"], strict=False)
    ]
    return [region for region in regions if region]
