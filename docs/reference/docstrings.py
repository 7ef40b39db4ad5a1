"""Reads docstrings for the site: arguments and fields become lists.

A line `name: what it is` of a docstring is an item. The fields of a class are listed with the
comments that stand beside them, and so is what a name for a type stands for.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

LINE = re.compile(r"^((?:[a-z_]+)(?:, [a-z_]+)*): ", re.MULTILINE)
SIGN = re.compile(r"([\[\]*])")  # means something in Markdown


class Lists(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            listed = LINE.sub(r"* `\1`: ", obj.docstring.value)
            obj.docstring.value = re.sub(r"([^\n])\n(\* `)", r"\1\n\n\2", listed, count=1)

    def on_attribute(self, *, attr: griffe.Attribute, **_: Any) -> None:
        if "TypeAlias" in str(attr.annotation) and (comment := _comment(attr)):
            attr.docstring = griffe.Docstring(comment, parent=attr)

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        protocol = any("Protocol" in str(base) for base in cls.bases)
        fields = [
            _field(member, typed=protocol)
            for member in cls.members.values()
            if isinstance(member, griffe.Attribute)
            and not (member.docstring or member.name.startswith("_"))
        ]
        if cls.docstring and any(fields):
            cls.docstring.value += "\n\n" + "\n".join(filter(None, fields))


def _field(attribute: griffe.Attribute, *, typed: bool) -> str:
    """`name`: the comment on its line; nothing if there is none, and no type to tell."""
    told = [f"`{attribute.annotation}`"] if typed else []
    told += [comment] if (comment := _comment(attribute)) else []
    return f"* `{attribute.name}`: {', '.join(told)}" if told else ""


def _comment(attribute: griffe.Attribute) -> str:
    _, _, comment = attribute.lines[0].partition("#") if attribute.lines else ("", "", "")
    return SIGN.sub(r"\\\1", comment.strip())
