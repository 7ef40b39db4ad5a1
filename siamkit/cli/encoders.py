"""siamkit encoders [list | build | path]"""

from __future__ import annotations

from typing import Any

import click

from siamkit.cli.options import as_json as json_option
from siamkit.cli.output import emit_json, report, table, talk
from siamkit.errors import MissingWeights, PluginError


@click.group(
    epilog="""\b
Examples:
  siamkit encoders list              what can be built here, and what is built
  siamkit encoders build             build all, on the machine that will be offline
  siamkit encoders path faces        the encoder folder of a modality
"""
)
def encoders() -> None:
    """Encoder folders (encoder.onnx + encoder.json) in the user's cache."""


@encoders.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List every encoder that the installed plugins name."""
    rows = [_facts(plugin, name) for plugin in _plugins() for name in plugin.encoders]
    if as_json:
        emit_json(rows)
    else:
        columns = ["modality", "name", "state", "fingerprint", "licence", "weights"]
        table(columns, [[row[c] for c in columns] for row in rows])


@encoders.command()
@click.argument("modality", required=False)
@click.argument("name", required=False)
@json_option
def build(modality: str | None, name: str | None, as_json: bool) -> None:
    """Build the encoders of all modalities, of one MODALITY, or the one called NAME."""
    from siamkit import encoder_cache

    built = []
    with talk():
        for plugin in _plugins(modality):
            for each in [_checked(plugin, name)] if name else plugin.encoders:
                folder = encoder_cache.cached_folder(plugin, each)
                if not encoder_cache.is_sound(encoder_cache.ensure(plugin, each)):
                    encoder_cache.build(plugin, each)
                built.append(_facts(plugin, each))
                if not as_json:
                    click.echo(f"{plugin.name}/{each}: {folder}")
    if as_json:
        emit_json(built)


@encoders.command()
@click.argument("modality")
@click.argument("name", required=False)
@json_option
def path(modality: str, name: str | None, as_json: bool) -> None:
    """Print where an encoder folder is; it is built first if need be."""
    from siamkit import encoder_cache

    with talk():
        (plugin,) = _plugins(modality)
        wanted = _checked(plugin, name or next(iter(plugin.encoders)))
        folder = str(encoder_cache.ensure(plugin, wanted))
    report(as_json, {"modality": modality, "name": wanted, "path": folder}, folder)


def _plugins(only: str | None = None) -> list[Any]:
    """The modalities that build encoders; one that does not import counts only if asked for."""
    from siamkit import registry
    from siamkit.protocols import BuildsEncoders

    if only:
        plugin = registry.load("siamkit.modalities", only)
        if not isinstance(plugin, BuildsEncoders):
            raise PluginError(f"{only} carries its own weights: there is nothing to build")
        return [plugin]
    loaded = []
    for found in registry.found("siamkit.modalities"):
        try:
            plugin = registry.load("siamkit.modalities", found.name)
        except PluginError:
            continue  # `siamkit plugins list` and `siamkit doctor` report it
        if isinstance(plugin, BuildsEncoders):
            loaded.append(plugin)
    return loaded


def _checked(plugin: Any, name: str) -> str:
    if name not in plugin.encoders:
        raise MissingWeights(
            f"{plugin.name} has no encoder {name!r}", hint=f"known: {', '.join(plugin.encoders)}"
        )
    return name


def _facts(plugin: Any, name: str) -> dict[str, Any]:
    from siamkit import encoder_cache, encoders

    folder = encoder_cache.cached_folder(plugin, name)
    state = "built" if encoder_cache.is_sound(folder) else "damaged" if folder.exists() else "-"
    card = encoders.read_card(folder) if state == "built" else None
    return {
        "modality": plugin.name,
        "name": name,
        "state": state,
        "fingerprint": card.fingerprint if card else None,
        "licence": card.licence if card else None,
        "weights": plugin.encoders[name],
        "path": str(folder),
    }
