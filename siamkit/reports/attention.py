"""The page of the attention that each token of texts gets, layer by layer: one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siamkit.reports.html import escaped, facts, page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from siamkit.flows.layer_attention import AttentionExplanation, TextAttention

FULL = 4.0  # times an equal share of the attention, at which a token is shaded most
STRONGEST = 0.75  # opacity of that
TITLE = 120  # characters of a text
_STYLE = """
.layer { display: flex; gap: .3em; margin: .35em 0 } .layer > b { flex: 0 0 4.8em }
.tokens { display: flex; flex-wrap: wrap; gap: .25em; min-width: 0 }
.tokens span { border-radius: 4px; padding: 0 .35em; text-align: center; overflow-wrap: anywhere }
.tokens small { display: block; font-size: .72em; line-height: 1.2 }
"""
_READ = (
    "The share of each layer's attention that a token gets, averaged over the heads and over the"
    " tokens that ask. A token that is shaded fully gets four times an equal share, or more. Tokens"
    " that the tokenizer adds, such as the first and the last, often take what a head has no use"
    " for."
)


def attention_page(shown: AttentionExplanation) -> str:
    """Return the page as text. Texts are escaped."""
    title = f"{shown.modality}: what the layers attend to"
    rows = [("encoder", shown.encoder), ("layers", str(shown.layers))]
    body = "".join(_text(text) for text in shown.texts)
    return page(title, f"{facts(rows)}<p>{escaped(_READ)}</p>{body}", _STYLE)


def _text(text: TextAttention) -> str:
    layers = "".join(
        f"<div class=layer><b>layer {number}</b><div class=tokens>{_tokens(text.tokens, row)}</div>"
        "</div>"
        for number, row in enumerate(text.shares, 1)
    )
    return f"<h2>{escaped(text.source, TITLE)}</h2>{layers}"


def _tokens(tokens: tuple[str, ...], shares: Iterable[float]) -> str:
    full = FULL / max(len(tokens), 1)
    return "".join(
        f"<span style='background:rgb(255 122 0 / {STRONGEST * min(1.0, share / full):.2f})'>"
        f"{escaped(token)}<small>{share:.0%}</small></span>"
        for token, share in zip(tokens, shares, strict=True)
    )
