"""Measure questions in other languages: encoders on them, and how surely they are recognised.

    python benchmarks/languages.py DATA [--encoder NAME …] [--pairs N] [--messages FOLDER]

DATA is that of questions.py. Printed for Korean, Chinese, Persian and English (Quora), on all pairs
or N drawn ones: average precision of the cosine of each encoder. NAME is built or added
(`siamkit encoders add`); tools/multilingual_e5.py makes one.

With --messages, a folder with the unpacked wheel of Django (its messages are in *.po files), no
encoder is measured, but `other_language`: on messages of three words or more in languages of Latin
letters, whose share that is recognised is wanted, and on English texts (Quora, MRPC, Django), of
which none should be. Its limits were chosen on one half of the texts, by CRC-32; the other is
reported.
"""

from __future__ import annotations

import argparse
import ast
import re
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
from questions import OTHERS, Embedded, Pairs, cosine, figures, read

from siamkit.embed.pipeline import open_encoder
from siamkit.host import registry
from siamkit_questions import languages
from siamkit_questions.modality import MINILM

DUPLICATES = "qqp/qqp_duplicates_only.csv"
SETS = {name: OTHERS[name] for name in ("Korean", "Chinese", "Persian")} | {"Quora": "trials.csv"}
TEXTS = {
    "Quora": ("trials.csv", "a", "b", "label"),
    "MRPC": ("mrpc/trials.csv", "a", "b", "label"),
    "STS": ("sts/sts_graded.csv", "a", "b", "score_0_5"),
    "Quora, duplicates": (DUPLICATES, "question1", "question2", "is_duplicate"),
    **{title: (OTHERS[title], "a", "b", "label") for title in ("Korean", "Chinese", "Persian")},
}
_LATIN = """af az br ca cs cy da de es et eu fi fr ga gd gl hr hu id ig is it lt lv ms nb nl nn pl
    pt pt_BR ro sk sl sq sv sw tk tr uz vi"""
LATIN = _LATIN.split()
LEAST_WORDS = 3
ENTRY = re.compile(r'(msgctxt|msgid(?:_plural)?|msgstr(?:\[\d\])?) (".*")$')
FORMAT = re.compile(r"%\([^)]*\)[sd]|%[sd]|\{[^}]*\}|<[^>]*>|&nbsp;")


def draw(pairs: Pairs, count: int | None) -> Pairs:
    at = np.random.default_rng(0).permutation(len(pairs.label))[:count]
    return Pairs([pairs.left[i] for i in at], [pairs.right[i] for i in at], pairs.label[at])


def measure_encoders(data: Path, names: list[str], count: int | None) -> None:
    plugin = registry.load("siamkit.modalities", "questions")
    embedded = {name: Embedded(open_encoder(plugin, name).embed) for name in names}
    for title, file in SETS.items():
        pairs = draw(read(data / file, plugin.load, ("a", "b", "label")), count)
        rates = {
            name: figures(cosine(embed, pairs), pairs.label) for name, embed in embedded.items()
        }
        print(f"{title:10} {len(pairs.label)} pairs; AP: chance {pairs.label.mean():.3f}", end="")
        print("".join(f"  {name} {rate['AP']:.3f}" for name, rate in rates.items()), flush=True)


def read_messages(path: Path) -> list[dict[str, str]]:
    """Read the entries of a .po file: msgid, msgstr, … -> text."""
    entries: list[dict[str, str]] = [{}]
    key = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := ENTRY.match(line.strip()):
            if match[1] in ("msgctxt", "msgid") and key.startswith("msgstr"):
                entries.append({})
            key = match[1]
            entries[-1][key] = ast.literal_eval(match[2])
        elif line.startswith('"') and key:
            entries[-1][key] += ast.literal_eval(line)
    return entries


def translations(folder: Path) -> dict[str, set[str]]:
    """Return each language's messages, and the originals as 'en'."""
    texts: dict[str, set[str]] = defaultdict(set)
    for path in folder.rglob("locale/*/LC_MESSAGES/*.po"):
        language = path.parts[-3]
        for entry in read_messages(path):
            shown = entry.get("msgstr") or entry.get("msgstr[0]") or ""
            if language == "en":
                shown = entry.get("msgid", "")
            elif shown == entry.get("msgid"):
                continue
            shown = " ".join(FORMAT.sub(" ", shown).split())
            if len(re.findall(r"[^\W\d_]+", shown)) >= LEAST_WORDS:
                texts[language].add(shown)
    return texts


def measure_recognition(data: Path, folder: Path) -> None:
    plugin = registry.load("siamkit.modalities", "questions")
    tokenizer = open_encoder(plugin, MINILM)._tokenizer
    messages = translations(folder)
    sets = {"Django": messages["en"]}
    for title, (file, *columns) in TEXTS.items():
        pairs = read(data / file, plugin.load, columns)
        sets[title] = {*pairs.left, *pairs.right}
    sets |= {code: messages[code] for code in LATIN}
    shares = {}
    for title, texts in sets.items():
        half = [text for text in sorted(texts) if zlib.crc32(text.encode()) % 2]
        codes = [languages.other_language(text, ("en",), tokenizer) for text in half]
        shares[title] = float(np.mean([bool(code) for code in codes]))
        print(f"{title:17} {len(half):5} texts, taken for another language: {shares[title]:.4f}")
    print(f"mean of {len(LATIN)} languages: {np.mean([shares[code] for code in LATIN]):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", action="append", default=[])
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--messages", type=Path)
    options = parser.parse_args()
    if options.messages:
        measure_recognition(options.data, options.messages)
    else:
        measure_encoders(options.data, options.encoder or [MINILM], options.pairs)


if __name__ == "__main__":
    main()
