"""siamkit encoders [list | build | add | path]"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import echo, emit_json, print_outcome, print_rows
from siamkit.cli.spellings import Group


@click.group(
    cls=Group,
    epilog="""\b
Examples:
  siamkit encoders list              encoders by name, and whether they are built
  siamkit encoders build             build all, on the machine that will be offline
  siamkit encoders path images       the encoder folder of a modality
  siamkit encoders add questions sentence-transformers:all-mpnet-base-v2
  siamkit encoders add questions sentence-transformers:./my-model --name mine
  siamkit encoders add images timm:resnet50 --name products
  siamkit encoders add products timm:resnet50 --kind image      the same
""",
)
def encoders() -> None:
    """Encoder folders (encoder.onnx + encoder.json) in the user's cache."""


@encoders.command("list", short_help="List encoders by name")
@options.as_json
def list_(as_json: bool) -> None:
    """List every encoder that the installed plugins name."""
    rows = [_fields(encoder) for encoder in sk.Workspace.encoders()]
    columns = ["modality", "name", "state", "fingerprint", "licence", "weights"]
    print_rows(as_json, rows, columns)


@encoders.command(short_help="Build encoders, before going offline")
@click.argument("modality", required=False)
@click.argument("name", required=False)
@options.as_json
def build(modality: str | None, name: str | None, as_json: bool) -> None:
    """Build the encoders of all modalities, of one MODALITY, or the one called NAME."""
    built = sk.Workspace.build_encoders(modality, name)
    if as_json:
        emit_json([_fields(encoder) for encoder in built])
    else:
        for encoder in built:
            echo(f"{encoder.modality}/{encoder.name}: {encoder.path}")


@encoders.command(short_help="Make an encoder of another model")
@click.argument("modality", metavar="MODALITY|NAME")
@click.argument("model", metavar="ORIGIN:MODEL")
@click.option("--name", metavar="NAME", help="Name of the encoder [default: the model's name].")
@click.option(
    "--kind",
    metavar="KIND",
    help="Pick the modality by its kind (image, text, audio); the NAME then comes first.",
)
@options.as_json
def add(modality: str, model: str, name: str | None, kind: str | None, as_json: bool) -> None:
    """Make an encoder of another MODEL: exported once, checked, and kept under a name.

    Use it with --encoder NAME. ORIGIN says where the model comes from, for example timm or
    sentence-transformers; MODEL is its name there, or a folder. Needs torch.
    """
    if kind and name:
        raise click.UsageError("With --kind, the name comes first: leave --name out.")

    if kind:
        encoder = sk.Workspace.add_encoder(None, model, name=modality, kind=kind)
    else:
        encoder = sk.Workspace.add_encoder(modality, model, name=name)
    label = encoder.name
    sentence = f"{encoder.modality}/{label} is ready: --encoder {label} ({encoder.fingerprint})"
    print_outcome(as_json, _fields(encoder), sentence)


@encoders.command(short_help="Print the path of an encoder folder")
@click.argument("modality")
@click.argument("name", required=False)
@options.as_json
def path(modality: str, name: str | None, as_json: bool) -> None:
    """Print the path of an encoder folder; it is built first if it is absent."""
    folder = sk.Workspace.encoder_path(modality, name)
    facts = {"modality": modality, "name": folder.name, "path": str(folder)}
    print_outcome(as_json, facts, str(folder))


def _fields(encoder: sk.EncoderState) -> dict[str, Any]:
    state = "-" if encoder.state == "absent" else encoder.state
    return {**asdict(encoder), "state": state, "path": str(encoder.path)}
