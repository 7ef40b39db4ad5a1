"""siamkit detectors [list | build | add | path]"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
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
  siamkit detectors list             every name that --detector takes
  siamkit detectors build            build all, on the machine that will be offline
  siamkit detectors path yolo        the detector folder of that name
  siamkit detectors add yolo onnx:yolov8n.onnx
  siamkit detectors add parts onnx:parts.onnx --labels parts.txt
  siamkit detectors add --help       networks of torchvision and transformers
""",
)
def detectors() -> None:
    """Detectors by name: of plugins, and folders (detector.onnx + detector.json) in the cache."""


@detectors.command("list", short_help="List detectors by name")
@options.as_json
def list_(as_json: bool) -> None:
    """List every detector that can be named."""
    states = sk.Workspace.detectors()
    columns = ["name", "plugin", "state", "labels", "fingerprint", "licence", "weights"]
    if as_json:
        emit_json([_fields(detector) for detector in states])
    else:
        rows = [{**_fields(d), "labels": len(d.labels) or None} for d in states]
        print_rows(False, rows, columns)


@detectors.command(short_help="Build detectors, before going offline")
@click.argument("name", required=False)
@options.as_json
def build(name: str | None, as_json: bool) -> None:
    """Build the detectors that plugins build, or the one called NAME."""
    built = sk.Workspace.build_detectors(name)
    if as_json:
        emit_json([_fields(detector) for detector in built])
    else:
        for detector in built:
            echo(f"{detector.name}: {detector.path}")


@detectors.command(
    short_help="Make a detector of another model",
    epilog="""\b
Examples:
  siamkit detectors add yolo onnx:yolov8n.onnx
  siamkit detectors add everyday torchvision:ssdlite320_mobilenet_v3_large
  siamkit detectors add parts torchvision:ssd300_vgg16@parts.pth --labels parts.txt
  siamkit detectors add sam transformers:facebook/sam2.1-hiera-tiny
""",
)
@click.argument("name")
@click.argument("model", metavar="ORIGIN:MODEL")
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Names of its classes, one per line or as JSON or YAML, if the model does not have them.",
)
@options.as_json
def add(name: str, model: str, labels: Path | None, as_json: bool) -> None:
    """Make a detector of another MODEL: exported once, checked, and kept as NAME.

    Use it with --detector NAME. ORIGIN is onnx, torchvision or transformers; MODEL is
    its name there, a file, or a folder.
    """
    detector = sk.Workspace.add_detector(name, model, labels=labels)
    sentence = f"{name} is ready: --detector {name} ({detector.fingerprint})"
    print_outcome(as_json, _fields(detector), sentence)


@detectors.command(short_help="Print the path of a detector folder")
@click.argument("name")
@options.as_json
def path(name: str, as_json: bool) -> None:
    """Print the path of a detector folder; it is built first if it is absent."""
    folder = sk.Workspace.detector_path(name)
    print_outcome(as_json, {"name": name, "path": str(folder)}, str(folder))


def _fields(detector: sk.DetectorState) -> dict[str, Any]:
    path = str(detector.path) if detector.path else None
    return {**asdict(detector), "labels": list(detector.labels), "path": path}
