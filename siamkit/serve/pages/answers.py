"""Answers as the page shows them: the verdict first, the picture with boxes, the numbers after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from siamkit.errors import SiamkitError
from siamkit.flows.answer import Answer
from siamkit.flows.verification import ComparedSide, Verification
from siamkit.io import wording
from siamkit.io.wording import Nouns
from siamkit.reports.answer_rows import rows_of_answers
from siamkit.serve.pages import media
from siamkit.serve.pages.frame import describe
from siamkit.serve.server import Server
from siamkit.types import Region

OTHERS = 3  # matches beside the best one


def card_of_probe(
    server: Server,
    probe: bytes | str,
    number: int,
    answers: Sequence[Answer],
    error: SiamkitError | None,
    nouns: Nouns,
) -> dict[str, Any]:
    """Return what the page shows about one sample. number: of the sample, from 0."""
    name = str(getattr(probe, "name", probe))
    card: dict[str, Any] = {"name": name, "number": number, "scene": None, "sound": "", "text": ""}
    if isinstance(probe, str):
        card["text"] = probe
    else:
        card["scene"] = media.scene(probe)
        card["sound"] = "" if card["scene"] else media.sound(probe)
    card["error"] = describe(error, server) if error else None
    rows = rows_of_answers(answers, nouns)
    card["rows"] = [
        _row(answer, row, probe, nouns) for answer, row in zip(answers, rows, strict=True)
    ]
    card["title"] = _title(card["rows"])
    return card


def _title(rows: Sequence[dict[str, Any]]) -> str:
    """Return the verdicts of a sample in one line: 'Ann, Bob and 2 not enrolled'."""
    named = list(dict.fromkeys(row["verdict"] for row in rows if row["decision"] == "same"))
    unsure = sum(row["decision"] == "inconclusive" for row in rows)
    unknown = len(rows) - unsure - sum(row["decision"] == "same" for row in rows)
    if len(rows) == 1:
        return str(rows[0]["verdict"])
    parts = [*named]
    parts += [f"{unsure} {wording.INCONCLUSIVE}"] if unsure else []
    parts += [f"{unknown} {wording.NOT_ENROLLED}"] if unknown else []
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def _row(answer: Answer, row: Any, probe: bytes | str, nouns: Nouns) -> dict[str, Any]:
    best = answer.matches[0] if answer.matches else None
    score = answer.deciding_score(best) if best else None
    numbers = rate = ""
    if best and score is not None:
        below = answer.different_below
        numbers = wording.describe_score(
            answer.decided_by, score, answer.threshold, below, nouns
        ).partition(": ")[0]
    if answer.threshold:
        rate = wording.describe_rate(answer.threshold, nouns)
    is_crop = isinstance(probe, bytes) and answer.region.where is not None
    return {
        "number": row.number,
        "box": answer.region.where,
        "crop": media.crop(probe, answer.region) if is_crop and isinstance(probe, bytes) else "",
        "decision": str(answer.decision),
        "verdict": row.verdict,
        "reason": row.reason,
        "probability": row.probability,
        "best": best,
        "numbers": numbers,
        "rate": rate,
        "advice": answer.advice,
        "others": answer.matches[1 : 1 + OTHERS],
        "problems": list(answer.quality.problems) if answer.quality else [],
    }


def comparison(answer: Verification, pair: Sequence[bytes | str], nouns: Nouns) -> dict[str, Any]:
    """Return what the page shows about two samples that were compared."""
    verdict = answer.verdict
    numbers, rate = "", ""
    if answer.deciding_score is not None:
        numbers = wording.describe_score(
            answer.decided_by,
            answer.deciding_score,
            verdict.threshold,
            verdict.different_below,
            nouns,
        ).partition(": ")[0]
        rate = wording.describe_rate(verdict.threshold, nouns)
    return {
        "decision": str(answer.decision),
        "verdict": str(answer),
        "reason": verdict.objection.reason if verdict.objection else "",
        "numbers": numbers,
        "rate": rate,
        "advice": answer.advice,
        "sides": [
            _side(side, sample)
            for side, sample in zip((answer.left, answer.right), pair, strict=True)
        ],
    }


def _side(side: ComparedSide, sample: bytes | str) -> dict[str, Any]:
    region = side.region or Region()
    is_file = isinstance(sample, bytes)
    return {
        "name": str(getattr(sample, "name", sample)),
        "crop": media.crop(sample, region, 320) if isinstance(sample, bytes) else "",
        "sound": media.sound(sample) if isinstance(sample, bytes) else "",
        "text": "" if is_file else sample,
        "regions": side.region_count,
        "problems": list(side.quality.problems) if side.quality else [],
    }
