"""The base class of answers: each becomes a dict, JSON, rows of a table, and HTML in a notebook."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from siamkit.io.printable import json_text


class Presentable:
    """An answer that can be passed on.

    Its presentation lies floors above it, in siamkit.reports, and is imported by name when it is
    asked for: an answer that nobody presents costs nothing.

    Examples:
        >>> answer = ws.verify("questions", "How do I log in?", "How can I log in?")
        >>> answer.to_dict()["decision"]
        'same'
        >>> answer.rows()[0]["b"]
        'How can I log in?'
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what the command line's --json prints, as dicts, lists, numbers and strings."""
        facts: dict[str, Any] = import_module("siamkit.reports.facts").to_dict(self)
        return facts

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict` as JSON. indent: spaces per level; None for a single line."""
        return json_text(self.to_dict(), indent=indent)

    def rows(self) -> list[dict[str, Any]]:
        """Return flat rows with the same columns each: `pandas.DataFrame(answer.rows())`."""
        rows: list[dict[str, Any]] = import_module("siamkit.reports.rows").to_rows(self)
        return rows

    def _repr_html_(self) -> str:
        """Return the answer as a notebook shows it."""
        html: str = import_module("siamkit.reports.notebook").to_html(self)
        return html
