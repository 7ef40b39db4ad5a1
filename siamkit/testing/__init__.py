"""The conformance kit: one check per rule that a plugin must keep, for its author's tests.

    from siamkit.testing import parametrize_with_checks

    @parametrize_with_checks([MyModality()])
    def test_contract(plugin, check):
        check(plugin)

`siamkit plugins check NAME` runs the same checks on an installed plugin.
"""

from __future__ import annotations

from siamkit.testing.brute import Brute
from siamkit.testing.checks import (
    check_detector,
    check_encoder,
    check_index,
    check_installed,
    check_modality,
    checks_of,
    results,
)
from siamkit.testing.rule import Failure, NotRun, Result
from siamkit.testing.subjects import Sampled
from siamkit.testing.with_pytest import parametrize_with_checks

__all__ = [
    "Brute",
    "Failure",
    "NotRun",
    "Result",
    "Sampled",
    "check_detector",
    "check_encoder",
    "check_index",
    "check_installed",
    "check_modality",
    "checks_of",
    "parametrize_with_checks",
    "results",
]
