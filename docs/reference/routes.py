"""Writes the reference of the HTTP API while the site is built: one section per route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MARK = "<!-- routes -->"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Called by mkdocs for each page."""
    if MARK not in markdown:
        return markdown
    return markdown.replace(MARK, "\n".join(sections()))


def sections() -> Iterator[str]:
    """A heading per group, and below it the routes with their fields."""
    from siamkit.serve.reference import document

    described = document()
    for tag in described["tags"]:
        yield f"## {tag['name']}\n"
        for path, operations in described["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation["tags"]:
                    yield from section(path, method, operation)


def section(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    """The heading of a route, what it does, and a table of its fields."""
    from siamkit.serve.reference_page import list_fields

    yield f"### `{method.upper()} {path}`\n"
    statuses = [status for status in operation["responses"] if not status.endswith("XX")]
    (content,) = operation["responses"][statuses[0]]["content"]
    answer = "" if content == "application/json" else f" Answer: {content}."
    yield (
        f"{operation['summary']}. Scope: {operation['x-scope']}. Status:"
        f" {', '.join(statuses)}.{answer}\n"
    )
    if fields := list_fields(operation):
        yield "| field | |\n|---|---|"
        yield from (f"| `{name}` | {words} |" for name, words in fields.items())
        yield ""
