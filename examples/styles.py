"""Write photographs in three styles: `python examples/styles.py`, into the folder `works`.

works/STYLE-NAME.png shows the photograph NAME hatched, in dots, or as a watercolour. The
photographs come with scikit-image: see its data/README.txt.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

SIDE = 320  # px
PHOTOGRAPHS = {"coffee": "coffee.png", "cat": "chelsea.png", "rocket": "rocket.jpg"}


def read(file: str) -> np.ndarray:
    """Return the middle of a photograph of scikit-image, (SIDE, SIDE, 3) uint8 BGR."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SystemExit("this needs the package scikit-image: pip install 'siamkit[demo]'")
    pixels = cv2.imread(str(Path(spec.origin).parent / "data" / file))
    height, width = pixels.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    cut = pixels[top : top + short, left : left + short]
    return cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def hatch(pixels: np.ndarray) -> np.ndarray:
    """Draw the shadows with up to three layers of parallel lines."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    paper = np.full((SIDE, SIDE, 3), 245, np.uint8)
    for limit, places in ((170, rows + columns), (120, rows - columns), (70, rows)):
        paper[(places % 7 < 2) & (grey < limit)] = (40, 20, 20)
    return paper


def dot(pixels: np.ndarray) -> np.ndarray:
    """Draw dots of the photograph's colours on black."""
    step, canvas = 10, np.zeros_like(pixels)
    for row in range(step // 2, SIDE, step):
        for column in range(step // 2, SIDE, step):
            colour = pixels[row, column].tolist()
            cv2.circle(canvas, (column, row), 4, colour, -1, cv2.LINE_AA)
    return canvas


def wash(pixels: np.ndarray) -> np.ndarray:
    """Run the colours into patches, on grainy paper."""
    smooth = cv2.medianBlur(pixels, 15)
    smooth = cv2.stylization(smooth, sigma_s=60, sigma_r=0.5)
    grain = np.random.default_rng(0).normal(0, 6, (SIDE, SIDE, 1))
    return np.clip(smooth * 0.6 + 100 + grain, 0, 255).astype(np.uint8)


def main() -> None:
    folder = Path("works")
    folder.mkdir(exist_ok=True)
    for name, file in PHOTOGRAPHS.items():
        pixels = read(file)
        for style, draw in (("hatched", hatch), ("dots", dot), ("wash", wash)):
            cv2.imwrite(str(folder / f"{style}-{name}.png"), draw(pixels))


if __name__ == "__main__":
    main()
