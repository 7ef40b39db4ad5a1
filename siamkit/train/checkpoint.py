"""Checkpoints: one safetensors file holds all that a run needs to resume exactly.

Tensors: `network.*`, `average.*` (the moving average of the weights), `loss.*`, `optimiser.i.*`,
`memory.*` (embeddings of earlier steps) and `hard`, the negatives that mining found last. The
step, the curriculum and the best error so far are JSON in the header. Random numbers need no
state: they depend on the seed and the step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.sources import to_text
from siamkit.train.folder import LAST, replacing


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Replace a checkpoint, durably. Raises SiamkitError if the disk is full."""
    content = save(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()},
        metadata={"siamkit": json.dumps(facts)},
    )
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the facts of `write`. Raises BadInput, naming the file."""
    with _open(path) as (file, facts):
        return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118


def read_facts(path: Path) -> dict[str, Any]:
    """Read the facts alone. Raises BadInput, naming the file."""
    with _open(path) as (_, facts):
        return facts


def require_processes(folder: Path, count: int) -> None:
    """Raise BadInput for another number of processes: they would draw other batches."""
    last = folder / LAST
    before = read_facts(last).get("processes", count) if last.exists() else count
    if before != count:
        raise BadInput(
            f"{to_text(folder)} was started with {before} processes, and now there are {count}",
            hint=f"torchrun --nproc-per-node {before} -m siamkit train -o {quote(to_text(folder))}"
            " --resume, or as many over several machines"
            if before > 1
            else "resume it without torchrun",
        )


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    try:
        with foreign.open_file(path):  # safe_open waits for a pipe
            pass
        with safe_open(str(path), framework="pt") as file:
            facts = json.loads(file.metadata()["siamkit"])  # may hold NaN, unlike other JSON
            if not isinstance(facts, dict):
                raise TypeError("its facts are not an object")
            yield file, facts
    except (
        BadInput,
        OSError,
        SafetensorError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        raise BadInput(
            f"{to_text(path)} is not a checkpoint that training can resume from: {error}",
            hint="start again in another folder",
        ) from error


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Select the tensors whose names begin with a prefix, and drop it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put a prefix before the names of tensors."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of each parameter as '0.exp_avg', '0.step' and so on."""
    return {
        f"{number}.{name}": torch.as_tensor(value)
        for number, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore the state that `optimiser_tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    for weight, values in optimiser.state.items():
        for name, value in values.items():
            if value.shape == weight.shape:  # in its layout, on which a fused optimiser relies
                values[name] = torch.empty_like(weight).copy_(value)
