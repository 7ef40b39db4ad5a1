"""Sentence-transformers models as networks to train, with all of their weights. Needs torch."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from siamkit.errors import BadInput
from siamkit.sdk.hub import offline
from siamkit.sdk.model_folder import Card
from siamkit.sdk.quiet import quiet
from siamkit_questions import bert, export, origins
from siamkit_questions.base import HUB, MINILM_TRAINED, BaseQuestions
from siamkit_questions.text import NORMALISATION

TOKENS = 128  # per text at most, in training and when served: memory grows with them
PAD = -1  # padding in arrays: no token's id, unlike the padding of some models


class WholeModel(BaseQuestions):
    """See siamkit.protocols.OwnNetwork: texts become token ids, by the model's own tokenizer."""

    def __init__(self, backbone: str) -> None:
        """Load the tokenizer. Raises BadInput if it cannot be trained, MissingWeights if absent."""
        from tokenizers import Tokenizer

        self.backbone = backbone
        self._folder, self._licence = _find_backbone(backbone)
        with quiet(), offline():
            loaded = _load(self._folder)
            self._tokens = export.max_tokens(loaded)
            self._prompt = export.default_prompt(loaded, self._folder)
            tokenizer_json = export.tokenizer_json(loaded, self._folder)
        self._sha256 = hashlib.sha256(tokenizer_json.encode()).hexdigest()
        self._pad_left = loaded.tokenizer.padding_side == "left"
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._tokens)
        with torch.inference_mode():
            probe = torch.from_numpy(self.array("x"))[None]
            self.dim = int(SentenceNetwork(loaded).eval()(probe).shape[1])

    def array(self, medium: str) -> NDArray[np.int64]:
        """Return (TOKENS,) ids, fewer if the model reads fewer, padded with PAD."""
        ids = self._tokenizer.encode(self._prompt + medium).ids
        array = np.full(self._tokens, PAD, dtype=np.int64)
        start = self._tokens - len(ids) if self._pad_left else 0
        array[start : start + len(ids)] = ids
        return array

    def preprocessing(self) -> Mapping[str, Any]:
        return {
            "tokenizer": self._sha256,
            "normalisation": NORMALISATION,
            "max_tokens": self._tokens,
            "pad_left": self._pad_left,
            "prompt": self._prompt,
        }

    def network(self) -> SentenceNetwork:
        with quiet(), offline():
            return SentenceNetwork(_load(self._folder)).train()

    def write(self, network: SentenceNetwork, folder: Path, card: Card) -> None:
        """See OwnNetwork. The folder is like that of any other model."""
        source = f"{card.source}; begun with {self.backbone} ({self._licence})"
        with tempfile.TemporaryDirectory() as scratch:
            with quiet(), offline():
                network.model.save(scratch, create_model_card=False)
            export.export(Path(scratch), folder, replace(card, source=source, mated=None))
        arrays = np.stack([self.array(text) for text in export.probes()])
        with torch.inference_mode():
            expected = normalize(network.eval()(torch.from_numpy(arrays)), dim=1).numpy()
        export.require_same(folder, expected, export.SAME)


class SentenceNetwork(torch.nn.Module):
    """Embeds (n, tokens) int64 ids, padded with PAD, as (n, dim) float32."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.pad_id = int(model.tokenizer.pad_token_id or 0)

    def forward(self, arrays: torch.Tensor) -> torch.Tensor:
        is_token = arrays != PAD
        columns = is_token.any(dim=0)  # most texts are short: columns of mere padding cost time
        is_token = is_token[:, columns]
        ids = arrays[:, columns].where(is_token, self.pad_id)
        return export.pool(self.model, ids, is_token.long())


def _find_backbone(backbone: str) -> tuple[Path, str]:
    """Return the folder of a model, and its licence."""
    if backbone == MINILM_TRAINED:
        return bert.FOLDER, "Apache-2.0"
    origin, _, model = backbone.partition(":")
    if origin != HUB or not model:
        raise BadInput(
            f"questions have no backbone {backbone!r}",
            hint=f"use one of: {MINILM_TRAINED}, {HUB}:MODEL",
        )
    folder = origins.find_model(model)
    return folder, origins.read_licence(folder, model)


def _load(folder: Path) -> Any:
    """Load the model, limited to TOKENS in training and when served."""
    loaded = export.load_model(folder)
    loaded.max_seq_length = min(export.max_tokens(loaded), TOKENS)
    return loaded
