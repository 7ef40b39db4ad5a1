"""The page that shows the API: a section per route, no script, nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

CSS = """\
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; font-size: 0.92em; overflow-wrap: anywhere; }
section { border-top: 1px solid #8886; padding: 0.5rem 0; }
h3 { margin: 0.6rem 0 0.2rem; font-size: 1rem; }
table { border-collapse: collapse; width: 100%; }
td { padding: 0.15rem 0.8rem 0.15rem 0; vertical-align: top; }
td:first-child { width: 11rem; }
.scope { opacity: 0.75; }
"""


def render(document: dict[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    sections = [
        _section(path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    title = f"{document['info']['title']} {document['info']['version']}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}: HTTP API</title>",
            '<link rel="stylesheet" href="/reference.css"></head><body><main>',
            f"<h1>{escape(title)}</h1><p>{escape(document['info']['description'])}</p>",
            '<p><a href="/openapi.json">openapi.json</a></p>',
            *sections,
            "</main></body></html>",
        ]
    )


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = [_row(each["name"], each["schema"]) for each in operation["parameters"]]
    body = operation.get("requestBody", {}).get("content", {})
    schema = body.get("multipart/form-data", body.get("application/json", {})).get("schema", {})
    rows += [_row(name, field) for name, field in schema.get("properties", {}).items()]
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    return (
        f'<section id="{escape(operation["operationId"])}">'
        f"<h3><code>{method.upper()} {escape(path)}</code></h3>"
        f"<p>{escape(operation['summary'])}. "
        f'<span class="scope">Scope: {escape(operation["x-scope"])}</span></p>{table}</section>'
    )


def _row(name: str, schema: dict[str, Any]) -> str:
    words = f"{schema.get('description', '')} {describe_values(schema)}".strip()
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(words)}</td></tr>"


def describe_values(schema: dict[str, Any]) -> str:
    """Describe the values that a field may have: 'one of a, b; default a', '1 to 1000'."""
    schema = {**schema, **next(iter(schema.get("anyOf", [{}])))}
    parts = []
    if values := schema.get("enum"):
        parts.append(f"One of {', '.join(values)}")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        parts.append(f"From {low:g} to {high:g}")
    low, high = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None:
        parts.append(f"Above {low:g}" + (f", below {high:g}" if high is not None else ""))
    if "default" in schema:
        parts.append(f"default {str(schema['default']).lower()}")
    return "; ".join(parts) + "." if parts else ""
