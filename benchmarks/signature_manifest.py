"""Signatures as `siamkit train` reads them: path,label,impostor,split.

    python signature_manifest.py DATA [--out FILE]

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
    given = parser.parse_args()
    rows = [
        (
            (given.data / signature.path).absolute(),
            signature.label,
            int(signature.forged),
            "validation" if signature.validation else "train",
        )
        for signature in read(given.data)
    ]
    with given.out.open("w", newline="") if given.out else sys.stdout as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["path", "label", "impostor", "split"])
        out.writerows(rows)


if __name__ == "__main__":
    main()
