"""siamkit encoders [list | build | add | path]"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli.options import as_json as json_option
from siamkit.cli.output import emit_json, log_to_stderr, print_outcome, table

if TYPE_CHECKING:
    from siamkit.flows.encoders import EncoderState


@click.group(
    epilog="""\b
Examples:
  siamkit encoders list              encoders by name, and whether they are built
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
    from siamkit import Workspace

    with log_to_stderr():
        rows = [_fields(encoder) for encoder in Workspace.encoders()]
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
    from siamkit import Workspace

    with log_to_stderr():
        built = Workspace.build_encoders(modality, name)
    if as_json:
        emit_json([_fields(encoder) for encoder in built])
    else:
        for encoder in built:
            click.echo(f"{encoder.modality}/{encoder.name}: {encoder.path}")


@encoders.command()
@click.argument("modality", metavar="MODALITY|NAME")
@click.argument("model", metavar="ORIGIN:MODEL")
@click.option("--name", metavar="NAME", help="Name of the encoder [default: the model's name].")
@click.option(
    "--kind",
    metavar="KIND",
    help="Pick the modality by its kind (image, text, audio); the NAME then comes first.",
)
@json_option
def add(modality: str, model: str, name: str | None, kind: str | None, as_json: bool) -> None:
    """Make an encoder of another MODEL: exported once, checked, and kept under a name.

    Use it with --encoder NAME. ORIGIN says where the model comes from, for example timm or
    sentence-transformers; MODEL is its name there, or a folder. Needs torch.
    """
    if kind and name:
        raise click.UsageError("With --kind, the name comes first: leave --name out.")
    from siamkit import Workspace

    with log_to_stderr():
        if kind:
            encoder = Workspace.add_encoder(None, model, name=modality, kind=kind)
        else:
            encoder = Workspace.add_encoder(modality, model, name=name)
    print_outcome(
        as_json,
        _fields(encoder),
        f"{encoder.modality}/{encoder.name} is ready: --encoder {encoder.name}"
        f" ({encoder.fingerprint})",
    )


@encoders.command()
@click.argument("modality")
@click.argument("name", required=False)
@json_option
def path(modality: str, name: str | None, as_json: bool) -> None:
    """Print the path of an encoder folder; it is built first if it is absent."""
    from siamkit import Workspace

    with log_to_stderr():
        folder = Workspace.encoder_path(modality, name)
    print_outcome(
        as_json, {"modality": modality, "name": folder.name, "path": str(folder)}, str(folder)
    )


def _fields(encoder: EncoderState) -> dict[str, Any]:
    state = "-" if encoder.state == "absent" else encoder.state
    return {**asdict(encoder), "state": state, "path": str(encoder.path)}
