"""Reconstruct a picture from what single layers tell of it: figure 1 of Gatys, Ecker, Bethge, 2015.

Contents are inverted from the features of one layer, styles from the Gram matrices of all layers up
to one. Every picture begins as noise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.atomic import create_folder, replace_text
from siamkit.io.picture_write import save_picture
from siamkit.train.device import pick_device, repeatable
from siamkit.train.pictures.descent import Descent
from siamkit.train.pictures.memory import enough_memory
from siamkit.train.pictures.objective import PictureObjective
from siamkit.train.pictures.reconstructions import Reconstruction, Reconstructions, Subject
from siamkit.train.pictures.sheet import draw_sheet
from siamkit.train.pictures.tensors import noise, to_image, to_tensor
from siamkit.types import Image, Progress

FACTS, SHEET = "reconstructions.json", "sheet.png"


def reconstruct(
    subject: Subject, folder: Path | None, *, overwrite: bool, progress: Progress
) -> Reconstructions:
    """Reconstruct every layer; in a folder, go on where an interrupted run with these settings was.

    Raises BadInput for unknown layers, and where the memory does not suffice.
    """
    names = [layer for _, layers in subject.plans() for layer in layers]
    subject.backbone.named(names)  # raises for an unknown one
    height, width = subject.content[1].pixels.shape[:2]
    losses = {} if folder is None or overwrite else _read_losses(folder, subject.key())
    done = []
    with enough_memory(subject.content[0], subject.backbone, height, width):
        for kind, layers in subject.plans():
            file = f"{kind}-{_file_name(layers[-1])}.png"
            image = _read(folder / file) if folder and file in losses else None
            if image is None:
                image, losses[file] = _descend(subject, kind, layers, progress)
            path = folder / file if folder else None
            done.append(Reconstruction(kind, layers, losses[file], image, path))
            if path and folder:
                create_folder(folder)
                save_picture(done[-1].picture(), path)
                replace_text(folder / FACTS, json.dumps({"key": subject.key(), "losses": losses}))
    path = folder / SHEET if folder else None
    sheet = draw_sheet(subject.content, subject.style, done)
    if path:
        save_picture(sheet, path)
    return Reconstructions(
        subject.content[0], subject.style[0], subject.backbone.name, tuple(done), sheet, path
    )


def _descend(
    subject: Subject, kind: str, layers: Sequence[str], progress: Progress
) -> tuple[Image, float]:
    """Return the picture that noise becomes, and its loss."""
    settings, device = subject.settings, pick_device("auto")
    image = (subject.content if kind == "content" else subject.style)[1]
    with repeatable(settings.seed, device != "cpu"):  # as siamkit.train.pictures.paint does
        target = to_tensor(image, device)
        objective = PictureObjective(
            subject.backbone,
            (target, layers) if kind == "content" else None,
            ([(target, 1.0)], layers) if kind == "style" else None,
            (1.0, 1.0, settings.tv_weight),
        )
        shape = to_tensor(subject.content[1], device).shape
        descent = Descent(objective, noise(shape, device), settings.optimiser)
        title = f"{kind} of {layers[-1]}"
        for step in range(settings.steps):
            progress(title, step, settings.steps)
            if settings.optimiser == "adam":  # as siamkit.train.pictures.paint does
                objective.jitter(step)
            descent.step()
        objective.shift = None
        progress(title, settings.steps, settings.steps)
        with torch.no_grad():
            _, content, style = objective(descent.picture).numbers()
    return to_image(descent.picture), content if kind == "content" else style


def _file_name(layer: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_.-" else "-" for letter in layer)


def _read_losses(folder: Path, key: str) -> dict[str, float]:
    """Return the losses of the pictures that are there already; none of other settings."""
    try:
        facts = foreign.require_object(foreign.read_json(folder / FACTS), "key", "losses")
        return dict(facts["losses"]) if facts["key"] == key else {}
    except (BadInput, ValueError, TypeError):
        return {}


def _read(path: Path) -> Image | None:
    from PIL import Image as pil

    try:
        with pil.open(path) as picture:
            return Image(np.array(picture.convert("RGB")))
    except (OSError, ValueError):
        return None
