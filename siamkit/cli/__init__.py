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

from siamkit.cli import options, spellings
from siamkit.cli.output import (
    log_to_stderr,
    print_error,
    print_traceback,
    print_usage_error,
    show_help,
    stderr,
)
from siamkit.errors import SiamkitError
from siamkit.host.stdout_guard import claim_stdout
from siamkit.io.cache_root import CACHE_HINT, is_in_cache

EXIT_INTERNAL, EXIT_INTERRUPTED = 70, 130
# What `siamkit --help` shows of each command, which is siamkit.cli.NAME:NAME.
SECTIONS = {
    "Ask": {
        "query": "Who or what is this?",
        "verify": "Are these two the same?",
        "find": "Where is it in a picture?",
        "classify": "Which class, and how likely?",
        "dedupe": "Find the duplicates in a list or folder",
        "timeline": "Who speaks when in a recording?",
        "detect": "Find objects in pictures, speech in sounds",
        "explain": "Show what makes two samples alike",
    },
    "Enrol": {
        "enrol": "Enrol files or texts under a label",
        "list": "List the identities",
        "show": "Show the samples of an identity",
        "rename": "Rename an identity",
        "merge": "Merge an identity into another",
        "forget": "Delete an identity or a sample",
    },
    "Galleries": {
        "init": "Create a store, and a gallery in it",
        "galleries": "Create, list and delete galleries",
        "index": "Inspect or rebuild a gallery's index",
        "reembed": "Recompute a gallery's templates",
        "export": "Write a gallery to a folder",
        "import": "Read an exported folder",
        "backup": "Copy the whole store to one file",
    },
    "Measure": {
        "calibrate": "Measure what a gallery's scores mean",
        "evaluate": "Measure error rates on labelled data",
        "audit": "Find wrong labels and duplicates",
    },
    "Make": {
        "style": "Render pictures in the style of others",
        "train": "Train an encoder from labelled examples",
        "mine-negatives": "Add hard negatives to training data",
        "embed": "Write vectors to a file",
        "encoders": "List, build and add encoders",
        "detectors": "List, build and add detectors",
    },
    "Serve": {
        "mcp": "Answer an assistant's questions",
    },
    "System": {
        "serve": "Serve an HTTP API and a page",
        "doctor": "Check the installation and the store",
        "plugins": "List, check and write plugins",
    },
}
COMMANDS = {name: line for section in SECTIONS.values() for name, line in section.items()}
# Commands whose names Python cannot use.
RESERVED = {"import": "import_", "list": "list_", "mine-negatives": "mine_negatives"}


class LazyGroup(spellings.Group):
    """A group that imports a command when it runs, and none to list them."""

    other_words = spellings.COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = RESERVED.get(cmd_name, cmd_name)
        command: click.Command = getattr(import_module(f"siamkit.cli.{name}"), name)
        return command

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "COMMAND [ARGUMENTS] [OPTIONS]")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, commands in SECTIONS.items():
            formatter.write("\n")
            titles = [section, *[""] * (len(commands) - 1)]
            for title, (name, line) in zip(titles, commands.items(), strict=True):
                formatter.write(f"{title:<11}{name:<16}{line}\n")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"\n{self.epilog}")


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\
Start      siamkit enrol faces alice.jpg --as alice
           siamkit query faces party.jpg
           siamkit COMMAND --help          options and examples of a command

Options    --store PATH (or SIAMKIT_STORE, else ./.siamkit), --version, --help

Exit codes: 0 same, or done; 3 different, unknown or absent; 4 nothing found;
5 inconclusive; 1 error; 2 bad usage or input; 70 internal; 130 interrupted.
""",
)
@click.version_option(package_name="siamkit")
@options.store
def cli(store: Path) -> None:
    """Similarity search and verification from one example: enrol a face, a
    signature, a voice or a question once, then ask who, what or which it is.
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
    except click.exceptions.NoArgsIsHelpError as error:
        show_help(error.format_message(), is_error=True)
        return error.exit_code
    except click.ClickException as error:
        print_usage_error(spellings.with_suggestion(error))
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
