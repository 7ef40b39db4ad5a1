"""Layers: show what the channels of an encoder's layers respond to, in a set and in one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, SiamkitError
from siamkit.flows.layer_places import (
    StrongestPlaces,
    inside,
    pick_channels,
    pick_layers,
    split_networks,
)
from siamkit.flows.layer_runs import LayerRun, View, crop_of, spatial_layers
from siamkit.flows.layer_survey import Survey, respond
from siamkit.io.presentable import Presentable
from siamkit.io.wording import BY_KIND, OTHERS
from siamkit.protocols import Source
from siamkit.sdk.layers import Layer
from siamkit.store.samples import Sample
from siamkit.types import Kind, Progress, ignore_progress

if TYPE_CHECKING:
    from siamkit.flows.layer_runs import Pixels
    from siamkit.flows.layer_survey import Map, Place

LAYERS, CHANNELS, PLACES = 6, 4, 6  # shown unless the caller chooses


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """The layers and channels to show, and how many places of each channel.

    Examples:
        >>> sk.LayerChoice(layers=("layer 4", 16), channels=(12, 40)).layers
        ('layer 4', '16')
    """

    layers: Sequence[str | int] = ()  # names, or numbers from 1; none: some from early to late
    channels: Sequence[int] = ()  # from 0; none: those that stand out most
    places: int = PLACES

    def __post_init__(self) -> None:
        layers = _take(self.layers, (str, Integral), "layers", "names or numbers, ('layer 4', 16)")
        channels = _take(self.channels, (Integral,), "channels", "numbers from 0, (12, 40)")
        places: Any = self.places
        if not isinstance(places, Integral) or int(places) < 1:
            raise BadInput(f"{places!r} places of each channel", hint="show 1 or more")
        object.__setattr__(self, "layers", tuple(map(str, layers)))
        object.__setattr__(self, "channels", tuple(map(int, channels)))


def _take(values: Any, types: tuple[type, ...], argument: str, expected: str) -> tuple[Any, ...]:
    """Return values as a tuple. Raises BadInput for what is not a list of these types."""
    are_several = isinstance(values, Iterable) and not isinstance(values, str | bytes)
    taken = tuple(values) if are_several else ()
    if not are_several or not all(isinstance(value, types) for value in taken):
        raise BadInput(f"{argument}: expected a list of {expected}; got {values!r}")
    return taken


@dataclass(frozen=True, slots=True, eq=False)
class ChannelView:
    """A channel of a layer: where it is strongest in the set, and in the file."""

    channel: int
    stands_out: float | None  # standard deviations above its mean over the set; None: all alike
    places: tuple[Place, ...]
    response: Map | None  # to the file; its least along the edges, where padding counts
    highest: float | None  # of that
    maximum: Pixels | None = None  # a drawn picture that the channel responds to most, if asked for


@dataclass(frozen=True, slots=True, eq=False)
class LayerView:
    """A layer that is shown. Sizes are px of the picture that the network gets."""

    layer: Layer
    sees: tuple[float, float]  # width and height of what one of its elements sees; padding counts
    step: tuple[float, float]  # px from one element to the next, to the right and down
    sees_all: bool  # an element in the middle sees the whole picture
    channels: tuple[ChannelView, ...]
    energy: Map | None  # root mean square over all channels, of the file


@dataclass(frozen=True, slots=True, eq=False)
class LayersExplanation(Presentable):
    """Layers of an encoder, and the places that they respond to most.

    Examples:
        >>> shown = ws.layers("faces", "collins-1.png")
        >>> len(shown.layers), shown.views[0].layer.field
        (27, (5, 5))
    """

    modality: str
    encoder: str  # its fingerprint
    layers: tuple[Layer, ...]  # all of them
    views: tuple[LayerView, ...]
    samples: int  # of the set
    file: str  # that the maps are of; "" for none
    picture: Pixels | None  # the file as the network gets it
    errors: tuple[SiamkitError, ...]  # of samples that could not be used, each naming it
    kind: Kind  # of the samples

    def __repr__(self) -> str:
        """The size in short: `<LayersExplanation of faces: 27 layers, 6 shown>`."""
        return f"<LayersExplanation of {self.modality}: {self.lines[0]}>"

    @property
    def lines(self) -> tuple[str, ...]:
        """Describe the layers for people, then the samples shown to them, if there were any."""
        networks = len(split_networks(self.layers))
        count = f"{len(self.layers)} layers" + (f" in {networks} networks" if networks > 1 else "")
        first, last = self.layers[0], self.layers[-1]
        if not self.views:
            sizes = [" × ".join(map(str, layer.field[::-1])) for layer in (first, last)]
            return (
                f"{count}: a place of the first sees {sizes[0]} elements, of the last {sizes[1]}",
            )
        sizes = [self.describe_field(view) for view in (self.views[0], self.views[-1])]
        line = (
            f"{count}, {len(self.views)} shown: their places see {sizes[0]} early, {sizes[1]} late"
        )
        count = f"{self.samples:,} {self.noun if self.samples == 1 else self.noun + 's'}"
        return line, ", and ".join(filter(None, [count if self.samples else "", self.file]))

    @property
    def noun(self) -> str:
        """The word for a sample."""
        return BY_KIND.get(self.kind, OTHERS).singular

    def describe_field(self, view: LayerView) -> str:
        """Return what a place of a layer sees, for people: '7 × 7 px', 'the whole picture'."""
        return f"the whole {self.noun}" if view.sees_all else self.describe_size(view.sees)

    def describe_size(self, size: tuple[float, float]) -> str:
        """Return a width and height for people: '7 × 7 px', '3 frames × 5 bands'."""
        if self.kind == "audio":
            names = ("frame" if size[0] == 1 else "frames", "band" if size[1] == 1 else "bands")
            return f"{size[0]:g} {names[0]} × {size[1]:g} {names[1]}"
        return f"{size[0]:g} × {size[1]:g} px"


def list_layers(pipeline: Pipeline) -> LayersExplanation:
    """Return the layers of an encoder alone. Raises BadInput if it has none."""
    layers = tuple(spatial_layers(pipeline))
    return LayersExplanation(
        pipeline.modality.name,
        pipeline.encoder.fingerprint,
        layers,
        (),
        0,
        "",
        None,
        (),
        pipeline.modality.kind,
    )


def show_layers(
    pipeline: Pipeline,
    samples: Sequence[Source | Sample],
    file: Source | None,
    choice: LayerChoice,
    progress: Progress = ignore_progress,
) -> LayersExplanation:
    """Find what channels respond to most in a set of samples, and their response to a file.

    Of a source, its largest region counts, as it does for `explain`. A sample that cannot be used
    is listed among the errors. Raises BadInput for a layer or channel that the encoder does not
    have, or if no layer keeps places apart; the error of the file; the first error if no sample of
    the set can be used.
    """
    layers = spatial_layers(pipeline)
    chosen = _choose_layers(layers, choice)
    run = LayerRun(pipeline, chosen)
    name, probe = "", None
    if file is not None:
        name, crop = crop_of(pipeline, file)
        probe = next(run.run([crop]))
    survey = Survey(run, pipeline, samples, choice.places)
    survey.read(progress)
    first = probe or survey.first
    if first is None:
        raise BadInput("there is nothing to show the layers", hint="give a file, or a set")
    picked = [_pick(number, layer, choice, survey, probe) for number, layer in enumerate(chosen)]
    places = survey.cut(picked, progress)
    views = tuple(
        _view(number, layer, picked[number], places, survey, probe, first)
        for number, layer in enumerate(chosen)
    )
    return LayersExplanation(
        pipeline.modality.name,
        pipeline.encoder.fingerprint,
        tuple(layers),
        views,
        survey.used,
        name,
        probe.picture if probe else None,
        tuple(survey.errors),
        pipeline.modality.kind,
    )


def _choose_layers(layers: Sequence[Layer], choice: LayerChoice) -> list[Layer]:
    """Return the layers of a choice, from early to late. Raises BadInput for one that is not."""
    if not choice.layers:
        chosen = pick_layers(layers, LAYERS)
    else:
        named = {str(number): number - 1 for number in range(1, len(layers) + 1)}
        named |= {layer.name: number for number, layer in enumerate(layers)}
        absent = [name for name in choice.layers if name not in named]
        if absent:
            raise BadInput(
                f"the encoder has no layer {absent[0]!r}",
                hint=f"it has {len(layers)}, from {layers[0].name!r} to {layers[-1].name!r};"
                " `explain --layers` without files lists them",
            )
        chosen = [layers[number] for number in sorted({named[str(name)] for name in choice.layers})]
    for layer in chosen:
        if beyond := [number for number in choice.channels if not 0 <= number < layer.channels]:
            raise BadInput(
                f"{layer.name} has no channel {beyond[0]}: they go from 0 to {layer.channels - 1}",
                hint="choose the layer, too: `--layer NAME`",
            )
    return chosen


def _pick(
    number: int, layer: Layer, choice: LayerChoice, survey: Survey, probe: View | None
) -> list[int]:
    """Return the channels of a layer to show.

    Without a choice: those that the file stands out in most, measured on the set if there is one;
    without a file, those whose strongest places stand out most in the set.
    """
    if choice.channels:
        return list(dict.fromkeys(choice.channels))
    strongest = survey.strongest[number]
    if probe is None:
        return pick_channels(strongest.selectivity, CHANNELS, strongest.pictures)
    alone = StrongestPlaces(layer, 1)
    maps = probe.maps[number]
    alone.add(0, maps, inside(layer, maps.shape[1:], probe.canvas.lengths(layer)))
    if survey.used > 1:
        return pick_channels(strongest.stands_out(alone.values[:, 0]), CHANNELS)
    return pick_channels(alone.selectivity, CHANNELS)


def _view(
    number: int,
    layer: Layer,
    channels: Sequence[int],
    places: dict[tuple[int, int], list[Place]],
    survey: Survey,
    probe: View | None,
    first: View,
) -> LayerView:
    strongest = survey.strongest[number]
    selectivity = strongest.selectivity if survey.used else None
    views, energy = [], None
    for channel in channels:
        response = respond(probe, layer, probe.maps[number][channel]) if probe else None
        spread = -np.inf if selectivity is None else float(selectivity[channel])
        stands_out = spread if np.isfinite(spread) else None
        highest = float(response.max()) if response is not None else None
        strongest_places = tuple(places.get((number, channel), ()))
        views.append(ChannelView(channel, stands_out, strongest_places, response, highest))
    if probe:
        mean_square = np.sqrt(np.square(probe.maps[number]).mean(axis=0))
        energy = respond(probe, layer, mean_square)
    sees, step, sees_all = _extent(layer, first)
    return LayerView(layer, sees, step, sees_all, tuple(views), energy)


def _extent(layer: Layer, view: View) -> tuple[tuple[float, float], tuple[float, float], bool]:
    """Return what an element of a layer sees, and its step, as (width, height) in px."""
    canvas = view.canvas
    by_source = {axis.source: axis for axis in layer.axes}
    sees, step = [], []
    for source, side in ((canvas.columns, 1), (canvas.rows, 0)):
        scale = canvas.size[side] / canvas.shape[side]
        axis = by_source.get(source)
        sees.append(scale * (axis.field if axis else canvas.shape[side]))
        step.append(scale * (axis.stride if axis else canvas.shape[side]))
    sees_all = sees[0] >= canvas.size[1] and sees[1] >= canvas.size[0]
    return (sees[0], sees[1]), (step[0], step[1]), sees_all
