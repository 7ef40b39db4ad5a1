"""The loss of a localiser: is an object there, where, and which."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from siamkit.train.localise.network import Answers

CORE = 0.35  # half of the share of a box's sides within which cells should vote
BETA = 0.05  # error of a centre or a side from which smooth L1 is linear, share of the picture
VOTES = 0.5  # weight of the votes beside the boxes
SIDES = 2.0  # weight of smooth L1 beside GIoU


@dataclass(frozen=True, slots=True)
class Losses:
    """The parts of a loss; those of boxes and labels are 0 in a batch without objects."""

    presence: Tensor
    box: Tensor
    label: Tensor

    @property
    def total(self) -> Tensor:
        return self.presence + self.box + self.label


def losses(answers: Answers, labels: Tensor, boxes: Tensor) -> Losses:
    """Return the mean losses of n answers.

    labels: (n,), below 0 if nothing is there; only the others have a box and a label to learn.
    boxes: (n, 4) left, top, right, bottom as shares of the sides.
    """
    there = labels >= 0
    presence = binary_cross_entropy_with_logits(answers.presence, there.float())
    if not bool(there.any()):
        zero = answers.boxes.sum() * 0 + answers.labels.sum() * 0
        return Losses(presence, zero, zero)
    truth, box = boxes[there], answers.boxes[there]
    error = smooth_l1_loss(_centre_and_sides(box), _centre_and_sides(truth), beta=BETA)
    core = _core(answers.centres, truth)
    votes = -(core * answers.votes[there].log_softmax(dim=1)).sum(dim=1).mean()
    proposals = 1 - giou(answers.proposals[there], truth[:, None])
    spread = (core * proposals).sum(dim=1).mean()
    where = (1 - giou(box, truth)).mean() + SIDES * error + VOTES * votes + spread
    return Losses(presence, where, cross_entropy(answers.labels[there], labels[there]))


def giou(boxes: Tensor, truth: Tensor) -> Tensor:
    """Return the generalised IoU of boxes (…, 4), in [-1, 1] (Rezatofighi et al. 2019)."""
    union, common, hull = _areas(boxes, truth)
    return common / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def iou(boxes: Tensor, truth: Tensor) -> Tensor:
    """Return the intersection over union of boxes (…, 4), in [0, 1]."""
    union, common, _ = _areas(boxes, truth)
    return common / union.clamp(min=1e-6)


def _areas(boxes: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the areas of the union, of the intersection, and of the box around both."""
    corners, ends = boxes[..., :2], boxes[..., 2:]
    common = torch.minimum(ends, truth[..., 2:]) - torch.maximum(corners, truth[..., :2])
    hull = torch.maximum(ends, truth[..., 2:]) - torch.minimum(corners, truth[..., :2])
    intersection = common.clamp(min=0).prod(dim=-1)
    own = (ends - corners).clamp(min=0).prod(dim=-1)
    union = own + (truth[..., 2:] - truth[..., :2]).prod(dim=-1) - intersection
    return union, intersection, hull.prod(dim=-1)


def _core(centres: Tensor, boxes: Tensor) -> Tensor:
    """Return the share of the votes that each cell should have, (n, cells): even in the middle."""
    middle, sides = ((boxes[:, :2] + boxes[:, 2:]) / 2), boxes[:, 2:] - boxes[:, :2]
    distance = (centres - middle[:, None]).abs() / sides[:, None]
    inside = (distance < CORE).all(dim=2).float()
    # a box that lies between the cells' centres: the nearest cell
    nearest = torch.zeros_like(inside).scatter_(1, distance.amax(dim=2).argmin(dim=1)[:, None], 1.0)
    inside = torch.maximum(inside, nearest)
    return inside / inside.sum(dim=1, keepdim=True)


def _centre_and_sides(boxes: Tensor) -> Tensor:
    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1)
