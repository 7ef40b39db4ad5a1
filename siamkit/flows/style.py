"""Style: render pictures in the style of others. No store is needed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from siamkit.errors import BadInput, SiamkitError, UnreadableSample
from siamkit.host import registry
from siamkit.io import sources
from siamkit.io.presentable import Presentable
from siamkit.protocols import Assesses, Modality, Source, StyleRenderer, Stylises
from siamkit.sdk import pixels
from siamkit.sdk.media import load_opacity
from siamkit.types import Image, Progress, Region, ignore_progress

if TYPE_CHECKING:
    from PIL import Image as PILImage

    from siamkit.sdk.levels import Pixels

SMALLER = 1024  # px: a size that any machine has the memory for
Status: TypeAlias = Literal["rendered", "exists", "failed"]
log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True)
class StyleSettings:
    """Options of rendering a picture in a style."""

    strength: float = 1.0  # in [0, 1]; at 0 a picture keeps its own style
    preserve_colour: bool = False  # only the brightness changes
    size: int | None = None  # px: the longer side of the outcome; None for the picture's own


@dataclass(frozen=True, slots=True, eq=False)
class Stylised(Presentable):
    """One picture in another style, or the error that it gave.

    Examples:
        >>> stylised = ws.stylise(photo, "painted-7")
        >>> stylised.width, stylised.height
        (338, 200)
    """

    source: str  # as it was given
    status: Status
    width: int = 0  # px; 0 if it was not rendered
    height: int = 0
    image: Image | None = field(default=None, repr=False)  # None of one that is saved, or failed
    opacity: Pixels | None = field(default=None, repr=False)  # (height, width); None if opaque
    output: Path | None = None  # the file that holds it
    error: SiamkitError | None = None

    def picture(self) -> PILImage.Image:
        """Return the image for Pillow, with its opacity. Raises its error if it failed."""
        from PIL import Image as pil

        if self.image is None:
            raise self.error or BadInput(f"the picture is in {self.output}, not in memory")
        picture = pil.fromarray(self.image.pixels)
        if self.opacity is not None:
            picture.putalpha(pil.fromarray(self.opacity))
        return picture

    def saved_to(self, output: Path) -> Stylised:
        """Return it without the image, which a file holds: many would fill the memory."""
        return replace(self, output=output, image=None, opacity=None)


@dataclass(frozen=True, slots=True)
class Like:
    """A style to render in: a picture, or the name of a style; and its share beside others."""

    source: Source
    share: float = 1.0

    def __post_init__(self) -> None:
        share: Any = self.share
        if not isinstance(share, Real):
            raise BadInput(f"a share of {share!r}", hint="give a list of styles, or of pairs")
        if not 0 < self.share < float("inf"):
            raise BadInput(f"a share of {self.share:g}", hint="shares of styles are above 0")


@dataclass(frozen=True, slots=True, eq=False)
class OpenStyle:
    """A style that is ready to render pictures in, with certain settings."""

    modality: Modality[Any]
    renderer: StyleRenderer[Any]
    settings: StyleSettings
    likes: tuple[Path, ...]  # files that its styles are of
    identity: str  # of styles and settings: whatever a picture depends on, but for its content

    def render(self, source: Source, progress: Progress = ignore_progress) -> Stylised:
        """Return one picture in the style. Raises UnreadableSample or BadInput, naming it."""
        content = sources.read(Path(source) if isinstance(source, str) else source)
        name = sources.shorten(content.name)
        try:
            image = load_picture(self.modality, content)
            opacity = load_opacity(content.data) if isinstance(content.data, bytes) else None
            if size := self.settings.size:
                image = replace(image, pixels=pixels.resize(image.pixels, size))
                opacity = None if opacity is None else pixels.resize(opacity, size)
            painted = self._paint(image, progress)
            height, width = painted.pixels.shape[:2]
            return Stylised(content.name, "rendered", width, height, painted, opacity)
        except SiamkitError as error:
            raise type(error)(f"{name}: {error}", hint=error.hint) from error
        except MemoryError as error:
            reason = f"{name}: there is not enough memory for it"
            hint = f"render it smaller: `--size {SMALLER}`"
            raise UnreadableSample(reason, hint=hint) from error

    def _paint(self, image: Image, progress: Progress) -> Image:
        with registry.calling(self.modality, "render"):
            painted: Image = self.renderer.render(image, self.settings.strength, progress)
        if painted.pixels.shape != image.pixels.shape:
            raise BadInput(f"{self.modality.name}: the outcome has another size than the picture")
        if self.settings.preserve_colour:
            pixels.keep_colours(painted.pixels, image.pixels)
        return painted


def open_style(
    modality: Modality[Any], likes: Sequence[Like], settings: StyleSettings = StyleSettings()
) -> OpenStyle:
    """Open the mean of some styles.

    Raises BadInput for none, for a picture without a style and for styles that cannot be blended;
    UnreadableSample; MissingWeights.
    """
    stylises = require_styles(modality)
    if not likes:
        raise BadInput("there is no style to render in", hint="name a picture: `--like STYLE.jpg`")
    if not 0 <= settings.strength <= 1:
        raise BadInput(f"a strength of {settings.strength:g}", hint="strengths are from 0 to 1")
    if settings.size is not None and settings.size < 1:
        raise BadInput(f"a size of {settings.size} px", hint="sizes are 1 px or more")
    media = [(load_like(modality, like.source), like.share) for like in likes]
    files = tuple(Path(like.source) for like in likes if not isinstance(like.source, bytes))
    with registry.calling(modality, "open_renderer"):
        renderer = stylises.open_renderer(media)
    identity = _identify(modality.name, media, settings)
    return OpenStyle(modality, renderer, settings, files, identity)


def _identify(
    modality: str, media: Sequence[tuple[Image | str, float]], settings: StyleSettings
) -> str:
    total = sum(share for _, share in media)
    digest = hashlib.sha256(f"{modality}\n{settings}".encode())
    for medium, share in media:
        shape = medium if isinstance(medium, str) else medium.pixels.shape
        digest.update(f"\n{share / total:.6f} {shape}\n".encode())
        digest.update(b"" if isinstance(medium, str) else medium.pixels.tobytes())
    return digest.hexdigest()


def require_styles(modality: Modality[Any]) -> Stylises[Any]:
    """Return a modality that renders in styles. Raises BadInput for any other."""
    if not isinstance(modality, Stylises):
        raise BadInput(f"{modality.name} have no styles to render in", hint="take -m styles")
    return modality


def load_like(modality: Modality[Any], source: Source) -> Any:
    """Return a style's name as it is, and the medium of any other source."""
    named = modality.named_styles if isinstance(modality, Stylises) else ()
    if isinstance(source, str) and source in named:
        return source
    try:
        content = sources.read(Path(source) if isinstance(source, str) else source)
    except UnreadableSample as error:
        if isinstance(source, bytes) or Path(source).exists():
            raise
        hint = f"{error.hint}; " * bool(error.hint) + "`siamkit style --styles` lists named styles"
        raise UnreadableSample(str(error), hint=hint) from error
    name = sources.shorten(content.name)
    try:
        medium = load_picture(modality, content)
        if isinstance(modality, Assesses):
            quality = modality.assess(medium, Region())
            if quality.problems:
                raise BadInput("; ".join(quality.problems), hint="name another picture")
        return medium
    except SiamkitError as error:
        raise type(error)(f"{name}: {error}", hint=error.hint) from error


def load_picture(modality: Modality[Any], content: sources.Content) -> Any:
    medium = modality.load(content.data)
    for note in getattr(medium, "notes", ()):
        log.warning(f"{sources.shorten(content.name)}: {note}")
    return medium
