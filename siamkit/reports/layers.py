"""The page of what layers respond to: one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.io.atomic import replace_text
from siamkit.io.sources import to_path
from siamkit.reports.attention import attention_page
from siamkit.reports.html import escaped, facts, page
from siamkit.reports.layer_pictures import cut_out, embed, heat

if TYPE_CHECKING:
    from siamkit.flows.layer_attention import AttentionExplanation
    from siamkit.flows.layer_survey import Place
    from siamkit.flows.layers import ChannelView, LayersExplanation, LayerView

NAME = 60  # characters of a file's name
LEAST_CONTRAST = 3.0  # of a drawn picture, in 0 to 255: that of grey, where it begins, is about 1
_STYLE = """
body { max-width: 76em } img { display: block; max-width: 100%; border-radius: 3px }
img.sharp { image-rendering: pixelated } .cell img { width: 100%; height: auto }
.cells { display: grid; gap: .6em; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(6.2em, 8em)) }
.cell small { overflow-wrap: anywhere; line-height: 1.3; display: block }
.cell { min-width: 0 } .cell figure { margin: 0 0 .2em }
.where { position: relative } .where i { position: absolute; border: 2px solid #ff7a00;
  box-shadow: 0 0 0 1px #0008; box-sizing: border-box; min-width: 6px; min-height: 6px }
.whole { max-width: 22em; margin: 0 0 1em } .whole img { width: 100% }
h2 small, h3 small { font-weight: normal } h3 { font-size: 1em; margin: 1.2em 0 .4em }
.wide-picture .cells { grid-template-columns: repeat(auto-fit, minmax(min(100%, 11em), 16em)) }
.wide-picture .cut img { width: auto; min-width: 4em; height: 6em; max-width: 100% }
@media (max-width: 40em) { .cells { grid-template-columns: repeat(3, minmax(0, 1fr)) } }
"""
_READ = (
    "A row shows one channel: what it saw where it responded most, each in another {noun} of the"
    " set. Below each stands the {noun} as the network gets it, with the place marked. Where a"
    " channel sees nearly all of the {noun}, it is lit where the channel responds at least half as"
    " strongly as at its strongest. Edges, where the network sees padding, do not count."
)
_ALIKE = "<p>No channel stands out: each responds alike to every place.</p>"
_FILE = "Brighter blocks respond more strongly, each layer on its own scale."


def write_page(shown: LayersExplanation | AttentionExplanation, path: Path) -> None:
    """Write the page of layers, or of attention. Raises BadInput if it cannot be written."""
    from siamkit.flows.layers import LayersExplanation

    if isinstance(shown, LayersExplanation):
        replace_text(path, layers_page(shown))
    else:
        replace_text(path, attention_page(shown))


def layers_page(shown: LayersExplanation) -> str:
    """Return the page as text. Names of files are escaped."""
    title = f"{shown.modality}: what the layers respond to"
    rows = [
        ("encoder", shown.encoder),
        ("layers", f"{len(shown.layers)}, of which {len(shown.views)} are shown"),
    ]
    if shown.samples:
        rows.append(("set", f"{shown.samples:,} {shown.noun}s"))
    if shown.errors:
        rows.append(("could not be used", f"{len(shown.errors):,}"))
    body = [facts(rows)]
    if shown.samples:
        body.append(f"<p>{escaped(_READ.format(noun=shown.noun))}</p>")
    if shown.picture is not None:
        body.append(_through_the_layers(shown))
    body += [_layer(view, shown) for view in shown.views]
    is_wide = any(_is_wide(view) for view in shown.views)
    content = "".join(body)
    return page(title, f"<div class=wide-picture>{content}</div>" if is_wide else content, _STYLE)


def _is_wide(view: LayerView) -> bool:
    pictures = [place.picture for channel in view.channels for place in channel.places]
    return any(picture.shape[1] > 2 * picture.shape[0] for picture in pictures)


def _through_the_layers(shown: LayersExplanation) -> str:
    """Show the file, and the energy of every layer over it."""
    picture = shown.picture
    assert picture is not None
    name = to_path(shown.file).name
    cells = [_cell(embed(picture, name), "as the network gets it")]
    for view in shown.views:
        if view.energy is not None:
            rows, columns = view.energy.shape
            note = f"{view.layer.name}: {columns} × {rows} places"
            cells.append(_cell(embed(heat(picture, view.energy), note), note))
    return (
        f"<h2>{escaped(name, NAME)} through the layers</h2><p>All channels of a layer together"
        f" (root mean square). {_FILE}</p><div class=cells>{''.join(cells)}</div>"
    )


def _layer(view: LayerView, shown: LayersExplanation) -> str:
    layer = view.layer
    channels = "".join(_channel(channel, shown) for channel in view.channels) or _ALIKE
    return (
        f"<section><h2>{escaped(layer.name)} <small class=soft>{escaped(layer.op)},"
        f" {layer.channels:,} channels</small></h2>"
        f"<p>{escaped(_describe(view, shown))}</p>"
        f"{channels}</section>"
    )


def _describe(view: LayerView, shown: LayersExplanation) -> str:
    """Return what a place sees: 'Each of its places sees 7 × 7 px; the next one is 2 × 2 px on.'"""
    reach = f", more than the whole {shown.noun}" if view.sees_all else ""
    sees, step = shown.describe_size(view.sees), shown.describe_size(view.step)
    return f"Each of its places sees {sees}{reach}; the next one is {step} on."


def _channel(channel: ChannelView, shown: LayersExplanation) -> str:
    facts_line = []
    if channel.stands_out is not None:
        facts_line.append(f"its strongest places lie {channel.stands_out:.1f} σ above its mean")
    elif shown.samples:
        facts_line.append("it responds alike to every place of the set")
    if channel.highest is not None:
        facts_line.append(f"{channel.highest:.2f} at most in {to_path(shown.file).name}")
    cells = []
    if channel.response is not None and shown.picture is not None:
        note = f"channel {channel.channel} in {to_path(shown.file).name}"
        cells.append(_cell(embed(heat(shown.picture, channel.response), note), note))
    if channel.maximum is not None:
        is_flat = channel.maximum.std() < LEAST_CONTRAST
        note = "stayed grey: nothing to climb" if is_flat else "drawn to maximise it"
        cells.append(_cell(embed(channel.maximum, note), note))
    cells += [_place(place) for place in channel.places]
    return (
        f"<h3>channel {channel.channel} <small class=soft>{escaped('; '.join(facts_line))}</small>"
        f"</h3><div class=cells>{''.join(cells)}</div>"
    )


def _place(place: Place) -> str:
    name = to_path(place.source).name
    cut, is_part = cut_out(place)
    picture = embed(cut, f"what the channel sees in {name}")
    kind = " class=cut" if is_part else ""
    where = (
        f"<figure class=where>{embed(place.picture, name)}{_mark(place)}</figure>"
        if is_part
        else ""
    )
    inner = f"<figure{kind}>{picture}</figure>{where}"
    return f"<div class=cell>{inner}<small>{place.value:.2f} {escaped(name, NAME)}</small></div>"


def _mark(place: Place) -> str:
    """Frame the field over its picture, in shares of its size."""
    height, width = place.picture.shape[:2]
    left, top, right, bottom = place.field
    return (
        f"<i style='left:{left / width:.2%};top:{top / height:.2%};"
        f"width:{(right - left) / width:.2%};height:{(bottom - top) / height:.2%}'></i>"
    )


def _cell(picture: str, note: str) -> str:
    return f"<div class=cell><figure>{picture}</figure><small>{escaped(note)}</small></div>"
