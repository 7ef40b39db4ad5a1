"""python one_shot.py [ENCODER ...]: 1-shot 20-way accuracy on doodles that nobody has trained on.

Twenty doodles are enrolled by one hand, and drawn again by another; how often is the nearest the
right one? Each round has a gallery of its own, with twenty other doodles.
"""

import sys
import tempfile

from siamkit_doodles import doodle

from siamkit import SiamkitError, Workspace

UNSEEN, WAYS, ROUNDS = 1_000_000, 20, 20  # doodles of training are numbered from 0


def one_shot(encoder: str | None) -> int:
    """How many of WAYS * ROUNDS are told right by an encoder folder, or the plugin's own."""
    right = 0
    with tempfile.TemporaryDirectory() as folder, Workspace(folder) as ws:
        for turn in range(ROUNDS):
            name, first = f"round-{turn}", UNSEEN + turn * WAYS
            ws.create_gallery(name, modality="doodles", encoder=encoder)
            for number in range(first, first + WAYS):
                ws.enrol(name, str(number), doodle(number, 0))
            for number in range(first, first + WAYS):
                (answer,) = ws.query(name, doodle(number, 1), k=1)
                right += answer.matches[0].identity == str(number)
    return right


try:
    for encoder in [None, *sys.argv[1:]]:
        share = one_shot(encoder) / (WAYS * ROUNDS)
        print(f"{encoder or 'before training'}: {share:.1%} of {WAYS * ROUNDS}")
except SiamkitError as error:
    print(f"Error: {error}\nHint: {error.hint}", file=sys.stderr)
    sys.exit(error.exit_code)
