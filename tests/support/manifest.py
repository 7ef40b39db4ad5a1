"""Labelled texts as `siamkit enrol --from -` reads them."""

from __future__ import annotations

import json


def lines(*pairs: tuple[str, str]) -> str:
    return "".join(json.dumps({"label": w, "text": t}) + "\n" for w, t in pairs)
