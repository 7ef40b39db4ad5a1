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
from siamkit.reports.html import escaped, facts, page
from siamkit.reports.previews import picture_tag
from siamkit.reports.region_files import RegionFiles
from siamkit.reports.regions import Mark, annotate, colour_of, cut
from siamkit.store import labels
from siamkit.types import Image, Threshold

SHOWN = 200  # pictures that are shown; a browser takes some 100 kB each
PLACES = 12  # of a picture
SCENE = 480  # px: the longer side of a searched picture
NAME = 120  # characters of a label or a file's name

_STYLE = """
.scene { display: grid; gap: 1em 1.5em; grid-template-columns: repeat(auto-fit, minmax(17em, 1fr)) }
.scene > img { max-width: 100%; height: auto } .places { display: grid; gap: .8em }
.place { border: 1px solid var(--line); border-radius: 6px; padding: .6em; break-inside: avoid }
.place > div { display: flex; gap: .6em } .place figure { flex: 1 1 0; min-width: 0 }
.place img { display: block; max-width: 100%; height: auto; background: #fff }
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

    def begin(self, search: PictureSearch, *, several: bool) -> None:
        """Prepare to write. Raises BadInput for what cannot be written."""
        live = search.live
        identities = sorted({h.identity for h in labels.holdings(live.store, live.gallery)})
        name = search.setup.detector_name
        self._regions.begin("image", identities, name, several=several)
        if self._report:
            require_writable(self._report, (".html",))

            def exemplar(sample_id: int) -> Image | None:
                return load_enrolled(live, search.pipeline, sample_id)

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
    _parts: list[str] = field(default_factory=list, init=False)
    _decisions: Counter[str] = field(default_factory=Counter, init=False)
    _faults: list[tuple[str, str]] = field(default_factory=list, init=False)
    _threshold: Threshold | None = field(default=None, init=False)
    _tags: dict[int, str] = field(default_factory=dict, init=False)  # of exemplars

    def add(self, searched: SearchedPicture, image: Image | None) -> None:
        """Add a picture. image: its pixels; None if they cannot be read any more."""
        if searched.error:
            self._faults.append((searched.source, str(searched.error)))
            return
        self._decisions[searched.decision] += 1
        self._threshold = searched.threshold
        if len(self._parts) < SHOWN and image is not None:
            self._parts.append(self._scene(searched, image))

    def html(self) -> str:
        """Return the page as text. User texts are escaped."""
        body = facts(self._facts()) + "".join(self._parts)
        total = sum(self._decisions.values())
        if len(self._parts) < total:
            body += f"<p class=soft>{len(self._parts):,} of {total:,} pictures are shown.</p>"
        if self._faults:
            body += f"<h2>Not searched</h2>{facts(self._faults)}"
        return page(f"{self.gallery}: where it is", body, _STYLE)

    def _facts(self) -> list[tuple[str, str]]:
        rows = [(decision, _count(count)) for decision, count in self._decisions.items()]
        if self._faults:
            rows.append(("not searched", _count(len(self._faults))))
        threshold = self._threshold
        if threshold is None:
            return [*rows, ("threshold", "none is known, so nothing is decided")]
        rows.append(("threshold", f"{threshold.value:.3f}"))
        if threshold.fpir:
            rows.append(("false positive rate", f"{threshold.fpir:g} per picture"))
        return [*rows, ("threshold from", threshold.source)]

    def _scene(self, searched: SearchedPicture, image: Image) -> str:
        shown = searched.sightings[:PLACES]
        verdict = ", ".join(searched.identities) or searched.decision
        marks = [
            Mark(s.region, f"{s.identity} {s.score:.2f}", colour_of(s.identity)) for s in shown
        ]
        places = [self._place(sighting, image) for sighting in shown]
        if more := len(searched.sightings) - len(shown):
            places.append(f"<p class=soft>and {more:,} more places</p>")
        if not shown and searched.nearest:
            places.append(self._place(searched.nearest, image, rejected=True))
        name = escaped(to_path(searched.source).name, NAME)
        return (
            f"<h2>{name}: {escaped(verdict, NAME)}</h2><div class=scene>"
            f"{picture_tag(annotate(image, marks), SCENE)}"
            f"<div class=places>{''.join(places)}</div></div>"
        )

    def _place(self, sighting: Sighting, image: Image, *, rejected: bool = False) -> str:
        crop = picture_tag(cut(image, replace(sighting.region, mask=None)))
        numbers = [f"score {sighting.score:.3f}"]
        if sighting.probability is not None:
            numbers.append(f"probability {sighting.probability:.3f}")
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


def _count(pictures: int) -> str:
    return "1 picture" if pictures == 1 else f"{pictures:,} pictures"
