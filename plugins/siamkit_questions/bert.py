"""The shipped all-MiniLM-L6-v2 as an ONNX graph, written from its weights without torch.

It is a BERT (J. Devlin et al., NAACL 2019) of 6 layers, distilled (W. Wang et al., "MiniLM",
NeurIPS 2020); a text's vector is the mean over its tokens, scaled to norm 1. Operators are those
that ONNX Runtime would fuse them into.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from siamkit.sdk.graph_writer import RUNTIME, TYPES, GraphWriter, Port
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.tensors import read_tensors
from siamkit_questions.sentences import IDS, MASK, TENSORS, TOKENIZER, Recipe, sha256
from siamkit_questions.text import NORMALISATION

FOLDER = Path(__file__).with_name("minilm")  # sentence-transformers opens it too
WEIGHTS = "model.safetensors"
# Levels of a quantised weight, each way: 7 bits, since with 8 processors without VNNI overflow, and
# so give other vectors than processors with it. The last bit is worth a cosine of 0.001.
LEVELS = 64
Weights: TypeAlias = dict[str, NDArray[np.float32]]


def build(folder: Path, card: Card, *, int8: bool = False) -> None:
    """Write the encoder folder, and fill in the card's dim, preprocessing and source.

    int8: quantise weights, one scale a column, and word vectors, one scale each; what weights are
    multiplied with is quantised as it is computed. Of 200 texts in five languages, the cosine to
    the vectors of 32 bits is at least 0.969, mean 0.990. Raises MissingWeights.
    """
    weights, metadata = read_tensors(FOLDER / WEIGHTS)
    original = metadata["original"]
    shutil.copyfile(FOLDER / TOKENIZER, folder / TOKENIZER)
    with (folder / TENSORS).open("wb") as file:
        graph, dim = _Bert(weights, _config("config"), GraphWriter(file, TENSORS), int8).write()
    recipe = Recipe(
        tokenizer=sha256(folder / TOKENIZER),
        tensors=sha256(folder / TENSORS),
        weights=original,
        normalisation=NORMALISATION,
        max_tokens=_config("sentence_bert_config")["max_seq_length"],
        pooling="mean",
        pad_id=_config("config")["pad_token_id"],
        texts_a_run=1 if int8 else 0,
    )
    source = f"{card.source}, SHA-256 {original}"
    write_folder(folder, graph, replace(card, dim=dim, preprocessing=asdict(recipe), source=source))


def _config(name: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return config


class _Bert:
    """Appends a BERT's layers to a graph; a tensor is (texts, tokens, dim) float32."""

    def __init__(
        self, weights: Weights, config: dict[str, Any], graph: GraphWriter, int8: bool
    ) -> None:
        self._weights, self._config, self._graph, self._int8 = weights, config, graph, int8

    def write(self) -> tuple[bytes, int]:
        mask = self._graph.node("Cast", MASK, to=TYPES["int32"])
        states = self._embed()
        for layer in range(self._config["num_hidden_layers"]):
            states = self._layer(states, mask, f"encoder.layer.{layer}.")
        # The sum over all tokens that count: its length does not matter.
        row = self._graph.node("Unsqueeze", MASK, np.array([1]))
        row = self._graph.node("Cast", row, to=TYPES["float32"])
        total = self._graph.node("MatMul", row, states)
        total = self._graph.node("Squeeze", total, np.array([1]))
        self._graph.node("LpNormalization", total, output="vectors", axis=-1, p=2)
        dim = int(self._config["hidden_size"])
        inputs = [Port(name, "int64", ("texts", "tokens")) for name in (IDS, MASK)]
        vectors = Port("vectors", "float32", ("texts", dim))
        return self._graph.model("minilm", inputs, [vectors]), dim

    def _embed(self) -> str:
        node, words = self._graph.node, self._weights["embeddings.word_embeddings.weight"]
        if self._int8:
            scale, levels = _quantise(words, axis=1)
            rows = node("Cast", node("Gather", levels, IDS), to=TYPES["float32"])
            rows = node("Mul", rows, node("Gather", scale, IDS))
        else:
            rows = node("Gather", words, IDS)
        places = self._weights["embeddings.position_embeddings.weight"]
        places = places + self._weights["embeddings.token_type_embeddings.weight"][0]
        length = node("Shape", IDS, start=1, end=2)
        places_here = node("Slice", places, np.array([0]), length, np.array([0]))
        summed, pair = node("Add", rows, places_here), self._pair("embeddings.LayerNorm")
        return node("LayerNormalization", summed, *pair, epsilon=self._epsilon)

    def _layer(self, states: str, mask: str, name: str) -> str:
        node, parts = self._graph.node, ("query", "key", "value")
        projected = [self._product(states, f"{name}attention.self.{part}") for part in parts]
        bias = np.concatenate([self._weights[f"{name}attention.self.{p}.bias"] for p in parts])
        heads = int(self._config["num_attention_heads"])
        attended = node(
            "MultiHeadAttention", *projected, bias, mask, domain=RUNTIME, num_heads=heads
        )
        states = self._add(
            self._product(attended, f"{name}attention.output.dense"),
            states,
            f"{name}attention.output.",
        )
        wide = self._product(states, f"{name}intermediate.dense")
        wide = node(
            "BiasGelu", wide, self._weights[f"{name}intermediate.dense.bias"], domain=RUNTIME
        )
        return self._add(self._product(wide, f"{name}output.dense"), states, f"{name}output.")

    def _product(self, states: str, name: str) -> str:
        """Append the product with a layer's weights, without its bias."""
        weights = self._weights[f"{name}.weight"].T  # (inputs, outputs)
        if not self._int8:
            return self._graph.node("MatMul", states, weights)
        scale, levels = _quantise(weights, axis=0)
        return self._graph.node(
            "DynamicQuantizeMatMul", states, levels, scale.reshape(-1), domain=RUNTIME
        )

    def _add(self, states: str, before: str, name: str) -> str:
        """Append a layer's bias, the sum with the states before it, and their normalisation."""
        pair, bias = self._pair(f"{name}LayerNorm"), self._weights[f"{name}dense.bias"]
        inputs, epsilon = (states, before, *pair, bias), self._epsilon
        return self._graph.node("SkipLayerNormalization", *inputs, domain=RUNTIME, epsilon=epsilon)

    @property
    def _epsilon(self) -> float:
        return float(self._config["layer_norm_eps"])

    def _pair(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]


def _quantise(
    values: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Return the scales, of as many axes as `values`, and whole numbers in -LEVELS .. LEVELS."""
    scale = np.abs(values).max(axis=axis, keepdims=True) / LEVELS
    scale[scale == 0] = 1.0
    return scale, np.rint(values / scale).astype(np.int8)
