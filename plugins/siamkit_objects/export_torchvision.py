"""Export torchvision's detectors and semantic networks to detector folders. Needs torchvision."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.sdk.boxes import pixel_box
from siamkit.sdk.detector_folder import DetectorCard, write_folder
from siamkit.sdk.quiet import quiet
from siamkit.sdk.torch_export import require_exportable, trace
from siamkit.types import Image, Region
from siamkit_objects import export_check
from siamkit_objects.export_check import Agreement, Expected, Paint
from siamkit_objects.families.boxes import LEAST_SCORE, MASK_THRESHOLD
from siamkit_objects.inputs import MAX_SIDE
from siamkit_objects.torchvision_weights import BACKGROUND, Original, open_original

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from siamkit.types import Mask

Exported = tuple[bytes, DetectorCard, Callable[[Path], Agreement]]  # and its check of a folder
PEER = "torchvision"
MIN_SCORE = {"two-stage": 0.5, "one-stage": 0.3}  # of single-stage detectors, scores are lower
CANDIDATES = 200  # compared boxes before suppression: a picture may show nothing of their classes
MIN_SHARE = 0.001  # of the picture: smaller pieces of a class are noise
MAX_REGIONS = 300


def write_torchvision_folder(model: str, folder: Path, labels: Path | None = None) -> Agreement:
    """Write the detector folder of a torchvision model, BUILDER or BUILDER@WEIGHTS.pth.

    Returns how well it agrees with torchvision on `export_check.probes()`. Raises BadInput for an
    unknown builder or unfit weights, MissingWeights without torchvision or the hub, PluginError if
    the exported model finds other regions.
    """
    original = open_original(model, labels)
    network = original.network.eval()
    require_exportable(model, sum(4 * tensor.numel() for tensor in network.state_dict().values()))
    export = _export_semantic if original.kind == "segmentation" else _export_boxes
    with quiet():
        graph, card, check = export(original)
        write_folder(folder, graph, card)
        return check(folder)


def _card(original: Original, **values: Any) -> DetectorCard:
    return DetectorCard(
        name=original.name,
        plugin="objects",
        labels=original.labels,
        iou=None,
        max_regions=MAX_REGIONS,
        licence=original.licence,
        source=original.source,
        **values,
    )


def _export_boxes(original: Original) -> Exported:
    """Return graph, card and check of a Faster or Mask R-CNN, an SSD or a RetinaNet."""
    import torch

    network, transform = original.network, original.network.transform
    is_two_stage = hasattr(network, "roi_heads")
    head = network.roi_heads if is_two_stage else network
    fixed = transform.fixed_size  # width, height
    size = [fixed[1], fixed[0]] if fixed else [transform.min_size[-1], transform.max_size]
    recipe = {
        "size": [int(side) for side in size],
        "resize": "stretch" if fixed else "shortest",
        "interpolation": "torch",
        **_colours(transform.image_mean, transform.image_std),
    }

    class Prepared(torch.nn.Module):
        """The network's transform, for pictures that the recipe has prepared."""

        def forward(self, images: list[Any], targets: Any = None) -> tuple[Any, Any]:
            from torchvision.models.detection.image_list import ImageList

            sizes = [(image.shape[-2], image.shape[-1]) for image in images]
            batch = transform.batch_images(images, size_divisible=transform.size_divisible)
            return ImageList(batch, sizes), targets

        def postprocess(self, detections: Any, *_: Any) -> Any:
            return detections

    class Served(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor, min_score: torch.Tensor) -> tuple[Any, ...]:
            head.score_thresh = min_score
            found = self.network([pixels[0]])[0]
            masks = (found["masks"][:, 0],) if "masks" in found else ()
            return (found["boxes"], found["labels"] - original.first, found["scores"], *masks)

    has_masks = getattr(head, "mask_predictor", None) is not None
    outputs = ["boxes", "labels", "scores", *(["masks"] if has_masks else [])]
    axes: dict[str, dict[int, str]] = {output: {0: "n"} for output in outputs}
    if not fixed:
        axes["pixels"] = {2: "height", 3: "width"}
    pixels = torch.rand(1, 3, *(size if fixed else (size[0], size[0] + 32)))
    own_threshold = head.score_thresh
    network.transform = Prepared()
    try:
        graph = trace(
            Served().eval(),
            (pixels, torch.tensor(own_threshold)),
            original.name,
            inputs=["pixels", "min_score"],
            outputs=outputs,
            axes=axes,
        )
    finally:
        network.transform, head.score_thresh = transform, own_threshold
    card = _card(
        original,
        family="boxes",
        input=recipe,
        decode={},
        min_score=MIN_SCORE["two-stage" if is_two_stage else "one-stage"],
    )
    return graph, card, lambda folder: _check_boxes(original, folder)


def _colours(mean: Any, std: Any) -> dict[str, Any]:
    return {
        "channels": "RGB",
        "layout": "NCHW",
        "scale": 1 / 255,
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
        "pad": 0,
    }


