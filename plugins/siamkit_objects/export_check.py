"""Compare an exported detector with the original, on pictures of several shapes.

Regions must agree within BOX, SCORE and MASK. Where they do not, the original is run in float64 as
well: if its own float32 answers differ from those, an export cannot be nearer to them, and the
limits are ROUNDINGS times that error, but at most LOOSEST times the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from siamkit.errors import PluginError
from siamkit.sdk.masks import on_picture
from siamkit.types import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Mask

BOX, SCORE, MASK = 0.01, 1e-4, 0.999  # px, of [0, 1], IoU: the most, the most, the least
ROUNDINGS = 2.0  # the original's rounding error, and the export's, which may go the other way
LOOSEST = 10.0  # times the rule
COMPARED = 50  # regions of a picture: the best ones, if a detector's own limit leaves fewer
Paint = Callable[[int, Region], "Mask"]
# Regions of the original, and a function that draws the mask of the region of a number in the
# pixels of another one's box, or None if they have no masks, or carry them.
Expected = tuple[Sequence[Region], Paint | None]
Computed = TypeVar("Computed")
Maps = tuple[Any, Any]  # (h, w) each: the class of a pixel, and its probability
EDGE = 2  # pixels of a class
SHAPES = ((240, 320), (300, 200))  # height, width; px


@dataclass(frozen=True, slots=True)
class Agreement:
    """The largest differences between the regions of two detectors, over all pictures."""

    regions: int = 0
    box: float = 0.0  # px
    score: float = 0.0
    mask: float = 1.0  # the least IoU

    def __or__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.regions + other.regions,
            max(self.box, other.box),
            max(self.score, other.score),
            min(self.mask, other.mask),
        )

    @property
    def excess(self) -> float:
        """The largest difference, as a multiple of what the rule allows."""
        return float(max(self.box / BOX, self.score / SCORE, (1 - self.mask) / (1 - MASK)))


def probes() -> list[NDArray[np.uint8]]:
    """Return pictures (h, w, 3), one wide and one tall, with shapes, shades and noise in them."""
    rng = np.random.default_rng(0)
    pictures = []
    for height, width in SHAPES:
        y, x = np.mgrid[:height, :width]
        waves = ((31, 47), (23, -61), (53, 29))
        picture = np.stack([128 + 60 * np.sin(y / a + x / b) for a, b in waves], axis=-1)
        for _ in range(12):
            middle, radius = rng.uniform(0, (height, width)), rng.uniform(12, 60, 2)
            distance = np.abs(np.stack([y, x], axis=-1) - middle) / radius
            shape = distance.max(axis=-1) if rng.random() < 0.5 else (distance**2).sum(axis=-1)
            picture[shape < 1] = rng.uniform(0, 255, 3)
        noisy = picture + rng.normal(0, 6, picture.shape)
        pictures.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return pictures


def in_float64(network: Any, compute: Callable[[], Computed]) -> Computed | None:
    """Return what a function computes by a network in float64; None if the network cannot."""
    network.double()
    try:
        return compute()
    except RuntimeError:  # torch's, if a part of the network makes float32 all the same
        return None
    finally:
        network.float()


def to_maps(planes: Any, picture: tuple[int, int], *, logits: bool = True) -> Maps:
    """Return the class and its probability per pixel of a picture for a tensor (1, c, h, w)."""
    from torch.nn.functional import interpolate

    shares = planes.softmax(1) if logits else planes.clip(0, 1)
    best = shares.max(1, keepdim=True).values
    classes, best = (
        interpolate(tensor, size=picture, mode="bilinear", align_corners=False)[0]
        for tensor in (planes, best)
    )
    return classes.argmax(0).numpy(), best[0].numpy()


def require_same_maps(
    folder: Path, network: Any, expect: Callable[[NDArray[np.uint8]], Maps], *, peer: str
) -> Agreement:
    """Compare the classes of all pixels, and their probabilities. Raises PluginError.

    network: the original. expect: returns both maps of a picture, computed by it in its present
    precision, see `to_maps`.
    """
    from siamkit_objects.families import semantic
    from siamkit_objects.folder import FolderDetector

    detector, total = FolderDetector(folder), Agreement()
    for picture in probes():
        outputs, frame = detector.run(picture)
        semantic.require_fit([output.shape for output in outputs], detector.card)
        served = semantic.to_maps(outputs[0][0], detector.card, frame.picture)
        expected = expect(picture)
        differences = _compare_maps(served, expected)
        index, worst = max(differences.items(), key=lambda entry: entry[1].excess)
        if worst.excess > 1:
            exact = in_float64(network, partial(expect, picture))
            own = _compare_maps(expected, exact).values() if exact else ()
            if worst.excess > _slack(own):
                raise PluginError(
                    f"the exported model and {peer} differ in {detector.labels[index]}: a mask IoU"
                    f" of {worst.mask:.4f}, probabilities {worst.score:.5f} apart: nothing was"
                    " added"
                )
        for difference in differences.values():
            total |= difference
    return total


def _compare_maps(left: Maps, right: Maps) -> dict[int, Agreement]:
    """Return the differences of two pairs of maps, for each class of the right ones."""
    score = float(np.abs(left[1] - right[1]).max())
    differences = {}
    for index in np.unique(right[0]).tolist():
        mask = overlap(left[0] == index, right[0] == index)
        # A class of a few pixels: those on its edge alone may differ by rounding.
        count = np.count_nonzero((left[0] == index) != (right[0] == index))
        differences[index] = Agreement(1, 0.0, score, mask if count > EDGE else 1.0)
    return differences


def _slack(rounding: Iterable[Agreement]) -> float:
    """Return the limits, as a multiple of the rule, for an original with these rounding errors."""
    largest = max((agreement.excess for agreement in rounding), default=0.0)
    return min(max(1.0, ROUNDINGS * largest), LOOSEST)


def threshold(regions: Sequence[Region], least: float) -> float:
    """Return the score from which regions are compared: `least`, or less to compare COMPARED."""
    scores = sorted((region.score for region in regions), reverse=True)
    return min([least, *scores[:COMPARED][-1:]])


def require_same(
    served: Sequence[Region],
    expected: Expected,
    exact: Callable[[], Expected | None],
    *,
    peer: str,
    least: float = 0.0,
) -> Agreement:
    """Return how well two lists of regions of a picture agree. Raises PluginError if not enough.

    exact: returns what the original finds in float64, None if it cannot; called where the rule is
    not kept. peer: the library of the original. least: the score from which both were asked for; a
    region that nearly has it may be absent. Regions that carry masks are compared by those alone,
    which their boxes enclose.
    """
    pair = partial(_pair, peer=peer, least=least)
    try:
        return pair(served, expected)
    except PluginError:
        slack = _measure_slack(expected, exact(), pair)
        if slack <= 1:
            raise
    return pair(served, expected, slack=slack)


def _measure_slack(expected: Expected, exact: Expected | None, pair: Any) -> float:
    """Return the limits, as a multiple of the rule, that the original's rounding calls for."""
    if exact is None:
        return 1.0
    regions, paint = expected
    if paint is not None:
        regions = [replace(r, mask=paint(number, r)) for number, r in enumerate(regions)]
    try:
        return _slack([pair(regions, exact, slack=LOOSEST)])
    except PluginError:  # its float32 regions are further from the float64 ones than any slack
        return LOOSEST


