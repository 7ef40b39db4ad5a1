"""The command line. This package imports click and nothing heavier until a command runs."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from siamkit.cli import options
from siamkit.cli.output import (
    log_to_stderr,
    print_error,
    print_traceback,
    print_usage_error,
    stderr,
)
from siamkit.errors import SiamkitError
from siamkit.host.stdout_guard import claim_stdout
from siamkit.io.cache_root import CACHE_HINT, is_in_cache

EXIT_INTERNAL, EXIT_INTERRUPTED = 70, 130
# What `siamkit --help` shows of each command, which is siamkit.cli.NAME:NAME.
COMMANDS = {
    "audit": "Find wrong labels and duplicates in a gallery",
    "backup": "Copy the whole store to one file",
    "calibrate": "Measure what a gallery's scores mean",
    "classify": "Which class, and how likely?",
    "dedupe": "Find the duplicates in a list",
    "detect": "Find objects in pictures, or speech in sounds",
    "detectors": "List, build and add detectors",
    "doctor": "Check the installation and the store",
    "embed": "Write vectors to a file",
    "encoders": "List, build and add encoders",
    "enrol": "Enrol files or texts under a label",
    "evaluate": "Measure error rates on labelled data",
    "explain": "Show which parts make two samples alike",
    "export": "Write a gallery to a folder",
    "find": "Where is it in a picture?",
    "forget": "Delete an identity or a sample",
    "galleries": "Create, list and delete galleries",
    "import": "Read an exported folder",
    "index": "Inspect or rebuild a gallery's index",
    "init": "Create a store, and a gallery in it",
    "list": "List the identities",
    "mine-negatives": "Add hard negatives to training data",
    "plugins": "List, check and write plugins",
    "query": "Who or what is this?",
    "reembed": "Recompute a gallery's templates",
    "rename": "Rename an identity",
    "show": "Show the samples of an identity",
    "timeline": "Who speaks when in a recording?",
    "train": "Train an encoder from labelled examples",
    "verify": "Are these two the same?",
}
# Commands whose names Python cannot use.
RESERVED = {"import": "import_", "list": "list_", "mine-negatives": "mine_negatives"}


class LazyGroup(click.Group):
    """A group that imports a command when it runs, and none to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = RESERVED.get(cmd_name, cmd_name)
        command: click.Command = getattr(import_module(f"siamkit.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  siamkit enrol faces alice.jpg --as alice      enrol a person from one photo
  siamkit query faces party.jpg                 who is in this photo?
  siamkit find logos street.jpg                 where is it, or is it absent?
  siamkit verify -m faces a.jpg b.jpg           are these two the same person?
  siamkit explain -m faces a.jpg b.jpg -o c.png what makes them alike?
  siamkit classify plants leaf.jpg              which class, and how likely?
  siamkit dedupe questions.csv                  which of these ask the same?
  siamkit train people/ -m faces --out run      an encoder from your own examples
  siamkit COMMAND --help                        options and examples of a command

\b
Exit codes: 0 done, or the same; 1 error; 2 bad usage or bad input; 3 different, unknown,
or absent; 4 nothing found; 5 inconclusive; 70 internal error; 130 interrupted.
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
    click.get_current_context().with_resource(log_to_stderr())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. A failure prints one line and a hint."""
    try:
        code = cli.main(args=arguments, prog_name="siamkit", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except SiamkitError as error:
        print_traceback()
        print_error(error)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        print_usage_error(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        stderr("Interrupted. Everything reported as done is kept.", before="\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader, for example `head`, has stopped
        _give_up_stdout()
        return 1
    except OSError as error:  # a full disk, or a folder without write permission
        print_traceback()
        where = f"{error.filename}: " if error.filename else ""
        if isinstance(error, FileNotFoundError) and not where:  # only os.getcwd names no file
            where = "the working directory was deleted: "
        stderr(f"Error: {where}{error.strerror or error}")
        if is_in_cache(error.filename):
            stderr(f"Hint: {CACHE_HINT}")
        return 1
    except Exception as error:
        print_traceback()
        stderr(f"Error: internal error: {type(error).__name__}: {error}")
        stderr("Hint: this is a bug in siamkit; SIAMKIT_DEBUG=1 shows the traceback")
        return EXIT_INTERNAL


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
    gc.freeze()  # the system frees what is left; Python's last collections would take 30 ms
    sys.exit(code)


def _give_up_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
