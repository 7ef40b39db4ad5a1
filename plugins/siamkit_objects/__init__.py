"""Find objects in pictures: a detector of 80 classes, and detector folders of other networks."""

from siamkit_objects.objects import Objects

__all__ = ["Objects"]
