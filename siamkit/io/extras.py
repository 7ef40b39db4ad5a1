"""Packages that come with an extra of siamkit, such as `siamkit[train]`, and may be absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from siamkit.errors import MissingPackage

EXTRAS: Mapping[str, Sequence[str]] = {
    "datasets": ("datasets",),
    "heic": ("pillow_heif",),
    "lora": ("peft",),
    "m4a": ("imageio_ffmpeg",),
    "mcp": ("mcp",),
    "parquet": ("pyarrow",),
    "pdf": ("pypdfium2",),
    "pgvector": ("psycopg",),
    "plot": ("matplotlib",),
    "ray": ("ray", "grpc"),
    "record": ("sounddevice",),
    "serve": ("starlette", "uvicorn", "python_multipart", "jinja2"),
    "tensorboard": ("tensorboard",),
    "train": (
        *("torch", "torchvision", "timm", "transformers", "sentence_transformers"),
        *("pytorch_metric_learning", "onnx", "matplotlib"),
    ),
    "wandb": ("wandb",),
    "xlsx": ("openpyxl",),
}


def require_extra(extra: str, purpose: str, *, otherwise: str = "") -> None:
    """Raise MissingPackage if a package of an extra is not installed; imports none.

    purpose: what needs it, as the subject of a sentence. otherwise: a way without it, for the hint.
    """
    for package in EXTRAS[extra]:
        if not is_installed(package):
            hint = f"run `{install_command(extra)}`"
            raise MissingPackage(
                f"{purpose} needs the package {package}, which is not installed",
                hint=f"{hint}, or {otherwise}" if otherwise else hint,
            )


def is_installed(package: str) -> bool:
    """True if a package, given by its import name, could be imported."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def install_command(extra: str) -> str:
    """Return the command that installs siamkit with an extra."""
    return f'pip install "siamkit[{extra}]"'
