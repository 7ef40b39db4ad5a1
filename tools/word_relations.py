"""Write the table of words by which questions are told apart without a model.

    python tools/word_relations.py [--wordnet FOLDER]

FOLDER holds WordNet 3.0 (`apt-get install wordnet-base` puts it in /usr/share/wordnet). Nothing
else is read but the vocabulary of all-MiniLM-L6-v2 (Apache-2.0), for which words are frequent, and
the lists in word_lists.py and the plugin's lexicon, which were written by hand. No data set of
questions has a part in it. Writes plugins/siamkit_questions/word_relations.safetensors.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import word_lists
import word_table
from safetensors.numpy import save_file

from siamkit_questions import bert, lexicon, wording

WORDS = 24_000
NOTICE = (
    "Word relations derive from WordNet 3.0, Copyright 2006 by Princeton University, all rights"
    " reserved; see WORDNET.txt."
)


def add_kin(
    wordnet: word_table.WordNet, words: list[str], arrays: dict[str, np.ndarray]
) -> np.ndarray:
    """Return the pairs of kin with those of a rarer sense in common, and of a word and its kind."""
    senses = {
        word: {
            sense
            for part, lemma in wordnet.lemmas(word).items()
            for sense in wordnet.senses.get(lemma, {}).get(part, [])
        }
        for word in words
    }
    owners: dict[tuple[str, int], list[int]] = {}
    for at, word in enumerate(words):
        for sense in senses[word]:
            owners.setdefault(sense, []).append(at)
    pairs = set(arrays["kin"].tolist())
    for sense, members in owners.items():
        kinds = [(p[1], p[2]) for p in wordnet.pointers[sense] if p[0] == "@"]
        related = [*members, *(at for kind in kinds for at in owners.get(kind, []))]
        pairs |= {min(a, b) << 16 | max(a, b) for a in members for b in related if a != b}
    known = set(arrays["same"].tolist()) | set(arrays["against"].tolist())
    return np.array(sorted(pairs - known), dtype=np.uint32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    options = parser.parse_args()
    wordnet = word_table.WordNet(options.wordnet)
    vocabulary = json.loads((bert.FOLDER / "tokenizer.json").read_text())["model"]["vocab"]
    frequent = [word for word, _ in sorted(vocabulary.items(), key=lambda item: item[1])]
    by_hand = [*lexicon.UNITS, *sorted(lexicon.DIRECTIONS), *lexicon.PHRASES.values()]
    by_hand += [*lexicon.ALIASES.values(), *lexicon.SCALES, *sorted(lexicon.NEGATIONS)]
    opposites = word_lists.OPPOSITES + word_lists.APART
    synonyms = word_lists.SYNONYMS + word_lists.INTERCHANGEABLE
    by_hand += " ".join(opposites + synonyms).split()
    lists = [
        [word for word in words if word.isascii() and word.isalpha() and len(word) > 1]
        for words in (by_hand, frequent)
    ]
    words = word_table.choose_words(wordnet, *lists, [], WORDS)
    arrays = word_table.build(wordnet, words, opposites, synonyms)
    arrays["kin"] = add_kin(wordnet, words, arrays)
    arrays["words"] = np.frombuffer("\n".join(words).encode(), dtype=np.uint8)
    save_file(arrays, wording.TABLE, metadata={"notice": NOTICE})
    wording.TABLE.chmod(0o644)
    print(f"wrote {wording.TABLE}: {len(words):,} words, {wording.TABLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
