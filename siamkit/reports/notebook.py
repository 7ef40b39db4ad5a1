"""Answers as a notebook shows them: pictures with boxes, the verdict first, then the numbers.

Each is a fragment of HTML without scripts. Its colours are those of the page around it, light or
dark, but for a dot that tells decisions apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from siamkit.errors import SiamkitError
from siamkit.io import sources, wording
from siamkit.io.printable import clock
from siamkit.reports.answer_rows import AnswerRow, rows_of_answers, rows_of_classes
from siamkit.reports.answers import COLOURS, describe_numbers, draw_answers
from siamkit.reports.html import escaped
from siamkit.reports.previews import Previews, picture_tag
from siamkit.reports.regions import Mark, annotate, colour_of, mark
from siamkit.reports.rows import to_rows
from siamkit.sdk.inputs import take_source
from siamkit.sdk.media import load_image
from siamkit.types import Decision, Image

if TYPE_CHECKING:
    from siamkit.flows.answer_lists import Answers, Asked, Batch
    from siamkit.flows.detect import Detected
    from siamkit.flows.evaluate import Evaluation
    from siamkit.flows.find import SearchedPicture
    from siamkit.flows.timeline import Timeline
    from siamkit.flows.verification import ComparedSide, Verification

SCENE, SIDE, CARD = 640, 280, 440  # px: the longer side of a picture, of one of two, and of many
ROWS, CARDS, CLASSES = 20, 30, 5  # shown at most
SOUND_BYTES = 2_000_000  # of a player
NAME = 80  # characters of an identity, a file's name or a text
WORDS = {Decision.PRESENT: Decision.SAME, Decision.ABSENT: Decision.DIFFERENT}  # of like colour
STYLE = """<style>
.siamkit { font: 14px/1.45 system-ui, sans-serif; max-width: 60em }
.siamkit img { max-width: 100%; height: auto; border-radius: 4px; display: block }
.siamkit p { margin: .3em 0 } .siamkit .siamkit-verdict { font-weight: 600; font-size: 1.1em }
.siamkit table { border-collapse: collapse; margin: .5em 0; font-size: 13px }
.siamkit th, .siamkit td { text-align: left; padding: .15em .8em .15em 0; vertical-align: top;
  border: 0; background: none; overflow-wrap: anywhere }
.siamkit th { border-bottom: 1px solid #8888; white-space: nowrap }
.siamkit tr { background: none !important }
.siamkit .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.siamkit small, .siamkit .soft { opacity: .75 }
.siamkit-dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%;
  margin-right: .4em }
