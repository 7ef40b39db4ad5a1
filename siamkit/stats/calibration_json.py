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
from siamkit.types import Calibration, FpirModel, Steps

CalibrationMethod: TypeAlias = Literal["logistic", "isotonic"]
FORMAT = 2  # a change of meaning needs a new number
# Fields of Calibration whose key differs, in every file of this format.
JSON_KEYS = {"fpir_model": "crowds", "non_mated_identity_pairs": "impostor_pairs"}


def to_dict(calibration: Calibration) -> dict[str, Any]:
    """Return the fields of a calibration by their JSON keys."""
    return _with_json_keys(asdict(calibration))


def _with_json_keys(fields: dict[str, Any]) -> dict[str, Any]:
    data = {JSON_KEYS.get(name, name): value for name, value in fields.items()}
    for name in ("normalised", "pairs"):
        if data[name]:
            data[name] = _with_json_keys(data[name])
    return data


def to_json(calibration: Calibration) -> str:
    return json.dumps({"format": FORMAT, **to_dict(calibration)}, separators=(",", ":"))


def from_json(text: str) -> Calibration:
    """Parse what `to_json` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    data = json.loads(text)
    if data.pop("format") != FORMAT:
        raise ValueError("written by another version of siamkit")
    return _parse(data)


def _parse(data: dict[str, Any]) -> Calibration:
    for name in ("false_matches", "false_non_matches"):
        data[name] = Steps(*map(tuple, (data[name]["rates"], data[name]["thresholds"])))
    data |= {name: data.pop(key) for name, key in JSON_KEYS.items()}
    if model := data["fpir_model"]:
        thresholds = tuple(map(tuple, model.pop("thresholds")))
        sizes, rates = tuple(model.pop("sizes")), tuple(model.pop("rates"))
        data["fpir_model"] = FpirModel(**model, sizes=sizes, rates=rates, thresholds=thresholds)
    data["reliability"] = tuple(map(tuple, data["reliability"]))
    data.update({name: tuple(data[name]) for name in ("scores", "llrs")})
    for name in ("normalised", "pairs"):
        if nested := data.get(name):
            data[name] = _parse(nested)
    return _check(Calibration(**data))


def _check(calibration: Calibration) -> Calibration:
    """Return it. Raises ValueError for numbers that no fit gives."""
    model = calibration.fpir_model
    steps = (calibration.false_matches, calibration.false_non_matches)
    rows = model.thresholds if model else ()
    rates = [calibration.fmr, calibration.fpir, *(rate for step in steps for rate in step.rates)]
    rates += model.rates if model else ()
    values = [*calibration.scores, *calibration.llrs]
    values += [value for step in steps for value in step.thresholds]
    values += [value for row in rows for value in row]
    values += [model.level, model.scale, model.shape, model.growth] if model else []
    non_match_thresholds = calibration.false_non_matches.thresholds[::-1]
    rising = [calibration.scores, calibration.llrs, calibration.false_matches.thresholds]
    rising += [non_match_thresholds, *rows, *(step.rates[::-1] for step in steps)]
    rising += [model.rates[::-1], model.sizes] if model else []
    is_sound = (
        all(map(math.isfinite, values))
        and all(0 < rate <= 1 for rate in rates)
        and max(calibration.fmr, calibration.fpir) < 1
        and calibration.method in get_args(CalibrationMethod)
        and calibration.fusion in (None, *get_args(Fusion))
        and len(calibration.scores) == len(calibration.llrs) > 0
        and all(list(sequence) == sorted(sequence) for sequence in rising)
        and all(len(step.rates) == len(step.thresholds) > 0 for step in steps)
        and (model is None or {len(row) for row in rows} == {len(model.rates)})
        and (model is None or len(rows) == len(model.sizes) > 0)
        and (model is None or (0 < model.share < 1 and model.scale > 0))
    )
    if not is_sound:
        raise ValueError("its numbers do not fit together")
    return calibration


def read(path: Path) -> Calibration:
    """Read a calibration file. Raises BadInput if it cannot be read or is not a calibration."""
    name = to_text(path)
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{name} is not a calibration file: {error}",
            hint="`siamkit calibrate … --output FILE` writes one",
        ) from error