def _check_boxes(original: Original, folder: Path) -> Agreement:
    """Compare boxes, scores and masks with those of the network as torchvision runs it."""
    from siamkit_objects.folder import FolderDetector

    network, detector = original.network, FolderDetector(folder)
    head = getattr(network, "roi_heads", network)
    own_threshold, total = head.score_thresh, Agreement()

    def find(pixels: torch.Tensor, least: float) -> Expected:
        try:
            head.score_thresh = least
            return _find(original, pixels)
        finally:
            head.score_thresh = own_threshold

    for picture in export_check.probes():
        pixels = original.transforms(_to_tensor(picture))
        least = max(LEAST_SCORE, min(own_threshold, _candidate_score(network, pixels)))
        served = detector.with_min_score(least).find(Image(picture))
        exact = partial(export_check.in_float64, network, partial(find, pixels.double(), least))
        expected = find(pixels, least)
        total |= export_check.require_same(served, expected, exact, peer=PEER, least=least)
    return total


def _find(original: Original, pixels: torch.Tensor) -> Expected:
    """Return torchvision's regions of a picture, and what draws their masks, if they have any."""
    height, width = pixels.shape[-2:]
    found, masks = _run(original.network, pixels)
    sides = found["boxes"][:, 2:] - found["boxes"][:, :2]
    has_area = (sides > 0).all(dim=1)
    columns = (found[key][has_area].tolist() for key in ("boxes", "scores", "labels"))
    regions = [
        Region(tuple(box), score, label=original.labels[label - original.first])
        for box, score, label in zip(*columns, strict=True)
    ]
    if masks is None:
        return regions, None
    return regions, _painter(masks[has_area].float(), height, width)


def _to_tensor(picture: NDArray[np.uint8]) -> torch.Tensor:
    import torch

    return torch.from_numpy(picture).permute(2, 0, 1)


def _candidate_score(network: Any, pixels: torch.Tensor) -> float:
    """Return the score that CANDIDATES boxes of a picture have, before they are suppressed."""
    import torch

    outputs: list[Any] = []
    module = network.roi_heads.box_predictor if hasattr(network, "roi_heads") else network.head
    hook = module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    try:
        with torch.inference_mode():
            network([pixels])
    finally:
        hook.remove()
    logits = outputs[0][0] if isinstance(outputs[0], tuple) else outputs[0]["cls_logits"]
    is_sigmoid = type(network).__name__ == "RetinaNet"
    scores = logits.sigmoid() if is_sigmoid else logits.softmax(-1)[..., 1:]
    return float(scores.flatten().topk(min(CANDIDATES, scores.numel())).values[-1])


def _run(network: Any, pixels: torch.Tensor) -> tuple[dict[str, torch.Tensor], Any]:
    """Return torchvision's regions, and their masks (n, 1, s, s), not yet enlarged, or None."""
    import torch

    transform = network.transform
    masks: list[Any] = []
    own = type(transform).postprocess

    def postprocess(detections: list[dict[str, Any]], *sizes: Any) -> Any:
        masks.extend(detection.get("masks") for detection in detections)
        return own(transform, detections, *sizes)

    transform.postprocess = postprocess
    try:
        with torch.inference_mode():
            return network([pixels])[0], masks[0]
    finally:
        del transform.postprocess


def _painter(masks: torch.Tensor, height: int, width: int) -> Paint:
    """Return a function that draws a mask of torchvision in the box of a served region.

    In its own box, which differs by a rounding error, it would be a pixel further now and then.
    """
    import torch
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    def paint(number: int, region: Region) -> Mask:
        assert region.where is not None
        assert len(region.where) == 4
        box = torch.tensor([region.where])
        drawn = paste_masks_in_image(masks[number][None], box, (height, width))[0, 0].numpy()
        left, top, right, bottom = pixel_box(region.where, width, height)
        return np.asarray(drawn[top:bottom, left:right] > MASK_THRESHOLD)

    return paint


def _export_semantic(original: Original) -> Exported:
    """Return graph, card and check of a DeepLab, an FCN or an LR-ASPP."""
    import torch

    network, transforms = original.network, original.transforms
    shortest = int(transforms.resize_size[0])

    class Served(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            planes: torch.Tensor = self.network(pixels)["out"]
            return planes

    graph = trace(
        Served().eval(),
        (torch.rand(1, 3, shortest, shortest + 32),),
        original.name,
        inputs=["pixels"],
        outputs=["planes"],
        axes={"pixels": {2: "height", 3: "width"}, "planes": {2: "height", 3: "width"}},
    )
    card = _card(
        original,
        family="semantic",
        input={
            "size": [shortest, MAX_SIDE],
            "resize": "shortest",
            "interpolation": "pillow",
            **_colours(transforms.mean, transforms.std),
        },
        decode={"scores": "softmax", "background": [BACKGROUND], "min_share": MIN_SHARE},
        min_score=0.0,
    )
    return graph, card, lambda folder: _check_semantic(original, folder)


def _check_semantic(original: Original, folder: Path) -> Agreement:
    import torch
    from PIL import Image as pil

    def expect(picture: NDArray[np.uint8]) -> tuple[Any, Any]:
        with torch.inference_mode():
            pixels = original.transforms(pil.fromarray(picture))[None]
            dtype = next(original.network.parameters()).dtype
            planes = original.network(pixels.to(dtype))["out"]
            return export_check.to_maps(planes, picture.shape[:2])

    return export_check.require_same_maps(folder, original.network, expect, peer=PEER)
