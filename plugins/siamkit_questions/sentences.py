"""Encoder folders of sentence models, served: tokenizer, batches, ONNX Runtime.

A folder holds, beside encoder.json and encoder.onnx, tensors.bin (the weights, which ONNX Runtime
maps instead of reading) and tokenizer.json. Their SHA-256 are among the constants on the card, so
the fingerprint covers them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from siamkit.errors import MissingWeights, PluginError
from siamkit.sdk.model_folder import GRAPH, CardedEncoder, read_folder
from siamkit.sdk.onnx import session, threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.types import Vectors

TENSORS, TOKENIZER = "tensors.bin", "tokenizer.json"
# Texts a run: of 8, 16, 24 and 32, 16 measured fastest on short questions, by a few per cent.
RUN = 16
SPREAD = 4  # tokens by which a run's texts may differ: 512 questions are then padded by 3 % in all
TOKENS = 4096  # a run, padding and all: attention takes memory by the square of a text's length
IDS, MASK = "input_ids", "attention_mask"  # the graph's inputs, (texts, tokens) int64


@dataclass(frozen=True, slots=True)
class Recipe:
    """How texts become the graph's input. These are the constants on the card."""

    tokenizer: str  # SHA-256 of tokenizer.json
    tensors: str  # SHA-256 of tensors.bin
    weights: str  # SHA-256 of the weights file that the tensors were made from
    normalisation: int  # of siamkit_questions.text
    max_tokens: int  # what is longer is cut there
    pooling: str
    pad_id: int
    pad_left: bool = False
    prompt: str = ""  # goes before every text
    # int8 only: the range of the numbers is taken from all texts of a run, so it must be one
    texts_a_run: int = 0  # 0: any number

    @classmethod
    def of(cls, constants: Mapping[str, Any]) -> Recipe:
        """From a card's preprocessing. Raises MissingWeights."""
        try:
            return cls(**constants)
        except TypeError as error:
            raise MissingWeights(f"not an encoder folder of a sentence model: {error}") from error


def sha256(path: Path) -> str:
    """Hex digest of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Sentences(CardedEncoder):
    """An open encoder folder; may be used from several threads at once."""

    batch = 512  # texts that are worth handing over at once: they are sorted by length in there

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self.card = read_folder(folder)[0]
        self.recipe = Recipe.of(self.card.preprocessing)
        checked = _Check(folder, self.recipe)  # hashes while the rest is opened
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(self.recipe.max_tokens)
            # One thread a run, and several runs at once: texts this short keep no second one busy.
            self._session = session(folder / GRAPH, intra=1)
        except Exception as error:  # tokenizers raises bare Exception
            checked.done()  # a damaged file is the likelier, and the clearer, reason
            if isinstance(error, MissingWeights):
                raise
            raise MissingWeights(f"encoder folder {folder}: {TOKENIZER}: {error}") from error
        checked.done()
        self._lock = Lock()
        self._seen = self._cut = 0

    def embed(self, batch: Sequence[str]) -> Vectors:
        """(len(batch), dim) float32, rows of norm 1, in the order of the texts.

        Raises PluginError where the graph gives another shape than its card says.
        """
        import numpy as np

        tokens = self._tokens(batch)
        rows = np.empty((len(tokens), self.dim), dtype=np.float32)
        parts = _runs([len(each) for each in tokens], self.recipe.texts_a_run or RUN)

        def run(part: list[int]) -> None:
            rows[part] = self._run([tokens[at] for at in part])

        workers = min(threads() or os.cpu_count() or 1, len(parts))
        if workers > 1:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(run, parts))
        else:
            for part in parts:
                run(part)
        return rows

    def notes(self) -> list[str]:
        """How many texts were cut at the model's longest input since the last call, if any."""
        with self._lock:
            seen, cut = self._seen, self._cut
            self._seen = self._cut = 0
        if not cut:
            return []
        texts = f"{cut} of {seen} texts were" if seen > 1 else "the text was"
        whose = "its" if seen == 1 else "their"
        return [
            f"{texts} longer than {self.recipe.max_tokens} tokens: only {whose} beginning counts"
        ]

    def _tokens(self, batch: Sequence[str]) -> list[list[int]]:
        """Each text's token ids, at most max_tokens of them."""
        # One call a text: encode_batch starts threads of its own, which a fork would not survive.
        prompt = self.recipe.prompt
        found = [self._tokenizer.encode(prompt + text) for text in batch]
        cut = sum(1 for each in found if each.overflowing)
        with self._lock:
            self._seen += len(found)
            self._cut += cut
        return [each.ids for each in found]

    def _run(self, tokens: list[list[int]]) -> NDArray[np.float32]:
        """(n, dim) for n token lists, longest first."""
        import numpy as np

        shape = (len(tokens), max(len(tokens[0]), 1))
        ids = np.full(shape, self.recipe.pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, each in enumerate(tokens):
            place = slice(shape[1] - len(each), None) if self.recipe.pad_left else slice(len(each))
            ids[row, place] = each
            mask[row, place] = 1
        out: NDArray[np.float32] = self._session.run(None, {IDS: ids, MASK: mask})[0]
        if out.shape != (len(tokens), self.dim):
            raise PluginError(
                f"encoder {self.fingerprint} gave {out.shape}, not {(len(tokens), self.dim)}"
            )
        return out


def _runs(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Which texts go together: at most `most` of about one length, longest first.

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


class _Check:
    """Hashes the files that the graph does not hold, in a thread: hashlib releases the GIL."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self._folder = folder
        self._wanted = {TOKENIZER: recipe.tokenizer, TENSORS: recipe.tensors}
        self._wrong: list[str] = []
        self._thread = Thread(target=self._compare)
        self._thread.start()

    def _compare(self) -> None:
        for name, wanted in self._wanted.items():
            try:
                if sha256(self._folder / name) != wanted:
                    self._wrong.append(f"{name} does not match the card")
            except OSError as error:
                self._wrong.append(f"{name}: {error.strerror}")

    def done(self) -> None:
        """Wait. Raises MissingWeights if a file is absent or not the one on the card."""
        self._thread.join()
        if self._wrong:
            raise MissingWeights(
                f"encoder folder {self._folder} is damaged: {'; '.join(self._wrong)}",
                hint="delete the folder and build or copy it again",
            )
