"""Find sentence-transformers models: in a folder, or on the hub."""

from __future__ import annotations

import re
from pathlib import Path

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.files import read_json, read_text
from siamkit.sdk.hub import PATIENCE, require_reachable
from siamkit.sdk.quiet import quiet

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
CODE = re.compile(r"(?<![\w-])[a-z]{2,3}(?![a-z])")  # 'pt' of 'pt-br'; nothing of 'multilingual'
# The files to fetch: no pickles, no copies for other runtimes.
PATTERNS = ["*.json", "*.txt", "*.safetensors", "*.model", "README.md"]
IGNORED = ["onnx/*", "openvino/*"]
FOLDER_HINT = "give the model's folder, or fetch it where there is a network"


def find_model(model: str) -> Path:
    """Return the folder of a model, given by folder or hub name; fetch it if necessary.

    Raises BadInput if it is not a sentence-transformers model or brings its own code,
    MissingWeights if it cannot be fetched.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        if not HUB_NAME.fullmatch(model):
            raise BadInput(f"{model!r} is neither a folder nor the name of a model on the hub")
        folder = _find_cached(model) or _fetch(model)
    _require_model(folder, model)
    return folder


def read_licence(folder: Path, name: str) -> str:
    """Return the licence that the model's README declares at its top, or where to look for it."""
    line = re.search(r"^license:[ \t]*(\S.*)$", _read_head(folder), re.MULTILINE)
    return line[1].strip().strip("\"'") if line else f"unknown: see {name}"


def read_languages(folder: Path) -> list[str]:
    """Return the ISO 639 codes that the model's README declares at its top; none if it does not."""
    entry = re.search(r"^language:(.*(?:\n[ \t]*-.*)*)", _read_head(folder), re.MULTILINE)
    return sorted(set(CODE.findall(entry[1].lower()))) if entry else []


def _read_head(folder: Path) -> str:
    """Return the facts at the top of a model's README, which are YAML; '' if there are none."""
    try:
        text = read_text(folder / "README.md")
    except BadInput:
        return ""
    head = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    return head[1] if head else ""


def _find_cached(name: str) -> Path | None:
    """Return the model's folder in the local hub cache; None if it is absent or incomplete."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(name, "modules.json")
    folder = Path(path).parent if isinstance(path, str) else None
    return folder if folder and _has_weights(folder) else None


def _fetch(name: str) -> Path:
    from huggingface_hub import snapshot_download

    require_reachable(name, hint=FOLDER_HINT)
    try:
        with quiet():
            return Path(
                snapshot_download(
                    name, allow_patterns=PATTERNS, ignore_patterns=IGNORED, etag_timeout=PATIENCE
                )
            )
    except Exception as error:  # of httpx, requests or the system
        raise MissingWeights(
            f"{name} could not be fetched from the hub ({type(error).__name__})", hint=FOLDER_HINT
        ) from error


def _has_weights(folder: Path) -> bool:
    return any(folder.rglob("*.safetensors"))


def _require_model(folder: Path, model: str) -> None:
    """Raise BadInput unless it is a sentence-transformers model that brings no code of its own."""
    modules = _read_json(folder / "modules.json")
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise BadInput(
            f"{model} is not a sentence-transformers model: it has no readable modules.json",
            hint="SentenceTransformer(…).save(FOLDER) writes such a folder",
        )
    if not _has_weights(folder):
        raise BadInput(
            f"{model} has no weights in safetensors files",
            hint="load it with sentence-transformers and save it again",
        )
    types = [str(module.get("type")) for module in modules]
    foreign_code = [name for name in types if not name.startswith("sentence_transformers.")]
    for name in ("config.json", "tokenizer_config.json"):
        for path in folder.rglob(name):
            config = _read_json(path)
            if isinstance(config, dict) and config.get("auto_map"):
                foreign_code.append(f"auto_map in {path.relative_to(folder)}")
    if foreign_code:
        raise BadInput(f"{model} runs code of its own ({foreign_code[0]}): refused")


def _read_json(path: Path) -> object:
    """Parse a JSON file; None if it is absent or damaged."""
    try:
        content: object = read_json(path)
    except BadInput:
        return None
    return content
