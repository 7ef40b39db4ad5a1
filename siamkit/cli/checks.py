"""Refuse options that cannot work, or that a person does not confirm, before the work begins."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from shlex import quote

import click

import siamkit as sk
from siamkit.io.listed_sources import find_replaced, is_pattern
from siamkit.io.places import real
from siamkit.io.printable import printable


def require_text_modality(modality: str) -> None:
    """Raise UsageError for texts given to a modality of files."""
    if sk.Workspace.kind(modality) != "text":
        raise click.UsageError(
            f"--text and --column need a text modality; {modality} are not texts."
        )


def require_gallery(ws: sk.Workspace, name: str) -> None:
    """Raise StoreError, saying how to begin, if there is no such gallery."""
    ws.modality_of(name)  # raises for a name that no new gallery could have by itself
    has_store = (ws.root / "store.db").exists()
    if not has_store or all(gallery.name != name for gallery in ws.galleries()):
        hint = f"enrol first: `siamkit enrol {quote(name)} FILE --as NAME`"
        raise sk.StoreError(f"no gallery {name!r} in {ws.root}", hint=hint)


def require_page(report: Path | None) -> None:
    """Raise UsageError, before the work begins, for a page that cannot be written."""
    if report and report.suffix != ".html":
        raise click.UsageError("--report takes a name that ends in .html.")
    if report:
        require_writable("--report", report)


def require_writable(option: str, file: Path, *sources: Path | None) -> None:
    """Raise UsageError, before the work begins, for a file that cannot or should not be written.

    sources: files that are read, and must not be replaced.
    """
    if file.exists() and not file.is_file() and not file.is_dir():
        raise click.UsageError(f"{option} {file}: it is a pipe or a device, not a file.")
    if file.is_dir() or not file.parent.is_dir():
        raise click.UsageError(f"{option} {file}: it is a folder, or its folder does not exist.")
    if not os.access(file.parent, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise click.UsageError(f"{option} {file}: it is not writable.")
    require_no_source(option, [file], [source for source in sources if source])


def require_no_source(option: str, files: Iterable[Path], sources: Iterable[Path]) -> None:
    """Raise UsageError, before the work begins, if a file to write is one that is read."""
    if file := find_replaced(files, sources):
        raise click.UsageError(f"{option} {file} is the source itself: give another name.")


def require_separate(outputs: Iterable[Path], files: Iterable[Path]) -> None:
    """Raise UsageError for an output that is a source, or a folder with sources.

    Files in the folder of an output are not listed, for an earlier run may have written them.
    """
    files = list(files)
    for output in map(real, outputs):
        for file in files:
            is_listed = file.is_dir() or is_pattern(file)
            if real(file) == output or (is_listed and real(file).is_relative_to(output)):
                raise click.UsageError(f"{file} would be overwritten: name another output.")


def require_outputs(output: Path | None, report: Path | None, sources: Iterable[Path]) -> None:
    """Raise UsageError, before the work begins, for a table or a page that should not be written.

    sources: files that are read. In a database, only siamkit's own table is replaced.
    """
    from siamkit.io.table_record import SQLITE

    sources = list(sources)
    require_page(report)
    require_no_source("--report", [report] if report else [], sources)
    if output and output.suffix.lower() not in SQLITE:
        require_no_source("--output", [output], sources)


def require_consent(change: str, question: str, yes: bool) -> None:
    """Ask a person at a terminal; raise BadInput, naming the change, for a script without --yes."""
    if not yes and not sys.stdin.isatty():
        raise sk.BadInput(change, hint="add `--yes`")
    confirm(question, yes)


def confirm(question: str, yes: bool) -> None:
    """Ask a person at a terminal; scripts are not asked."""
    if not yes and sys.stdin.isatty():
        click.confirm(printable(question), abort=True, err=True)
