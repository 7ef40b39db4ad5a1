"""The command line. This package imports click and nothing heavier until a command runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from siamkit.cli import (
    audit,
    calibrate,
    classify,
    dedupe,
    doctor,
    embed,
    encoders,
    enrol,
    evaluate,
    explain,
    export,
    forget,
    galleries,
    import_,
    index,
    init,
    options,
    plugins,
    query,
    reembed,
    rename,
    show,
    train,
    verify,
)
from siamkit.cli import list as list_
from siamkit.cli.output import stderr
from siamkit.errors import SiamkitError
from siamkit.host.stdout_guard import claim_stdout

EXIT_INTERNAL, EXIT_INTERRUPTED = 70, 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  siamkit enrol faces alice.jpg --as alice      enrol a person from one photo
  siamkit query faces party.jpg                 who is in this photo?
  siamkit verify -m faces a.jpg b.jpg           are these two the same person?
  siamkit explain -m faces a.jpg b.jpg -o c.png what makes them alike?
  siamkit classify plants leaf.jpg              which class, and how likely?
  siamkit dedupe questions.csv                  which of these ask the same?
  siamkit train people/ -m faces --out run      an encoder from your own examples
  siamkit COMMAND --help                        options and examples of a command

\b
Exit codes: 0 done, or the same; 1 error; 2 bad usage or bad input; 3 different, or unknown;
4 nothing found to embed; 5 can't tell; 70 internal error; 130 interrupted.
""",
)
@click.version_option(package_name="siamkit")
@options.store
def cli(store: Path) -> None:
    """Similarity search and verification from one example.

    Enrol a face, a signature, a voice or a question once. Then find who or what a sample shows
    (query), whether two are the same (verify), or which of many are duplicates (dedupe). The store
    is ./.siamkit, or --store, or SIAMKIT_STORE.
    """


for command in (
    init.init,
    galleries.galleries,
    enrol.enrol,
    query.query,
    classify.classify,
    verify.verify,
    explain.explain,
    calibrate.calibrate,
    evaluate.evaluate,
    dedupe.dedupe,
    audit.audit,
    train.train,
    embed.embed,
    list_.list_,
    show.show,
    rename.rename,
    forget.forget,
    export.export,
    import_.import_,
    reembed.reembed,
    index.index,
    encoders.encoders,
    plugins.plugins,
    doctor.doctor,
):
    cli.add_command(command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. A failure is one line, and a hint what to do."""
    try:
        code = cli.main(args=arguments, prog_name="siamkit", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except SiamkitError as error:
        _debug()
        stderr(f"Error: {error}")
        if error.hint:
            stderr(f"Hint: {error.hint}")
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        stderr("\nInterrupted. Everything reported as done is kept.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader, for example `head`, has stopped
        _give_up_stdout()
        return 1
    except OSError as error:  # a full disk, or a folder without write permission
        _debug()
        where = f"{error.filename}: " if error.filename else ""
        stderr(f"Error: {where}{error.strerror or error}")
        return 1
    except Exception as error:
        _debug()
        stderr(f"Error: internal error: {type(error).__name__}: {error}")
        stderr("Hint: this is a bug in siamkit; SIAMKIT_DEBUG=1 shows the traceback")
        return EXIT_INTERNAL


def _debug() -> None:
    if os.environ.get("SIAMKIT_DEBUG") == "1":
        import traceback

        traceback.print_exc()


def main() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):  # names may not be UTF-8
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    claim_stdout()
    code = run()
    try:
        sys.stdout.flush()
    except OSError:  # full, as reported; Python would try again at exit
        _give_up_stdout()
    sys.exit(code)


def _give_up_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
