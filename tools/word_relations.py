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
    arrays["words"] = np.frombuffer("\n".join(words).encode(), dtype=np.uint8)
    save_file(arrays, wording.TABLE, metadata={"notice": NOTICE})
    wording.TABLE.chmod(0o644)
    print(f"wrote {wording.TABLE}: {len(words):,} words, {wording.TABLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
