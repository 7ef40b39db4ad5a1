"""Layers and the places that they respond to, as dicts of JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from siamkit.reports.answer_facts import rounded

if TYPE_CHECKING:
    from siamkit.flows.layer_attention import AttentionExplanation
    from siamkit.flows.layers import ChannelView, LayersExplanation, LayerView
    from siamkit.sdk.layers import Layer

Facts = dict[str, Any]
SHARE_DIGITS = 4  # of attention


def of_layers(shown: LayersExplanation) -> Facts:
    """Describe every layer, and of those that are shown, the places of their channels."""
    return {
        "modality": shown.modality,
        "encoder": shown.encoder,
        "samples": shown.samples,
        "file": shown.file or None,
        "layers": [_of_layer(layer) for layer in shown.layers],
        "shown": [_of_view(view) for view in shown.views],
        "errors": [{"error": str(error), "hint": error.hint} for error in shown.errors],
    }


def _of_layer(layer: Layer) -> Facts:
    return {
        "name": layer.name,
        "tensor": layer.tensor,
        "operators": layer.op,
        "channels": layer.channels,
        "axes": [axis.source for axis in layer.axes],
        "stride": list(layer.stride),
        "field": list(layer.field),
        "offset": list(layer.offset),
    }


def _of_view(view: LayerView) -> Facts:
    return {
        "layer": view.layer.name,
        "sees": list(view.sees),
        "step": list(view.step),
        "sees_all": view.sees_all,
        "channels": [_of_channel(channel) for channel in view.channels],
    }


def _of_channel(channel: ChannelView) -> Facts:
    return {
        "channel": channel.channel,
        "stands_out": rounded(channel.stands_out),
        "in_file": rounded(channel.highest),
        "places": [
            {
                "source": place.source,
                "value": rounded(place.value),
                "box": [round(edge, 1) for edge in place.field],
                "of": list(place.picture.shape[1::-1]),
            }
            for place in channel.places
        ],
    }


def of_attention(shown: AttentionExplanation) -> Facts:
    """Describe the attention that each token gets in each layer."""
    return {
        "modality": shown.modality,
        "encoder": shown.encoder,
        "layers": shown.layers,
        "texts": [
            {
                "source": text.source,
                "tokens": list(text.tokens),
                "shares": [[round(float(v), SHARE_DIGITS) for v in row] for row in text.shares],
            }
            for text in shown.texts
        ],
        "errors": [{"error": str(error), "hint": error.hint} for error in shown.errors],
    }
