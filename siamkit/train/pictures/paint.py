"""Paint one picture by gradient descent, to the end, from the last checkpoint if there is one."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from siamkit.errors import BadInput, SiamkitError
from siamkit.io.atomic import create_folder
from siamkit.io.picture_write import save_picture
from siamkit.io.sources import to_text
from siamkit.sdk import pixels
from siamkit.train import checkpoint
from siamkit.train.device import pick_device, repeatable
from siamkit.train.pictures.descent import Descent, Diverged
from siamkit.train.pictures.events import (
    Painted,
    PaintingEvent,
    PaintingSaved,
    PaintingStarted,
    PaintingStep,
)
from siamkit.train.pictures.memory import enough_memory
from siamkit.train.pictures.objective import PictureObjective
from siamkit.train.pictures.tensors import noise, to_image, to_tensor
from siamkit.types import Image

if TYPE_CHECKING:
    from siamkit.train.pictures.painting import Painting

SAVE_EVERY = 5  # steps: as many as a killed process may lose
FRAME_EVERY = 10  # steps
SAME = 0.005  # distance of a style below which a content has it already: it is shown as 0.00
log = logging.getLogger("siamkit")


def paint(painting: Painting) -> Iterator[PaintingEvent]:
    """Yield what happens; the last picture is `painting.painted` then. See Painting."""
    device = pick_device("auto")
    height, width = painting.content.pixels.shape[:2]
    memory = enough_memory(painting.name, painting.backbone, height, width)
    # On a CPU torch repeats itself anyway, and guarding it would take a fifth of the time.
    with repeatable(painting.settings.seed, device != "cpu"), memory:
        yield from Easel(painting, device).events()


class Easel:
    """A painting on a device."""

    def __init__(self, painting: Painting, device: str) -> None:
        self._painting, self._device = painting, device
        settings = painting.settings
        content = to_tensor(painting.content, device)
        styles = [(to_tensor(image, device), share) for image, share in painting.styles]
        self.objective = PictureObjective(
            painting.backbone,
            (content, painting.content_layers),
            (styles, painting.style_layers),
            (settings.content_weight, settings.style_weight, settings.tv_weight),
        )
        self._distance_before = self.objective.style_distance(content)
        start = content if settings.init == "content" else noise(content.shape, device)
        self.descent = Descent(self.objective, start, settings.optimiser)
        self._step = 0
        self._key = _key(painting)

    def events(self) -> Iterator[PaintingEvent]:
        painting, steps = self._painting, self._painting.settings.steps
        if painting.settings.init == "content" and self._distance_before < SAME:
            steps = 0  # any would lead away from the picture
            log.warning(f"{painting.name} has this style already: nothing is changed")
        else:
            self._resume()
        height, width = painting.content.pixels.shape[:2]
        yield PaintingStarted(
            self._step,
            steps,
            painting.backbone.name,
            painting.content_layers,
            painting.style_layers,
            width,
            height,
            self._device,
        )
        self._save_frame()
        began, numbers = time.monotonic(), (0.0, 0.0, 0.0)
        while self._step < steps:
            if painting.settings.optimiser == "adam":  # L-BFGS needs the same losses throughout
                self.objective.jitter(self._step)
            try:
                numbers = self.descent.step()
            except Diverged as error:
                self._finish(numbers)
                raise self._describe(error) from error
            self._step += 1
            yield PaintingStep(self._step, steps, *numbers, time.monotonic() - began)
            if self._step % FRAME_EVERY == 0 or self._step == steps:
                self._save_frame()
            if painting.checkpoint and self._step % SAVE_EVERY == 0 and self._step < steps:
                self._save(painting.checkpoint)
                yield PaintingSaved(self._step, painting.checkpoint)
        self.objective.shift = None
        with torch.no_grad():
            numbers = self.objective(self.descent.picture).numbers()
        self._finish(numbers)

    def _finish(self, numbers: tuple[float, float, float]) -> None:
        """Hand over the picture, in its file if there is to be one."""
        painting, image = self._painting, self._image()
        height, width = image.pixels.shape[:2]
        painting.painted = Painted(
            painting.name,
            painting.backbone.name,
            self._step,
            width,
            height,
            numbers[1],
            numbers[2],
            self._distance_before,
            self.objective.style_distance(self.descent.picture.detach()),
            image,
            painting.output,
        )
        if painting.output:
            create_folder(painting.output.parent)
            save_picture(painting.painted.picture(), painting.output)
        if painting.checkpoint:
            painting.checkpoint.unlink(missing_ok=True)

    def _describe(self, error: Diverged) -> SiamkitError:
        place = f", which is in {to_text(self._painting.output)}" if self._painting.output else ""
        reason = f"{error}: step {self._step + 1} was the last"
        last = max(self._step - 1, 0)
        return Diverged(
            f"{self._painting.name}: {reason}; the picture is that of step {last}{place}",
            hint="use smaller weights, or another --encoder",
        )

    def _image(self) -> Image:
        image = to_image(self.descent.picture)
        if self._painting.preserve_colour:
            pixels.keep_colours(image.pixels, self._painting.content.pixels)
        return image

    def _save_frame(self) -> None:
        if folder := self._painting.frames:
            from PIL import Image as pil

            create_folder(folder)
            frame = folder / f"step-{self._step:05d}.png"
            save_picture(pil.fromarray(self._image().pixels), frame)

    def _save(self, path: Path) -> None:
        tensors, numbers = self.descent.state()
        create_folder(path.parent)
        facts = {"key": self._key, "step": self._step, "numbers": numbers}
        checkpoint.write(path, tensors, facts)

    def _resume(self) -> None:
        """Go on from the checkpoint, if it is of this painting; else begin anew, and say so."""
        path = self._painting.checkpoint
        if path is None or not path.exists():
            return
        try:
            tensors, facts = checkpoint.read(path)
            if facts["key"] != self._key:
                raise ValueError("it is of other pictures or settings")
            if facts["step"] > self._painting.settings.steps:
                raise ValueError(f"it is of step {facts['step']}, after the last")
            self.descent.restore(tensors, facts["numbers"])
            self._step = facts["step"]
        except (BadInput, KeyError, ValueError, TypeError, RuntimeError) as error:
            reason = "it is damaged" if not isinstance(error, ValueError) else error
            log.warning(f"{to_text(path)} is not used: {reason}; the painting begins at step 0")


def _key(painting: Painting) -> str:
    """Return a hash of all that a painting depends on, but for the number of its steps."""
    settings = {**asdict(painting.settings), "steps": 0}
    layers = painting.content_layers, painting.style_layers
    digest = hashlib.sha256(json.dumps([settings, layers, painting.backbone.fingerprint]).encode())
    for image, share in [(painting.content, 1.0), *painting.styles]:
        digest.update(f"{image.pixels.shape} {share}".encode() + image.pixels.tobytes())
    return digest.hexdigest()
