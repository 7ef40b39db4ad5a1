"""Write the floors of siamkit into docs/architecture.md and docs/floors.svg.

    python tools/floors.py

FLOORS is the only list of allowed imports; tests/rules/test_floors.py checks every import against
it, and the table and the picture against the output of this file.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from pictures import arrow, box, picture, text

ROOT = Path(__file__).parents[1]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "floors.svg"

# From the top. A module imports from floors below its own and from its own folder.
FLOORS = (
    ("cli",),
    ("mcp", "serve"),
    ("workspace",),
    ("reports",),
    ("train",),
    ("flows", "testing"),
    ("embed",),
    ("store", "models", "scaffold"),
    ("stats", "host"),
    ("sdk",),
    ("io",),
    ("protocols",),
    ("errors", "types"),
)
WIDTH = 740  # of a floor in the picture, px
HEIGHTS = {name: -depth for depth, names in enumerate(FLOORS) for name in names}


def purpose(name: str) -> str:
    """Return the first line of a folder's or a module's docstring, without its full stop."""
    path = ROOT / "siamkit" / name
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.splitlines()[0].rstrip(".")


def shown(name: str) -> str:
    return f"{name}/" if (ROOT / "siamkit" / name).is_dir() else name


def table() -> str:
    """Return the floors as a table in Markdown, one row per folder."""
    rows = [
        f"| {len(FLOORS) - depth} | `{shown(name)}` | {purpose(name)} |"
        for depth, names in enumerate(FLOORS)
        for name in names
    ]
    return "\n".join(["| floor | folder | purpose |", "|---|---|---|", *rows])


def with_table(page: str) -> str:
    """Replace the table of floors in the architecture page."""
    return re.sub(r"\| floor \|.*?\n\n", lambda _: table() + "\n\n", page, flags=re.DOTALL)


def drawing() -> str:
    """Draw one box per floor, and beside them what lies outside of `siamkit/`."""
    parts, y, middle = [], 20.0, {}
    for depth, names in enumerate(FLOORS):
        height = 15 + 19 * len(names)
        parts.append(box(20, y, WIDTH, height, "blue"))
        parts.append(text(34, y + 22, str(len(FLOORS) - depth), "bold"))
        for at, name in enumerate(names):
            line, (sentence, *_) = y + 22 + 19 * at, purpose(name).split(". ")
            parts += [text(58, line, shown(name), "bold"), text(150, line, sentence, "soft")]
            middle[name] = y + height / 2
        y += height + 8
    parts += [arrow(f"M9 30V{y - 14:g}"), text(20, y + 12, "Imports point downwards only.", "soft")]
    parts += _surroundings(middle)
    return picture(WIDTH + 560, y + 28, "The floors of siamkit", *parts)


def _surroundings(middle: dict[str, float]) -> list[str]:
    host, store, models = middle["host"], middle["store"], middle["models"]
    edge, x = WIDTH + 20, WIDTH + 140
    return [
        box(
            x,
            20,
            400,
            74,
            "orange",
            "Third-party package",
            "siamkit.modalities · siamkit.regions · siamkit.indexes",
            "declared in its own pyproject.toml",
        ),
        box(
            x,
            110,
            400,
            74,
            "orange",
            "plugins/",
            "faces, signatures, voices, questions, images,",
            "and detectors: faces, objects, signatures, speech …",
        ),
        box(x, 200, 400, 56, "orange", "indexes/", "FAISS here, PostgreSQL or Milvus elsewhere"),
        box(
            x,
            290,
            400,
            92,
            "green",
            "store.db  (SQLite, WAL)",
            "galleries · identities · samples · templates",
            "calibrations · observations · changes, by triggers",
            "durable before it is acknowledged",
        ),
        box(
            x,
            398,
            400,
            56,
            "green",
            "index/  (FAISS)",
            "a cache, rebuilt if deleted, stale or damaged",
        ),
        box(
            x,
            470,
            400,
            56,
            "green",
            "user's cache",
            "encoders and detectors: a graph and its card",
        ),
        arrow(f"M{edge} {host:g}H{edge + 42}V57H{x - 4}", "dashed"),
        arrow(f"M{edge + 42} 147H{x - 4}", "dashed"),
        arrow(f"M{edge + 42} 228H{x - 4}", "dashed"),
        arrow(f"M{edge} {store - 10:g}H{edge + 66}V336H{x - 4}"),
        arrow(f"M{x + 200} 382V396"),
        arrow(f"M{edge} {models + 10:g}H{edge + 90}V498H{x - 4}"),
        text(x, 546, "dashed: names from package metadata, imported on use", "soft"),
    ]


if __name__ == "__main__":
    ARCHITECTURE.write_text(with_table(ARCHITECTURE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_text(drawing(), encoding="utf-8")
