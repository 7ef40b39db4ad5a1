"""Tables of a data set with mined negatives: pairs, or triplets.

pairs      a, b, label, cosine: all that the data set says is the same (1) or different (0), and
           each mined negative once (0)
triplets   anchor, positive, negative, cosine (of anchor and negative): a row for each positive with
           each negative of an anchor, mined or stated; without a negative if it has none
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from siamkit.errors import BadInput
from siamkit.io import table_write
from siamkit.io.places import real
from siamkit.io.sources import absolute, to_text
from siamkit.train.examples import Example
from siamkit.train.mine_samples import Samples
from siamkit.train.pairs import Rows

Row: TypeAlias = tuple[int, int, int | str | None, float | None]  # two samples, and the rest
Format: TypeAlias = Literal["pairs", "triplets"]
TABLE = "negatives"  # of a database
SCHEMAS: dict[Format, dict[str, type]] = {
    "pairs": {"a": str, "b": str, "label": int, "cosine": float},
    "triplets": {"anchor": str, "positive": str, "negative": str, "cosine": float},
}


def require_output(output: Path, origin: str) -> None:
    """Raise BadInput if no table can be written there, or if it would replace the data."""
    table_write.check(output, SCHEMAS["pairs"], table=TABLE)
    if real(Path(origin)) == real(output):
        raise BadInput(f"{to_text(output)} would be overwritten", hint="give another `--output`")


def mined_pairs(negatives: Rows) -> Rows:
    """Return the (m, 2) pairs of (n, k) negatives, each once, in the order of the anchors."""
    anchor, rank = np.nonzero(negatives >= 0)
    pairs = np.stack([anchor, negatives[anchor, rank]], 1)
    return pairs[_first_of_each(pairs)]


def write(output: Path, format: Format, samples: Samples, negatives: Rows) -> int:
    """Write a table, complete or not at all; return the number of its rows.

    negatives: (n, k) rows, -1 where there is none. Texts are written as they are, files with
    absolute paths. A split that the data state is written, too.
    """
    names = [_name(example) for example in samples.examples]
    sides = [example.split for example in samples.examples]
    make = _pairs if format == "pairs" else _triplets
    rows = [(a, (names[a], names[b], *cells)) for a, b, *cells in make(samples, negatives, names)]
    schema = dict(SCHEMAS[format])
    if any(sides):
        schema["split"] = str
        rows = [(a, (*row, sides[a])) for a, row in rows]
    table_write.write(output, schema, (row for _, row in rows), table=TABLE)
    return len(rows)


def _pairs(samples: Samples, negatives: Rows, names: Sequence[str]) -> Iterator[Row]:
    mined = mined_pairs(negatives)
    rows = np.concatenate([samples.same, samples.different, mined])
    labels = np.repeat((1, 0, 0), (len(samples.same), len(samples.different), len(mined)))
    for pair in _first_of_each(rows).tolist():
        a, b = rows[pair].tolist()
        yield a, b, int(labels[pair]), _cosine(samples, a, b)


def _triplets(samples: Samples, negatives: Rows, names: Sequence[str]) -> Iterator[Row]:
    same = samples.same[_first_of_each(samples.same, ordered=True)]
    reverse = same[~np.isin(same[:, 1], same[:, 0]), ::-1]  # so that each anchor comes first
    stated: dict[int, list[int]] = {}
    for a, b in samples.different.tolist():
        stated.setdefault(a, []).append(b)
        stated.setdefault(b, []).append(a)
    for anchor, positive in np.concatenate([same, reverse]).tolist():
        mined = [row for row in negatives[anchor].tolist() if row >= 0]
        different = dict.fromkeys([*stated.get(anchor, []), *mined])
        for negative in different:
            yield anchor, positive, names[negative], _cosine(samples, anchor, negative)
        if not different:
            yield anchor, positive, None, None


def _name(example: Example) -> str:
    """Return what a table names a sample by: the text itself, or an absolute path."""
    if isinstance(example.source, str):
        return example.source
    return to_text(absolute(example.source))


def _cosine(samples: Samples, a: int, b: int) -> float:
    return round(float(samples.vectors[a] @ samples.vectors[b]), 4)


def _first_of_each(pairs: Rows, *, ordered: bool = False) -> Rows:
    """Return where each pair comes first, in order; (a, b) is (b, a) unless `ordered`."""
    keys = pairs if ordered else np.sort(pairs, axis=1)
    return np.sort(np.unique(keys, axis=0, return_index=True)[1])
