"""Show what the layers of an encoder respond to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from siamkit.embed.pipeline import DEFAULT, Pipeline
from siamkit.errors import BadInput
from siamkit.io.listed_sources import list_sources
from siamkit.sdk.inputs import take_each, take_source
from siamkit.store import samples as enrolled
from siamkit.store.galleries import require_space
from siamkit.types import Input, Progress, ignore_progress
from siamkit.workspace.comparisons import ComparisonMethods

if TYPE_CHECKING:
    from siamkit.flows.layer_attention import AttentionExplanation
    from siamkit.flows.layers import LayerChoice, LayersExplanation
    from siamkit.protocols import Source
    from siamkit.store import Gallery
    from siamkit.store.samples import Sample


class LayerMethods(ComparisonMethods):
    """Show what the layers of an encoder respond to."""

    def layers(
        self,
        gallery_or_modality: str | Pipeline,
        source: Input | None = None,
        *,
        samples: Iterable[Input] | None = None,
        choice: LayerChoice | None = None,
        detector: str | None = DEFAULT,
        maximise: bool = False,
        progress: Progress = ignore_progress,
    ) -> LayersExplanation | AttentionExplanation:
        """Show what the layers of an encoder respond to, in a set of samples and in one source.

        gallery_or_modality, detector: see `verify`. samples: the set, or folders, whose files are
        taken; None takes the samples of a gallery, and none for a modality. source: one that the
        channels are laid over. Without either, the layers are listed. choice: the layers and
        channels to show. maximise: also draw a picture that each channel responds to most; it needs
        torch, and takes seconds per channel. Of texts, the share of attention that each token gets
        is shown instead.

        Examples:
            >>> shown = ws.layers("faces", "collins-1.png")
            >>> shown.views[0].layer.name, shown.views[0].channels[0].response.shape
            ('conv_2_relu', (112, 112))
        """
        from siamkit.flows.layer_attention import show_attention
        from siamkit.flows.layers import LayerChoice, list_layers, show_layers

        pipeline, target = self._open_named(gallery_or_modality, detector)
        kind = pipeline.modality.kind
        file = None if source is None else take_source(source, "source", kind)
        chosen = self._samples_to_show(pipeline, target, samples)
        if maximise and kind != "image":
            raise BadInput(
                f"only what pictures maximise can be drawn, not {pipeline.modality.name}"
            )
        if kind == "text":
            if choice is not None and choice != LayerChoice():
                raise BadInput(
                    f"{pipeline.modality.name} have no layers or channels to choose from",
                    hint="the attention of every layer is shown",
                )
            return show_attention(pipeline, [*([] if file is None else [file]), *chosen])
        if file is None and not chosen and not maximise and choice in (None, LayerChoice()):
            return list_layers(pipeline)
        shown = show_layers(pipeline, chosen, file, choice or LayerChoice(), progress)
        return _maximise(pipeline, shown, progress) if maximise else shown

    def _samples_to_show(
        self, pipeline: Pipeline, target: Gallery | None, samples: Iterable[Input] | None
    ) -> Sequence[Source | Sample]:
        """Return the samples given, else those of a gallery, else none."""
        if samples is not None:
            return _take_files(samples, pipeline)
        if target is None:
            return []
        require_space(target, pipeline.encoder.fingerprint)
        return list(enrolled.of_gallery(self.store, target))


def _maximise(
    pipeline: Pipeline, shown: LayersExplanation, progress: Progress
) -> LayersExplanation:
    """Add to each channel a drawn picture that it responds to most. Raises BadInput."""
    import numpy as np

    from siamkit.flows.layer_runs import picture_of, read_encoder
    from siamkit.train.pictures.maximise import STEPS, maximise

    graph, views = read_encoder(pipeline)[1], []
    for number, view in enumerate(shown.views):

        def advance(step: str, done: int, total: int, number: int = number) -> None:
            progress(step, number * STEPS + done, len(shown.views) * total)

        channels = [channel.channel for channel in view.channels]
        drawn = maximise(graph, view.layer, channels, progress=advance)
        pictures = [picture_of(pipeline, np.rint(array).astype(np.uint8)) for array in drawn]
        pairs = zip(view.channels, pictures, strict=True)
        added = tuple(replace(channel, maximum=picture) for channel, picture in pairs)
        views.append(replace(view, channels=added))
    return replace(shown, views=tuple(views))


def _take_files(samples: Iterable[Input], pipeline: Pipeline) -> list[Source]:
    """Return the sources of a set, the files of folders among them. Raises for an empty folder."""
    kind = pipeline.modality.kind
    sources: list[Source] = []
    for source in take_each(samples, "samples", kind):
        if pipeline.is_text(source):
            sources.append(source)
            continue
        for listed in list_sources([source], []):
            if listed.error:
                raise listed.error
            sources.append(listed.source)
    return sources
