"""Tiny networks of torchvision and transformers, with random weights that see something.

Networks that nobody has trained return the same for every picture; here signals keep their size
from layer to layer.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

PIXELS = 96  # the shorter side of most inputs


def enliven(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give a network random weights that depend on the seed alone."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            noise = torch.randn(weights.shape, generator=generator)
            if weights.ndim >= 2:
                weights.copy_(noise * (1.5 / weights.shape[1:].numel()) ** 0.5)
            elif name.endswith("weight"):
                weights.fill_(1)
            elif "norm" not in name:
                weights.copy_(noise * 0.1)
    return network.eval()


def mask_rcnn(num_classes: int = 4, **_: Any) -> torch.nn.Module:
    """Return a Mask R-CNN of some thousand weights."""
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    return MaskRCNN(
        _backbone(),
        num_classes,
        min_size=PIXELS,
        max_size=160,
        rpn_anchor_generator=AnchorGenerator(((16, 32, 64),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
        mask_roi_pool=MultiScaleRoIAlign(["0"], 4, 2),
        rpn_pre_nms_top_n_test=60,
        rpn_post_nms_top_n_test=30,
    )


def retinanet(num_classes: int = 4, **_: Any) -> torch.nn.Module:
    """Return a RetinaNet of some thousand weights."""
    from torchvision.models.detection import RetinaNet
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.retinanet import RetinaNetHead

    anchors = AnchorGenerator(((16, 32),), ((1.0,),))
    return RetinaNet(
        _backbone(32),
        num_classes,
        min_size=PIXELS,
        max_size=160,
        anchor_generator=anchors,
        head=RetinaNetHead(32, 2, num_classes),
    )


def _backbone(channels: int = 8) -> Any:
    backbone = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 7, stride=8, padding=3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, channels, 3),
    )
    backbone.out_channels = channels  # type: ignore[assignment]
    return backbone


def semantic(num_classes: int = 21, **_: Any) -> torch.nn.Module:
    """Return an LR-ASPP of some thousand weights."""
    from torchvision.models.segmentation.lraspp import LRASPP

    class Backbone(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low, self.high = torch.nn.Conv2d(3, 8, 5, 8), torch.nn.Conv2d(8, 8, 3, 2)

        def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
            low = self.low(pixels).relu()
            return {"low": low, "high": self.high(low).relu()}

    return LRASPP(Backbone(), 8, 8, num_classes, inter_channels=8)


def transformer(kind: str) -> tuple[torch.nn.Module, Any]:
    """Return a tiny network of transformers by its `model_type`, and its processor."""
    torch.manual_seed(0)
    network, processor = getattr(_Transformers, kind)()
    return enliven(network), processor


@cache
def processor(kind: str) -> Any:
    """Return the processor of `transformer` alone."""
    return getattr(_Transformers, kind)()[1]


class _Transformers:
    """A method per `model_type`."""

    @staticmethod
    def detr() -> tuple[Any, Any]:
        import transformers as t

        config = t.DetrConfig(
            use_timm_backbone=False,
            backbone=None,
            backbone_config=_resnet(t.ResNetConfig, ["stage4"]),
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            num_queries=12,
            num_labels=5,
        )
        size = {"shortest_edge": PIXELS, "longest_edge": 160}
        return t.DetrForObjectDetection(config), t.DetrImageProcessor(size=size)

    @staticmethod
    def rt_detr_v2() -> tuple[Any, Any]:
        import transformers as t

        config = t.RTDetrV2Config(
            backbone_config=_resnet(t.RTDetrResNetConfig, ["stage2", "stage3", "stage4"]),
            encoder_in_channels=[8, 16, 16],
            **_RT_DETR,
        )
        size = {"height": PIXELS, "width": PIXELS}
        return t.RTDetrV2ForObjectDetection(config), t.RTDetrImageProcessor(size=size)

    @staticmethod
    def yolos() -> tuple[Any, Any]:
        import transformers as t

        config = t.YolosConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=[64, PIXELS],
            patch_size=16,
            num_detection_tokens=10,
            num_labels=5,
        )
        size = {"shortest_edge": PIXELS, "longest_edge": 160}
        return t.YolosForObjectDetection(config), t.YolosImageProcessor(size=size)

    @staticmethod
    def segformer() -> tuple[Any, Any]:
        import transformers as t

        config = t.SegformerConfig(
            hidden_sizes=[8, 8, 16, 16],
            depths=[1, 1, 1, 1],
            num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=16,
            id2label={0: "background", 1: "sky", 2: "tree", 3: "road"},
        )
        size = {"height": PIXELS, "width": PIXELS}
        return t.SegformerForSemanticSegmentation(config), t.SegformerImageProcessor(size=size)

    @staticmethod
    def mask2former() -> tuple[Any, Any]:
        import transformers as t

        backbone = t.SwinConfig(
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=7,
            out_features=["stage1", "stage2", "stage3", "stage4"],
            image_size=64,
        )
        config = t.Mask2FormerConfig(
            backbone_config=backbone,
            feature_size=32,
            mask_feature_size=32,
            hidden_dim=32,
            encoder_feedforward_dim=16,
            encoder_layers=1,
            decoder_layers=2,
            dim_feedforward=16,
            num_attention_heads=2,
            num_queries=8,
            num_labels=5,
        )
        size = {"shortest_edge": PIXELS, "longest_edge": 288}
        processor = t.Mask2FormerImageProcessor(size=size)
        return t.Mask2FormerForUniversalSegmentation(config), processor

    @staticmethod
    def sam() -> tuple[Any, Any]:
        import transformers as t

        vision = {
            "hidden_size": 16,
            "output_channels": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 128,
            "patch_size": 16,
            "window_size": 4,
            "global_attn_indexes": [0],
            "mlp_dim": 16,
            "num_pos_feats": 8,
        }
        config = t.SamConfig(vision_config=vision, **_PARTS)
        square = {"height": 128, "width": 128}
        images = t.SamImageProcessor(size={"longest_edge": 128}, pad_size=square)
        return t.SamModel(config), t.SamProcessor(images)

    @staticmethod
    def sam2() -> tuple[Any, Any]:
        import transformers as t

        backbone = {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 8,
            "num_attention_heads": 1,
            "blocks_per_stage": [1, 1, 1, 1],
            "embed_dim_per_stage": [8, 16, 24, 32],
            "num_attention_heads_per_stage": [1, 1, 1, 1],
            "window_size_per_stage": [8, 4, 8, 4],
            "window_positional_embedding_background_size": [4, 4],
            "global_attention_blocks": [],
            "image_size": [128, 128],
        }
        vision = {
            "backbone_config": backbone,
            "backbone_channel_list": [32, 24, 16, 8],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "fpn_hidden_size": 16,
        }
        config = t.Sam2Config(vision_config=vision, **_PARTS)
        images = t.Sam2ImageProcessor(size={"height": 128, "width": 128})
        return t.Sam2Model(config), t.Sam2Processor(images)


_PARTS = {
    "prompt_encoder_config": {"hidden_size": 16, "image_size": 128, "patch_size": 16},
    "mask_decoder_config": {
        "hidden_size": 16,
        "mlp_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 16,
    },
}
_RT_DETR = {
    "encoder_hidden_dim": 16,
    "feat_strides": [8, 16, 32],
    "encoder_ffn_dim": 16,
    "encoder_attention_heads": 2,
    "decoder_in_channels": [16, 16, 16],
    "d_model": 16,
    "decoder_ffn_dim": 16,
    "decoder_attention_heads": 2,
    "decoder_layers": 2,
    "num_queries": 20,
    "num_labels": 5,
    "hidden_expansion": 0.5,
    "num_denoising": 0,
}


def _resnet(config: Any, stages: list[str]) -> Any:
    return config(
        embedding_size=8,
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=stages,
    )
