"""Low-rank adapters (LoRA, Hu et al. 2021): a network learns through few weights beside its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from siamkit.errors import BadInput
from siamkit.io.extras import require_extra
from siamkit.train import checkpoint
from siamkit.train.folder import BEST, LAST
from siamkit.train.stages import stages

SCALE = 2.0  # α / r: what an adapter adds is multiplied by it
ATTENTION = re.compile(r"att(n|ention)", re.IGNORECASE)


def adapt(network: nn.Module, rank: int) -> None:
    """Freeze a network's trunk and put adapters beside its weights; its head learns as before.

    They are put on the linear layers of attention. A trunk without attention gets them on all of
    its linear layers and 1 x 1 convolutions. They begin without an effect.

    Raises MissingPackage without peft, BadInput if the trunk has no such layer.
    """
    require_extra("lora", f"lora = {rank}")
    from peft import LoraConfig, inject_adapter_in_model

    trunk = {parameter for stage in stages(network) for parameter in stage}
    head = [parameter for parameter in network.parameters() if parameter not in trunk]
    layers = [
        name
        for name, module in network.named_modules()
        if _can_be_adapted(module) and module.weight in trunk
    ]
    layers = [name for name in layers if ATTENTION.search(name)] or layers
    if not layers:
        raise BadInput(f"lora = {rank}: the backbone has no linear layer and no 1 x 1 convolution")
    config = LoraConfig(r=rank, lora_alpha=round(SCALE * rank), target_modules=layers)
    inject_adapter_in_model(config, network)  # all other weights are frozen by that
    for parameter in head:
        parameter.requires_grad_(True)


def _can_be_adapted(module: nn.Module) -> bool:
    if isinstance(module, nn.modules.linear.NonDynamicallyQuantizableLinear):
        return False  # of nn.MultiheadAttention, which reads its weights without calling it
    if isinstance(module, nn.Conv2d):
        return module.kernel_size == (1, 1) and module.groups == 1
    return isinstance(module, nn.Linear)


def remove(network: nn.Module) -> None:
    """Take the adapters off a network, which then has the layers it had before."""
    for owner in list(network.modules()):
        for name, module in list(owner.named_children()):
            if hasattr(module, "lora_A"):
                setattr(owner, name, module.base_layer)


def merged(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a network with adapters as those of the network without them."""
    plain = {}
    for name, weight in weights.items():
        if ".lora_" in name:
            continue
        layer, is_adapted, kind = name.rpartition(".base_layer.")
        if is_adapted and kind == "weight":
            down, up = (weights[f"{layer}.lora_{part}.default.weight"] for part in "AB")
            weight = weight + SCALE * (up.flatten(1) @ down.flatten(1)).view_as(weight)
        plain[f"{layer}.{kind}" if is_adapted else name] = weight
    return plain


def read_best(run: Path) -> tuple[dict[str, Tensor], int]:
    """Return the best weights of a run by validation, adapters merged, and their step.

    Without validation they are the last ones. Raises BadInput without a checkpoint.
    """
    tensors, facts = checkpoint.read(run / (BEST if (run / BEST).exists() else LAST))
    weights = checkpoint.part(tensors, "average.") or checkpoint.part(tensors, "network.")
    return merged(weights), int(facts["step"])
