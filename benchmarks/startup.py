"""Time a cold `siamkit --help`; peer: a bare `import click`.

python benchmarks/startup.py
"""

from __future__ import annotations

import sys

from timing import in_turn, table

took = in_turn(
    {
        "help": [sys.executable, "-m", "siamkit", "--help"],
        "click": [sys.executable, "-c", "import click"],
    },
    runs=9,
)
table(
    [
        ("figure", "median of 9", "goal"),
        ("siamkit --help", f"{took['help'] * 1000:.0f} ms", "<= 150 ms"),
        ("python -c 'import click'", f"{took['click'] * 1000:.0f} ms", ""),
        ("ratio", f"{took['help'] / took['click']:.2f}", "<= 3"),
    ]
)
