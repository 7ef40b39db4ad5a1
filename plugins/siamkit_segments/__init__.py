"""Cut things out of pictures: the main things, each object, or what a point or a box marks."""

from siamkit_segments.instances import Instances
from siamkit_segments.salient import Salient
from siamkit_segments.segments import Segments

__all__ = ["Instances", "Salient", "Segments"]