def _pair(
    served: Sequence[Region],
    expected: Expected,
    *,
    peer: str,
    least: float,
    slack: float = 1.0,
) -> Agreement:
    """Return how well regions agree, each with the nearest of the others; see `require_same`."""
    regions, paint = expected
    left, almost = list(served), least + slack * SCORE
    total = Agreement()
    for number, region in enumerate(regions):
        if region.score < least:
            continue
        pairs = [
            (candidate, _compare(candidate, region, number, paint, slack)) for candidate in left
        ]
        fitting = [(candidate, pair) for candidate, pair in pairs if pair.excess <= slack]
        if fitting:
            candidate, pair = min(fitting, key=lambda entry: (entry[1].box, -entry[1].mask))
            left = [unpaired for unpaired in left if unpaired is not candidate]
            total |= pair
        elif region.score > almost:
            raise PluginError(_describe(region, [pair for _, pair in pairs], peer))
    for region in left:
        if region.score > almost:
            raise PluginError(
                f"the exported model finds {_name(region)}, and {peer} does not: nothing was added"
            )
    return total


def _compare(
    served: Region, expected: Region, number: int, paint: Paint | None, slack: float
) -> Agreement:
    """Return the differences of two regions. Those of other labels have nothing in common."""
    if served.label != expected.label:
        return Agreement(1, np.inf, np.inf, 0.0)
    score = abs(served.score - expected.score)
    if expected.mask is not None:
        is_near = score <= slack * SCORE
        return Agreement(1, 0.0, score, mask_iou(served, expected) if is_near else 0.0)
    box = float(np.abs(np.subtract(served.where or (), expected.where or ())).max())
    if paint is None or served.mask is None or box > slack * BOX:
        return Agreement(1, box, score, 1.0)
    return Agreement(1, box, score, overlap(served.mask, paint(number, served)))


def mask_iou(left: Region, right: Region) -> float:
    """Return the intersection over union of two regions' masks; 1 if both are empty."""
    ends = np.ceil([*(left.where or ()), *(right.where or ())]).astype(int)
    width, height = int(ends[[2, 6]].max()), int(ends[[3, 7]].max())
    return overlap(on_picture(left, width, height), on_picture(right, width, height))


def overlap(left: Mask, right: Mask) -> float:
    """Return the intersection over union of two masks of a picture; 1 if both are empty."""
    union = np.count_nonzero(left | right)
    return float(np.count_nonzero(left & right) / union) if union else 1.0


def _name(region: Region) -> str:
    where = ", ".join(f"{edge:.1f}" for edge in region.where or ())
    return f"{region.label or 'a region'} at {where} with score {region.score:.4f}"


def _describe(region: Region, pairs: Sequence[Agreement], peer: str) -> str:
    """Return the message for a region that the served detector does not find like the original."""
    nearest = min(pairs, key=lambda pair: (pair.box, -pair.mask, pair.score), default=None)
    if nearest is None or nearest.box == np.inf:
        difference = "the exported model finds no other of that label"
    else:
        difference = (
            f"the nearest of the exported model is {nearest.box:.3f} px and {nearest.score:.5f}"
            f" away, with a mask IoU of {nearest.mask:.4f}"
        )
    return f"{peer} finds {_name(region)}; {difference}: nothing was added"
