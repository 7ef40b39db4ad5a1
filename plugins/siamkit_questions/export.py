"""Export sentence-transformers models to encoder folders. Needs torch."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput
from siamkit.sdk import torch_export
from siamkit.sdk.extras import require_extra
from siamkit.sdk.hub import offline
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.quiet import quiet
from siamkit_questions import graph
from siamkit_questions.sentences import IDS, MASK, TENSORS, TOKENIZER, Recipe, Sentences, sha256
from siamkit_questions.text import NORMALISATION, normalise

if TYPE_CHECKING:
    import torch

    from siamkit.types import Vectors

SAME = 0.9999  # least cosine between a served vector and torch's
PROBES = (
    "x",
    "How do I reset my password?",
    "What is the difference between a hard link and a symbolic link, and when is which one used?",
    "怎么修改我的收货地址？",
    "چگونه می‌توانم رمز خود را عوض کنم؟",
    "मैं अपना पासवर्ड कैसे बदलूँ? 😀",
    "A question that goes on, and on, and asks for more than a model can read at once. " * 40,
)


def export(model: Path, folder: Path, card: Card) -> None:
    """Write the encoder folder of a sentence-transformers model, stored as safetensors.

    Fills in the card's dim and preprocessing, and adds the weights' SHA-256 to its source. Raises
    BadInput if the model cannot be served, PluginError if the served vectors differ from torch's.
    """
    with quiet(), offline():
        loaded = load_model(model)
        tokenizer = tokenizer_json(loaded, model)
        prompt = default_prompt(loaded, model)
        with tempfile.TemporaryDirectory() as scratch:
            raw = Path(scratch) / "raw.onnx"
            dim = _trace(loaded, raw, model)
            (folder / TOKENIZER).write_text(tokenizer, encoding="utf-8")
            content = graph.write(raw, folder)
        recipe = Recipe(
            tokenizer=sha256(folder / TOKENIZER),
            tensors=sha256(folder / TENSORS),
            weights=_hash_weights(model),
            normalisation=NORMALISATION,
            max_tokens=max_tokens(loaded),
            pooling=_pooling(loaded),
            pad_id=int(loaded.tokenizer.pad_token_id or 0),
            pad_left=loaded.tokenizer.padding_side == "left",
            prompt=prompt,
        )
        source = f"{card.source}, SHA-256 {recipe.weights}"
        card = replace(card, dim=dim, preprocessing=asdict(recipe), source=source)
        write_folder(folder, content, card)
        require_same(folder, _reference(loaded, probes()), SAME)


def weight_files(model: Path) -> list[Path]:
    """List the safetensors files of a model, in the same order wherever the model is stored."""
    return sorted(model.rglob("*.safetensors"), key=lambda path: path.relative_to(model).as_posix())


def _hash_weights(model: Path) -> str:
    """Return the SHA-256 of all weight files, one after the other; most models have one."""
    digest = hashlib.sha256()
    for path in weight_files(model):
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    return digest.hexdigest()


def load_model(model: Path) -> Any:
    """Load the model in float32, ready to be traced. Raises BadInput."""
    require_extra("train", "opening a sentence-transformers model")
    size = sum(path.stat().st_size for path in weight_files(model))
    torch_export.require_exportable(model, size)
    from sentence_transformers import SentenceTransformer

    try:
        loaded = SentenceTransformer(
            str(model),
            device="cpu",
            trust_remote_code=False,
            local_files_only=True,
            # Eager attention becomes plain operators, which onnxruntime fuses itself.
            model_kwargs={"attn_implementation": "eager", "use_safetensors": True},
        )
    except MemoryError:
        raise
    except Exception as error:  # transformers raises any class on unknown content
        raise BadInput(
            f"{model} could not be loaded as a sentence-transformers model: "
            f"{torch_export.first_line(error)}",
            hint="its weights must be safetensors files, and no file may be missing",
        ) from error
    return loaded.float().eval()


def tokenizer_json(loaded: Any, model: Path) -> str:
    """Return tokenizer.json as the loaded model uses it. Raises BadInput for a slow tokenizer."""
    if not getattr(loaded.tokenizer, "is_fast", False):
        raise BadInput(
            f"{model} has no fast tokenizer ({type(loaded.tokenizer).__name__}): splitting texts"
            " would need its own Python code",
            hint="use a model that has a tokenizer.json",
        )
    text: str = loaded.tokenizer.backend_tokenizer.to_str()
    return text


def default_prompt(loaded: Any, model: Path) -> str:
    """Return the text that the model puts before every text by default; usually ''.

    Raises BadInput if its pooling leaves the prompt out.
    """
    prompt: str = loaded.prompts.get(loaded.default_prompt_name or "", "")
    if prompt and not all(getattr(module, "include_prompt", True) for module in loaded):
        raise BadInput(f"{model} leaves its prompt {prompt!r} out of its pooling: not supported")
    return prompt


def _pooling(loaded: Any) -> str:
    modes = [str(m.pooling_mode) for m in loaded if hasattr(m, "pooling_mode")]
    return ", ".join(modes) or "its own"


def max_tokens(loaded: Any) -> int:
    """Return the longest input: the model's own limit, or 512, which most have."""
    return int(loaded.max_seq_length or 512)


def pool(parts: Iterable[Any], ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Run a model's modules on (texts, tokens) int64 ids and mask; returns (texts, dim)."""
    features: dict[str, torch.Tensor] = {IDS: ids, MASK: mask}
    for part in parts:
        features = part(features)
    return features["sentence_embedding"]


def _trace(loaded: Any, target: Path, model: Path) -> int:
    """Write the graph, token ids and their mask to unit vectors; returns the vectors' dimension."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(loaded)

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(pool(self.parts, ids, mask), dim=1)

    first = loaded.tokenizer(list(PROBES[1:3]), padding=True, return_tensors="pt")
    example, free = (first[IDS], first[MASK]), {0: "texts", 1: "tokens"}
    axes = {IDS: free, MASK: free}
    return torch_export.write_graph(Whole().eval(), example, str(target), axes, model=model)


def probes() -> list[str]:
    """Return texts of several lengths and scripts to compare two models on."""
    return [normalise(text) for text in PROBES]


def require_same(folder: Path, expected: Vectors, least: float) -> None:
    """Raise PluginError unless a folder embeds the probes as expected, (n, dim) unit rows.

    least: the lowest cosine that counts as equal.
    """
    torch_export.require_same(Sentences(folder).embed(probes()), expected, least, peer="torch")


def _reference(loaded: Any, texts: Sequence[str]) -> Vectors:
    vectors: Vectors = loaded.encode(
        list(texts), batch_size=1, normalize_embeddings=True, show_progress_bar=False
    )
    return vectors
