"""siamkit train export, plot, watch, config"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

import siamkit as sk
from siamkit.cli import options, train_series
from siamkit.cli.output import echo, emit_json
from siamkit.cli.spellings import Group
from siamkit.cli.watch import print_result

localise = click.option(
    "--localise", is_flag=True, help="A localiser: which object is in a picture, and where."
)
below = Group("train")


@below.command(
    short_help="Write the best weights so far as a folder",
    epilog="\b\nExample:\n  siamkit train export run\n",
)
@click.argument("run", type=options.PATH)
@options.as_json
def export(run: Path, as_json: bool) -> None:
    """Write RUN/encoder or RUN/detector from the best weights so far, even of a failed RUN."""
    if train_series.export(run, as_json):
        return
    is_localiser = sk.LocaliserRun.is_begun_in(run)
    training: sk.TrainingRun | sk.LocaliserRun
    training = sk.LocaliserRun.open(run) if is_localiser else sk.TrainingRun.open(run)
    training.export()
    print_training(training, as_json)


@below.command(
    short_help="Draw a run's curves, scores and map",
    epilog="""\b
Examples:
  siamkit train plot run                    to run/plot.png
  siamkit train plot run -o run.html     a page with the facts of the training card
""",
)
@click.argument("run", type=options.PATH)
@options.output("The file to write [default: RUN/plot.png].", "out", metavar="FILE.png|.html")
def plot(run: Path, out: Path | None) -> None:
    """Draw the curves of RUN, its validation scores, and a map of the embeddings or pictures."""
    out = out or run / "plot.png"
    sk.TrainingRun.draw(run, out)
    echo(str(out))


@below.command(
    short_help="Show a run on a live page",
    epilog="""\b
Examples:
  siamkit train watch run                        while it runs, before and after it
  siamkit train watch run --port 0 --no-browser  on a free port; open the address by hand
  siamkit train watch run -o run.html            the page as it is now, in one file
""",
)
@click.argument("run", type=options.PATH)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8660,
    show_default=True,
    help="A port of this computer; 0 takes a free one.",
)
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@options.output("Write the page as it is now to a file, and end.", "page", metavar="FILE.html")
def watch(run: Path, port: int, no_browser: bool, page: Path | None) -> None:
    """Show RUN on a live page: curves, error rates, and the triplets it gets most wrong.

    The page is for this computer alone. From another one: `ssh -L 8660:localhost:8660 HOST`, then
    open the printed address there. Ctrl-C ends it; the run goes on.
    """
    from siamkit.cli.watch_page import serve, write_once

    if page:
        write_once(run, page)
    else:
        serve(run, port, open_browser=not no_browser)


@below.command(
    short_help="Print every setting with its default",
    epilog="""\b
Examples:
  siamkit train config > train.toml
  siamkit train config --localise > localise.toml
""",
)
@localise
def config(localise: bool) -> None:
    """Print every setting with its default, as TOML for --config."""
    settings = sk.LocaliserConfig() if localise else sk.TrainConfig()
    for line in settings.to_toml(comments=True).splitlines():
        echo(line)


def print_training(training: sk.TrainingRun | sk.LocaliserRun, as_json: bool) -> None:
    """Print the result of a run: its error rates, and the folder it is exported to."""
    result = training.result()
    if as_json:
        emit_json(asdict(result))
    else:
        print_result(result)
