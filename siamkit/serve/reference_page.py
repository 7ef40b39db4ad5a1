"""The page that shows the API: a section per route, no script, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

CSS = """\
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; font-size: 0.92em; overflow-wrap: anywhere; }
section { border-top: 1px solid #8886; padding: 0.5rem 0; }
h2 { margin: 2.5rem 0 0.5rem; }
h3 { margin: 0.6rem 0 0.2rem; font-size: 1rem; }
nav { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); }
table { border-collapse: collapse; width: 100%; }
td { padding: 0.15rem 0.8rem 0.15rem 0; vertical-align: top; }
td:first-child { width: 11rem; }
p { margin: 0.3rem 0; }
.soft { opacity: 0.75; }
"""


def render(document: dict[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    return "\n".join(_lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    title = f"{document['info']['title']} {document['info']['version']}: HTTP API"
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(title)}</title>"
    yield '<link rel="stylesheet" href="/reference.css"></head><body><main>'
    yield f"<h1>{escape(title)}</h1><p>{_inline(document['info']['description'])}</p>"
    yield '<p><a href="/">The page for people</a> · <a href="/openapi.json">openapi.json</a></p>'
    listed = [
        (operation["tags"][0], path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    for name in (tag["name"] for tag in document["tags"]):
        section = [each[1:] for each in listed if each[0] == name]
        yield f"<h2>{escape(name)}</h2><nav>"
        yield from (
            f'<a href="#{escape(operation["operationId"])}"><code>{method.upper()}'
            f" {escape(path.removeprefix('/v1/'))}</code></a>"
            for path, method, operation in section
        )
        yield "</nav>"
        yield from (_section(*each) for each in section)
    yield "</main></body></html>"


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    fields = list_fields(operation)
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_inline(words)}</td></tr>"
        for name, words in fields.items()
    )
    contents = operation.get("requestBody", {}).get("content", {})
    takes = f" · {escape(' or '.join(contents))}" if contents else ""
    return (
        f'<section id="{escape(operation["operationId"])}">'
        f"<h3><code>{method.upper()} {escape(path)}</code></h3>"
        f"<p>{_inline(operation['summary'])}.</p>"
        f'<p class="soft">Scope {escape(operation["x-scope"])}{takes}</p>'
        f"{f'<table>{rows}</table>' if rows else ''}</section>"
    )


def _inline(text: str) -> str:
    """Return text as HTML, with code where it stands between backquotes."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def list_fields(operation: dict[str, Any]) -> dict[str, str]:
    """Return what each field of a request is: those of the query string, or of the body."""
    contents: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    schema = next(iter(contents.values()))["schema"] if contents else {}
    fields = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
    fields = {name: field for name, field in fields.items() if "description" in field}
    required = schema.get("required", ())
    return {
        name: f"{field.get('description', '')} {_values(field)}"
        f"{' Required.' if name in required else ''}".strip()
        for name, field in {**fields, **schema.get("properties", {})}.items()
    }


def _values(schema: dict[str, Any]) -> str:
    """Describe the values of a field: 'One of a, b; default a.', 'From 1 to 1000.'"""
    schema = {**schema, **next(iter(schema.get("anyOf", [{}])))}
    parts = []
    if values := schema.get("enum"):
        parts.append(f"one of {', '.join(values)}")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        parts.append(f"from {low:g} to {high:g}")
    low, high = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None:
        parts.append(f"above {low:g}" + (f", below {high:g}" if high is not None else ""))
    if schema.get("default", False) is not False:
        parts.append(f"default {schema['default']}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
