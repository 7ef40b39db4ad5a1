"""Export full-size detectors with random weights, and compare them: `… [NAME…]`.

NAME is a builder of torchvision, or the `model_type` of a transformers config, whose default sizes
are used. Weights are random, scaled so that signals keep their size from layer to layer: as nobody
has trained them, they show that a network exports and that its numbers agree, and nothing about
what it finds. Prints a row per network: seconds to export and compare, MB of the graph, regions
compared, and the largest differences. Downloads nothing. Large ones need SIAMKIT_MODEL_MEMORY=8000.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from siamkit.errors import SiamkitError
from siamkit_objects import export_check, export_torchvision, export_transformers
from siamkit_objects.export_check import Agreement

SCORES, BOXES = 0.5, 0.3  # standard deviations of the last layers: of logits, and of box codes
TORCHVISION = (
    *("ssdlite320_mobilenet_v3_large", "ssd300_vgg16", "fasterrcnn_mobilenet_v3_large_fpn"),
    *("lraspp_mobilenet_v3_large", "deeplabv3_resnet50", "retinanet_resnet50_fpn_v2"),
    *("fasterrcnn_resnet50_fpn_v2", "maskrcnn_resnet50_fpn_v2"),
)
TRANSFORMERS = {
    "yolos": ("YolosForObjectDetection", "YolosImageProcessor"),
    "segformer": ("SegformerForSemanticSegmentation", "SegformerImageProcessor"),
    "detr": ("DetrForObjectDetection", "DetrImageProcessor"),
    "rt_detr": ("RTDetrForObjectDetection", "RTDetrImageProcessor"),
    "rt_detr_v2": ("RTDetrV2ForObjectDetection", "RTDetrImageProcessor"),
    "d_fine": ("DFineForObjectDetection", "RTDetrImageProcessor"),
    "mask2former": ("Mask2FormerForUniversalSegmentation", "Mask2FormerImageProcessor"),
    "sam": ("SamModel", "SamProcessor"),
    "sam2": ("Sam2Model", "Sam2Processor"),
}
SCORE_LAYERS = ("cls_logits", "cls_score", "mask_fcn_logits", "low_classifier", "high_classifier")
BOX_LAYERS = ("bbox_pred", "bbox_reg")


def export_torchvision_network(name: str, folder: Path) -> Agreement:
    from torchvision import models

    network = models.get_model(name, weights=None, weights_backbone=None)
    _balance(network)
    torch.save(network.state_dict(), folder / "random.pth")
    model = f"{name}@{folder / 'random.pth'}"
    return export_torchvision.write_torchvision_folder(model, folder)


def _balance(network: Any) -> None:
    """Give random weights to a network of torchvision, and scale its last layers on a picture."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear | torch.nn.ConvTranspose2d):
            torch.nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
    network.eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            module.train()
    hooks = [
        module.register_forward_hook(_scaler(SCORES if is_score else BOXES))
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
        and ((is_score := _is_score(name)) or _is_box(name))
    ]
    pictures = [torch.from_numpy(p).permute(2, 0, 1) / 255 for p in export_check.probes()]
    with torch.no_grad():
        if hasattr(network, "transform"):
            network(pictures)
        else:
            network(torch.stack([pictures[0], pictures[0].flip(-1)]) * 4 - 2)
    for hook in hooks:
        hook.remove()
    network.eval()


def _is_score(name: str) -> bool:
    return (
        name.split(".")[-1] in SCORE_LAYERS
        or name == "classifier.4"
        or "classification_head.module_list" in name
    )


def _is_box(name: str) -> bool:
    return name.split(".")[-1] in BOX_LAYERS or "regression_head.module_list" in name


def _scaler(deviation: float) -> Any:
    def scale(module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        factor = deviation / output.std()
        module.weight.mul_(factor)
        return output * factor

    return scale


def export_transformers_network(kind: str, folder: Path) -> Agreement:
    import transformers

    network_name, processor_name = TRANSFORMERS[kind]
    network_class = getattr(transformers, network_name)
    config = network_class.config_class()
    torch.manual_seed(0)
    network = network_class(config)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if weights.ndim >= 2:
                weights.normal_(std=(1.5 / weights.shape[1:].numel()) ** 0.5)
            elif "norm" not in name and name.endswith("bias"):
                weights.normal_(std=0.1)
            elif name.endswith("weight"):
                weights.fill_(1)
    if kind.startswith("sam"):
        images = getattr(transformers, processor_name.replace("Processor", "ImageProcessor"))
        processor = getattr(transformers, processor_name)(images())
    else:
        processor = getattr(transformers, processor_name)()
    source = folder / "random"
    network.save_pretrained(source)
    processor.save_pretrained(source)
    return export_transformers.write_transformers_folder(str(source), folder)


def main() -> None:
    names = sys.argv[1:] or [*TORCHVISION, *TRANSFORMERS]
    print(
        "| network | export and check, s | graph, MB | regions | boxes, px | scores | masks, IoU |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in names:
        export = export_transformers_network if name in TRANSFORMERS else export_torchvision_network
        with tempfile.TemporaryDirectory() as place:
            start = time.perf_counter()
            try:
                agreement = export(name, Path(place))
            except SiamkitError as error:
                print(f"| {name} | {error} |", flush=True)
                continue
            seconds = time.perf_counter() - start
            size = (Path(place) / "detector.onnx").stat().st_size / 1e6
            print(
                f"| {name} | {seconds:.0f} | {size:.1f} | {agreement.regions} |"
                f" {agreement.box:.5f} | {agreement.score:.1e} | {agreement.mask:.5f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
