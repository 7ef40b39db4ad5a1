"""Features of a pair of questions: what they share and where they differ.

Every feature is symmetric: it is of the pair as a set, or comes as the smaller and the larger value
of the two texts. Each row depends on its own pair alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siamkit_questions import lexicon
from siamkit_questions.lexical import DIRECTION_LIST, Analysis
from siamkit_questions.sides import Features, Side, match, ratio
from siamkit_questions.tokens import NAME, NUMBER, UNIT
from siamkit_questions.unmatched import add_unmatched
from siamkit_questions.words import AGAINST, SAME, SIBLING, WordTable

BATCH = 1024  # pairs whose features are computed at once: their tables stay in the CPU's cache
FRAME_COUNT = max(lexicon.FRAMES.values()) + 1
_OPPOSED = """to-from before-after on-off in-out up-down over-under above-below inside-outside
into-from since-until with-against onto-from over-below above-under into-out since-before
till-after"""
OPPOSED = [tuple(pair.split("-")) for pair in _OPPOSED.split()]  # directions that contradict


def compute_features(
    analysis: Analysis,
    table: WordTable,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    cosine: NDArray[np.float32],
    letters: NDArray[np.float32],
) -> tuple[list[str], NDArray[np.float32]]:
    """Return the k features' names, and (n, k) float32.

    left, right: (n,) rows of the analysis. letters: (n, j) similarities of the texts' spellings.
    """
    a, b = Side(analysis, left), Side(analysis, right)
    equal = match(a, b)
    features = Features()
    features["cosine"] = cosine
    for k in range(letters.shape[1]):
        features[f"letters {k}"] = letters[:, k]
    _add_texts(features, analysis, left, right)
    _add_overlap(features, a, b)
    _add_order(features, equal, a, b)
    _add_start(features, analysis, table, a, b)
    add_unmatched(features, analysis, table, a, b)
    _add_traps(features)
    return list(features), np.stack(list(features.values()), axis=1)


def _add_texts(
    features: Features, analysis: Analysis, left: NDArray[np.int64], right: NDArray[np.int64]
) -> None:
    """Add length, unknown words, frames, negations and directions of the whole texts."""
    features.set_both("length", analysis.words[left], analysis.words[right])
    features.set_both("unknown", analysis.unknown[left], analysis.unknown[right])
    frames = analysis.frames[left], analysis.frames[right]
    for bit in range(FRAME_COUNT):
        features[f"frame {bit}"] = (frames[0] >> bit & 1) + (frames[1] >> bit & 1)
    negations = analysis.negations[left], analysis.negations[right]
    features.set_both("negations", *negations)
    features["negation differs"] = (negations[0] + negations[1]) % 2
    directions = analysis.directions[left], analysis.directions[right]
    only_left, only_right = directions[0] & ~directions[1], directions[1] & ~directions[0]
    opposed = np.zeros(len(left), dtype=np.float32)
    for word, against in OPPOSED:
        x, y = DIRECTION_LIST.index(word), DIRECTION_LIST.index(against)
        opposed += (only_left >> x & only_right >> y & 1) + (only_left >> y & only_right >> x & 1)
    features["directions opposed"] = opposed
    features.set_both("directions alone", np.bitwise_count(only_left), np.bitwise_count(only_right))


def _add_overlap(features: Features, a: Side, b: Side) -> None:
    """Add the shares of words that both texts have, by weight and by kind."""
    shared = (a.weight * a.matched).sum(axis=1), (b.weight * b.matched).sum(axis=1)
    features.set_both("covered", ratio(shared[0], a.total_weight), ratio(shared[1], b.total_weight))
    features["jaccard"] = ratio(shared[0] + shared[1], a.total_weight + b.total_weight)
    features.set_both("content", a.present.sum(axis=1), b.present.sum(axis=1))
    alone = (a.present & ~a.matched).sum(axis=1), (b.present & ~b.matched).sum(axis=1)
    features.set_both("alone", *alone)
    features.set_both("alone weight", a.total_weight - shared[0], b.total_weight - shared[1])
    features.set_both(
        "alone heaviest", a.unmatched.weight.max(axis=1), b.unmatched.weight.max(axis=1)
    )
    for name, kind in (("names", NAME), ("numbers", NUMBER), ("units", UNIT)):
        of_kind = a.kind == kind, b.kind == kind
        alone = (of_kind[0] & ~a.matched).sum(axis=1), (of_kind[1] & ~b.matched).sum(axis=1)
        features.set_both(f"{name} alone", *alone)
        features[f"{name} shared"] = (of_kind[0] & a.matched).sum(axis=1)
    same_start = (a.lemma[:, 0] == b.lemma[:, 0]) & a.present[:, 0] & b.present[:, 0]
    features["same start"] = same_start


def _add_order(features: Features, equal: NDArray[np.bool_], a: Side, b: Side) -> None:
    """Add whether shared words come in the same order, after the same direction words."""
    at = np.where(a.matched, equal.argmax(axis=2), -1)
    later = np.triu(np.ones((at.shape[1], at.shape[1]), dtype=bool), 1)
    both = a.matched[:, :, None] & a.matched[:, None, :] & later
    turned = both & (at[:, :, None] > at[:, None, :])
    features["turned round"] = turned.sum(axis=(1, 2))
    features["turned share"] = features["turned round"] / np.maximum(both.sum(axis=(1, 2)), 1)
    governor = np.take_along_axis(b.governor, np.maximum(at, 0), 1)
    apart = a.matched & (a.governor != governor)
    features["governed apart"] = apart.sum(axis=1)
    features["governed otherwise"] = (apart & (a.governor > 0) & (governor > 0)).sum(axis=1)


def _add_start(features: Features, analysis: Analysis, table: WordTable, a: Side, b: Side) -> None:
    """Add how the first content words relate, often the action: 'How do I open', '... close'."""
    words = analysis.word[a.token[:, 0]], analysis.word[b.token[:, 0]]
    equal = a.lemma[:, 0] == b.lemma[:, 0]
    near = np.einsum("nd,nd->n", table.vectors[words[0]], table.vectors[words[1]])
    relations = table.relation(*words)
    features["start near"] = np.where(equal, 1, near)
    for name, relation in (("same", SAME), ("against", AGAINST), ("sibling", SIBLING)):
        features[f"start {name}"] = ~equal & (relations == relation)
    features.set_both("start elsewhere", ~a.matched[:, 0], ~b.matched[:, 0])


def _add_traps(features: Features) -> None:
    """Add contradictions weighted by agreement: one counts most among words that else agree."""
    agreement = features["jaccard"] ** 2
    alike = features["swap alike"]
    traps = {
        "negation": features["negation differs"],
        "numbers": np.minimum(features["numbers alone min"], 1),
        "units": np.minimum(features["units alone min"], 1),
        "names": features["names clash"],
        "against": np.minimum(features["against"], 1),
        "sibling": np.minimum(features["sibling swapped"], 1),
        "directions": np.minimum(features["directions opposed"], 1),
        "unlike swap": np.where(alike < 0.7, 1 - np.clip(alike, 0, 1), 0).astype(np.float32),
        "turned": np.minimum(features["turned round"], 1)
        * np.minimum(features["governed apart"], 1),
    }
    for name, trap in traps.items():
        features[f"trap {name}"] = trap * agreement
    features["traps"] = np.stack(list(traps.values())).sum(axis=0, dtype=np.float32)
