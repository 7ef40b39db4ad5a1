"""Charts as inline SVG: they use the page's text colour, scale with it, and need no script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamkit.reports.html import escaped

Scale: TypeAlias = Literal["linear", "log", "probit"]
Ticks: TypeAlias = tuple[tuple[float, str], ...]
# Colour-blind readers can tell these apart (Okabe & Ito 2008).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
RED = "#D55E00"
WIDTH, TOP, RIGHT, BOTTOM, LEFT = 420, 10, 16, 40, 52  # px: the chart, then its margins
BINS = 60  # of a histogram
LETTER = 6.6  # px: about the width of a letter in a label
TAIL = 0.0005  # share of the scores at each end that a histogram counts in its outermost bars
LOG_TICKS: Ticks = tuple((10.0**n, f"{10.0 ** (n + 2):g}") for n in range(-8, 1))  # in %
PROBIT_TICKS: Ticks = tuple(
    (share, f"{100 * share:g}")
    for share in (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99)
)  # in %


@dataclass(frozen=True, slots=True)
class Axis:
    """A range in the data's unit; low may exceed high. Probit: normal deviates."""

    low: float
    high: float
    label: str
    scale: Scale = "linear"
    ticks: Ticks = ()

    def position(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return positions along the axis in [0, 1]; values beyond it go to its end."""
        least, most = sorted((self.low, self.high))
        inside = np.clip(np.asarray(values, np.float64), least, most)
        start, stop, scaled = (_scaled(v, self.scale) for v in (self.low, self.high, inside))
        positions: NDArray[np.float64] = (scaled - start) / (stop - start)
        return positions

    def visible_ticks(self) -> Iterable[tuple[float, str]]:
        """Yield the (position, label) of each tick inside the range."""
        least, most = sorted((self.low, self.high))
        for value, label in self.ticks or ticks(least, most):
            if least <= value <= most:
                yield float(self.position(value)), label


def _scaled(values: ArrayLike, scale: Scale) -> NDArray[np.float64]:
    from scipy.special import ndtri

    functions = {"linear": np.asarray, "log": np.log10, "probit": ndtri}
    scaled: NDArray[np.float64] = functions[scale](values)
    return scaled


def ticks(low: float, high: float, count: int = 6) -> Ticks:
    """Return about `count` round values from low to high, low < high."""
    rough = (high - low) / count
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough * (1 - 1e-9))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # + 0.0: no "-0.0"
    return tuple((n * step, f"{n * step + 0.0:,.{digits}f}") for n in range(first, last + 1))


class Chart:
    """Draw on it, then take the figure. Colours are CSS; names go to the legend."""

    def __init__(self, x: Axis, y: Axis, *, height: int = 400, left: int = LEFT) -> None:
        self.x, self.y, self.height, self.left = x, y, height, left
        self.parts: list[str] = []
        self.legend: dict[str, str] = {}  # name -> HTML

    def line(
        self, xs: ArrayLike, ys: ArrayLike, colour: str, name: str = "", *, dotted: bool = False
    ) -> None:
        """Draw a line through (n,) points; consecutive points on one half pixel are merged."""
        points = np.round(np.stack([self._across(xs), self._down(ys)], axis=1) * 2) / 2
        if len(points):
            points = points[np.append(True, (points[1:] != points[:-1]).any(axis=1))]
        listed = " ".join(f"{x:g},{y:g}" for x, y in points.tolist())
        style = f'fill="none" stroke="{colour}" stroke-width="2"{_dashes(dotted)}'
        self.parts.append(f'<polyline points="{listed}" {style} stroke-linejoin="round"/>')
        self._add_to_legend(name, f'<path d="M0 8H24" {style}/>')

    def vertical(self, x: float, colour: str = "currentColor", name: str = "") -> None:
        """Draw a dashed line from bottom to top."""
        px = float(self._across(x))
        style = f'stroke="{colour}" stroke-width="1.5"{_dashes(True)}'
        self.parts.append(f'<path d="M{px:.1f} {TOP}V{self.height - BOTTOM}" {style}/>')
        self._add_to_legend(name, f'<path d="M0 8H24" {style}/>')

    def band(self, low: float, high: float, name: str = "") -> None:
        """Shade the area between two values of x."""
        left, right = (float(self._across(v)) for v in (low, high))
        style = 'fill="currentColor" fill-opacity=".1"'
        self.parts.append(
            f'<rect x="{left:.1f}" y="{TOP}" width="{max(0.0, right - left):.1f}"'
            f' height="{self.height - BOTTOM - TOP}" {style}/>'
        )
        self._add_to_legend(name, f'<rect width="24" height="14" {style}/>')

    def dot(
        self, x: float, y: float, colour: str, tooltip: str, *, radius: float = 5, name: str = ""
    ) -> None:
        """Draw a disc of a radius in px."""
        style = f'fill="{colour}" fill-opacity=".75" stroke="{colour}"'
        self.parts.append(
            f'<circle cx="{float(self._across(x)):.1f}" cy="{float(self._down(y)):.1f}"'
            f' r="{radius:.1f}" {style}><title>{escaped(tooltip)}</title></circle>'
        )
        # Discs of one name differ in colour, so the legend has that of the text.
        self._add_to_legend(name, '<circle cx="12" cy="8" r="5" fill="currentColor"/>')

    def segment(self, x: tuple[float, float], y: tuple[float, float], colour: str) -> None:
        """Draw a straight line from (x[0], y[0]) to (x[1], y[1])."""
        (a, b), (c, d) = self._across(x).tolist(), self._down(y).tolist()
        self.parts.append(
            f'<path d="M{a:.1f} {c:.1f}L{b:.1f} {d:.1f}" stroke="{colour}" stroke-width="2"/>'
        )

    def bars(self, edges: ArrayLike, heights: ArrayLike, colour: str, name: str = "") -> None:
        """Draw (n,) bars between (n + 1,) edges as one filled outline."""
        xs, ys = self._across(edges).tolist(), self._down(heights).tolist()
        steps = "".join(f"V{y:.1f}H{x:.1f}" for x, y in zip(xs[1:], ys, strict=True))
        style = f'fill="{colour}" fill-opacity=".3" stroke="{colour}" stroke-width="1.5"'
        base = self.height - BOTTOM
        self.parts.append(f'<path d="M{xs[0]:.1f} {base}{steps}V{base}" {style}/>')
        self._add_to_legend(name, f'<rect x="1" y="1" width="22" height="13" {style}/>')

    def figure(self, caption: str) -> str:
        """Return the chart with its caption and legend as HTML."""
        base, middle = self.height - BOTTOM, (TOP + self.height - BOTTOM) / 2
        return (
            f'<figure><figcaption>{escaped(caption)}</figcaption><svg role="img" aria-label='
            f'"{escaped(caption)}" viewBox="0 0 {WIDTH} {self.height}">{self._grid()}'
            f"{''.join(self.parts)}"
            f'<path d="M{self.left} {TOP}V{base}H{WIDTH - RIGHT}" fill="none" stroke='
            f'"currentColor"/><text x="{(self.left + WIDTH - RIGHT) / 2}" y="{self.height - 6}"'
            f' text-anchor="middle">{escaped(self.x.label)}</text><text text-anchor="middle"'
            f' transform="translate(12 {middle}) rotate(-90)">{escaped(self.y.label)}</text></svg>'
            f"<div class=legend>{''.join(self.legend.values())}</div></figure>"
        )

    def _grid(self) -> str:
        base, parts, label_end = self.height - BOTTOM, [], -math.inf
        faint = 'stroke="currentColor" stroke-opacity=".15"'
        for position, label in sorted(self.x.visible_ticks()):
            x = self.left + position * (WIDTH - RIGHT - self.left)
            parts.append(f'<path d="M{x:.1f} {TOP}V{base}" {faint}/>')
            half_width = len(label) * LETTER / 2
            if x - half_width > label_end + 4:  # labels that would overlap are left out
                style = 'text-anchor="middle"'
                parts.append(f'<text x="{x:.1f}" y="{base + 16}" {style}>{escaped(label)}</text>')
                label_end = x + half_width
        for position, label in self.y.visible_ticks():
            y = base - position * (base - TOP)
            parts.append(
                f'<path d="M{self.left} {y:.1f}H{WIDTH - RIGHT}" {faint}/><text x="'
                f'{self.left - 6}" y="{y + 4:.1f}" text-anchor="end">{escaped(label)}</text>'
            )
        return "".join(parts)

    def _across(self, xs: ArrayLike) -> NDArray[np.float64]:
        return self.left + self.x.position(xs) * (WIDTH - RIGHT - self.left)

    def _down(self, ys: ArrayLike) -> NDArray[np.float64]:
        return self.height - BOTTOM - self.y.position(ys) * (self.height - BOTTOM - TOP)

    def _add_to_legend(self, name: str, symbol: str) -> None:
        if name and name not in self.legend:
            self.legend[name] = (
                f'<span><svg viewBox="0 0 24 15" aria-hidden="true">{symbol}</svg>'
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
    """Draw the distribution of (n,) values, n >= 1, each series as shares of its own total.

    limit: a threshold and its legend. The few values far out count in the outermost bars, so that
    they do not squeeze the others.
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
        chart.bars(edges, share, colour, f"{name}: {len(values):,}")
    if limit is not None:
        chart.vertical(limit[0], name=limit[1])
    return chart.figure(caption)
