"""Options that choose a modality, its encoder, its detector and its index."""

from __future__ import annotations

from dataclasses import dataclass

import click

from siamkit.cli.options.base import ORIGIN, bundle

fusion = click.option(
    "--fusion",
    type=click.Choice(["best", "mean"]),
    help="Score an identity by its nearest sample, or by the mean of its templates"
    " [default: as measured for the modality].",
)
modality = click.option(
    "-m", "--modality", metavar="NAME", help="faces, … (`siamkit plugins list`)."
)
encoder = click.option(
    "--encoder",
    type=ORIGIN,
    metavar="NAME|FOLDER",
    help="An encoder; for a new gallery also ORIGIN:MODEL [default: the modality's own].",
)
detector = click.option(
    "--detector",
    metavar="NAME|FOLDER|none",
    help="A detector (`siamkit detectors list`); `none` embeds whole samples [default: the"
    " modality's own].",
)
other_detector = click.option(
    "--detector",
    metavar="NAME|FOLDER|none",
    help="A detector for this call; `none` takes whole samples [default: the gallery's].",
)
index = click.option(
    "--index", metavar="NAME", help="An index backend (`siamkit plugins list`) [default: faiss]."
)
index_address = click.option(
    "--index-address",
    metavar="ADDRESS",
    help="Of the server that --index saves to: postgresql://… or http://…. The store keeps it, for"
    " its owner alone to read; others see it in `ps`, so set SIAMKIT_PGVECTOR or SIAMKIT_MILVUS"
    " instead if it has a password.",
)
workers = click.option(
    "--workers",
    metavar="N|ADDRESS",
    help="Embed in N processes, or on a Ray cluster: ray://HOST:10001, HOST:6379 or auto"
    " (siamkit[ray]).",
)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The models that -m, --encoder and --detector name; None where the option is absent."""

    modality: str | None
    encoder: str | None
    detector: str | None  # may be "none"


@dataclass(frozen=True, slots=True)
class NewGallery:
    """Options of `init` and `galleries create` for a gallery; None where the option is absent."""

    modality: str | None = None
    encoder: str | None = None
    detector: str | None = None  # may be "none"
    index: str | None = None
    index_address: str | None = None


new_gallery = bundle("choice", NewGallery, modality, encoder, detector, index, index_address)
model_choice = bundle("models", ModelChoice, modality, encoder, detector)
