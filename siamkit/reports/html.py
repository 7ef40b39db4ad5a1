"""The frame, tables and escaping that all HTML pages share; each page is one file."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from siamkit.io.printable import printable

# Narrow screens get one column, wide ones several; dark mode inverts the colours.
_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --bad: #d1242f }
@media (prefers-color-scheme: dark) { :root { --bad: #ff7b72 } svg { filter: brightness(1.35) } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em }
h1, h2, h3 { line-height: 1.25; overflow-wrap: anywhere } h2 { margin-top: 2em }
.wide { overflow-x: auto } table { border-collapse: collapse; margin: 1em 0 }
th, td { text-align: left; padding: .2em .8em; vertical-align: top }
@media (max-width: 40em) { th, td { padding: .2em .4em } td.n { white-space: normal !important } }
thead th { border-bottom: 1px solid #888 } tbody th { font-weight: normal }
th.n, td.n { text-align: right } td.n { font-variant-numeric: tabular-nums; white-space: nowrap }
tr.first td { border-top: 1px solid var(--line) } .canonical { font-weight: 600 }
small, .soft { opacity: .72 } .bad { color: var(--bad) }
.row { display: grid; gap: 1em 2em;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 22em), 1fr)) }
figure { margin: 0; break-inside: avoid; max-width: 36em } figcaption { font-weight: 600 }
figcaption, .legend { overflow-wrap: anywhere }
svg { width: 100%; height: auto; display: block; color: inherit }
svg text { font: 12px system-ui, sans-serif; fill: currentColor }
.legend { font-size: .87em; display: flex; flex-wrap: wrap; gap: 0 1.2em }
.legend svg { width: 1.6em; height: 1em; display: inline-block; vertical-align: -.15em }
"""


def page(title: str, body: str, style: str = "") -> str:
    """Build a whole page. The title is escaped; the body is already HTML."""
    title = escaped(title)
    return (
        '<!doctype html><html lang=en><meta charset=utf-8><meta name="viewport"'
        f' content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}{style}</style><h1>{title}</h1>{body}</html>\n"
    )


def cut(text: str, longest: int) -> str:
    """Return a text for one line of a chart, at most `longest` characters of it."""
    text = printable(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def escaped(text: str, longest: int | None = None) -> str:
    """Escape a user's text for anywhere on a page, cutting it after `longest` characters."""
    if longest is not None and len(text) > longest:
        text = text[: longest - 1].rstrip() + "…"
    return html.escape(printable(text, lines=True))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Build a table, escaping its texts. The first column names the row; the others are numbers."""
    name_head, *number_heads = head
    top = f"<th>{escaped(name_head)}" + "".join(f"<th class=n>{escaped(h)}" for h in number_heads)
    body = "".join(
        f"<tr><th>{escaped(name)}" + "".join(f"<td class=n>{escaped(cell)}" for cell in numbers)
        for name, *numbers in rows
    )
    return f"<div class=wide><table><thead><tr>{top}<tbody>{body}</table></div>"


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Build a table of (name, value) rows, escaping both."""
    body = "".join(f"<tr><th>{escaped(name)}<td>{escaped(value)}" for name, value in rows)
    return f"<div class=wide><table><tbody>{body}</table></div>"
