"""Learn from a batch that is embedded in chunks, as if it were embedded at once.

The graph of one chunk is held at a time (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch
Size under Memory Limited Setup"): the chunks are embedded without their graphs, the loss of all
gives the gradient of each embedding, and each chunk is embedded again to pass it on.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Chunks:
    """The embeddings of all chunks of a batch, and the way back from them to the network."""

    def __init__(self, network: nn.Module, embed: Callable[[int], Tensor], count: int) -> None:
        """Embed the chunks 0 to count - 1, the last one with its graph.

        embed: returns the (b, d) embeddings of a chunk, the same ones each time. Buffers of the
        network, such as running statistics, change as if each chunk were embedded once.
        """
        self._embed = embed
        buffers = [buffer.clone() for buffer in network.buffers()] if count > 1 else []
        with torch.no_grad():
            self._leaves = [embed(number).requires_grad_() for number in range(count - 1)]
            for buffer, before in zip(network.buffers(), buffers, strict=False):
                buffer.copy_(before)
        self.embeddings = torch.cat([*self._leaves, embed(count - 1)])  # (n, d)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a () loss of the embeddings to all parameters that it depends on."""
        loss.backward()  # type: ignore[no-untyped-call]
        for number, leaf in enumerate(self._leaves):
            self._embed(number).backward(leaf.grad)  # type: ignore[no-untyped-call]
