"""Write a manifest of signatures for `siamkit train`: path,label,impostor,split.

    python benchmarks/signature_manifest.py DATA [--out FILE]

Paths are absolute. Writers whose number is divisible by 5 are for validation.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from signature_trials import read


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [
        (
            (options.data / signature.path).absolute(),
            signature.label,
            int(signature.forged),
            "validation" if signature.validation else "train",
        )
        for signature in read(options.data)
    ]
    with options.out.open("w", newline="") if options.out else sys.stdout as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["path", "label", "impostor", "split"])
        out.writerows(rows)


if __name__ == "__main__":
    main()
