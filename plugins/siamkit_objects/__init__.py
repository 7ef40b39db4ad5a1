"""Find objects in pictures: a detector of 80 classes, and detector folders of other networks."""

from siamkit_objects.objects import Objects
from siamkit_objects.proposals import Proposals
from siamkit_objects.windows import SlidingWindow

__all__ = ["Objects", "Proposals", "SlidingWindow"]