.siamkit-pair, .siamkit-cards { display: flex; flex-wrap: wrap; gap: 1em }
.siamkit-cards > div { width: 360px; max-width: 100% }
.siamkit-track { position: relative; height: 1.1em; background: #8883; border-radius: 3px }
.siamkit-track span { position: absolute; top: 0; bottom: 0; border-radius: 2px }
</style>"""


def to_html(answer: Any) -> str:
    """Return an answer as HTML; anything without a look of its own as a table of its rows."""
    return f"{STYLE}<div class=siamkit>{_fragment(answer)}</div>"


def _fragment(answer: Any) -> str:
    names = (kind.__name__ for kind in type(answer).__mro__)
    draw = next((_DRAWN[name] for name in names if name in _DRAWN), _table_of_rows)
    return draw(answer)


# --- pieces ---


def _verdict(text: str, decision: Decision | None) -> str:
    colour = None if decision is None else COLOURS[WORDS.get(decision, decision)]
    dot = f'<span class=siamkit-dot style="background:rgb{colour}"></span>' if colour else ""
    return f"<p class=siamkit-verdict>{dot}{escaped(text, 3 * NAME)}</p>"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table without the columns in which no row has a value."""
    used = [i for i in range(len(head)) if any(row[i] not in (None, "") for row in rows)]
    top = "".join(f"<th>{escaped(head[i])}" for i in used)
    body = "".join("<tr>" + "".join(_cell(row[i]) for i in used) for row in rows[:ROWS])
    more = f"<p class=soft>and {len(rows) - ROWS:,} more rows</p>" if len(rows) > ROWS else ""
    return f"<table><thead><tr>{top}<tbody>{body}</table>{more}" if rows else ""


def _cell(value: Any) -> str:
    if value is None:
        return "<td>"
    if isinstance(value, float):
        return f"<td class=n>{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"<td class=n>{value:,}"
    return f"<td>{escaped(str(value), NAME)}"


def _table_of_rows(answer: Any) -> str:
    rows = to_rows(answer)
    return _table(list(rows[0]), [list(row.values()) for row in rows]) if rows else "<p>empty</p>"


def _sample(asked: Asked | None, number: int, name: str) -> tuple[Image | None, str]:
    """Return the picture that was asked about; of other samples, HTML that shows them."""
    kind = asked.kind if asked else "image"
    sample = (
        asked.samples[number] if asked and len(asked.samples) > number else sources.to_path(name)
    )
    if kind == "text":
        return None, f"<p>“{escaped(name, 4 * NAME)}”</p>"
    try:
        content = sources.read(take_source(sample, "sample", kind)).data
        if kind == "image" and isinstance(content, bytes):
            return load_image(content), ""
    except SiamkitError:  # the file is gone by now
        return None, ""
    player = Previews(SOUND_BYTES).show(content, None) if isinstance(content, bytes) else ""
    return None, player


def _name(source: str) -> str:
    return f"<div><small>{escaped(sources.to_path(source).name, NAME)}</small></div>"


# --- answers ---


def _draw_answers(answers: Answers[Any], side: int = SCENE) -> str:
    if answers.error or not answers:
        return f"{_name(answers.source)}<p>{escaped(str(answers.error or 'nothing'), 400)}</p>"
    image, preview = _sample(answers.asked, 0, answers.source)
    rows = _answer_rows(answers)
    if image:
        preview = picture_tag(draw_answers(image, rows), side)
    head, *_ = rows
    if len(rows) == 1:
        headline = _verdict(_say(head), head.decision)
        headline += f"<p class=soft>{escaped(head.reason, 300)}</p>" if head.reason else ""
    else:
        identified = sum(row.decision == Decision.SAME for row in rows)
        headline = f"<p class=siamkit-verdict>{len(rows)} found, {identified} identified</p>"
    if len(rows) > 1:
        cells = [[row.number, row.verdict, *_match(row, 0)] for row in rows]
    else:
        cells = [[None, None, *_match(head, number)] for number in range(len(head.matches))]
    table = _table(["#", "answer", "nearest", "probability", "score"], cells)
    name = "" if answers.asked.kind == "text" else _name(answers.source)
    return f"{headline}{name}{preview}{table}{_threshold(head, answers.asked)}"


def _answer_rows(answers: Answers[Any]) -> list[AnswerRow]:
    nouns = answers.asked.nouns
    if hasattr(answers[0], "classes"):
        return rows_of_classes(answers, nouns, CLASSES)
    return rows_of_answers(answers, nouns)


def _say(row: AnswerRow) -> str:
    likely = row.probability if row.decision == Decision.SAME else None
    share = "" if likely is None else f" (probability {wording.format_probability(likely)})"
    return f"{row.verdict}{share}"


def _match(row: AnswerRow, number: int) -> list[Any]:
    if number >= len(row.matches):
        return [None, None, None]
    match = row.matches[number]
    likely = None if row.reason or match.probability is None else match.probability
    share = None if likely is None else wording.format_probability(likely)
    return [match.identity, share, match.score]


def _threshold(row: AnswerRow, asked: Asked) -> str:
    if row.threshold is None:
        return ""
    rate = wording.describe_rate(row.threshold, asked.nouns)
    description = f"same from {row.threshold.value:.3f}{': ' + rate if rate else ''}"
    return f"<p class=soft><small>{escaped(description, 300)}</small></p>"


def _draw_answer(answer: Any) -> str:
    from siamkit.flows.answer_lists import Answers

    return _draw_answers(Answers([answer], source=answer.source))


def _draw_verification(answer: Verification) -> str:
    nouns = answer.asked.nouns if answer.asked else wording.OTHERS
    verdict = answer.verdict
    headline = wording.describe_pair(verdict.decision, nouns, verdict.probability)
    sides = "".join(_side(answer, side, n) for n, side in enumerate((answer.left, answer.right)))
    reasons = [verdict.objection.reason if verdict.objection else "", answer.advice]
    lines = "".join(f"<p class=soft>{escaped(line, 400)}</p>" for line in reasons if line)
    score = describe_numbers(None, answer.deciding_score)
    numbers = ", ".join(filter(None, (score, f"same from {verdict.threshold.value:.3f}")))
    if rate := wording.describe_rate(verdict.threshold, nouns):
        numbers += f": {rate}"
    return (
        f"{_verdict(headline, verdict.decision)}<div class=siamkit-pair>{sides}</div>{lines}"
        f"<p class=soft><small>{escaped(numbers, 400)}</small></p>"
    )


def _side(answer: Verification, side: ComparedSide, number: int) -> str:
    if side.region is None:  # an enrolled identity
        count = f"<small>{side.samples:,} enrolled</small>"
        return f"<div><b>{escaped(side.source, NAME)}</b><br>{count}</div>"
    image, preview = _sample(answer.asked, number, side.source)
    if image:
        marks = [Mark(side.region, "", COLOURS[answer.decision])] if side.region.where else []
        preview = picture_tag(annotate(image, marks), SIDE)
    kind = answer.asked.kind if answer.asked else ""
    return f"<div>{preview}{'' if kind == 'text' else _name(side.source)}</div>"


def _draw_picture(picture: SearchedPicture, side: int = SCENE) -> str:
    if picture.error:
        return f"{_name(picture.source)}<p>{escaped(str(picture.error), 400)}</p>"
    image, preview = _sample(picture.asked, 0, picture.source)
    places = picture.sightings
    if image:
        marks = [
            Mark(place.region, f"{n} {place.identity}", colour_of(place.identity), (str(n),))
            for n, place in enumerate(places, 1)
        ]
        preview = picture_tag(annotate(image, marks), side)
    headline = ", ".join(picture.identities) or str(picture.decision)
    rows = [(n, p.identity, p.probability, p.score) for n, p in enumerate(places, 1)]
    cells = [
        [n, who, None if p is None else wording.format_probability(p), score]
        for n, who, p, score in rows
    ]
    table = _table(["#", "identity", "probability", "score"], cells)
    return f"{_verdict(headline, picture.decision)}{_name(picture.source)}{preview}{table}"


def _draw_detected(detected: Detected) -> str:
    if detected.error:
        return f"{_name(detected.source)}<p>{escaped(str(detected.error), 400)}</p>"
    image, preview = _sample(detected.asked, 0, detected.source)
    if image:
        marks = [mark(region, number) for number, region in enumerate(detected.regions, 1)]
        preview = picture_tag(annotate(image, marks), SCENE)
    cells = [[n, r.label, float(r.score)] for n, r in enumerate(detected.regions, 1)]
    headline = f"<p class=siamkit-verdict>{len(detected.regions):,} found</p>"
    return f"{headline}{_name(detected.source)}{preview}{_table(['#', 'label', 'score'], cells)}"


def _draw_batch(batch: Batch[Any]) -> str:
    """Return a card for each item with a picture, or a table of the rows of others."""
    drawn = [_CARDS.get(type(item).__name__) for item in batch[:CARDS]]
    if not batch or not all(drawn):
        return _table_of_rows(batch)
    cards = "".join(
        f"<div>{draw(item)}</div>" for draw, item in zip(drawn, batch, strict=False) if draw
    )
    more = f"<p class=soft>and {len(batch) - CARDS:,} more</p>" if len(batch) > CARDS else ""
    return f"<div class=siamkit-cards>{cards}</div>{more}"


def _draw_timeline(timeline: Timeline) -> str:
    """Return one track per speaker, and the seconds each speaks."""
    rows = []
    for name, seconds in timeline.spoken().items():
        red, green, blue = colour_of(name)
        turns = "".join(
            f'<span style="left:{100 * turn.start / timeline.seconds:.2f}%;'
            f"width:{100 * (turn.stop - turn.start) / timeline.seconds:.2f}%;"
            f'background:rgb({red},{green},{blue})"></span>'
            for turn in timeline.turns
            if turn.name == name
        )
        track = f'<td style="width:30em"><div class=siamkit-track>{turns}</div>'
        rows.append(f"<tr><td>{escaped(name, NAME)}{track}<td class=n>{clock(seconds)}")
    length = clock(timeline.seconds)
    return f"{_name(timeline.source)}<table><tbody>{''.join(rows)}</table><small>{length}</small>"


def _draw_evaluation(result: Evaluation) -> str:
    from siamkit.reports.evaluate_text import figures

    return f"<p><b>{escaped(result.name, NAME)}</b></p>{_table(['', ''], figures(result))}"


_DRAWN: dict[str, Callable[[Any], str]] = {
    "Answers": _draw_answers,
    "Answer": _draw_answer,
    "Batch": _draw_batch,
    "Classified": _draw_answer,
    "Detected": _draw_detected,
    "Evaluation": _draw_evaluation,
    "SearchedPicture": _draw_picture,
    "Timeline": _draw_timeline,
    "Verification": _draw_verification,
}
_CARDS: dict[str, Callable[[Any], str]] = {
    "Answers": lambda answers: _draw_answers(answers, CARD),
    "SearchedPicture": lambda picture: _draw_picture(picture, CARD),
}
