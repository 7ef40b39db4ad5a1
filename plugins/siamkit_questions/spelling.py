"""Compare the spelling of texts by hashed groups of letters: any script, no dictionary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def letter_groups(texts: Sequence[str], length: int, size: int) -> NDArray[np.float32]:
    """Hash each text's groups of `length` letters into `size` slots: (n, size) unit rows."""
    rows = np.zeros((len(texts), size), dtype=np.float32)
    for start in range(0, len(texts), 512):  # few enough that the counts stay in the CPU's cache
        part = texts[start : start + 512]
        rows[start : start + 512] = _letter_groups(part, length, size)
    return rows


def _letter_groups(texts: Sequence[str], length: int, size: int) -> NDArray[np.float32]:
    padded = [f" {text} " for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32)
    owner = np.repeat(np.arange(len(texts)), np.fromiter(map(len, padded), np.int64, len(texts)))
    total = max(len(letters) - length + 1, 0)
    code = np.zeros(total, dtype=np.uint32)
    for k in range(length):
        code = (code * np.uint32(0x01000193)) ^ letters[k : k + total]
    code ^= code >> np.uint32(15)
    code *= np.uint32(0x2C1B3C6D)
    code ^= code >> np.uint32(13)
    inside = owner[:total] == owner[length - 1 :]
    slot = owner[:total][inside] * size + (code[inside] % np.uint32(size)).astype(np.int64)
    counts = np.bincount(slot, minlength=len(texts) * size).astype(np.float32)
    rows = np.sqrt(counts).reshape(len(texts), size)
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    unit: NDArray[np.float32] = (rows / np.maximum(norms, 1e-9)).astype(np.float32)
    return unit
