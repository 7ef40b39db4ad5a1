"""Serve the encoder folders of sentence models: tokenizer, batches, ONNX Runtime.

Beside encoder.json and encoder.onnx, a folder holds tensors.bin (the weights, which ONNX Runtime
maps instead of reading) and tokenizer.json. Their SHA-256 are among the constants on the card, so
the fingerprint covers them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.files import open_file, read_bytes
from siamkit.sdk.model_folder import CardedEncoder, read_folder
from siamkit.sdk.onnx import encoder_session, run_encoder
from siamkit.sdk.threads import workers
from siamkit_questions.languages import Languages
from siamkit_questions.visible import Reader, Visible

if TYPE_CHECKING:
    from siamkit.types import Vectors

TENSORS, TOKENIZER = "tensors.bin", "tokenizer.json"
MAX_TENSORS = 4 << 30  # bytes, twice what can be exported
MAX_TOKENIZER = 128 << 20  # bytes; of 250,000 pieces it has 17 million
# Texts per run: of 8, 16, 24 and 32, 16 measured fastest on short questions, by a few per cent.
RUN = 16
SPREAD = 4  # tokens by which a run's texts may differ: padding adds 3 % for 512 questions
TOKENS = 4096  # per run, with padding: attention needs memory by the square of a text's length
IDS, MASK = "input_ids", "attention_mask"  # the graph's inputs, (texts, tokens) int64


@dataclass(frozen=True, slots=True)
class Recipe:
    """Constants on the card: how texts become the graph's input."""

    tokenizer: str  # SHA-256 of tokenizer.json
    tensors: str  # SHA-256 of tensors.bin
    weights: str  # SHA-256 of the weights file that the tensors were made from
    normalisation: int  # see siamkit_questions.text
    max_tokens: int  # longer texts are cut
    pooling: str
    pad_id: int
    pad_left: bool = False
    prompt: str = ""  # put before every text
    # Texts per run; 0: any number. int8 needs 1: it scales activations over all texts of a run.
    texts_a_run: int = 0

    @classmethod
    def of(cls, constants: Mapping[str, Any]) -> Recipe:
        """Read a card's preprocessing. Raises MissingWeights."""
        try:
            recipe = cls(**constants)
            if any(type(getattr(recipe, f.name)).__name__ != f.type for f in fields(recipe)):
                raise TypeError("its constants are of other types")
            if recipe.max_tokens < 1 or recipe.texts_a_run < 0:
                raise TypeError("max_tokens or texts_a_run is too small")
        except TypeError as error:
            raise MissingWeights(f"not an encoder folder of a sentence model: {error}") from error
        return recipe


def sha256(path: Path) -> str:
    """Return the hex digest of a file. Raises BadInput if it cannot be read."""
    with open_file(path) as (file, size):
        if size > MAX_TENSORS:
            raise BadInput(f"{path} has {size:,} bytes, more than the limit of {MAX_TENSORS:,}")
        return hashlib.file_digest(file, "sha256").hexdigest()


