"""Charts as inline SVG: they take the page's ink, scale with it, and need no script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from siamkit.reports.html import escaped

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Scale: TypeAlias = Literal["linear", "log", "probit"]
Ticks: TypeAlias = tuple[tuple[float, str], ...]
# Told apart by colour-blind eyes (Okabe & Ito 2008).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
RED = "#D55E00"
WIDTH, TOP, RIGHT, BOTTOM, LEFT = 420, 10, 16, 40, 52  # px, margins too
BINS = 60  # of a histogram
LETTER = 6.6  # px, about, of a label
TAIL = 0.0005  # of the scores at either end, which a histogram counts in its outermost bars
LOG_TICKS: Ticks = tuple((10.0**n, f"{10.0 ** (n + 2):g}") for n in range(-8, 1))  # in %
PROBIT_TICKS: Ticks = tuple(
    (share, f"{100 * share:g}")
    for share in (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99)
)  # in %


@dataclass(frozen=True, slots=True)
class Axis:
    """From where to where, in the data's unit; low may be the larger. Probit: normal deviates."""

    low: float
    high: float
    label: str
    scale: Scale = "linear"
    ticks: Ticks = ()

    def share(self, values: ArrayLike) -> NDArray[np.float64]:
        """How far along the axis values lie, in [0, 1]; what is beyond it is put at its end."""
        least, most = sorted((self.low, self.high))
        inside = np.clip(np.asarray(values, np.float64), least, most)
        start, stop, at = (_scaled(v, self.scale) for v in (self.low, self.high, inside))
        found: NDArray[np.float64] = (at - start) / (stop - start)
        return found

    def shown(self) -> Iterable[tuple[float, str]]:
        """(share, label) of the ticks inside."""
        least, most = sorted((self.low, self.high))
        for value, name in self.ticks or ticks(least, most):
            if least <= value <= most:
                yield float(self.share(value)), name


def _scaled(values: ArrayLike, scale: Scale) -> NDArray[np.float64]:
    from scipy.special import ndtri

    found: NDArray[np.float64] = np.asarray(values, np.float64)
    if scale != "linear":
        found = np.log10(found) if scale == "log" else ndtri(found)
    return found


def ticks(low: float, high: float, count: int = 6) -> Ticks:
    """About so many round values from low to high, low < high."""
    rough = (high - low) / count
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough * (1 - 1e-9))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # + 0.0: no "-0.0"
    return tuple((n * step, f"{n * step + 0.0:,.{digits}f}") for n in range(first, last + 1))


