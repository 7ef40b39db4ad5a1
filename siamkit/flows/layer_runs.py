"""Run an encoder's graph, and see the channels of its layers over the input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import largest_region, name_sample
from siamkit.errors import BadInput, PluginError, SiamkitError
from siamkit.flows.reembed import read_enrolled
from siamkit.host import registry
from siamkit.protocols import Layered, Source
from siamkit.sdk.layers import Layer, cut, read_layers
from siamkit.sdk.model_folder import read_folder
from siamkit.sdk.onnx import OutOfMemory, encoder_session, run_guarded
from siamkit.store.samples import Sample
from siamkit.types import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]  # (height, width, 3)
    Maps = NDArray[np.float32]  # (channels, rows, columns)

CHANNELS_OF_PICTURES = 4  # an input's axis of at most so many elements is one of colours
MEL_PERCENTILES = (1, 99)  # of a spectrogram's values: black and white of its picture


@dataclass(frozen=True, slots=True)
class Canvas:
    """Axes of a network's input, and the picture that they are shown on."""

    rows: int  # axis of the input, the batch counted
    columns: int
    flipped: bool  # rows count from below: the bands of a spectrogram
    shape: tuple[int, int]  # rows and columns of the input
    size: tuple[int, int]  # height and width of the picture, px

    def box(self, layer: Layer, row: int, column: int) -> Box:
        """Return what a layer's element sees of the picture, in px; padding is left out."""
        spans = {}
        for axis, place in zip(layer.axes, (row, column), strict=False):
            start = axis.offset + axis.stride * place
            spans[axis.source] = start, start + axis.field
        left, right = self._span(spans, self.columns, 1)
        top, bottom = self._span(spans, self.rows, 0)
        if self.flipped:
            top, bottom = self.size[0] - bottom, self.size[0] - top
        return left, top, right, bottom

    def _span(self, spans: dict[int, tuple[int, int]], axis: int, side: int) -> tuple[float, float]:
        length, scale = self.shape[side], self.size[side] / self.shape[side]
        start, stop = spans.get(axis, (0, length))
        return scale * min(max(start, 0), length), scale * min(max(stop, 0), length)

    def upright(self, channel: NDArray[np.float32], layer: Layer) -> NDArray[np.float32]:
        """Turn a channel, in the order of the input's axes, as its picture is."""
        upright = channel.T if layer.axes[0].source == self.columns else channel
        return (upright[::-1] if self.flipped else upright).copy()  # not all channels with it

    def lengths(self, layer: Layer) -> list[int]:
        """Return the elements of the input along each axis of a layer."""
        return [self.shape[0 if axis.source == self.rows else 1] for axis in layer.axes]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One input of the network, as a picture, and what each layer makes of it.

    A long sound is cut into several.
    """

    medium: int  # its number in the batch
    number: int  # among the inputs of that medium
    picture: Pixels
    canvas: Canvas
    maps: tuple[Maps, ...]  # of each layer; a layer that joins all rows has a single one


def read_encoder(pipeline: Pipeline) -> tuple[Layered[Any], bytes]:
    """Return a pipeline's encoder and its graph. Raises PluginError if it does not show them."""
    encoder = pipeline.encoder
    if not isinstance(encoder, Layered):
        raise PluginError(
            f"{registry.describe(pipeline.modality)}: its encoder does not show its layers",
            hint="give it `folder` and `inputs`, as siamkit.protocols.Layered describes",
        )
    return encoder, read_folder(encoder.folder)[1]


def crop_of(pipeline: Pipeline, source: Source | Sample) -> tuple[str, Any]:
    """Return the name and the crop of a source: of its largest region, or the enrolled one.

    Raises UnreadableSample, NothingFound or BadInput, naming it.
    """
    if isinstance(source, Sample):
        content = read_enrolled(source)
        medium = pipeline.load(content)
        return content.name, pipeline.crop(medium, source.read_region(), content)
    content = pipeline.read(source)
    detected = pipeline.detect(content)
    try:
        ((region, _),) = largest_region(detected)
    except SiamkitError as error:
        raise name_sample(content.name, error) from error
    return content.name, pipeline.crop(detected.medium, region, content)


