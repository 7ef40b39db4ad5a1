"""siamkit train"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import siamkit as sk
from siamkit.cli import options, train_series
from siamkit.cli.progress import steps
from siamkit.cli.settings_text import parse_settings
from siamkit.cli.spellings import Group
from siamkit.cli.train_below import below, localise, print_training
from siamkit.cli.watch import follow, print_intake


class _Train(click.Command):
    """The command that trains; its help lists the commands below `train` too."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        path = ctx.command_path
        formatter.write_usage(path, "DATA -m MODALITY -o RUN [OPTIONS]")
        formatter.write_usage(path, "DATA --localise -o RUN [OPTIONS]", "   or: ")
        formatter.write_usage(path, f"{'|'.join(below.commands)} …", "   or: ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        below.format_commands(ctx, formatter)


class _TrainGroup(Group):
    """`train DATA …` trains; `train export …` and the others are commands of their own."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if args[:1] == ["run"] and args[1:] and not args[1].startswith("-"):
            raise click.UsageError("`train run DATA` is written `train DATA`.", parent)
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        if args and args[0] in self.commands:
            return below.make_context(info_name, args, parent, **extra)
        return start.make_context(info_name, args, parent, **extra)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        start.format_usage(ctx, formatter)


@click.command(
    "train",
    cls=_Train,
    no_args_is_help=True,
    epilog="""\b
Examples:
  siamkit train people/ -m faces -o run        people/alice/1.jpg, people/bob/1.jpg, …
  siamkit train manifest.csv -m faces -o run   columns: path,label[,impostor,split]
  siamkit train pairs.csv -m questions -o run  columns: a,b[,label], anchor,positive,negative …
  siamkit train gallery:staff -m faces -o run  the samples enrolled in a gallery
  siamkit train people/ -m faces -o run --set margin=0.3 --set steps=5000
  siamkit train -o run --resume                continue an interrupted run
  siamkit train -o run --resume --set steps=4000   take a finished run further
  siamkit train more/ -o run2 --from run       begin with the weights of another run
  siamkit train people/ -m faces -o sweep --sweep margin=0.1,0.2,0.4 --seeds 3
  siamkit train people/ -m faces -o run --folds 5    few identities: measure on all of them
  siamkit train export run                        export its best encoder so far
  siamkit train watch run                         its curves and hardest triplets, live
  siamkit train plot run -o run.html           draw its curves, also while it runs
  siamkit train config > train.toml               print every setting, for --config
  siamkit train boxes.csv --localise -o run    which object is in a picture, and where

\b
In an identity's folder, a folder `impostors` holds imitations of it, such as forgeries. A table
of texts has the columns text,label. A fifth of the identities is never trained on: the printed
error rates are measured on these. RUN/encoder is the encoder folder, best by them; a run that gains
nothing over what there is without training exports none.

\b
With --localise, DATA has pictures with boxes: a COCO .json, a folder of VOC's XML or for YOLO,
or a table with the columns image,label,left,top,right,bottom (label and box empty: nothing is
there). RUN/detector is the detector folder: `siamkit detect -d RUN/detector photo.jpg`.
""",
)
@click.argument("data", required=False, type=options.ORIGIN)
@options.modality
@localise
@options.output(
    "The folder of the run: a new one, or with --resume the one to continue.",
    "run",
    required=True,
    metavar="RUN",
)
@options.path(
    "--config", "config_file", metavar="FILE.toml", help="Settings (see `siamkit train config`)."
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="One setting; overrides --config."
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an interrupted RUN, or a finished one with more `--set steps=`.",
)
@options.path(
    "--from",
    "parent",
    metavar="RUN",
    help="Begin with the best weights of this RUN, and never validate on what it was trained on.",
)
@train_series.sweep
@train_series.seeds
@train_series.folds
@click.option(
    "--log",
    "loggers",
    multiple=True,
    type=click.Choice(["tensorboard", "wandb"]),
    help="Also log to RUN/tensorboard, or to Weights & Biases; --resume goes on with it.",
)
@options.detector
@options.columns
@options.label_column
@options.top_score
@options.table
@options.encoding
@click.option("--licence", metavar="TEXT", help="Licence of the weights [default: not stated].")
@click.option(
    "--name", metavar="NAME", help="Name of the encoder or detector [default: that of RUN]."
)
@options.workspace
@options.as_json
def start(
    ws: sk.Workspace,
    data: str | None,
    modality: str | None,
    localise: bool,
    run: Path,
    config_file: Path | None,
    settings: tuple[str, ...],
    resume: bool,
    sweeps: tuple[str, ...],
    seeds: int | None,
    folds: int | None,
    loggers: tuple[str, ...],
    as_json: bool,
    **details: Any,
) -> None:
    """Train an encoder from labelled examples, or a localiser from pictures with boxes.

    DATA is a folder per identity, a table of labelled samples, of pairs or of triplets, a folder
    saved by Hugging Face datasets, or gallery:NAME.
    """
    changes = parse_settings(settings)
    series = train_series.SeriesOptions(sweeps, seeds, folds, changes)
    several = series.kind(run, resume)
    if not several and sk.TrainingRun.join(run):  # torchrun: the first process alone prepares
        return
    if resume:
        loggers += tuple(sk.training_log.loggers_of(run))
    sk.training_log.require_loggers(loggers)
    if (label := details.pop("id")) is not None:
        details["columns"]["label"] = label
    details = {name: value for name, value in details.items() if value not in (None, {})}
    if "parent" in details:
        details["parent"] = str(details["parent"])
    is_localiser = localise or (resume and sk.LocaliserRun.is_begun_in(run))
    _require_usage(data, modality, is_localiser, resume, details)
    if is_localiser and several:
        raise click.UsageError("--localise goes with none of --sweep, --seeds and --folds.")
    kind = sk.LocaliserConfig if is_localiser else sk.TrainConfig
    config = kind.read(config_file).changed(changes) if config_file else changes
    with steps() as progress:
        common = {"config": config, "resume": resume, "progress": progress, **details}
        training = (
            ws.train_localiser(data, run, **common)
            if is_localiser
            else series.start(ws, several, data, run, modality=modality, **common)
        )
    print_intake(training)
    if isinstance(training, sk.SweepRun | sk.FoldsRun):
        train_series.run(training, loggers, as_json)
    else:
        follow(training, loggers)
        print_training(training, as_json)


def _require_usage(
    data: str | None,
    modality: str | None,
    is_localiser: bool,
    resume: bool,
    details: Mapping[str, Any],
) -> None:
    """Raise UsageError for arguments that are missing, or that do not go together."""
    if is_localiser and (modality or details.keys() & {"detector", "parent"}):
        raise click.UsageError("--localise goes with none of -m, --detector and --from.")
    if is_localiser and {"columns", "top_score"} & details.keys():
        raise click.UsageError("--localise goes with none of --column, --id and --top-score.")
    if not resume and data is None and is_localiser:
        raise click.UsageError("A new run needs DATA; or give --resume.")
    if (
        not resume
        and not is_localiser
        and (data is None or (modality is None and "parent" not in details))
    ):
        raise click.UsageError(
            "A new run needs DATA and -m MODALITY, or --localise; or give --resume."
        )


train = _TrainGroup(
    "train", below.commands, params=start.params, help=start.help, epilog=start.epilog
)
