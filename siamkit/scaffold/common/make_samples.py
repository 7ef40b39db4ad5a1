"""Write the folder `samples`: ten identities with six samples each."""

from pathlib import Path

from siamkit_newname import sample

for identity, label in enumerate("abcdefghij"):
    folder = Path("samples", label)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(6):
        (folder / str(number)).write_bytes(sample(identity, number))