class LayerRun:
    """The open graph of an encoder, with chosen layers among its outputs."""

    def __init__(self, pipeline: Pipeline, layers: Sequence[Layer]) -> None:
        self._pipeline, self.layers = pipeline, layers
        self._encoder, graph = read_encoder(pipeline)
        names = [layer.unbounded for layer in layers]
        tensors = getattr(self._encoder, "tensors", None)
        self._session = encoder_session(cut(graph, names), tensors=tensors)

    def run(self, crops: Sequence[Any]) -> Iterator[View]:
        """Yield each input that media become, in order, with the layers' channels over it."""
        with registry.calling(self._pipeline.modality, "preparing a sample"):
            inputs = dict(self._encoder.inputs(crops))
        try:
            outputs = run_guarded(self._session, inputs)
        except OutOfMemory:
            if len(crops) == 1:
                raise
            for number, crop in enumerate(crops):
                yield from (replace(view, medium=number) for view in self.run([crop]))
            return
        array = inputs[self.layers[0].input]
        views = max(1, len(array) // len(crops))  # views of a medium
        for number in range(len(array)):
            maps = [
                _maps(output, layer, number)
                for output, layer in zip(outputs, self.layers, strict=True)
            ]
            picture = picture_of(self._pipeline, array[number])
            rows, columns, flipped = _axes(self._pipeline, array[number])
            shape = array[number].shape[rows], array[number].shape[columns]
            height, width = picture.shape[:2]
            canvas = Canvas(rows + 1, columns + 1, flipped, shape, (height, width))
            yield View(number // views, number % views, picture, canvas, tuple(maps))


def spatial_layers(pipeline: Pipeline) -> list[Layer]:
    """Return the layers of an encoder. Raises BadInput if none keeps places apart."""
    layers = read_layers(read_encoder(pipeline)[1])
    if not layers:
        raise BadInput(
            f"encoder {pipeline.encoder.fingerprint} has no layer that keeps the places of a"
            f" sample apart: no convolution over a picture or a spectrogram",
            hint="`siamkit explain A B` shows which parts count, whatever the encoder",
        )
    main = layers[0].input
    return [layer for layer in layers if layer.input == main]


def _maps(output: NDArray[Any], layer: Layer, number: int) -> Maps:
    """Return one medium's channels as (channels, rows, columns), in the order of the input.

    Of a layer that is cut off at a limit, such as 6, they are not cut off there.
    """
    import numpy as np

    order = [1, *layer.tensor_axes]
    remaining = [axis for axis in range(1, output.ndim) if axis not in order]
    arranged = output[number].transpose([axis - 1 for axis in [*order, *remaining]])
    shape = arranged.shape[: len(order)] + (1,) * (3 - len(order))
    maps = np.ascontiguousarray(arranged.reshape(shape[:3]), dtype=np.float32)
    return maps if layer.unbounded == layer.tensor else np.maximum(maps, 0)


def _axes(pipeline: Pipeline, array: NDArray[Any]) -> tuple[int, int, bool]:
    """Return the axes of an input's rows and columns, and True if rows count from below."""
    if array.ndim == 2 and pipeline.modality.kind == "audio":
        return 1, 0, True  # frames, bands
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] <= CHANNELS_OF_PICTURES):
        return 0, 1, False
    if array.ndim == 3 and array.shape[0] <= CHANNELS_OF_PICTURES:
        return 1, 2, False
    raise BadInput(f"an input of shape {array.shape} cannot be shown as a picture")


def picture_of(pipeline: Pipeline, array: NDArray[Any]) -> Pixels:
    """Return an input of the network, without the batch, as people see it."""
    import numpy as np

    draw = getattr(pipeline.modality, "picture", None)
    if draw is not None:
        pixels: Pixels = draw(array)
        return pixels
    rows, columns, flipped = _axes(pipeline, array)
    colours = [axis for axis in range(array.ndim) if axis not in (rows, columns)]
    pixels = array.transpose([rows, columns, *colours])
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    pixels = pixels[::-1] if flipped else pixels
    if array.dtype != np.uint8:
        is_shown = not flipped and array.min() >= 0 and 1 < array.max() <= 255
        low, high = (0, 255) if is_shown else np.percentile(array, MEL_PERCENTILES)
        pixels = (255 * (pixels - low) / max(float(high - low), 1e-6)).clip(0, 255)
    return np.ascontiguousarray(
        np.broadcast_to(
            pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1], (*pixels.shape[:2], 3)
        ).astype(np.uint8)
    )
