"""A page about a training run: one self-contained HTML file, its picture inline."""

from __future__ import annotations

import base64
import html as escape
import json
from pathlib import Path
from typing import Any

from siamkit.sdk.model_folder import CARD, read_card

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 80em; margin: 2em auto; padding: 0 1em }
img { width: 100% } th, td { text-align: left; padding: .2em .8em; vertical-align: top }
"""


def page(run: Path, picture: bytes) -> str:
    """The page as text: a PNG picture, and the training card if there is an encoder yet."""
    rows = ""
    if (run / "encoder" / CARD).exists():
        card = read_card(run / "encoder")
        facts = {
            "modality": card.modality, "name": card.name, "dimensions": card.dim,
            "licence": card.licence, "fingerprint": card.fingerprint, **card.training,
        }  # fmt: skip
        rows = "".join(
            f"<tr><th>{escape.escape(str(key))}<td>{escape.escape(_shown(value))}"
            for key, value in facts.items()
        )
    name = escape.escape(run.resolve().name)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title>"
        f"<style>{_STYLE}</style><h1>{name}</h1>"
        f'<img alt="curves" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
        f"<table>{rows}</table></html>\n"
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
