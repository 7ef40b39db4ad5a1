"""What two questions share and where they part, as numbers that a model can weigh.

Every feature is symmetric: it is of the pair as a set, or comes as smaller and larger of both
sides. Each row depends on its own pair alone. `features` gives their names too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siamkit_questions import lexicon
from siamkit_questions.lexical import DIRECTION_LIST, NAME, NUMBER, UNIT, WORD, Analysis
from siamkit_questions.words import AGAINST, KIN, SAME, SIBLING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit_questions.words import WordTable

BATCH = 1024  # pairs whose features are computed at once: their tables stay in the cache
UNMATCHED = 6  # words of each side without an equal that are compared one by one
FRAME_COUNT = max(lexicon.FRAMES.values()) + 1
OPPOSED = (
    ("to", "from"), ("before", "after"), ("on", "off"), ("in", "out"), ("up", "down"),
    ("over", "under"), ("above", "below"), ("inside", "outside"), ("into", "from"),
    ("since", "until"), ("with", "against"), ("onto", "from"), ("over", "below"),
    ("above", "under"), ("into", "out"), ("since", "before"), ("till", "after"),
)  # fmt: skip


class Side:
    """One text of each pair: its content words, and which of them the other side has not."""

    def __init__(self, analysis: Analysis, rows: NDArray[np.int64]) -> None:
        self.token = analysis.content[rows]
        self.lemma = analysis.lemma[self.token]
        self.kind = analysis.kind[self.token]
        self.weight = analysis.weight[self.token]
        self.governor = analysis.governor[rows]
        self.present = self.token > 0
        self.matched = np.zeros_like(self.present)

    def find_unmatched(self) -> None:
        """Gather the first UNMATCHED words without an equal: token, weight, neighbours."""
        alone = self.present & ~self.matched
        width = min(UNMATCHED, alone.shape[1])
        at = np.argsort(~alone, axis=1, kind="stable")[:, :width]
        there = np.take_along_axis(alone, at, 1)
        self.alone = there
        self.alone_token = np.where(there, np.take_along_axis(self.token, at, 1), 0)
        self.alone_weight = np.where(there, np.take_along_axis(self.weight, at, 1), 0)
        self.alone_kind = np.where(there, np.take_along_axis(self.kind, at, 1), 0)
        edge = np.full((len(at), 1), -1, dtype=self.lemma.dtype)
        framed = np.concatenate([edge, self.lemma, edge], axis=1)
        self.before = np.take_along_axis(framed, at, 1)
        self.after = np.take_along_axis(framed, at + 2, 1)


def _both(left: NDArray[np.generic], right: NDArray[np.generic]) -> list[NDArray[np.float32]]:
    """Smaller and larger of the two sides."""
    return [
        np.minimum(left, right).astype(np.float32),
        np.maximum(left, right).astype(np.float32),
    ]


def _ratio(part: NDArray[np.float32], whole: NDArray[np.float32]) -> NDArray[np.float32]:
    """part / whole, 1 where there is nothing."""
    return np.where(whole > 0, part / np.maximum(whole, np.float32(1e-6)), 1).astype(np.float32)


def features(
    analysis: Analysis,
    table: WordTable,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    cosine: NDArray[np.float32],
    letters: NDArray[np.float32],
) -> tuple[list[str], NDArray[np.float32]]:
    """Names and (n, k) float32. left, right: (n,) rows of the analysis.

    letters: (n, j) similarities of spelling of the whole texts.
    """
    a, b = Side(analysis, left), Side(analysis, right)
    equal = (a.lemma[:, :, None] == b.lemma[:, None, :]) & a.present[:, :, None]
    equal &= b.present[:, None, :]
    a.matched, b.matched = equal.any(axis=2), equal.any(axis=1)
    a.find_unmatched()
    b.find_unmatched()
    found: dict[str, NDArray[np.float32]] = {"cosine": cosine}
    for k in range(letters.shape[1]):
        found[f"letters {k}"] = letters[:, k]
    _texts(found, analysis, left, right)
    _overlap(found, a, b)
    _order(found, equal, a, b)
    _start(found, analysis, table, a, b)
    _words(found, analysis, table, a, b)
    _traps(found)
    names = list(found)
    return names, np.stack([found[name].astype(np.float32) for name in names], axis=1)


def _pair(
    found: dict[str, NDArray[np.float32]],
    name: str,
    left: NDArray[np.generic],
    right: NDArray[np.generic],
) -> None:
    found[f"{name} min"], found[f"{name} max"] = _both(left, right)


def _texts(
    found: dict[str, NDArray[np.float32]],
    analysis: Analysis,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> None:
    """Frames, negations, directions and lengths of the whole texts."""
    _pair(found, "length", analysis.words[left], analysis.words[right])
    _pair(found, "unknown", analysis.unknown[left], analysis.unknown[right])
    one, other = analysis.frames[left], analysis.frames[right]
    for bit in range(FRAME_COUNT):
        mine, theirs = one >> bit & 1, other >> bit & 1
        found[f"frame {bit}"] = (mine + theirs).astype(np.float32)
    negations = analysis.negations[left], analysis.negations[right]
    _pair(found, "negations", *negations)
    found["negation differs"] = ((negations[0] + negations[1]) % 2).astype(np.float32)
    heads = analysis.directions[left], analysis.directions[right]
    only, never = heads[0] & ~heads[1], heads[1] & ~heads[0]
    clash = np.zeros(len(left), dtype=np.float32)
    for word, against in OPPOSED:
        x, y = DIRECTION_LIST.index(word), DIRECTION_LIST.index(against)
        clash += (only >> x & never >> y & 1) + (only >> y & never >> x & 1)
    found["directions opposed"] = clash
    _pair(found, "directions alone", np.bitwise_count(only), np.bitwise_count(never))


def _overlap(found: dict[str, NDArray[np.float32]], a: Side, b: Side) -> None:
    """Shares of words that both have, by weight and by kind."""
    whole = (a.weight * a.present).sum(axis=1), (b.weight * b.present).sum(axis=1)
    shared = (a.weight * a.matched).sum(axis=1), (b.weight * b.matched).sum(axis=1)
    _pair(found, "covered", _ratio(shared[0], whole[0]), _ratio(shared[1], whole[1]))
    found["jaccard"] = _ratio(shared[0] + shared[1], whole[0] + whole[1])
    _pair(found, "content", a.present.sum(axis=1), b.present.sum(axis=1))
    _pair(
        found, "alone", (a.present & ~a.matched).sum(axis=1), (b.present & ~b.matched).sum(axis=1)
    )
    _pair(found, "alone weight", whole[0] - shared[0], whole[1] - shared[1])
    _pair(found, "alone heaviest", a.alone_weight.max(axis=1), b.alone_weight.max(axis=1))
    for name, kind in (("names", NAME), ("numbers", NUMBER), ("units", UNIT)):
        mine, theirs = a.kind == kind, b.kind == kind
        _pair(
            found,
            f"{name} alone",
            (mine & ~a.matched).sum(axis=1),
            (theirs & ~b.matched).sum(axis=1),
        )
        found[f"{name} shared"] = (mine & a.matched).sum(axis=1).astype(np.float32)
    same_start = (a.lemma[:, 0] == b.lemma[:, 0]) & a.present[:, 0] & b.present[:, 0]
    found["same start"] = same_start.astype(np.float32)


def _order(
    found: dict[str, NDArray[np.float32]], equal: NDArray[np.bool_], a: Side, b: Side
) -> None:
    """Do the shared words come in the same order, after the same direction words?"""
    at = np.where(a.matched, equal.argmax(axis=2), -1)
    later = np.triu(np.ones((at.shape[1], at.shape[1]), dtype=bool), 1)
    both = a.matched[:, :, None] & a.matched[:, None, :] & later
    turned = both & (at[:, :, None] > at[:, None, :])
    found["turned round"] = turned.sum(axis=(1, 2)).astype(np.float32)
    found["turned share"] = (found["turned round"] / np.maximum(both.sum(axis=(1, 2)), 1)).astype(
        np.float32
    )
    theirs = np.take_along_axis(b.governor, np.maximum(at, 0), 1)
    apart = a.matched & (a.governor != theirs)
    found["governed apart"] = apart.sum(axis=1).astype(np.float32)
    found["governed otherwise"] = (
        (apart & (a.governor > 0) & (theirs > 0)).sum(axis=1).astype(np.float32)
    )


def _start(
    found: dict[str, NDArray[np.float32]],
    analysis: Analysis,
    table: WordTable,
    a: Side,
    b: Side,
) -> None:
    """The first content words, often what is to be done: 'How do I open', 'How do I close'."""
    tokens = a.token[:, 0], b.token[:, 0]
    words = analysis.word[tokens[0]], analysis.word[tokens[1]]
    equal = a.lemma[:, 0] == b.lemma[:, 0]
    near = np.einsum("nd,nd->n", table.vectors[words[0]], table.vectors[words[1]])
    code = table.relation(*words)
    found["start near"] = np.where(equal, 1, near).astype(np.float32)
    for name, which in (("same", SAME), ("against", AGAINST), ("sibling", SIBLING)):
        found[f"start {name}"] = (~equal & (code == which)).astype(np.float32)
    _pair(found, "start elsewhere", ~a.matched[:, 0], ~b.matched[:, 0])


def _traps(found: dict[str, NDArray[np.float32]]) -> None:
    """One contradiction among words that else agree is worth more than among many differences."""
    agreed = found["jaccard"] ** 2
    traps: dict[str, NDArray[np.float32]] = {
        "negation": found["negation differs"],
        "numbers": np.minimum(found["numbers alone min"], 1),
        "units": np.minimum(found["units alone min"], 1),
        "names": found["names clash"],
        "against": np.minimum(found["against"], 1),
        "sibling": np.minimum(found["sibling swapped"], 1),
        "directions": np.minimum(found["directions opposed"], 1),
        "unlike swap": _unlike(found["swap alike"]),
        "turned": np.minimum(found["turned round"], 1) * np.minimum(found["governed apart"], 1),
    }
    for name, trap in traps.items():
        found[f"trap {name}"] = (trap * agreed).astype(np.float32)
    found["traps"] = np.stack(list(traps.values())).sum(axis=0, dtype=np.float32)


def _unlike(alike: NDArray[np.float32]) -> NDArray[np.float32]:
    """How unlike the least alike words are that stand in one another's place; 0 from 0.7 on."""
    unlike: NDArray[np.float32] = np.where(alike < 0.7, 1 - np.clip(alike, 0, 1), 0)
    return unlike.astype(np.float32)


