"""Write a page about a training run: one self-contained HTML file with its picture inline."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

from siamkit.io.places import real
from siamkit.io.printable import printable
from siamkit.sdk import detector_folder
from siamkit.sdk.model_folder import CARD, read_card
from siamkit.train.folder import DETECTOR, ENCODER

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 80em; margin: 2em auto; padding: 0 1em }
img { width: 100% } th, td { text-align: left; padding: .2em .8em; vertical-align: top }
"""


def page(run: Path, picture: bytes) -> str:
    """Return the HTML text: a PNG picture, and the training card if an encoder was exported."""
    rows = ""
    if facts := _facts(run):
        rows = "".join(
            f"<tr><th>{_escaped(str(key))}<td>{_escaped(_as_text(value))}"
            for key, value in facts.items()
        )
    name = _escaped(real(run).name)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title>"
        f"<style>{_STYLE}</style><h1>{name}</h1>"
        f'<img alt="curves" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
        f"<table>{rows}</table></html>\n"
    )


def _facts(run: Path) -> dict[str, Any]:
    """Return what the card of the run's encoder or detector says; empty before its export."""
    if (run / ENCODER / CARD).exists():
        card: Any = read_card(run / ENCODER)
        own = {"modality": card.modality, "name": card.name, "dimensions": card.dim}
    elif (run / DETECTOR / detector_folder.CARD).exists():
        card = detector_folder.read_card(run / DETECTOR)
        own = {"name": card.name, "labels": list(card.labels)}
    else:
        return {}
    return {**own, "licence": card.licence, "fingerprint": card.fingerprint, **card.training}


def _escaped(text: str) -> str:
    return html.escape(printable(text, lines=True))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
