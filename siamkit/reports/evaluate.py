"""A page about an evaluation: one self-contained HTML file with curves and the worst errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from siamkit.reports import evaluate_charts, evaluate_text
from siamkit.reports.html import escaped, page, table
from siamkit.reports.previews import exhibit
from siamkit.stats.verification import ERRORS

if TYPE_CHECKING:
    from pathlib import Path

    from siamkit.flows.evaluate import Evaluation

WORST = 9  # pairs of either kind: three rows of three
FAULTS = 100  # that are listed

_STYLE = """
h3 { margin: 1.6em 0 0 } h3 + p { margin: .2em 0 .8em } .pair > p { margin: 0 0 .5em }
.pairs { display: grid; gap: 1em; grid-template-columns: repeat(auto-fill, minmax(17em, 1fr)) }
.pair { border: 1px solid var(--line); border-radius: 6px; padding: .6em; break-inside: avoid }
.pair > div { display: flex; flex-wrap: wrap; gap: .6em } .pair figure { flex: 1 1 7em }
.pair img { display: block; max-width: 100%; height: auto; background: #fff }
.pair audio { width: 100% } .pair figure:has(audio), .pair blockquote { flex-basis: 100% }
.pair small { overflow-wrap: anywhere; display: block }
blockquote { margin: 0; padding: .2em .6em; border-left: 3px solid var(--line);
  overflow-wrap: anywhere; white-space: pre-line }
"""
_TERMS = """<details><summary>Terms</summary><ul>
<li><b>Mated</b> comparisons are of two samples of one identity, <b>non-mated</b> ones of two.
<li><b>FMR</b>, the false match rate: the share of non-mated comparisons at or above the threshold.
<li><b>FNMR</b>, the false non-match rate: the share of mated comparisons below it.
<li><b>EER</b>: the rate where both are equal. <b>ROC AUC</b>: how often a mated score is above a
non-mated one. <b>minDCF</b>: the lowest cost of errors, relative to always giving one answer.
<li><b>Rank-k hit rate</b>: how often the right identity is among the k most similar.
<b>FPIR</b>: how often a stranger is identified as somebody. <b>FNIR</b>: how often somebody
enrolled is not identified; <b>DIR</b> is 1 - FNIR.
<li>In brackets: the 95 % interval, from resampling the identities.
</ul></details>"""


def html(results: Sequence[Evaluation], title: str) -> str:
    """Return the page about one or more results as text. User texts are escaped.

    Pictures and short sounds of the worst errors are embedded; missing files show their names.
    """
    body = _table(results) + evaluate_charts.error_curves(results)
    body += evaluate_charts.score_histograms(results) + evaluate_charts.hit_rates(results)
    body += "".join(map(evaluate_charts.group_rates, results))
    body += _worst_errors(results) + _faults(results) + _notes(results)
    return page(f"Evaluation of {title}", body, _STYLE)


def _table(results: Sequence[Evaluation]) -> str:
    rows = [(name, *values) for name, values in evaluate_text.compared(results).items()]
    head = ["", *(result.name for result in results)]
    return table(head, rows) + _unsupported(results) + _TERMS


def _unsupported(results: Sequence[Evaluation]) -> str:
    """List the rates that the data is too small for, and how much data there is."""
    data_by_rate: dict[str, str] = {}
    for result in results:
        non_mated = int((~result.measured.comparisons.mated).sum())
        if result.measured.unsupported_fmrs:
            rate = f"false match rates below {ERRORS / non_mated:.2g}"
            data_by_rate[rate] = f"{non_mated:,} non-mated comparisons"
        if result.identified and result.identified.unsupported_fpirs:
            probes = len(result.identified.searches.labels)
            rate = f"false positive identification rates below {ERRORS / probes:.2g}"
            data_by_rate[rate] = f"{probes:,} probes"
    return "".join(
        f"<p>Not shown: {rate}. A rate needs at least {ERRORS} errors (the rule of {ERRORS}), and"
        f" there are only {data}."
        for rate, data in data_by_rate.items()
    )


def _worst_errors(results: Sequence[Evaluation]) -> str:
    preview = cache(exhibit)
    parts = []
    for result in results:
        order = np.argsort(result.scores, kind="stable")
        mated = result.trials.mated[order]
        threshold, name = evaluate_charts.deciding_threshold(result.measured)
        for rows, kind, heading in (
            (order[~mated][::-1][:WORST], "false match", "two identities, highest scores"),
            (order[mated][:WORST], "false non-match", "one identity, lowest scores"),
        ):
            cards = "".join(_card(result, int(row), threshold, kind, preview) for row in rows)
            parts.append(
                f"<h3>{escaped(result.name)}: {heading}</h3><p class=soft>{escaped(name)}"
                f"<div class=pairs>{cards}</div>"
            )
    return f"<h2>The worst errors</h2>{''.join(parts)}"


def _card(
    result: Evaluation,
    row: int,
    threshold: float,
    kind: str,
    preview: Callable[[Path | str, bytes | None], str],
) -> str:
    """Show one comparison; where errors are few, it need not be one."""
    trials, score = result.trials, float(result.scores[row])
    is_error = (score < threshold) == bool(trials.mated[row])
    word = f"<b class=bad>{kind}</b>" if is_error else "<span class=soft>no error</span>"
    digests: Sequence[bytes | None] = trials.digests or [None] * len(trials.samples)
    sides = trials.left[row], trials.right[row]
    samples = "".join(preview(trials.samples[side], digests[side]) for side in sides)
    return f"<div class=pair><p>{score:.3f} {word}<div>{samples}</div></div>"


def _faults(results: Sequence[Evaluation]) -> str:
    faults = list(dict.fromkeys(fault for result in results for fault in result.faults))
    if not faults:
        return ""
    listed = ""
    for fault in faults[:FAULTS]:
        reason = fault.reason.removeprefix(f"{fault.where}: ")
        listed += f"<li>{escaped(fault.where, 300)}: {escaped(reason, 300)}"
    if len(faults) > FAULTS:
        listed += f"<li>… and {len(faults) - FAULTS:,} more"
    return f"<h2>Could not be used: {len(faults):,}</h2><ul>{listed}</ul>"


def _notes(results: Sequence[Evaluation]) -> str:
    draws = " and ".join(dict.fromkeys(f"{result.measured.draws:,}" for result in results))
    notes = [note for result in results for note in result.notes]
    notes.append(f"Intervals are 95 %, from {draws} resamplings of the identities.")
    listed = "".join(f"<li>{escaped(note)}" for note in dict.fromkeys(notes))
    return f"<h2>Notes</h2><ul>{listed}</ul>"
