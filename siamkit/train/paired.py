"""Tables of pairs and of triplets: which columns hold what, and what their rows say."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io.sources import shorten
from siamkit.io.table_record import Record, Table, list_columns, parse_all
from siamkit.io.table_values import MISSING, as_number, as_text, plain_text
from siamkit.train.examples import SPLITS, choose

log = logging.getLogger("siamkit")
# Names of the two columns of a pair, as `_folded` spells them; the first that a table has counts.
SIDES = (
    *(("a", "b"), ("anchor", "positive"), ("query", "positive"), ("query", "pos")),
    *(("sentence1", "sentence2"), ("sentencea", "sentenceb"), ("question1", "question2")),
    *(("text1", "text2"), ("texta", "textb"), ("left", "right"), ("premise", "hypothesis")),
    *(("query", "answer"), ("question", "answer"), ("query", "passage"), ("query", "document")),
)
PATH_SIDES = (
    *(("path1", "path2"), ("patha", "pathb"), ("image1", "image2"), ("imagea", "imageb")),
    *(("file1", "file2"), ("filea", "fileb")),
)
TARGETS = (
    *("label", "isduplicate", "duplicate", "same", "ismatch", "match"),
    *("score", "similarity", "similarityscore", "relatednessscore"),
)
TARGET = re.compile(r"(label|score|similarity|is_?dup).*")  # other names of such a column
NEGATIVE = re.compile(r"(hard)?neg(ative)?s?\d*")
WORDS = {
    **dict.fromkeys(("true", "yes", "same", "duplicate", "equivalent"), 1.0),
    **dict.fromkeys(("false", "no", "different", "not_duplicate", "not_equivalent"), 0.0),
}
MOST_VALUES = 5  # of a column, that one message names


@dataclass(frozen=True, slots=True)
class PairColumns:
    """The columns of a table of pairs, as it spells them."""

    a: str
    b: str
    negatives: tuple[str, ...]  # of a
    target: str | None  # 1 the same, 0 different, or a score; None: all pairs are the same
    split: str | None
    are_paths: bool  # a and b name files, whatever the modality


@dataclass(frozen=True, slots=True)
class Judgement:
    """The statement of one line about two samples."""

    line: int
    a: Path | str
    b: Path | str
    score: float  # 1 the same, 0 different, or between
    split: str | None


def find_pair_columns(table: Table, named: Mapping[str, str]) -> PairColumns | None:
    """Return the columns of pairs; None if the table holds none.

    named: the columns for some of a, b (or anchor, positive), negative (or negative_1, …), label
    or score, and split. Raises BadInput if only one of the two sides is there.
    """
    columns = {_folded(column): column for column in table.columns}
    a, b = named.get("a", named.get("anchor")), named.get("b", named.get("positive"))
    are_paths = False
    if not (a and b):
        pair = next((p for p in (*SIDES, *PATH_SIDES) if {*p} <= columns.keys()), None)
        if pair is None and not (a or b):
            return None
        if pair is None:
            raise BadInput(
                f"{table.name}: which of its columns is the other side of {a or b!r}?",
                hint=f"--column {'b' if a else 'a'}=NAME, one of: {list_columns(table.columns)}",
            )
        a, b = a or columns[pair[0]], b or columns[pair[1]]
        are_paths = pair in PATH_SIDES
    used = {a, b, *named.values()}
    negatives = [name for kind, name in named.items() if NEGATIVE.fullmatch(_folded(kind))]
    negatives = negatives or [
        column
        for folded, column in columns.items()
        if NEGATIVE.fullmatch(folded) and column not in used
    ]
    target = named.get("label", named.get("score"))
    if target is None and not negatives:
        folded = [f for f, column in columns.items() if column not in used]
        targets = [
            f for f in (*TARGETS, *folded) if f in folded and (f in TARGETS or TARGET.match(f))
        ]
        target = columns[targets[0]] if targets else None
    split = named.get("split", table.find("split"))
    unread = [
        c for c in table.columns if c not in {a, b, target, split, *negatives, *named.values()}
    ]
    if unread and target is None and not negatives:
        log.warning(
            f"{table.name}: all pairs count as the same; {list_columns(unread)} is not read: give"
            " --column label=NAME, or score=NAME, if that says how alike they are"
        )
    return PairColumns(a, b, tuple(negatives), target, split, are_paths)


def read_judgements(
    table: Table, columns: PairColumns, *, is_text: bool, base: Path, top_score: float
) -> list[Judgement]:
    """Return what each row says, in order.

    A cell may be a list of samples, of JSON lines. is_text: samples are texts, not files relative
    to `base`. top_score: divides the scores. Raises BadInput, naming every bad line.
    """
    cells = [columns.a, columns.b, *columns.negatives, columns.target, columns.split]
    read = partial(_row, columns=columns, base=None if is_text and not columns.are_paths else base)
    hint = "each row needs both samples" + (f" and {columns.target}" if columns.target else "")
    lines: list[int] = []
    records = _noting_lines(table.read(*filter(None, cells)), lines)
    rows = parse_all(records, read, table.name, hint)
    scores = (
        _scores(table.name, columns.target, [row[2] for row in rows], lines, top_score)
        if columns.target and rows
        else [1.0] * len(rows)
    )
    return [
        Judgement(line, a, b, score, split)
        for line, (positives, negatives, _, split), target in zip(lines, rows, scores, strict=True)
        for score, pairs in ((target, positives), (0.0, negatives))
        for a, b in pairs
    ]


def _noting_lines(records: Iterator[Record], lines: list[int]) -> Iterator[Record]:
    for record in records:
        lines.append(record.line)
        yield record


Pair = tuple[Path | str, Path | str]


def _row(
    values: Mapping[str, Any], columns: PairColumns, base: Path | None
) -> tuple[list[Pair], list[Pair], Any, str | None]:
    """Return the positive and the negative pairs, the target and the split of one row.

    Raises ValueError or BadInput that does not name the row.
    """
    anchors = _samples(values, columns.a, base)
    positives = [(a, b) for a in anchors for b in _samples(values, columns.b, base)]
    negatives = [
        (a, b)
        for column in columns.negatives
        if not _is_missing(values[column])
        for a in anchors
        for b in _samples(values, column, base)
    ]
    target = values[columns.target] if columns.target else None
    if columns.target and _is_missing(target):
        is_empty = target is None or not str(target).strip()
        fault = "is empty" if is_empty else f"is {shorten(str(target))!r}, not a number"
        raise ValueError(f"its {columns.target} {fault}")
    split = choose(values, columns.split, SPLITS) if columns.split else None
    return positives, negatives, target, split


def _is_missing(value: Any) -> bool:
    text = "" if value is None else plain_text(value)
    return text is not None and text.strip() in MISSING


def _samples(values: Mapping[str, Any], column: str, base: Path | None) -> list[Path | str]:
    value = values[column]
    samples: list[Path | str] = []
    for item in value if isinstance(value, list | tuple) else [value]:
        text, fault = as_text(item)
        if fault:
            raise ValueError(f"its {column} {fault}")
        samples.append(text if base is None else base / text)
    if not samples:
        raise ValueError(f"its {column} is empty")
    return samples


def _scores(
    name: str, column: str, values: Sequence[Any], lines: Sequence[int], top: float
) -> list[float]:
    """Return the score of each row. Raises BadInput that names the values, or the first line."""
    scores: list[float] = []
    unknown: dict[str, int] = {}  # value: its first line
    for value, line in zip(values, lines, strict=True):
        try:
            scores.append(_score(value) / top)
        except ValueError:
            unknown.setdefault(shorten(str(value)), line)
    if not unknown and top == 1 and _are_classes(column, scores):
        for score, line in zip(scores, lines, strict=True):
            unknown.setdefault(f"{score:g}", line)
    if unknown:
        words = ", ".join(
            f"{word!r} (line {line})" for word, line in [*unknown.items()][:MOST_VALUES]
        )
        more = f" and {len(unknown) - MOST_VALUES:,} more" if len(unknown) > MOST_VALUES else ""
        raise BadInput(
            f"{name}: {column} holds {words}{more}: neither 1 or 0 nor a score in [0, 1]",
            hint="write 1 for pairs that are the same and 0 for those that differ; to train on"
            " labels of single samples, name the columns text,label or path,label",
        )
    for score, line in zip(scores, lines, strict=True):
        if not 0 <= score <= 1:
            highest = max(scores) * top
            raise BadInput(
                f"{name}, line {line}: its {column} is {score * top:g}, and scores are in"
                f" [0, {top:g}], where {top:g} means the same",
                hint=f"`--top-score {5 if 1 < highest <= 5 else highest:g}`, if that means the same"
                if highest > top and min(scores) >= 0
                else "scale them so that 0 is the least alike",
            )
    return scores


def _are_classes(column: str, numbers: Sequence[float]) -> bool:
    """Return True for whole numbers beyond 1 that are not called scores, such as classes."""
    is_score = _folded(column).startswith(("score", "simil", "relat"))
    return not is_score and max(numbers) > 1 and all(number.is_integer() for number in numbers)


def _score(value: Any) -> float:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and (word := value.strip().lower()) in WORDS:
        return WORDS[word]
    number = as_number(value)
    if number != number:
        raise ValueError("NaN is not a score")
    return number


def _folded(column: str) -> str:
    """Return a column's name without what is only spelling: case, blanks, hyphens, underscores."""
    text = unicodedata.normalize("NFKC", column).strip("\ufeff\u200b").casefold()
    return re.sub(r"[\s_-]+", "", text)
