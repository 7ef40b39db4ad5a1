"""A hundred damaged stores: every command ends in time, with an answer or a plain error.

`python tests/support/damage.py 500` runs more, and prints a tally.
"""

from __future__ import annotations

from random import Random

import pytest
from damage import COMMANDS, KINDS, Oracle, check, damage, make_store

STORES = 8  # of each kind of damage
ANSWERS = COMMANDS[0]  # its scores are compared with those of the undamaged templates


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    root = tmp_path_factory.mktemp("sound") / "store"
    make_store(root)
    return root, Oracle(root)


@pytest.mark.parametrize("kind", list(dict.fromkeys(KINDS)), ids=lambda kind: kind.__name__)
@pytest.mark.timeout(300)
def test_a_damaged_store_gives_an_answer_or_a_plain_error(sound, tmp_path, shell_in, kind):
    root, oracle = sound
    for seed in range(STORES):
        folder = tmp_path / str(seed)
        what = damage(root, folder, kind, seed)
        rng = Random(seed)
        for command in (("doctor",), ANSWERS, rng.choice(COMMANDS), rng.choice(COMMANDS)):
            assert not (fault := check(shell_in(folder), command, oracle)), (what, command, fault)
