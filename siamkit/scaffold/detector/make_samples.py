"""Write the folder `samples`: pages with drawn shapes."""

from pathlib import Path

from PIL import Image
from siamkit_newname import drawing

folder = Path("samples")
folder.mkdir(exist_ok=True)
for number in range(3):
    Image.fromarray(drawing(number).pixels).save(folder / f"{number}.png")
