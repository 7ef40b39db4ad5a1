"""Files about a search of pictures: places in them, crops, and a page with the matched examples.

The page is one self-contained HTML file. Pictures are made small as they are added, so that a page
about thousands needs little memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from siamkit.flows.detect import Detected
from siamkit.flows.find import SearchedPicture, Sighting
from siamkit.flows.find_places import PictureSearch
from siamkit.flows.rerank import load_enrolled
from siamkit.io.atomic import replace_text, require_writable
from siamkit.io.places import expand
from siamkit.io.sources import to_path
from siamkit.io.wording import format_probability
from siamkit.protocols import Source
from siamkit.reports.answer_rows import FAILED
from siamkit.reports.cards import NAME, SHOWN, Card, cards_page
from siamkit.reports.html import escaped
from siamkit.reports.previews import picture_tag
from siamkit.reports.region_files import RegionFiles
from siamkit.reports.regions import Mark, annotate, colour_of, cut
from siamkit.store import labels
from siamkit.types import Image, Threshold

PLACES = 12  # of a picture
SCENE = 480  # px: the longer side of a searched picture

_STYLE = """
.place { border-top: 1px solid var(--line); padding-top: .6em; min-width: 0 }
.place > div { display: flex; gap: .6em } .place figure { flex: 1 1 0; min-width: 0 }
.place img { max-height: 10em; width: auto; background: #fff }
.place p { margin: 0 0 .4em } .rejected { opacity: .75 } small { overflow-wrap: anywhere }
"""


@dataclass(slots=True, eq=False)
class FindFiles:
    """Files that a search of pictures writes. Nothing is written for a bad picture.

    Examples:
        >>> files = sk.FindFiles(report="found.html")  # doctest: +SKIP
    """

    output: str | Path | None = None  # .json is COCO JSON, others as siamkit.RegionFiles
    crops: str | Path | None = None  # a folder
    annotated: str | Path | None = None  # a picture, or a folder for several
    report: str | Path | None = None  # an HTML page
    _regions: RegionFiles = field(init=False)
    _page: FindPage | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._regions = RegionFiles(self.output, crops=self.crops, annotated=self.annotated)

    @property
    def _report(self) -> Path | None:
        return None if self.report is None else expand(Path(self.report))

    @property
    def paths(self) -> Sequence[Path]:
        """The files and folders that are written."""
        return [*self._regions.paths, *([self._report] if self._report else [])]

    @property
    def needs_picture(self) -> bool:
        """True if the pixels of pictures are needed."""
        return any((self.crops, self.annotated, self.report))

    def annotated_of(self, source: Source, stem: str) -> Path | None:
        """Return where the annotated picture of a source is saved; None if none is."""
        return self._regions.annotated_of(source, stem)

    def begin(self, search: PictureSearch, *, several: bool) -> None:
        """Prepare to write. Raises BadInput for what cannot be written."""
        live = search.live
        identities = sorted({h.identity for h in labels.holdings(live.store, live.gallery)})
        name = search.setup.detector_name
        self._regions.begin("image", identities, name, several=several)
        if self._report:
            require_writable(self._report, (".html",))

            def exemplar(sample_id: int) -> Image | None:
                return load_enrolled(live.store, search.pipeline, sample_id)

            self._page = FindPage(live.gallery.name, exemplar)

    def add(self, searched: SearchedPicture, medium: Image | None, stem: str) -> None:
        """Write the crops and the annotated picture of one; the rest is written at the end."""
        if not searched.error:
            regions = [
                replace(s.region, label=s.identity, score=min(max(s.score, 0.0), 1.0))
                for s in searched.sightings
            ]
            size = searched.width, searched.height
            detected = Detected(searched.source, *size, regions)
            self._regions.save(detected, medium, stem)
            self._regions.add(detected, stem)
        if self._page:
            self._page.add(searched, medium)

    def finish(self) -> None:
        """Write the files that are about all pictures."""
        self._regions.finish()
        if self._report and self._page:
            replace_text(self._report, self._page.html())


@dataclass(slots=True, eq=False)
class FindPage:
    """The page, one picture after another."""

    gallery: str
    exemplar: Callable[[int], Image | None]  # the crop of a sample; None if its source is gone
    _cards: list[Card] = field(default_factory=list, init=False)
    _decisions: Counter[str] = field(default_factory=Counter, init=False)
    _count: int = field(default=0, init=False)
    _threshold: Threshold | None = field(default=None, init=False)
    _tags: dict[int, str] = field(default_factory=dict, init=False)  # of exemplars

    def add(self, searched: SearchedPicture, image: Image | None) -> None:
        """Add a picture. image: its pixels; None if they cannot be read any more."""
        self._count += 1
        kind = FAILED if searched.error else str(searched.decision)
        self._decisions[kind] += 1
        self._threshold = self._threshold or searched.threshold
        if len(self._cards) >= SHOWN:
            return
        text = " ".join([searched.source, *searched.identities])
        if searched.error:
            reason = escaped(str(searched.error), 400)
            html = f"<h2>{escaped(searched.source, NAME)}</h2><p class=failed>{reason}</p>"
            self._cards.append(Card((kind,), text, html))
        elif image is not None:
            self._cards.append(Card((kind,), text, self._scene(searched, image)))

    def html(self) -> str:
        """Return the page as text. User texts are escaped."""
        title = f"{self.gallery}: where it is"
        return cards_page(title, self._facts(), self._cards, self._count, _STYLE)

    def _facts(self) -> list[tuple[str, str]]:
        rows = [("pictures", f"{self._count:,}")]
        rows += [(decision, f"{count:,}") for decision, count in self._decisions.items()]
        threshold = self._threshold
        if threshold is None:
            return [*rows, ("threshold", "none is known, so nothing is decided")]
        rows.append(("present from", f"{threshold.value:.3f}"))
        if threshold.fpir:
            rows.append(("false positive rate", f"{threshold.fpir:g} per picture"))
        return [*rows, ("measured on", threshold.source)]

    def _scene(self, searched: SearchedPicture, image: Image) -> str:
        sightings = searched.sightings[:PLACES]
        verdict = ", ".join(searched.identities) or searched.decision
        marks = [
            Mark(s.region, f"{number} {s.identity}", colour_of(s.identity), (str(number),))
            for number, s in enumerate(sightings, 1)
        ]
        places = [self._place(sighting, image) for sighting in sightings]
        if more := len(searched.sightings) - len(sightings):
            places.append(f"<p class=soft>and {more:,} more places</p>")
        if not sightings and searched.nearest:
            places.append(self._place(searched.nearest, image, rejected=True))
        name = escaped(to_path(searched.source).name, NAME)
        return (
            f"<h2>{name}: {escaped(verdict, NAME)}</h2>"
            f"{picture_tag(annotate(image, marks), SCENE)}<div class=rows>{''.join(places)}</div>"
        )

    def _place(self, sighting: Sighting, image: Image, *, rejected: bool = False) -> str:
        crop = picture_tag(cut(image, replace(sighting.region, mask=None)))
        numbers = [f"score {sighting.score:.3f}"]
        if sighting.probability is not None:
            numbers.append(f"probability {format_probability(sighting.probability)}")
        if sighting.fpir is not None:
            numbers.append(f"so high in {sighting.fpir:.1%} of pictures without it")
        style = " rejected" if rejected else ""
        title = f"nearest, but rejected: {sighting.identity}" if rejected else sighting.identity
        return (
            f"<div class='place{style}'><p><b>{escaped(title, NAME)}</b><br>"
            f"<small>{escaped(', '.join(numbers))}</small></p><div>"
            f"<figure>{crop}<small>here</small></figure>"
            f"<figure>{self._exemplar(sighting)}<small>enrolled from"
            f" {escaped(to_path(sighting.source).name, NAME)}</small></figure></div></div>"
        )

    def _exemplar(self, sighting: Sighting) -> str:
        """Embed the enrolled example, once read; a note if its source is gone or has changed."""
        if sighting.sample_id not in self._tags:
            from PIL import Image as pil

            image = self.exemplar(sighting.sample_id)
            tag = "<p class=soft>its file is gone or has changed</p>"
            self._tags[sighting.sample_id] = (
                tag if image is None else picture_tag(pil.fromarray(image.pixels))
            )
        return self._tags[sighting.sample_id]
