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
_preparations: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def renew_in_child(
    owner: Owner,
    renew: Callable[[Owner], None],
    *,
    before: Callable[[Owner], None] | None = None,
) -> None:
    """Call `renew(owner)` in the child of every fork, as long as the owner exists.

    before: called with the owner in the parent, before it forks.
    """
    _renewals[owner] = renew
    if before is not None:
        _preparations[owner] = before


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


def _call_all(steps: WeakKeyDictionary[Any, Callable[[Any], None]]) -> None:
    for owner, step in list(steps.items()):
        step(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _call_all(_preparations), after_in_child=lambda: _call_all(_renewals)
    )
