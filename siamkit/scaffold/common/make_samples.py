"""python make_samples.py: the folder `samples`, ten identities with six samples each."""

from pathlib import Path

from siamkit_newname import sample

for who, identity in enumerate("abcdefghij"):
    folder = Path("samples", identity)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(6):
        (folder / str(number)).write_bytes(sample(who, number))
