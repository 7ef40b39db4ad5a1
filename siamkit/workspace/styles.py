"""Render pictures in the style of others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.host import registry
from siamkit.io.extras import require_extra
from siamkit.io.places import expand
from siamkit.sdk.inputs import take_each, take_source
from siamkit.types import Input, Progress, ignore_progress
from siamkit.workspace.installation import InstallationMethods

if TYPE_CHECKING:
    from siamkit.flows.style import Like, OpenStyle, Stylised
    from siamkit.train.pictures.painting import Painting
    from siamkit.train.pictures.reconstructions import Reconstructions

STYLES = "styles"  # the modality that renders, unless another is named


class StyleMethods(InstallationMethods):
    """Render pictures in the style of others, fast or by gradient descent. No store is needed."""

    @staticmethod
    def named_styles(modality: str = STYLES) -> Mapping[str, str]:
        """Return the styles that need no example: name -> description.

        Raises BadInput for a modality that renders in no styles.

        Examples:
            >>> len(ws.named_styles())
            26
        """
        from siamkit.flows.style import require_styles

        return require_styles(registry.load("siamkit.modalities", modality)).named_styles

    def stylise(
        self,
        source: Input,
        like: Input | Sequence[Input | tuple[Input, float]],
        *,
        strength: float = 1.0,
        preserve_colour: bool = False,
        size: int | None = None,
        modality: str = STYLES,
    ) -> Stylised:
        """Render a picture in the style of another, or in the mean of several styles.

        like: a picture, or one of `named_styles`; or a list of them, or of pairs with their shares,
        which are relative. strength: in [0, 1]; at 0 a picture keeps its own style, or, with a
        named style, is not changed. preserve_colour: only the brightness changes. size: px of the
        longer side; None for that of the picture.

        Raises UnreadableSample; BadInput for a picture without a style, such as a blank one, and
        for pictures and named styles at once.

        Examples:
            >>> stylised = ws.stylise(photo, ["painted-7", ("painted-2", 0.5)], strength=0.8)
            >>> stylised.image.pixels.shape
            (200, 338, 3)
        """
        style = self.open_style(
            like, strength=strength, preserve_colour=preserve_colour, size=size, modality=modality
        )
        return style.render(take_source(source, "source", style.modality.kind))

    def stylise_many(
        self,
        sources: Iterable[Input],
        like: Input | Sequence[Input | tuple[Input, float]],
        output: str | Path | None = None,
        *,
        overwrite: bool = False,
        progress: Progress = ignore_progress,
        **settings: Any,
    ) -> Iterator[Stylised]:
        """Yield each picture in a style, in order; one that cannot be used has an `error`.

        sources: pictures, or folders, whose files are taken. output: a file for one picture, or a
        folder for several, or one whose name ends in a slash. In a folder, what was painted of the
        same picture in the same style is left, with the status "exists"; any other file is an
        `error`; unless `overwrite`. Without an output the pictures are in memory. settings: of
        `stylise`. Raises OSError if the disk is full.

        Examples:
            >>> pictures = ws.stylise_many(["group.png", photo], "painted-7")
            >>> [(picture.status, picture.width) for picture in pictures]
            [('rendered', 338), ('rendered', 338)]
        """
        from siamkit.flows.style_many import StyleFiles, stylise_many

        style = self.open_style(like, **settings)
        is_folder = isinstance(output, str) and output.endswith(("/", os.sep))
        files = None if output is None else StyleFiles(expand(Path(output)), overwrite, is_folder)
        pictures = take_each(sources, "sources", style.modality.kind)
        yield from stylise_many(style, pictures, files, progress)

    def open_style(
        self,
        like: Input | Sequence[Input | tuple[Input, float]],
        *,
        strength: float = 1.0,
        preserve_colour: bool = False,
        size: int | None = None,
        modality: str = STYLES,
    ) -> OpenStyle:
        """Open a style to render many pictures in, one at a time; see `stylise`.

        Examples:
            >>> style = ws.open_style("painted-7", size=128)
            >>> [style.render(source).width for source in ("group.png", "cameraman-1.png")]
            [128, 115]
        """
        from siamkit.flows.style import StyleSettings, open_style

        plugin = registry.load("siamkit.modalities", modality)
        likes = _take_likes(like, plugin.kind)
        return open_style(plugin, likes, StyleSettings(strength, preserve_colour, size))

    def paint(
        self,
        source: Input,
        like: Input | Sequence[Input | tuple[Input, float]],
        output: str | Path | None = None,
        *,
        encoder: str | Path | None = None,
        frames: str | Path | None = None,
        preserve_colour: bool = False,
        modality: str = STYLES,
        **settings: Any,
    ) -> Painting:
        """Open a picture to paint in the style of others by gradient descent; `run` paints it.

        The way of Gatys, Ecker and Bethge (2015): slower than `stylise`, and for any style. like:
        as for `stylise`, without names. output: the file to write; with it, an interrupted painting
        goes on when it is opened again. encoder: a name or a folder; None takes vgg19 if it was
        added, else the shipped one. frames: a folder for the picture of every tenth step.
        settings: of siamkit.train.pictures.settings.DescentSettings. Needs torch.

        Raises UnreadableSample; BadInput for settings that cannot be met, for a picture without a
        style and for one that the memory does not suffice for; MissingWeights.

        Examples:
            >>> painting = ws.paint(photo, "painting.jpg", "out.png", steps=100)  # doctest: +SKIP
            >>> for event in painting.events(): print(event)                     # doctest: +SKIP
            >>> painting.run().style_distance                                    # doctest: +SKIP
            0.21
        """
        from siamkit.train.pictures.backbone import open_backbone
        from siamkit.train.pictures.painting import open_painting, read_settings

        require_extra("train", "painting by gradient descent")
        plugin = registry.load("siamkit.modalities", modality)
        painting = open_painting(
            plugin,
            take_source(source, "source", plugin.kind),
            _take_likes(like, plugin.kind),
            open_backbone(plugin, None if encoder is None else str(encoder)),
            read_settings(settings),
        )
        return painting.into(
            None if output is None else expand(Path(output)),
            None if frames is None else expand(Path(frames)),
            preserve_colour=preserve_colour,
        )

    def reconstruct(
        self,
        source: Input,
        output: str | Path | None = None,
        *,
        like: Input | None = None,
        encoder: str | Path | None = None,
        overwrite: bool = False,
        progress: Progress = ignore_progress,
        modality: str = STYLES,
        **settings: Any,
    ) -> Reconstructions:
        """Paint what single layers tell of a picture, and of a style: figure 1 of the same paper.

        Contents are inverted from the features of a layer, styles from the Gram matrices of all
        layers up to one. output: a folder for the pictures and a sheet of all; what an interrupted
        run has put there is not painted again, unless `overwrite`. like: the picture of the style;
        None takes `source`. encoder, settings: of `paint`. Needs torch. Raises as `paint` does.

        Examples:
            >>> shown = ws.reconstruct(photo, "figure1", like="painting.jpg")  # doctest: +SKIP
            >>> [item.loss for item in shown.reconstructions]                  # doctest: +SKIP
        """
        from siamkit.train.pictures.painting import open_subject

        require_extra("train", "reconstructing pictures")
        plugin = registry.load("siamkit.modalities", modality)
        subject = open_subject(
            plugin,
            take_source(source, "source", plugin.kind),
            None if like is None else take_source(like, "like", plugin.kind),
            None if encoder is None else str(encoder),
            settings,
        )
        from siamkit.train.pictures.reconstruct import reconstruct

        folder = None if output is None else expand(Path(output))
        return reconstruct(subject, folder, overwrite=overwrite, progress=progress)


def _take_likes(like: Input | Sequence[Input | tuple[Input, float]], kind: str) -> list[Like]:
    from siamkit.flows.style import Like

    likes = []
    for number, item in enumerate(like if isinstance(like, list) else [like]):
        source, share = item if isinstance(item, tuple) and len(item) == 2 else (item, 1.0)
        likes.append(Like(take_source(source, f"like[{number}]", kind), share))
    return likes
