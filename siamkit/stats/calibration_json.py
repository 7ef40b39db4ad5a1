"""Calibrations as JSON: in the store, in a file, in a plugin's package."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from siamkit.errors import BadInput
from siamkit.io.sources import to_text
from siamkit.stats.scoring import Fusion
from siamkit.types import Calibration, Crowds, Steps

Method: TypeAlias = Literal["logistic", "isotonic"]
FORMAT = 2  # a change of meaning needs a new number


def to_json(calibration: Calibration) -> str:
    return json.dumps({"format": FORMAT, **asdict(calibration)}, separators=(",", ":"))


def from_json(text: str) -> Calibration:
    """Raises ValueError, KeyError or TypeError for what `to_json` has not made."""
    data = json.loads(text)
    if data.pop("format") != FORMAT:
        raise ValueError("written by another version of siamkit")
    return _calibration(data)


def _calibration(data: dict[str, Any]) -> Calibration:
    for name in ("false_matches", "false_non_matches"):
        data[name] = Steps(*map(tuple, (data[name]["rates"], data[name]["thresholds"])))
    if crowds := data.pop("crowds"):
        rows = tuple(map(tuple, crowds.pop("thresholds")))
        sizes, rates = tuple(crowds.pop("sizes")), tuple(crowds.pop("rates"))
        data["crowds"] = Crowds(**crowds, sizes=sizes, rates=rates, thresholds=rows)
    data["reliability"] = tuple(map(tuple, data["reliability"]))
    data.update({name: tuple(data[name]) for name in ("scores", "llrs")})
    for name in ("normalised", "pairs"):
        if within := data.get(name):
            data[name] = _calibration(within)
    return _checked(Calibration(**data))


def _checked(found: Calibration) -> Calibration:
    """Raises ValueError for numbers that no calibration has."""
    steps = (found.false_matches, found.false_non_matches)
    crowds = found.crowds
    rows = crowds.thresholds if crowds else ()
    rates = [found.fmr, found.fpir, *(rate for part in steps for rate in part.rates)]
    rates += crowds.rates if crowds else ()
    values = [*found.scores, *found.llrs, *(t for part in steps for t in part.thresholds)]
    values += [value for row in rows for value in row]
    values += [crowds.level, crowds.scale, crowds.shape, crowds.growth] if crowds else []
    misses = found.false_non_matches.thresholds[::-1]
    rising = [found.scores, found.llrs, found.false_matches.thresholds, misses, *rows]
    rising += [part.rates[::-1] for part in steps]
    rising += [crowds.rates[::-1], crowds.sizes] if crowds else []
    sound = (
        all(map(math.isfinite, values))
        and all(0 < rate <= 1 for rate in rates)
        and max(found.fmr, found.fpir) < 1
        and found.method in get_args(Method)
        and found.fusion in (None, *get_args(Fusion))
        and len(found.scores) == len(found.llrs) > 0
        and all(list(part) == sorted(part) for part in rising)
        and all(len(part.rates) == len(part.thresholds) > 0 for part in steps)
        and (crowds is None or {len(row) for row in rows} == {len(crowds.rates)})
        and (crowds is None or len(rows) == len(crowds.sizes) > 0)
        and (crowds is None or (0 < crowds.share < 1 and crowds.scale > 0))
    )
    if not sound:
        raise ValueError("its numbers do not fit together")
    return found


def read(path: Path) -> Calibration:
    """A calibration from a file. Raises BadInput for one that holds none."""
    shown = to_text(path)
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{shown} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{shown} holds no calibration: {error}",
            hint="`siamkit calibrate … --output FILE` writes one",
        ) from error
