"""Descend losses by the pixels of a picture: one step at a time, resumable, the same every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from siamkit.errors import SiamkitError
from siamkit.train.pictures.settings import Optimiser

RATE = 0.03  # of Adam, in units of the range of a pixel: a grey level is 0.004
HISTORY = 20  # gradients that L-BFGS takes the curvature from
TRANSIENT = ("al",)  # of the state of L-BFGS: within a step


class Losses(NamedTuple):
    """Losses of a picture. `total` is the one that is descended."""

    total: Tensor
    content: Tensor
    style: Tensor

    def numbers(self) -> tuple[float, float, float]:
        """Return them as numbers: total, content, style."""
        return self.total.item(), self.content.item(), self.style.item()


Objective: TypeAlias = Callable[[Tensor], Losses]  # of (1, height, width, 3) in [0, 1]


class Diverged(SiamkitError):
    """The losses are not numbers any more."""


class Descent:
    """A picture on its way down.

    picture: (1, height, width, 3) in [0, 1], changed by each step, and always one whose losses are
    finite. Pixels stay in range.
    """

    def __init__(self, objective: Objective, picture: Tensor, optimiser: Optimiser) -> None:
        self._objective = objective
        self.picture = picture.detach().clone().requires_grad_()
        self._last = self.picture.detach().clone()  # the last picture whose losses are known
        self._optimiser = _optimiser(optimiser, self.picture)
        self._evaluated: tuple[Tensor, Losses, Tensor] | None = None  # with the gradient

    def step(self) -> tuple[float, float, float]:
        """Take a step; return the losses before it: total, content, style.

        Raises Diverged if they are not finite; the picture is then the last one of which they are.
        """
        before = self._evaluate()
        if not torch.isfinite(before.total):
            with torch.no_grad():
                self.picture.copy_(self._last)
            raise Diverged("the losses are not numbers any more")
        with torch.no_grad():
            self._last.copy_(self.picture)
        self._optimiser.step(lambda: self._evaluate().total)  # type: ignore[arg-type, return-value]
        with torch.no_grad():
            self.picture.clamp_(0, 1)
        return before.numbers()

    def _evaluate(self) -> Losses:
        """Return the losses, and set the gradient; once for each picture."""
        pixels = self.picture.detach()
        if self._evaluated is not None and torch.equal(self._evaluated[0], pixels):
            _, losses, gradient = self._evaluated
            self.picture.grad = gradient.clone()
            return losses
        self.picture.grad = None
        losses = self._objective(self.picture)
        (gradient,) = torch.autograd.grad(losses.total, [self.picture])
        losses = Losses(*(loss.detach() for loss in losses))
        self._evaluated = pixels.clone(), losses, gradient
        self.picture.grad = gradient.clone()
        return losses

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that `restore` needs: tensors, and numbers for JSON."""
        tensors: dict[str, Tensor] = {"picture": self.picture, "last": self._last}
        numbers: dict[str, Any] = {}
        for name, value in self._optimiser.state[self.picture].items():
            if name in TRANSIENT or value is None:
                continue
            for key, item in _items(name, value):
                (tensors if isinstance(item, Tensor) else numbers)[key] = item
        return tensors, numbers

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on from a state, as if there had been no interruption."""
        device = self.picture.device
        with torch.no_grad():
            self.picture.copy_(tensors["picture"])
            self._last.copy_(tensors["last"])
        state: dict[str, Any] = {}
        for key, value in {**tensors, **numbers}.items():
            name, _, place = key.partition(".")
            if name in ("picture", "last"):
                continue
            # The number of steps stays on the CPU, as torch has it.
            value = value.to(device) if isinstance(value, Tensor) and value.dim() else value
            if place:
                state.setdefault(name, []).append((int(place), value))
            else:
                state[name] = value
        for name, value in state.items():
            if isinstance(value, list):
                state[name] = [item for _, item in sorted(value, key=lambda pair: pair[0])]
        self._optimiser.state[self.picture] = state


def _items(name: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, list):
        return [(f"{name}.{place}", item) for place, item in enumerate(value)]
    return [(name, value)]


def _optimiser(kind: Optimiser, picture: Tensor) -> torch.optim.Optimizer:
    if kind == "adam":
        return torch.optim.Adam([picture], lr=RATE)
    return torch.optim.LBFGS(
        [picture], max_iter=1, history_size=HISTORY, line_search_fn="strong_wolfe"
    )
