"""Enrol the one object that a prompt marks, cut out by a detector that takes prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from siamkit.embed.pipeline import Pipeline, load_detector
from siamkit.embed.region_choosers import Chooser, within_box
from siamkit.errors import BadInput, NothingFound
from siamkit.protocols import Prompted
from siamkit.sdk import boxes
from siamkit.types import Image, Prompt, Region

CUTTER = "segments"  # cuts out what is marked, where the gallery's detector takes no prompts
HINT = "give another point on it, or a box round it"


@dataclass(slots=True)
class PromptedDetector:
    """A detector whose one region is what a prompt marks."""

    detector: Prompted[Any]
    prompt: Prompt
    name: str
    kind: str

    def find(self, medium: Any) -> list[Region]:
        """Return the best region of the prompt, in the box that the prompt has, if any.

        Raises NothingFound if there is none.
        """
        regions = self.detector.find_prompted(medium, self.prompt)
        if not regions:
            raise NothingFound("nothing was found where the prompt is", hint=HINT)
        return [_in_box(regions[0], self.prompt, medium)]


def follow(
    pipeline: Pipeline, prompt: Prompt, choose: Chooser, *, cut_out: bool = True
) -> tuple[Pipeline, Chooser]:
    """Return the pipeline and the chooser that take what a prompt marks.

    A detector that takes prompts cuts it out, with its mask. Any other one, of faces say, finds
    regions, of which a box picks one. Without a detector, `segments` cuts it out, or the box is
    taken as it is if `cut_out` is False. Raises BadInput for a prompt without a point or a box, a
    sound or a text, or a point where nothing takes one.
    """
    if not (prompt.points or prompt.box):
        raise BadInput("a prompt needs a point on the object, or a box", hint=HINT)
    if pipeline.modality.kind != "image":
        raise BadInput(
            f"{pipeline.modality.name} are {pipeline.modality.kind}: they have no box or point"
        )
    detector = pipeline.detector
    if detector is None and cut_out:
        detector = load_detector(pipeline.modality, CUTTER)
    if isinstance(detector, Prompted):
        prompted = PromptedDetector(detector, prompt, detector.name, detector.kind)
        return replace(pipeline, detector=prompted), choose
    if prompt.points or prompt.not_points or prompt.box is None:
        name = getattr(detector, "name", "none")
        raise BadInput(
            f"points need a detector that takes them, and {name} does not",
            hint=f"give a box, or `--detector {CUTTER}`",
        )
    return pipeline, within_box(prompt.box, choose)


def _in_box(region: Region, prompt: Prompt, medium: Any) -> Region:
    """Return a region in the box of its prompt, with the part of its mask that is inside.

    The box that a person draws is what they mean; the mask says what of it is the object.
    """
    if prompt.box is None or region.mask is None or not isinstance(medium, Image):
        return region
    from siamkit.sdk import masks

    height, width = medium.pixels.shape[:2]
    left, top, right, bottom = boxes.pixel_box(prompt.box, width, height)
    mask = masks.on_picture(region, width, height)[top:bottom, left:right]
    if not mask.any():
        return replace(region, where=prompt.box, mask=None)
    return replace(region, where=(left, top, right, bottom), mask=mask.copy())
