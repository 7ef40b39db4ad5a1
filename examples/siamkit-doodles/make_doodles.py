"""python make_doodles.py [FOLDER]: 300 doodles by ten hands each, a folder a doodle."""

import sys
from pathlib import Path

from siamkit_doodles import doodle

DOODLES, HANDS = 300, 10

for number in range(DOODLES):
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "doodles", f"{number:03}")
    folder.mkdir(parents=True, exist_ok=True)
    for hand in range(HANDS):
        (folder / f"{hand}.json").write_bytes(doodle(number, hand))