def _words(
    found: dict[str, NDArray[np.float32]],
    analysis: Analysis,
    table: WordTable,
    a: Side,
    b: Side,
) -> None:
    """The words of each side that the other has not, compared one by one."""
    valid = a.alone[:, :, None] & b.alone[:, None, :]
    row, i, j = np.nonzero(valid)
    shape = valid.shape
    tokens = a.alone_token[row, i], b.alone_token[row, j]
    words = analysis.word[tokens[0]], analysis.word[tokens[1]]
    near = np.einsum("nd,nd->n", table.vectors[words[0]], table.vectors[words[1]])
    spelt = np.einsum("nd,nd->n", analysis.spelling[tokens[0]], analysis.spelling[tokens[1]])
    code = table.relation(*words)
    slot = (a.before[row, i] == b.before[row, j]).astype(np.int8)
    slot += a.after[row, i] == b.after[row, j]
    kinds = a.alone_kind[row, i], b.alone_kind[row, j]
    alike = near.copy()
    alike[code == SAME] = np.maximum(alike[code == SAME], 0.9)
    alike[code == KIN] = np.maximum(alike[code == KIN], 0.85)
    alike[(spelt > 0.75)] = np.maximum(alike[spelt > 0.75], spelt[spelt > 0.75])
    alike[code == AGAINST] = -0.3
    alike[(kinds[0] == NUMBER) | (kinds[1] == NUMBER)] = 0
    both_units = (kinds[0] == UNIT) & (kinds[1] == UNIT)
    alike[both_units] = 0

    def grid(values: NDArray[np.generic], empty: float = 0.0) -> NDArray[np.float32]:
        full = np.full(shape, empty, dtype=np.float32)
        full[row, i, j] = values
        return full

    for name, values in (("near", near), ("alike", alike)):
        full = grid(values, -1.0)
        _soft(found, name, full, a, b)
    slots = grid(slot)
    meant = grid(alike, 1.0)
    swapped = slots == 2
    found["swaps"] = swapped.sum(axis=(1, 2)).astype(np.float32)
    found["swap alike"] = np.where(swapped, meant, 1).min(axis=(1, 2))
    half = slots >= 1
    found["half swaps"] = half.sum(axis=(1, 2)).astype(np.float32)
    found["half swap alike"] = np.where(half, meant, 1).min(axis=(1, 2))
    for name, which in (("same", SAME), ("kin", KIN), ("sibling", SIBLING), ("against", AGAINST)):
        there = grid(code == which) > 0
        found[name] = there.sum(axis=(1, 2)).astype(np.float32)
        found[f"{name} swapped"] = (there & half).sum(axis=(1, 2)).astype(np.float32)
    one_kind = kinds[0] == kinds[1]
    for name, kind in (("word", WORD), ("name", NAME), ("number", NUMBER), ("unit", UNIT)):
        there = grid(one_kind & (kinds[0] == kind) & (slot == 2)) > 0
        found[f"{name} for {name}"] = there.sum(axis=(1, 2)).astype(np.float32)
    clash: NDArray[np.bool_] = grid(one_kind & (kinds[0] == NAME) & (spelt < 0.6)) > 0
    found["names clash"] = clash.max(axis=(1, 2), initial=False).astype(np.float32)
    nearest = grid(spelt, 0.0)
    _pair(
        found,
        "misspelt",
        (nearest.max(axis=2) > 0.7).sum(axis=1),
        (nearest.max(axis=1) > 0.7).sum(axis=1),
    )


def _soft(
    found: dict[str, NDArray[np.float32]], name: str, full: NDArray[np.float32], a: Side, b: Side
) -> None:
    """How well each lonely word is met by some word of the other side."""
    best_a = np.where(a.alone, full.max(axis=2, initial=-1), 1)
    best_b = np.where(b.alone, full.max(axis=1, initial=-1), 1)
    best_a, best_b = np.maximum(best_a, -0.3), np.maximum(best_b, -0.3)
    unmet = ((1 - best_a) * a.alone_weight).sum(axis=1), ((1 - best_b) * b.alone_weight).sum(axis=1)
    _pair(found, f"{name} unmet", *unmet)
    whole = (a.weight * a.present).sum(axis=1), (b.weight * b.present).sum(axis=1)
    _pair(
        found,
        f"{name} covered",
        _ratio(whole[0] - unmet[0], whole[0]),
        _ratio(whole[1] - unmet[1], whole[1]),
    )
    _pair(found, f"{name} worst", best_a.min(axis=1), best_b.min(axis=1))
