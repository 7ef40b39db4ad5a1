"""A stranger's index backend: siamkit's brute force, under a name of its own."""

from __future__ import annotations

from siamkit.testing import Brute


class Shelf(Brute):
    name = "shelf"
