"""Types of options that turn what a person writes into numbers."""

from __future__ import annotations

import pytest

from siamkit.cli.dedupe import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("500M", 500_000_000), ("2.5g", 2_500_000_000), ("8GiB", 8 << 30), ("1 kib", 1024), ("7", 7)],
)
def test_a_size_is_in_powers_of_1000_or_with_an_i_of_1024(text, size):
    assert parse_size(text) == size
