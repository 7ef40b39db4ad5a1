"""siamkit explain --layers"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import checks, options, pairs
from siamkit.cli.output import count_of, echo, emit_json, one_line, stderr, table
from siamkit.cli.progress import steps

if TYPE_CHECKING:
    from siamkit.cli.options.base import F
    from siamkit.flows.layers import ChannelView

TOKENS_SHOWN = 8  # of a text, those with most of the attention
ERRORS_SHOWN = 20


def _numbers(context: click.Context, parameter: click.Parameter, value: Any) -> tuple[int, ...]:
    parts = [part.strip() for part in (value or "").split(",")] if value is not None else []
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise click.BadParameter("give numbers from 0, such as 12,40", context, parameter)
    return tuple(int(part) for part in parts)


@dataclass(frozen=True, slots=True)
class LayerOptions:
    """The options of `--layers`."""

    are_layers: bool
    origin: str | None
    names: tuple[str, ...]
    channels: tuple[int, ...]
    places: int | None
    maximise: bool

    def require_layers(self) -> None:
        """Raise UsageError for an option that means nothing without --layers."""
        values = {
            "--from": self.origin,
            "--layer": self.names,
            "--channels": self.channels,
            "-k": self.places,
            "--maximise": self.maximise,
        }
        if alone := [name for name, value in values.items() if value]:
            raise click.UsageError(f"{alone[0]} needs --layers.")


def layer_options(command: F) -> F:
    """Add --layers and the options that go with it; the command gets them as `shown`."""
    decorate: Callable[[F], F] = options.bundle(
        "shown",
        LayerOptions,
        click.option(
            "--layers",
            "are_layers",
            is_flag=True,
            help="Show what the layers of the encoder respond to, in --from or in the samples of"
            " GALLERY, and in A.",
        ),
        click.option(
            "--from",
            "origin",
            type=options.ORIGIN,
            metavar="FOLDER|LIST",
            help="With --layers: the set of samples, a folder or a list of paths.",
        ),
        click.option(
            "--layer",
            "names",
            multiple=True,
            metavar="NAME|N",
            help="With --layers: a layer to show; may be repeated [default: six, early to late].",
        ),
        click.option(
            "--channels",
            callback=_numbers,
            metavar="N,N,…",
            help="With --layers: the channels to show [default: four that stand out].",
        ),
        click.option(
            "-k",
            "places",
            type=options.POSITIVE,
            metavar="N",
            help="With --layers: places to show of each channel [default: 6].",
        ),
        click.option(
            "--maximise",
            is_flag=True,
            help="With --layers: also draw what each channel responds to most (siamkit[train]).",
        ),
    )
    return decorate(command)


def explain_layers(
    ws: sk.Workspace,
    arguments: Sequence[str],
    texts: Sequence[str],
    models: options.ModelChoice,
    shown: LayerOptions,
    output: Path | None,
    as_json: bool,
) -> None:
    """Run `siamkit explain --layers`."""
    gallery, files = pairs.split_arguments(arguments, texts, models)
    if not (gallery or models.modality):
        raise click.UsageError("Give -m MODALITY [FILE], or GALLERY [FILE].")
    if len(files) > 1 and not texts:
        raise click.UsageError("--layers takes one FILE; --from takes a set of them.")
    pairs.check_options(models, None, texts)
    if output and output.suffix.lower() != ".html":
        raise click.UsageError("--layers saves a page: give -o a name that ends in .html.")
    named = [path for path in files if isinstance(path, Path)]
    if output:
        checks.require_writable("--output", output, *named)
    if shown.maximise and not output:
        raise click.UsageError("--maximise draws on the page: give -o FILE.html.")
    system = pairs.open_system(ws, gallery, models, texts)
    samples = _read_samples(shown.origin, files[1:] if texts else ())
    places = {} if shown.places is None else {"places": shown.places}
    choice = sk.LayerChoice(shown.names, shown.channels, **places)
    with steps() as progress:
        explanation = ws.layers(
            system,
            files[0] if files else None,
            samples=samples,
            choice=choice,
            maximise=shown.maximise,
            detector=options.default_or_none(models.detector),
            progress=progress,
        )
    if output:
        _require_content(explanation, gallery)
    _show(explanation, shown, output, as_json)


def _require_content(
    explanation: sk.LayersExplanation | sk.AttentionExplanation, gallery: str
) -> None:
    """Raise UsageError for a page that would show nothing."""
    if isinstance(explanation, sk.LayersExplanation):
        has_content, cure = bool(explanation.views), "FILE, --from FOLDER"
    else:
        has_content, cure = bool(explanation.texts), "--text TEXT, --from LIST"
    if has_content:
        return
    reason = f"; {gallery} holds no samples" if gallery else ""
    raise click.UsageError(f"-o needs something to show: {cure}, or samples in a GALLERY{reason}.")


def _show(
    explanation: sk.LayersExplanation | sk.AttentionExplanation,
    shown: LayerOptions,
    output: Path | None,
    as_json: bool,
) -> None:
    """Print an explanation and its errors, and save its page."""
    for error in explanation.errors[:ERRORS_SHOWN]:
        stderr(f"Error: {error}")
    if (more := len(explanation.errors) - ERRORS_SHOWN) > 0:
        stderr(f"… and {more:,} more; --json lists them all")
    if as_json:
        emit_json(explanation.to_dict())
    elif isinstance(explanation, sk.LayersExplanation):
        _print(explanation, are_chosen=bool(shown.channels), has_page=output is not None)
    else:
        _print_attention(explanation, has_page=output is not None)
    if output:
        from siamkit.reports.layers import write_page

        write_page(explanation, output)
        stderr(f"saved {output}")


def _read_samples(origin: str | None, texts: Sequence[Path | str]) -> list[Any] | None:
    """Return the samples of --from, or the texts after the first one; None for neither."""
    if origin is None:
        return list(texts) or None
    if origin != "-" and Path(origin).is_dir():
        return [Path(origin)]
    if origin != "-" and not Path(origin).exists():
        raise click.UsageError(f"--from {origin}: there is no such folder or list.")
    sources, faults = sk.Workspace.read_sources(origin)
    for fault in faults:
        stderr(f"Error: {origin}, {fault}")
    return [*texts, *sources]


def _print(shown: sk.LayersExplanation, *, are_chosen: bool, has_page: bool) -> None:
    """Print what the layers are; then, of those shown, the channels chosen or that stand out."""
    for line in shown.lines:
        echo(line)
    echo()
    if not shown.views:
        head = ["layer", "operators", "channels", "step", "sees"]
        table(
            head,
            [
                [layer.name, layer.op, layer.channels, _size(layer.stride), _size(layer.field)]
                for layer in shown.layers
            ],
        )
        echo(
            "step and sees are in elements of the network's input (px of a picture);"
            " give FILE or --from FOLDER to see what they respond to"
        )
        return
    listed = "channels chosen" if are_chosen else "channels that stand out"
    head = ["layer", "operators", "channels", "sees", listed]
    rows = []
    for view in shown.views:
        sees = shown.describe_field(view)
        standing = [_describe(channel, shown.samples) for channel in view.channels]
        cell = ", ".join(standing) or "none: each responds alike to every place"
        rows.append([view.layer.name, view.layer.op, view.layer.channels, sees, cell])
    table(head, rows)
    if shown.samples:
        echo("σ: how far the strongest places lie above the channel's mean, in standard deviations")
    if not has_page:
        echo("-o FILE.html shows them, --json lists every place")


def _describe(channel: ChannelView, samples: int) -> str:
    if channel.stands_out is not None:
        return f"{channel.channel} ({channel.stands_out:.0f} σ)"
    return f"{channel.channel} (all places alike)" if samples else str(channel.channel)


def _size(numbers: Sequence[int]) -> str:
    return " × ".join(map(str, reversed(numbers)))


def _print_attention(shown: sk.AttentionExplanation, *, has_page: bool) -> None:
    """Print, of each text, the tokens that get most attention in the first and the last layer."""
    echo(f"{count_of(shown.layers, 'layer')} of attention")
    if not shown.texts:
        echo("give --text TEXT or --from LIST to see what they attend to")
        return
    for text in shown.texts:
        echo()
        echo(one_line(text.source, 100))
        first, last = text.shares[0], text.shares[-1]
        ranked = sorted(range(len(text.tokens)), key=lambda n: -last[n])[:TOKENS_SHOWN]
        rows = [
            [
                one_line(text.tokens[n], 40),
                f"{first[n]:.0%}",
                f"{text.shares[:, n].mean():.0%}",
                f"{last[n]:.0%}",
            ]
            for n in ranked
        ]
        table(["token", "first layer", "mean", "last layer"], rows)
        if (more := len(text.tokens) - len(ranked)) > 0:
            echo(f"… and {more} more; --json lists them all")
    if not has_page:
        echo()
        echo("shares of each layer's attention; -o FILE.html shades every token")
