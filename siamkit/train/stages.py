"""Find the stages of a network, freeze the first of them, and keep frozen ones as they are."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from siamkit.errors import BadInput
from siamkit.train.config import TrainConfig


def stages(network: nn.Module) -> list[list[nn.Parameter]]:
    """Return the parameters of a network's trunk, stage by stage from the input to the output.

    The head is not among them. A class of network may have a method `stages` that returns them.
    Otherwise a network of timm has the stages that timm knows, its stem first, and one of
    transformers its embeddings and then its layers; other networks have none.
    """
    if hasattr(type(network), "stages"):
        return [list(stage) for stage in cast(Any, network).stages()]
    for module in network.modules():
        if hasattr(type(module), "group_matcher"):
            return _timm_stages(module)
        if hasattr(type(module), "base_model_prefix"):
            return _transformer_stages(module)
    return []


def _timm_stages(trunk: nn.Module) -> list[list[nn.Parameter]]:
    from timm.models import group_parameters

    matcher = cast(Any, trunk).group_matcher(coarse=True)
    numbers = group_parameters(trunk, matcher, reverse=True)
    groups: dict[int, list[nn.Parameter]] = {}
    for name, parameter in trunk.named_parameters():
        groups.setdefault(numbers[name], []).append(parameter)
    return [groups[number] for number in sorted(groups)]


def _transformer_stages(trunk: nn.Module) -> list[list[nn.Parameter]]:
    """Return the embeddings, and each layer of the longest list; what follows is of the last."""
    lists = [module for module in trunk.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        return []
    layers = max(lists, key=lambda layers: sum(p.numel() for p in layers.parameters()))
    groups = [list(layer.parameters()) for layer in layers]
    inner = set(layers.parameters())
    embeddings = {p for m in trunk.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    first: list[nn.Parameter] = []
    follows = False
    for parameter in trunk.parameters():
        if parameter in inner:
            follows = True
        elif follows and parameter not in embeddings:
            groups[-1].append(parameter)
        else:  # positions that all layers share may be declared after them
            first.append(parameter)
    return [first, *groups]


def freeze(network: nn.Module, config: TrainConfig) -> None:
    """Freeze the first stages of a network, as configured.

    Raises BadInput if it has fewer, or if the configured rates of its parts mean nothing to it.
    """
    settings = config.trunk_settings
    if not settings:
        return
    trunk = stages(network)
    inner = {parameter for stage in trunk for parameter in stage}
    has_head = any(parameter not in inner for parameter in network.parameters())
    if not trunk:
        raise BadInput(
            f"{settings[0]} has no effect: the stages of {type(network).__name__} are not known",
            hint="a method `stages` of the network names them: lists of parameters",
        )
    if config.trunk_rate != 1 and not has_head:
        raise BadInput(
            "trunk_rate has no effect: this network has no head, and all of it learns at"
            " learning_rate",
            hint="set learning_rate, or layer_decay for lower rates near the input",
        )
    most = len(trunk) if has_head else len(trunk) - 1
    if config.freeze > most:
        raise BadInput(
            f"freeze = {config.freeze}: the network has {len(trunk)} stages, the first included"
            + ("" if has_head else ", and no head: the last one must learn"),
            hint=f"freeze at most {most}",
        )
    for stage in trunk[: config.freeze]:
        for parameter in stage:
            parameter.requires_grad_(False)


def frozen_modules(network: nn.Module) -> list[nn.Module]:
    """Return the modules whose parameters are all frozen.

    In evaluation mode their batch normalisation keeps its statistics, and nothing is dropped.
    """
    return [
        module
        for module in network.modules()
        if (parameters := list(module.parameters()))
        and not any(parameter.requires_grad for parameter in parameters)
    ]
