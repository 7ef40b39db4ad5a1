"""Layers of a text encoder: the share of each layer's attention that each token gets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, PluginError, SiamkitError
from siamkit.flows.layer_runs import crop_of, read_encoder
from siamkit.host import registry
from siamkit.io.presentable import Presentable
from siamkit.protocols import Source
from siamkit.sdk.graph_reader import Graph, read_graph
from siamkit.sdk.layers import cut
from siamkit.sdk.onnx import encoder_session, run_guarded
from siamkit.store.samples import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_TEXTS = 20  # shown of a set
log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True, eq=False)
class TextAttention:
    """A text's tokens, and the share of each layer's attention that each of them gets."""

    source: str
    tokens: tuple[str, ...]
    shares: NDArray[np.float32]  # (layers, tokens), each row sums to 1


@dataclass(frozen=True, slots=True, eq=False)
class AttentionExplanation(Presentable):
    """The attention of a text encoder's layers to each token of some texts.

    Examples:
        >>> shown = ws.layers("questions", "How do I log in?")
        >>> shown.texts[0].tokens[1:4], shown.texts[0].shares.shape
        (('how', 'do', 'i'), (6, 8))
    """

    modality: str
    encoder: str  # its fingerprint
    layers: int
    texts: tuple[TextAttention, ...]
    errors: tuple[SiamkitError, ...] = ()  # of texts that could not be used

    def __repr__(self) -> str:
        """The size in short: `<AttentionExplanation of questions: 6 layers, 1 texts>`."""
        return (
            f"<AttentionExplanation of {self.modality}: {self.layers} layers,"
            f" {len(self.texts)} texts>"
        )


@dataclass(frozen=True, slots=True)
class _Attention:
    """The tensors of one layer's attention: its probabilities, or what they are computed from."""

    tensors: tuple[str, ...]  # probabilities; or queries, keys, and the bias of both, if any
    heads: int = 0  # 0: the tensor holds probabilities
    scale: float = 0.0  # of the products; 0: 1 / sqrt(size of a head)


def show_attention(pipeline: Pipeline, texts: Sequence[Source | Sample]) -> AttentionExplanation:
    """Return the attention that each token of texts gets, averaged over heads and asking tokens.

    The mean over the tokens that ask is the weight of a token's value in the mean of the layer's
    attention. A text that cannot be used is listed among the errors. Raises BadInput if the graph
    has no attention, the first error if no text can be used.
    """
    encoder, graph = read_encoder(pipeline)
    if not hasattr(encoder, "tokens"):
        raise PluginError(f"{registry.describe(pipeline.modality)}: its encoder shows no tokens")
    layers = _find_attention(read_graph(graph))
    if not layers:
        raise BadInput(
            f"encoder {pipeline.encoder.fingerprint} has no layer of attention that can be read",
            hint="`siamkit explain A B` shows which words count, whatever the encoder",
        )
    names = list(dict.fromkeys(name for layer in layers for name in layer.tensors))
    tensors = getattr(encoder, "tensors", None)
    session = encoder_session(cut(graph, names), intra=1, tensors=tensors)
    attentions: list[TextAttention] = []
    errors: list[SiamkitError] = []
    if len(texts) > MOST_TEXTS:
        log.warning(f"the first {MOST_TEXTS} of {len(texts):,} texts are shown")
    for source in texts[:MOST_TEXTS]:
        try:
            name, text = crop_of(pipeline, source)
        except SiamkitError as error:
            errors.append(error)
            continue
        tokens = tuple(encoder.tokens(text))
        outputs = dict(zip(names, run_guarded(session, dict(encoder.inputs([text]))), strict=True))
        rows = [_share(layer, outputs, len(tokens)) for layer in layers]
        shares = np.stack([row for row in rows if row is not None] or [np.zeros(len(tokens))])
        attentions.append(TextAttention(name, tokens, shares.astype(np.float32)))
    if errors and not attentions:
        raise errors[0]
    count = len(attentions[0].shares) if attentions else len(layers)
    fingerprint = pipeline.encoder.fingerprint
    return AttentionExplanation(
        pipeline.modality.name, fingerprint, count, tuple(attentions), tuple(errors)
    )


def _find_attention(graph: Graph) -> list[_Attention]:
    """Return the layers of attention: fused operators, or the softmax that exporters write."""
    layers = []
    for node in graph.nodes:
        if node.op == "MultiHeadAttention" and len(node.inputs) > 1 and node.inputs[1]:
            bias = [name for name in node.inputs[3:4] if name]
            heads, scale = node.attributes["num_heads"], node.attributes.get("scale", 0.0)
            layers.append(_Attention((*node.inputs[:2], *bias), heads, scale))
        elif node.op == "Softmax":
            layers.append(_Attention((node.outputs[0],)))
    return layers


def _share(layer: _Attention, outputs: dict[str, Any], tokens: int) -> NDArray[Any] | None:
    """Return (tokens,) shares; None for a softmax of something else."""
    arrays = [outputs[name] for name in layer.tensors]
    if not layer.heads:
        weights = arrays[0]
        if weights.ndim != 4 or weights.shape[2:] != (tokens, tokens):
            return None
    else:
        weights = _weights(arrays, layer)
    share: NDArray[Any] = weights.mean(axis=(0, 1, 2))
    return share


def _weights(arrays: list[Any], layer: _Attention) -> NDArray[Any]:
    """Return the (1, heads, tokens, tokens) softmax of queries times keys."""
    queries, keys, *bias = arrays  # (1, tokens, dim)
    dim = queries.shape[2]
    if bias:
        queries, keys = queries + bias[0][:dim], keys + bias[0][dim : 2 * dim]
    size = dim // layer.heads
    query, key = (
        array.reshape(1, -1, layer.heads, size).transpose(0, 2, 1, 3) for array in (queries, keys)
    )
    scores = query @ key.transpose(0, 1, 3, 2) * (layer.scale or size**-0.5)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights: NDArray[Any] = powers / powers.sum(axis=-1, keepdims=True)
    return weights
