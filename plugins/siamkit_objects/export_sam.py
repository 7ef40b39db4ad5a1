"""Export SAM and SAM 2 of transformers to a graph that encodes a picture once for many prompts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.sdk.detector_folder import DetectorCard, write_folder
from siamkit.sdk.masks import of_picture
from siamkit.sdk.torch_export import trace
from siamkit.types import Image, Prompt
from siamkit_objects import export_check
from siamkit_objects.export_check import Agreement, Expected
from siamkit_objects.families.sam import LEFT_TOP, OBJECT, PADDING, RIGHT_BOTTOM
from siamkit_objects.transformers_models import Original, read_recipe

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

PEER = "transformers"
MIN_SCORE = 0.88  # of a mask of "everything", as in the paper's mask generator
MAX_REGIONS = 300


def write(original: Original, folder: Path) -> Agreement:
    """Write the detector folder, and return how well it agrees with transformers.

    Raises BadInput if it cannot be exported, PluginError if its masks differ.
    """
    encoder, features = _export_encoder(original)
    decoder = _export_decoder(original, features)
    recipe = read_recipe(original)
    is_padded = recipe["resize"] == "longest"
    card = DetectorCard(
        name=original.name,
        plugin="objects",
        family="sam",
        labels=(),
        input=recipe,
        decode={
            "features": [list(feature.shape[1:]) for feature in features],
            "side": recipe["size"][0] if is_padded else None,
            "padded": original.kind != "sam",
        },
        min_score=MIN_SCORE,
        iou=None,
        max_regions=MAX_REGIONS,
        licence=original.licence,
        source=original.source,
    )
    write_folder(folder, _join(encoder, decoder, features), card)
    return _check(original, folder)


def _export_encoder(original: Original) -> tuple[bytes, tuple[torch.Tensor, ...]]:
    """Return the graph from a picture to its features, and the features of one."""
    import torch

    network, recipe = original.network, read_recipe(original)

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
            if recipe["resize"] == "longest":  # the processor pads to a square
                side = recipe["size"][0]
                bottom, right = side - pixels.shape[2], side - pixels.shape[3]
                pixels = torch.nn.functional.pad(pixels, (0, right, 0, bottom))
            features = self.network.get_image_embeddings(pixels)
            return tuple(features) if isinstance(features, list | tuple) else (features,)

    height, width = recipe["size"]
    is_padded = recipe["resize"] == "longest"
    example = torch.rand(1, 3, height * 3 // 4 if is_padded else height, width)
    encoder = Encoder().eval()
    with torch.inference_mode():
        features = encoder(example)
    graph = trace(
        encoder,
        (example,),
        original.name,
        inputs=["pixels"],
        outputs=[f"encoded{number}" for number in range(len(features))],
        axes={"pixels": {2: "height", 3: "width"}} if is_padded else {},
    )
    return graph, features


def _export_decoder(original: Original, features: tuple[torch.Tensor, ...]) -> bytes:
    """Return the graph from prompts and a picture's features to masks and scores."""
    import torch

    network, prompts = original.network, original.network.prompt_encoder
    corner = prompts.point_embed
    is_first = original.kind == "sam"

    class Decoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(
            self, points: torch.Tensor, labels: torch.Tensor, *features: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            sparse = prompts._embed_points(points, labels.clamp(max=OBJECT), pad=False)
            places = prompts.shared_embedding(points + 0.5, (prompts.input_image_size,) * 2)
            for label in (LEFT_TOP, RIGHT_BOTTOM):
                weight = corner[label].weight[0] if is_first else corner.weight[label]
                sparse = torch.where((labels == label)[..., None], places + weight, sparse)
            size = prompts.image_embedding_size
            dense = prompts.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, *size)
            finer = {} if is_first else {"high_resolution_features": list(features[:-1])}
            masks, scores = self.network.mask_decoder(
                image_embeddings=features[-1],
                image_positional_embeddings=self.network.get_image_wide_positional_embeddings(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=True,
                **finer,
            )[:2]
            return masks[0], scores[0]

    names = [f"features{number}" for number in range(len(features))]
    points = torch.rand(1, 3, 2, 2) * features[-1].shape[-1]
    labels = torch.tensor([[[OBJECT, PADDING], [OBJECT, 0], [LEFT_TOP, RIGHT_BOTTOM]]])
    prompt_axes = {1: "prompts", 2: "points"}
    return trace(
        Decoder().eval(),
        (points, labels, *features),
        original.name,
        inputs=["points", "labels", *names],
        outputs=["masks", "scores"],
        axes={"points": prompt_axes, "labels": prompt_axes},
    )


def _join(encoder: bytes, decoder: bytes, features: tuple[torch.Tensor, ...]) -> bytes:
    """Return one graph: it encodes `pixels` unless they are empty, else takes `cached…` features.

    The encoder is a branch of an If, so that a run with features does not compute it.
    """
    import onnx
    from onnx import TensorProto, compose, helper

    first = onnx.load_from_string(encoder)
    second = compose.add_prefix(
        onnx.load_from_string(decoder), "decoder/", rename_inputs=False, rename_outputs=False
    )
    numbers = range(len(features))

    def describe(name: str, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape or None)

    reuse = helper.make_graph(
        [helper.make_node("Identity", [f"cached{i}"], [f"reused{i}"]) for i in numbers],
        "reuse",
        [],
        [describe(f"reused{i}") for i in numbers],
    )
    encode = helper.make_graph(list(first.graph.node), "encode", [], list(first.graph.output))
    choice = [
        helper.make_node("Size", ["pixels"], ["size"]),
        helper.make_node("Cast", ["size"], ["is_given"], to=TensorProto.BOOL),
        helper.make_node(
            "If",
            ["is_given"],
            [f"features{i}" for i in numbers],
            then_branch=encode,
            else_branch=reuse,
        ),
    ]
    pixels = first.graph.input[0]
    pixels.type.tensor_type.shape.dim[0].dim_param = "pictures"
    cached = [describe(f"cached{i}", "n", *features[i].shape[1:]) for i in numbers]
    prompts = [entry for entry in second.graph.input if entry.name in ("points", "labels")]
    graph = helper.make_graph(
        [*choice, *second.graph.node],
        "sam",
        [pixels, *prompts, *cached],
        [*second.graph.output, *(describe(f"features{i}") for i in numbers)],
        [*first.graph.initializer, *second.graph.initializer],
    )
    model = helper.make_model(graph, opset_imports=first.opset_import, ir_version=first.ir_version)
    content: bytes = model.SerializeToString()
    return content


def _check(original: Original, folder: Path) -> Agreement:
    """Compare the masks of points and boxes with those of transformers."""
    from siamkit_objects.folder import FolderDetector

    detector, total = FolderDetector(folder), Agreement()
    for picture in export_check.probes():
        height, width = picture.shape[:2]
        middle, corner = (width * 0.5, height * 0.4), (width * 0.2, height * 0.8)
        box = (width * 0.25, height * 0.2, width * 0.8, height * 0.7)
        for prompt in (
            Prompt((middle,)),
            Prompt((middle,), (corner,)),
            Prompt(box=box),
            Prompt((middle,), box=box),
        ):
            served = detector.find_prompted(Image(picture), prompt)
            expect = partial(_predict, original, picture, prompt)
            exact = partial(export_check.in_float64, original.network, expect)
            total |= export_check.require_same(served, expect(), exact, peer=PEER, least=-1.0)
    return total


def _predict(original: Original, picture: NDArray[np.uint8], prompt: Prompt) -> Expected:
    """Return the masks of a prompt by transformers' processor and network."""
    import torch

    marks: dict[str, Any] = {}
    if prompt.points:
        points = [*prompt.points, *prompt.not_points]
        marks["input_points"] = [[[list(point) for point in points]]]
        labels = [1] * len(prompt.points) + [0] * len(prompt.not_points)
        marks["input_labels"] = [[labels]]
    if prompt.box:
        marks["input_boxes"] = [[list(prompt.box)]]
    inputs = original.processor(images=picture, return_tensors="pt", **marks)
    inputs["pixel_values"] = inputs["pixel_values"].to(original.network.dtype)
    sizes = [inputs.pop("original_sizes")]
    if "reshaped_input_sizes" in inputs:
        sizes.append(inputs.pop("reshaped_input_sizes"))
    with torch.inference_mode():
        outputs = original.network(**inputs, multimask_output=True)
    masks = original.processor.post_process_masks(outputs.pred_masks, *sizes)[0][0]
    scores = outputs.iou_scores[0, 0].clip(0, 1).tolist()
    regions = [of_picture(mask.numpy(), score) for mask, score in zip(masks, scores, strict=True)]
    return [region for region in regions if region], None
