"""siamkit encoders [list | build | add | path]"""

from __future__ import annotations

from collections.abc import Mapping
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
  siamkit encoders add questions sentence-transformers:all-mpnet-base-v2
  siamkit encoders add questions sentence-transformers:./my-model --name mine
  siamkit encoders add images timm:resnet50 --name products
  siamkit encoders add products timm:resnet50 --kind image      the same
"""
)
def encoders() -> None:
    """Encoder folders (encoder.onnx + encoder.json) in the user's cache."""


@encoders.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List every encoder that the installed plugins name."""
    from siamkit.models.added import list_added

    rows = [
        _facts(plugin, name)
        for plugin in _plugins()
        for name in [*_named(plugin), *list_added(plugin)]
    ]
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
    from siamkit.models import built as built_encoders
    from siamkit.models import cache

    built = []
    with talk():
        for plugin in _plugins(modality):
            for each in [_checked(plugin, name)] if name else _named(plugin):
                folder = cache.cached_folder(plugin, each)
                if not cache.is_usable(plugin, built_encoders.ensure_built(plugin, each)):
                    built_encoders.build_encoder(plugin, each)
                built.append(_facts(plugin, each))
                if not as_json:
                    click.echo(f"{plugin.name}/{each}: {folder}")
    if as_json:
        emit_json(built)


@encoders.command()
@click.argument("modality", metavar="MODALITY|NAME")
@click.argument("model", metavar="ORIGIN:MODEL")
@click.option("--name", metavar="NAME", help="What to call it [default: the model's name].")
@click.option(
    "--kind", metavar="KIND",
    help="Give the NAME first, and let the modality be the one of this kind: image, text, audio.",
)  # fmt: skip
@json_option
def add(modality: str, model: str, name: str | None, kind: str | None, as_json: bool) -> None:
    """Make an encoder of another MODEL: exported once, checked, and kept under a name.

    Use it with --encoder NAME. ORIGIN says where the model comes from, timm or
    sentence-transformers say; MODEL is its name there or a folder. Needs torch.
    """
    from siamkit.host import registry
    from siamkit.models import added as added_encoders
    from siamkit.models import pick_modality

    if kind and name:
        raise click.UsageError("With --kind, the name stands first: leave --name out.")
    if kind:
        modality, name = pick_modality.for_encoder(model, kind), modality
    plugin = registry.load("siamkit.modalities", modality)
    with talk():
        folder = added_encoders.add_encoder(plugin, model, name)
    facts = _facts(plugin, folder.name)
    report(
        as_json, facts, f"{modality}/{folder.name} is ready: --encoder {folder.name}"
        f" ({facts['fingerprint']})",
    )  # fmt: skip


@encoders.command()
@click.argument("modality")
@click.argument("name", required=False)
@json_option
def path(modality: str, name: str | None, as_json: bool) -> None:
    """Print where an encoder folder is; it is built first if need be."""
    from siamkit.models import added as added_encoders
    from siamkit.models import names

    with talk():
        (plugin,) = _plugins(modality)
        known = [*_named(plugin), *added_encoders.list_added(plugin)]
        wanted = name or next(iter(known), "")
        if wanted not in known:
            _checked(plugin, wanted)
        folder = str(names.resolve(plugin, wanted))
    report(as_json, {"modality": modality, "name": wanted, "path": folder}, folder)


def _plugins(only: str | None = None) -> list[Any]:
    """The modalities that make encoders; one that does not import counts only if asked for."""
    from siamkit.host import import_check, registry
    from siamkit.protocols import AddsEncoders, BuildsEncoders

    if only:
        plugin = registry.load("siamkit.modalities", only)
        if not isinstance(plugin, BuildsEncoders | AddsEncoders):
            raise PluginError(f"{only} carries its own weights: there is nothing to build")
        return [plugin]
    return [
        plugin
        for plugin in import_check.loadable("siamkit.modalities")
        if isinstance(plugin, BuildsEncoders | AddsEncoders)
    ]


def _named(plugin: Any) -> Mapping[str, str]:
    """The encoders that a plugin builds, by name."""
    return getattr(plugin, "encoders", {})


def _checked(plugin: Any, name: str) -> str:
    from siamkit.models import added as added_encoders
    from siamkit.models import cache

    known = _named(plugin)
    if name not in known:
        folder = cache.cached_folder(plugin, name)
        again = f"{added_encoders.add_command(plugin, name)} makes it again;"
        raise MissingWeights(
            f"{plugin.name} build no encoder {name!r}",
            hint=f"{again * folder.exists()} known: {', '.join(known) or 'none'}".strip(),
        )
    return name


def _facts(plugin: Any, name: str) -> dict[str, Any]:
    from siamkit.models import cache

    folder = cache.cached_folder(plugin, name)
    card = cache.usable_card(plugin, folder)
    state = "built" if card else "damaged" if folder.exists() else "-"
    return {
        "modality": plugin.name,
        "name": name,
        "state": state,
        "fingerprint": card.fingerprint if card else None,
        "licence": card.licence if card else None,
        "weights": _named(plugin).get(name) or (card.source if card else None),
        "path": str(folder),
    }
