"""siamkit train [run | export | plot | config]"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import stderr
from siamkit.cli.progress import steps
from siamkit.cli.watch import follow, outcome, tell
from siamkit.errors import BadInput, PluginError, SiamkitError

if TYPE_CHECKING:
    from siamkit.train.config import TrainConfig
    from siamkit.train.data import Dataset, Prepared
    from siamkit.train.events import Event
    from siamkit.train.examples import Example
    from siamkit.train.folder import Origin
    from siamkit.workspace import Workspace

GALLERY = "gallery:"


class _RunByDefault(click.Group):
    """`train DATA …` means `train run DATA …`, and shows its options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "DATA -m MODALITY --out RUN [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", "   or: ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        click.Command.format_options(self.commands["run"], ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group(
    cls=_RunByDefault,
    epilog="""\b
Examples:
  siamkit train people/ -m faces --out run        people/alice/1.jpg, people/bob/1.jpg, …
  siamkit train manifest.csv -m faces --out run   with the columns path,label[,impostor,split]
  siamkit train gallery:staff -m faces --out run  what is enrolled in a gallery
  siamkit train people/ -m faces --out run --set margin=0.3 --set steps=5000
  siamkit train --out run --resume                go on where a run was broken off
  siamkit train export run                        its best encoder so far
  siamkit train plot run --out run.html           its curves, also while it runs
  siamkit train config > train.toml               every setting, for --config

\b
In an identity's folder, a folder `impostors` holds imitations of it, such as forgeries. A table
of texts has the columns text,label. A fifth of the identities is never trained on: the error
rates that are printed are theirs. RUN/encoder is the encoder folder, the best by that rate.
""",
)
def train() -> None:
    """Train an encoder from labelled examples.

    DATA is a folder per identity, a CSV, JSON lines, or gallery:NAME.
    """


@train.command(epilog="\b\nExample:\n  siamkit train run people/ -m faces --out run\n")
@click.argument("data", required=False)
@options.modality
@click.option(
    "--out", "run", required=True, type=click.Path(path_type=Path), metavar="RUN",
    help="The folder of the run: a new one, or with --resume the one to go on with.",
)  # fmt: skip
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE.toml",
    help="Settings (see `siamkit train config`).",
)  # fmt: skip
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="One setting; counts most."
)
@click.option("--resume", is_flag=True, help="Go on where RUN was broken off.")
@options.detector
@click.option("--licence", metavar="TEXT", help="Of the trained weights [default: not stated].")
@click.option("--name", metavar="NAME", help="Of the encoder [default: that of the folder RUN].")
@options.store
@options.as_json
def run(
    data: str | None,
    modality: str | None,
    run: Path,
    config_file: Path | None,
    settings: tuple[str, ...],
    resume: bool,
    detector: str | None,
    licence: str | None,
    name: str | None,
    store: Path,
    as_json: bool,
) -> None:
    """Train an encoder on DATA, or go on with RUN: its data and settings are kept there."""
    from siamkit.embed.pipeline import DEFAULT
    from siamkit.train import folder
    from siamkit.train.data import load
    from siamkit.train.folder import LAST

    if os.environ.get("WORLD_SIZE", "1") != "1" and os.environ.get("RANK", "0") != "0":
        from siamkit.train.run import join

        return join(run)  # torchrun: the first process alone prepares, writes and reports
    if not resume and (data is None or modality is None):
        raise click.UsageError("A new run needs DATA and -m MODALITY; or give --resume.")
    begun = resume and (run / LAST).exists()  # else nothing is lost by another setting
    if resume:
        before, saved = folder.reopen(run)
        config = _configured(config_file, settings, saved)
        origin = _wanted(before, data, modality, detector, licence, name)
        if begun:
            _require_same(run, before, origin, saved, config)
    else:
        folder.require_new(run)
        config = _configured(config_file, settings, None)
        fresh = folder.Origin(str(modality), "", None, "not stated", run.resolve().name)
        origin = _wanted(fresh, data, modality, detector or DEFAULT, licence, name)
    plugin = _trainable(origin.modality, config)
    with options.workspace(store) as workspace:
        prepared = load(run) if begun else None
        if prepared is None:
            prepared = _prepare(run, origin, config, plugin, workspace, begun)
        follow(_events(run, plugin, config, origin, prepared.dataset), run)
    tell(outcome(run, prepared), as_json)


@train.command(epilog="\b\nExample:\n  siamkit train export run\n")
@click.argument("run", type=click.Path(path_type=Path))
@options.as_json
def export(run: Path, as_json: bool) -> None:
    """Make RUN/encoder of the best weights so far, of a run that goes on or has failed."""
    from siamkit.train import folder
    from siamkit.train.data import load
    from siamkit.train.run import export_best

    origin, config = folder.reopen(run)
    prepared = load(run)
    if prepared is None:
        raise BadInput(f"{run} holds no prepared data", hint="--resume goes on with it")
    export_best(run, _trainable(origin.modality, config), config, origin, prepared.dataset)
    tell(outcome(run, prepared), as_json)


