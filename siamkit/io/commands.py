"""Commands that messages suggest, so that they run as they are printed."""

from __future__ import annotations

from shlex import quote


def suggest(start: str, *words: str) -> str:
    """Return a command of siamkit for a shell: its start as it is, then the words, quoted.

    start: the verb, with options. `--` comes before words of which one begins with a dash.
    """
    dashes = ["--"] if any(word.startswith("-") for word in words) else []
    return " ".join(["siamkit", start, *dashes, *(quote(word) for word in words)])
