"""Survive `os.fork`: the child has one thread, and every lock as it was at that moment.

Locks that another thread held are never released in the child, and thread pools have no threads.
An object with either registers here how to replace them, before the child goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

Owner = TypeVar("Owner")
_renewals: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def renew_in_child(owner: Owner, renew: Callable[[Owner], None]) -> None:
    """Call `renew(owner)` in the child of every fork, as long as the owner exists."""
    _renewals[owner] = renew


class Lock:
    """A lock for what the process has once. Use it as `with lock.held`; nests."""

    def __init__(self) -> None:
        self.renew()
        renew_in_child(self, Lock.renew)

    def renew(self) -> None:
        self.held = RLock()


def never_free(value: object) -> None:
    """Keep an object until the process ends, even while Python shuts down.

    Freeing what the parent opened would wait for its threads, or release locks on its files.
    """
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def _renew_all() -> None:
    for owner, renew in list(_renewals.items()):
        renew(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
