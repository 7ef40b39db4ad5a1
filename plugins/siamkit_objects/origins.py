"""Origins of other people's detectors, 'ORIGIN:MODEL', and the function that exports each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """One place that models come from."""

    # 'module:function', imported to add a model, for it may need torch: (model: str, folder: Path,
    # labels: Path | None), see siamkit.protocols.AddsDetectors.
    exporter: str
    description: str  # for people


ORIGINS = {
    "onnx": Origin("siamkit_objects.yolo_files:write_yolo_folder", "the file of a YOLO export"),
    "torchvision": Origin(
        "siamkit_objects.export_torchvision:write_torchvision_folder",
        "a detector or semantic network of torchvision: its builder, such as ssd300_vgg16, with the"
        " weights of its hub, or BUILDER@FILE.pth with your own",
    ),
    "transformers": Origin(
        "siamkit_objects.export_transformers:write_transformers_folder",
        "a DETR, RT-DETR, D-FINE, YOLOS, SegFormer, Mask2Former, SAM or SAM 2: its Hugging Face"
        " hub name (OWNER/MODEL), or a folder that transformers has saved",
    ),
}