class Sentences(CardedEncoder):
    """An open encoder folder; safe to use from several threads at once."""

    batch = 512  # texts to pass at once: embed() sorts them by length

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self.folder, self.tensors = folder, folder / TENSORS
        self.card, graph = read_folder(folder)
        self.recipe = Recipe.of(self.card.preprocessing)
        with ThreadPoolExecutor(1) as pool:  # hashing releases the GIL: files are opened meanwhile
            check = pool.submit(_require_intact, folder, TENSORS, self.recipe.tensors)
            try:
                self._tokenizer = Tokenizer.from_buffer(_read_tokenizer(folder, self.recipe))
                self._tokenizer.no_padding()
                self._tokenizer.enable_truncation(self.recipe.max_tokens)
                # One thread per run, several runs at once: short texts keep no second thread busy.
                self._session = encoder_session(graph, intra=1, tensors=folder / TENSORS)
            except Exception as error:  # tokenizers raises bare Exception
                check.result()  # a damaged file is the likelier, and the clearer, reason
                if isinstance(error, MissingWeights):
                    raise
                raise MissingWeights(f"encoder folder {folder}: {TOKENIZER}: {error}") from error
            check.result()
        self._reader = Reader(self._tokenizer)
        self._languages = Languages(self.card.name, self.card.languages, self._tokenizer)
        self._lock = Lock()
        self._embedded = self._truncated = 0  # texts since the last notes()

    def embed(self, batch: Sequence[str]) -> Vectors:
        """Return (len(batch), dim) float32, rows of norm 1, in the order of the texts.

        Raises PluginError if the graph's output does not have the shape that the card states.
        """
        tokens = self._tokenise(batch)
        rows = np.empty((len(tokens), self.dim), dtype=np.float32)
        parts = _plan_runs([len(ids) for ids in tokens], self.recipe.texts_a_run or RUN)

        def run(part: list[int]) -> None:
            rows[part] = self._run([tokens[at] for at in part])

        count = min(workers(), len(parts))
        if count > 1:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(run, parts))
        else:
            for part in parts:
                run(part)
        return rows

    def notes(self) -> list[str]:
        """Return what to know of the texts since the last call: whether any were cut, or foreign.

        Cut are those longer than the model reads, foreign those in another language than it knows.
        """
        with self._lock:
            embedded, truncated = self._embedded, self._truncated
            self._embedded = self._truncated = 0
        lines = self._languages.notes()
        if truncated:
            is_single = embedded == 1
            texts = "the text was" if is_single else f"{truncated} of {embedded} texts were"
            beginning = "its beginning" if is_single else "their beginning"
            limit = self.recipe.max_tokens
            lines.insert(0, f"{texts} longer than {limit} tokens: only {beginning} counts")
        return lines

    def read(self, text: str) -> Visible:
        """Tell what the vector of a text depends on."""
        prompt = self.recipe.prompt
        return self._reader.read(text, self._tokenizer.encode(prompt + text), len(prompt))

    def blind_to(self, text: str) -> str:
        """Return why the vector of a text tells nothing of it; empty if it does.

        Its language is noted, for `notes`.
        """
        self._languages.count(text)
        return self.read(text).problem

    def _tokenise(self, batch: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, at most max_tokens of them."""
        # One call per text: encode_batch starts threads, which do not survive a fork.
        prompt = self.recipe.prompt
        encodings = [self._tokenizer.encode(prompt + text) for text in batch]
        with self._lock:
            self._embedded += len(encodings)
            self._truncated += sum(bool(encoding.overflowing) for encoding in encodings)
        return [encoding.ids for encoding in encodings]

    def inputs(self, batch: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Return the graph's inputs for texts: their tokens, padded to the longest, and a mask."""
        return self._pad([self._tokenizer.encode(self.recipe.prompt + text).ids for text in batch])

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of a text, as the tokenizer spells them, with those that it adds."""
        tokens: list[str] = self._tokenizer.encode(self.recipe.prompt + text).tokens
        return tokens

    def _run(self, tokens: list[list[int]]) -> NDArray[np.float32]:
        """Embed n token lists: (n, dim)."""
        vectors = run_encoder(self._session, self._pad(tokens))
        self.require_shape(vectors, len(tokens))
        return vectors

    def _pad(self, tokens: list[list[int]]) -> dict[str, NDArray[np.int64]]:
        shape = (len(tokens), max([1, *map(len, tokens)]))
        ids = np.full(shape, self.recipe.pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, text_ids in enumerate(tokens):
            length = len(text_ids)
            place = slice(shape[1] - length, None) if self.recipe.pad_left else slice(length)
            ids[row, place] = text_ids
            mask[row, place] = 1
        return {IDS: ids, MASK: mask}


def _plan_runs(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Group texts, by number, into runs of at most `most` of about equal length, longest first.

    The last run, for which all threads but one may wait, is then a short one.
    """
    runs: list[list[int]] = []
    longest = room = 0
    for at in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if not room or longest - lengths[at] > SPREAD:
            longest = max(lengths[at], 1)
            room = max(1, min(most, TOKENS // longest))
            runs.append([])
        runs[-1].append(at)
        room -= 1
    return runs


def _read_tokenizer(folder: Path, recipe: Recipe) -> bytes:
    try:
        content = read_bytes(folder / TOKENIZER, MAX_TOKENIZER)
    except BadInput as error:
        raise _damaged(folder, str(error)) from error
    if hashlib.sha256(content).hexdigest() != recipe.tokenizer:
        raise _damaged(folder, f"{TOKENIZER} does not match the card")
    return content


def _require_intact(folder: Path, name: str, digest: str) -> None:
    """Raise MissingWeights if a file outside the graph is absent or not the card's."""
    try:
        if sha256(folder / name) != digest:
            raise _damaged(folder, f"{name} does not match the card")
    except BadInput as error:
        raise _damaged(folder, str(error)) from error


def _damaged(folder: Path, fault: str) -> MissingWeights:
    return MissingWeights(
        f"encoder folder {folder} is damaged: {fault}",
        hint="delete the folder and build or copy it again",
    )
