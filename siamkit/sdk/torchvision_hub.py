"""Weights of torchvision's hub, or of torch's cache of it."""

from __future__ import annotations

import socket
from typing import Any

from siamkit.errors import MissingWeights
from siamkit.sdk.hub import PATIENCE
from siamkit.sdk.quiet import quiet


def open_network(models: Any, name: str, weights: Any, command: str) -> Any:
    """Open a network of torchvision with weights from torch's cache, or else from its hub.

    models: `torchvision.models` or a module of it. weights: a member of the network's enumeration.
    command: what to type with a file of weights; {} stands for torchvision:NAME@FILE. Raises
    MissingWeights, with the address to fetch and that command, if they cannot be fetched.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        with quiet():
            return models.get_model(name, weights=weights)
    except MemoryError:
        raise
    except Exception as error:  # of urllib, the system, or a hash that differs
        url = weights.url
        model = f"torchvision:{name}@{url.rsplit('/', 1)[1]}"
        raise MissingWeights(
            f"the weights of {name} are not in torch's cache, and cannot be fetched from"
            f" {url.split('/')[2]} ({type(error).__name__})",
            hint=f"fetch {url} where there is a network, then {command.format(model)}",
        ) from error
    finally:
        socket.setdefaulttimeout(before)