@train.command(
    epilog="""\b
Examples:
  siamkit train plot run                    to run/plot.png
  siamkit train plot run --out run.html     a page with the facts of the training card
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE.png|.html",
    help="Where it goes [default: RUN/plot.png].",
)  # fmt: skip
def plot(run: Path, out: Path | None) -> None:
    """Draw the curves of RUN, its validation scores and a map of the embeddings."""
    from siamkit.train.plot import draw

    out = out or run / "plot.png"
    draw(run, out)
    click.echo(str(out))


@train.command(epilog="\b\nExample:\n  siamkit train config > train.toml\n")
def config() -> None:
    """Print every setting with its default, as TOML for --config."""
    from siamkit.train.config import CHOICES, TrainConfig, to_toml

    source = inspect.getsource(TrainConfig)
    for line in to_toml(TrainConfig()).splitlines():
        key = line.split(" = ")[0]
        said = re.search(rf"^ +{key}: .*?  # (.*)$", source, re.MULTILINE)
        parts = [said[1]] if said else []
        parts += [f"one of {', '.join(CHOICES[key])}"] if key in CHOICES else []
        click.echo(f"{line}  # {'; '.join(parts)}" if parts else line)


def _events(
    run: Path, plugin: Any, config: TrainConfig, origin: Origin, dataset: Dataset | None
) -> Iterator[Event]:
    from siamkit.train.run import train

    return train(run, plugin, config, origin, dataset)


def _configured(
    file: Path | None, settings: tuple[str, ...], saved: TrainConfig | None
) -> TrainConfig:
    from siamkit.train.config import configure, parse_settings, read_config

    base = configure(read_config(file)) if file else saved
    return configure(parse_settings(settings), base)


def _wanted(
    base: Origin,
    data: str | None,
    modality: str | None,
    detector: str | None,
    licence: str | None,
    name: str | None,
) -> Origin:
    """`base` with what the command line says otherwise. A path is kept whole."""
    from dataclasses import replace

    from siamkit.embed.pipeline import resolve_detector
    from siamkit.io.sources import absolute, to_text

    given: dict[str, Any] = {"modality": modality, "licence": licence, "name": name}
    if data is not None:
        given["origin"] = data if data.startswith(GALLERY) else to_text(absolute(Path(data)))
    made = replace(base, **{key: value for key, value in given.items() if value is not None})
    if detector == "none":
        return replace(made, detector=None)
    return replace(made, detector=resolve_detector(made.modality, detector or base.detector))


def _require_same(
    run: Path, before: Origin, now: Origin, saved: TrainConfig, config: TrainConfig
) -> None:
    """Raise BadInput if a run would go on as another."""
    from dataclasses import asdict

    from siamkit.train.config import differences

    other = asdict(now)
    lines = [
        f"{key}: {value!r} before, {other[key]!r} now"
        for key, value in asdict(before).items()
        if value != other[key]
    ]
    if lines := lines + differences(saved, config):
        raise BadInput(
            f"{run} was begun otherwise: {'; '.join(lines)}",
            hint="--resume alone goes on with it as it was; another --out begins a new run",
        )


def _trainable(modality: str, config: TrainConfig) -> Any:
    from siamkit.host import registry
    from siamkit.train.run import trainable

    return trainable(registry.load("siamkit.modalities", modality), config)


def _detector(plugin: Any, name: str | None) -> Any:
    """The region plugin of that name. Raises PluginError if it looks at something else."""
    from siamkit.host import registry

    if name is None:
        return None
    found = registry.load("siamkit.regions", name)
    if found.kind != plugin.kind:
        raise PluginError(
            f"detector {name} looks at {found.kind}, but {plugin.name} are {plugin.kind}",
            hint="`siamkit plugins list` shows which detector takes what",
        )
    return found


def _prepare(
    run: Path, origin: Origin, config: TrainConfig, plugin: Any, workspace: Workspace, begun: bool
) -> Prepared:
    """Begin the folder and load the data into it. What fails leaves nothing that was not there."""
    from siamkit.train import folder
    from siamkit.train.data import prepare

    detector = _detector(plugin, origin.detector)
    examples = _examples(origin, workspace)
    folder.begin(run, origin, config)
    try:
        with steps() as progress:
            prepared = prepare(
                examples,
                plugin,
                detector,
                run,
                share=config.validation,
                seed=config.seed,
                progress=progress,
            )
    except SiamkitError:
        if not begun:
            folder.abandon(run)
        raise
    for fault in prepared.faults:
        stderr(f"Error: {fault}")
    if prepared.faults:
        stderr(f"{len(prepared.faults):,} of {len(examples):,} examples are left out")
    return prepared


def _examples(origin: Origin, workspace: Workspace) -> list[Example]:
    from siamkit.train.examples import gallery_examples, read_examples

    if origin.origin.startswith(GALLERY):
        name = origin.origin.removeprefix(GALLERY)
        return gallery_examples(workspace.store, name, origin.modality)
    return read_examples(origin.origin)
