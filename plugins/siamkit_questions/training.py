"""Sentence-transformers models, all of whose weights are trained. Needs torch."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import normalize

from siamkit.errors import BadInput
from siamkit.sdk.hub import offline
from siamkit.sdk.quiet import quiet
from siamkit_questions import export, origins
from siamkit_questions.modality import HUB, MINILM_TRAINED, Questions
from siamkit_questions.text import NORMALISATION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.sdk.model_folder import Card

TOKENS = 128  # of a text at most, in training and served alike: memory goes with them
PAD = -1  # in arrays: no token has this id, but some models pad with one that texts hold too


class WholeModel(Questions):
    """See siamkit.protocols.OwnNetwork: texts as token ids, by a model's own tokenizer."""

    def __init__(self, backbone: str) -> None:
        """Raises BadInput for what cannot be trained, MissingWeights for what is not here."""
        from tokenizers import Tokenizer

        self.backbone = backbone
        self._folder, self._licence = _found(backbone)
        with quiet(), offline():
            loaded = _load(self._folder)
            self._tokens = export.max_tokens(loaded)
            self._prompt = export.default_prompt(loaded, self._folder)
            split = export.tokenizer_json(loaded, self._folder)
        self._sha256 = hashlib.sha256(split.encode()).hexdigest()
        self._pad_left = loaded.tokenizer.padding_side == "left"
        self._tokenizer = Tokenizer.from_str(split)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._tokens)
        with torch.inference_mode():
            probe = torch.from_numpy(self.array("x"))[None]
            self.dim = int(SentenceNetwork(loaded).eval()(probe).shape[1])

    def array(self, medium: str) -> NDArray[np.int64]:
        """(TOKENS,) ids, or fewer where the model reads fewer; PAD where the text has ended."""
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
        """See OwnNetwork. The folder is one like that of any other model."""
        origin = export.Origin(
            modality=card.modality,
            name=card.name,
            licence=card.licence,
            source=f"{card.source}; begun with {self.backbone} ({self._licence})",
            threshold=card.threshold,
            training=card.training,
        )
        with tempfile.TemporaryDirectory() as made:
            with quiet(), offline():
                network.model.save(made, create_model_card=False)
            export.export(Path(made), folder, origin)
        arrays = np.stack([self.array(text) for text in export.probes()])
        with torch.inference_mode():
            wanted = normalize(network.eval()(torch.from_numpy(arrays)), dim=1).numpy()
        export.require_same(folder, wanted, export.SAME)


class SentenceNetwork(torch.nn.Module):
    """(n, tokens) int64 ids, PAD where there are none, to (n, dim) float32."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.pad_id = int(model.tokenizer.pad_token_id or 0)

    def forward(self, arrays: torch.Tensor) -> torch.Tensor:
        there = arrays != PAD
        held = there.any(dim=0)  # most texts are short: columns of padding alone cost time
        there = there[:, held]
        ids = arrays[:, held].where(there, self.pad_id)
        return export.pooled(self.model, ids, there.long())


def _found(backbone: str) -> tuple[Path, str]:
    """The folder of a model, and its licence."""
    if backbone == MINILM_TRAINED:
        return origins.packaged(), "Apache-2.0"
    origin, _, model = backbone.partition(":")
    if origin != HUB or not model:
        raise BadInput(
            f"questions know no backbone {backbone!r}", hint=f"{MINILM_TRAINED}, or {HUB}:MODEL"
        )
    folder = origins.find(model)
    return folder, origins.licence(folder, model)


def _load(folder: Path) -> Any:
    """The model, with the limit that it is trained and served with."""
    loaded = export.load_model(folder)
    loaded.max_seq_length = min(export.max_tokens(loaded), TOKENS)
    return loaded
