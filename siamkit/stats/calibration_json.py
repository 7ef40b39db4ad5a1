"""Calibrations as JSON: in the store, in a file, in a plugin's package."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.sources import to_text
from siamkit.stats.scoring import Fusion
from siamkit.types import Calibration, ErrorCurve, FpirModel

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
    data["of_means"] = [[count, _with_json_keys(nested)] for count, nested in data["of_means"]]
    return data


def to_json(calibration: Calibration) -> str:
    return json.dumps({"format": FORMAT, **to_dict(calibration)}, separators=(",", ":"))


@lru_cache(maxsize=64)  # a server parses that of a gallery with each request: 3 ms
def from_json(text: str) -> Calibration:
    """Parse what `to_json` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    return from_dict(foreign.parse_json(text))


def from_dict(value: object) -> Calibration:
    """Take the JSON values that `to_json` wrote, and change them. Raises as `from_json` does."""
    data = foreign.require_object(value, "format")
    if data.pop("format") != FORMAT:
        raise ValueError("written by another version of siamkit")
    return _parse(data)


def _parse(data: dict[str, Any]) -> Calibration:
    for name in ("false_matches", "false_non_matches"):
        data[name] = ErrorCurve(*map(tuple, (data[name]["rates"], data[name]["thresholds"])))
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
    of_means = data.get("of_means", ())
    data["of_means"] = tuple((count, _parse(nested)) for count, nested in of_means)
    return _check(Calibration(**data))


def _check(calibration: Calibration) -> Calibration:
    """Return the calibration. Raises ValueError for values no fit can produce."""
    same, different = calibration.false_matches, calibration.false_non_matches
    falling = [same.rates, different.rates, different.thresholds]
    rising = [calibration.scores, calibration.llrs, same.thresholds]
    rates = [calibration.fmr, calibration.fpir, *same.rates, *different.rates]
    counts = [calibration.mated, calibration.non_mated, calibration.identities]
    counts.append(calibration.non_mated_identity_pairs)
    counts += [count for count, _ in calibration.of_means]
    measures = [calibration.brier, calibration.ece, calibration.cllr, calibration.min_cllr]
    is_sound = (
        max(calibration.fmr, calibration.fpir) < 1
        and calibration.method in get_args(CalibrationMethod)
        and calibration.fusion in (None, *get_args(Fusion))
        and len(calibration.scores) == len(calibration.llrs) > 0
        and all(len(step.rates) == len(step.thresholds) > 0 for step in (same, different))
    )
    if model := calibration.fpir_model:
        falling.append(model.rates)
        rising += [model.sizes, *model.thresholds]
        rates += model.rates
        counts += [model.persons, *model.sizes]
        is_sound = is_sound and _is_sound(model)
    rising += [values[::-1] for values in falling]
    is_ordered = all(list(values) == sorted(values) for values in rising)
    is_finite = all(math.isfinite(value) for values in rising for value in values)
    if not (is_sound and is_ordered and is_finite and all(0 < rate <= 1 for rate in rates)):
        raise ValueError("its values are inconsistent")
    are_counts = all(type(count) is int and count >= 0 for count in counts)
    are_measures = all(value is None or math.isfinite(value) for value in measures)
    are_bins = all(
        len(row) == 3 and all(map(math.isfinite, row)) for row in calibration.reliability
    )
    are_texts = isinstance(calibration.source, str) and isinstance(calibration.fingerprint, str)
    if not (are_counts and are_measures and are_bins and are_texts):
        raise TypeError("its values are of other types")
    return calibration


def _is_sound(model: FpirModel) -> bool:
    return (
        len(model.thresholds) == len(model.sizes) > 0
        and all(len(row) == len(model.rates) for row in model.thresholds)
        and all(map(math.isfinite, (model.level, model.scale, model.shape)))
        and 0 <= model.growth <= 1
        and 0 < model.share < 1
        and model.scale > 0
    )


def read(path: Path) -> Calibration:
    """Read a calibration file. Raises BadInput if it cannot be read or is not a calibration."""
    hint = "`siamkit calibrate … --output FILE` writes one"
    data = foreign.read_json(path, hint=hint)
    try:
        return from_dict(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        name = to_text(path)
        raise BadInput(f"{name} is not a calibration file: {error}", hint=hint) from error