class Chart:
    """Draw upon it, then ask for the figure. Colours are CSS; names are for the legend."""

    def __init__(self, x: Axis, y: Axis, *, height: int = 320, left: int = LEFT) -> None:
        self.x, self.y, self.height, self.left = x, y, height, left
        self.parts: list[str] = []
        self.legend: list[str] = []
        self.named: set[str] = set()

    def line(
        self, xs: ArrayLike, ys: ArrayLike, colour: str, name: str = "", *, dotted: bool = False
    ) -> None:
        """A line through (n,) points. Those that fall on the same half pixel are one."""
        at = np.stack([self._across(xs), self._down(ys)], axis=1)
        at = np.round(at * 2) / 2
        at = at[np.append(True, (at[1:] != at[:-1]).any(axis=1))] if len(at) else at
        points = " ".join(f"{x:g},{y:g}" for x, y in at.tolist())
        style = f'fill="none" stroke="{colour}" stroke-width="2"{_dashes(dotted)}'
        self.parts.append(f'<polyline points="{points}" {style} stroke-linejoin="round"/>')
        self._name(name, f'<path d="M0 8H24" {style}/>')

    def upright(self, x: float, colour: str = "currentColor", name: str = "") -> None:
        """A dashed line from bottom to top."""
        at = float(self._across(x))
        style = f'stroke="{colour}" stroke-width="1.5"{_dashes(True)}'
        self.parts.append(f'<path d="M{at:.1f} {TOP}V{self.height - BOTTOM}" {style}/>')
        self._name(name, f'<path d="M0 8H24" {style}/>')

    def band(self, low: float, high: float, name: str = "") -> None:
        """Shade what lies between two values of x."""
        left, right = (float(self._across(v)) for v in (low, high))
        style = 'fill="currentColor" fill-opacity=".1"'
        self.parts.append(
            f'<rect x="{left:.1f}" y="{TOP}" width="{max(0.0, right - left):.1f}"'
            f' height="{self.height - BOTTOM - TOP}" {style}/>'
        )
        self._name(name, f'<rect width="24" height="14" {style}/>')

    def dot(
        self, x: float, y: float, colour: str, *, radius: float = 5, said: str = "", name: str = ""
    ) -> None:
        """A disc; `said` shows where a mouse rests on it."""
        style = f'fill="{colour}" fill-opacity=".75" stroke="{colour}"'
        self.parts.append(
            f'<circle cx="{float(self._across(x)):.1f}" cy="{float(self._down(y)):.1f}"'
            f' r="{radius:.1f}" {style}><title>{escaped(said)}</title></circle>'
        )
        self._name(name, '<circle cx="12" cy="8" r="5" fill="currentColor"/>')  # of any colour

    def reach(self, x: tuple[float, float], y: tuple[float, float], colour: str) -> None:
        """A straight line between (x[0], y[0]) and (x[1], y[1]): an interval."""
        (a, b), (c, d) = self._across(x).tolist(), self._down(y).tolist()
        self.parts.append(
            f'<path d="M{a:.1f} {c:.1f}L{b:.1f} {d:.1f}" stroke="{colour}" stroke-width="2"/>'
        )

    def stairs(self, edges: ArrayLike, heights: ArrayLike, colour: str, name: str = "") -> None:
        """(n,) bars between (n + 1,) edges, as one filled outline."""
        xs, ys = self._across(edges).tolist(), self._down(heights).tolist()
        steps = "".join(f"V{y:.1f}H{x:.1f}" for x, y in zip(xs[1:], ys, strict=True))
        style = f'fill="{colour}" fill-opacity=".3" stroke="{colour}" stroke-width="1.5"'
        base = self.height - BOTTOM
        self.parts.append(f'<path d="M{xs[0]:.1f} {base}{steps}V{base}" {style}/>')
        self._name(name, f'<rect x="1" y="1" width="22" height="13" {style}/>')

    def figure(self, caption: str) -> str:
        """The chart with its caption and legend, as HTML."""
        base, middle = self.height - BOTTOM, (TOP + self.height - BOTTOM) / 2
        return (
            f'<figure><figcaption>{escaped(caption)}</figcaption><svg role="img" aria-label='
            f'"{escaped(caption)}" viewBox="0 0 {WIDTH} {self.height}">{self._grid()}'
            f"{''.join(self.parts)}"
            f'<path d="M{self.left} {TOP}V{base}H{WIDTH - RIGHT}" fill="none" stroke='
            f'"currentColor"/><text x="{(self.left + WIDTH - RIGHT) / 2}" y="{self.height - 6}"'
            f' text-anchor="middle">{escaped(self.x.label)}</text><text text-anchor="middle"'
            f' transform="translate(12 {middle}) rotate(-90)">{escaped(self.y.label)}</text></svg>'
            f"<div class=legend>{''.join(self.legend)}</div></figure>"
        )

    def _grid(self) -> str:
        base, out, end = self.height - BOTTOM, [], -math.inf
        faint = 'stroke="currentColor" stroke-opacity=".15"'
        for share, name in sorted(self.x.shown()):
            at = self.left + share * (WIDTH - RIGHT - self.left)
            out.append(f'<path d="M{at:.1f} {TOP}V{base}" {faint}/>')
            wide = len(name) * LETTER / 2
            if at - wide > end + 4:  # labels that would run into each other are left out
                out.append(f'<text x="{at:.1f}" y="{base + 16}" text-anchor="middle">{name}</text>')
                end = at + wide
        for share, name in self.y.shown():
            at = base - share * (base - TOP)
            out.append(
                f'<path d="M{self.left} {at:.1f}H{WIDTH - RIGHT}" {faint}/><text x="'
                f'{self.left - 6}" y="{at + 4:.1f}" text-anchor="end">{escaped(name)}</text>'
            )
        return "".join(out)

    def _across(self, xs: ArrayLike) -> NDArray[np.float64]:
        return self.left + self.x.share(xs) * (WIDTH - RIGHT - self.left)

    def _down(self, ys: ArrayLike) -> NDArray[np.float64]:
        return self.height - BOTTOM - self.y.share(ys) * (self.height - BOTTOM - TOP)

    def _name(self, name: str, drawn: str) -> None:
        if name and name not in self.named:
            self.named.add(name)
            self.legend.append(
                f'<span><svg viewBox="0 0 24 15" aria-hidden="true">{drawn}</svg>'
                f" {escaped(name)}</span>"
            )


def _dashes(dotted: bool) -> str:
    return ' stroke-dasharray="4 3"' if dotted else ""


def histogram(
    caption: str,
    series: Mapping[str, NDArray[np.floating]],
    label: str,
    limit: tuple[float, str] | None = None,
) -> str:
    """A figure of how (n,) values, n >= 1, spread; each series by its own number.

    limit: a threshold, and what the legend says of it. Few values far out do not squeeze the
    others: they count in the outermost bars.
    """
    ends = [np.quantile(values, [TAIL, 1 - TAIL]) for values in series.values()]
    if limit is not None:
        ends.append(np.array([limit[0], limit[0]]))
    low, high = float(np.min(ends)), float(np.max(ends))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    shares = [
        100 * np.histogram(np.clip(values, low, high), edges)[0] / len(values)
        for values in series.values()
    ]
    top = max(float(share.max()) for share in shares) * 1.05
    chart = Chart(Axis(low, high, label), Axis(0, top, "share in %"), height=260)
    for (name, values), share, colour in zip(series.items(), shares, COLOURS, strict=False):
        chart.stairs(edges, share, colour, f"{name}: {len(values):,}")
    if limit is not None:
        chart.upright(limit[0], name=limit[1])
    return chart.figure(caption)
