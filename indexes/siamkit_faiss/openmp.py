"""The threads of FAISS, which are those of OpenMP: a number for each thread that calls it."""

from __future__ import annotations

import os

import faiss

from siamkit.sdk.threads import threads


def bound_threads() -> None:
    """Hold FAISS to SIAMKIT_THREADS in this thread, if it is set. Call it before FAISS works."""
    count = threads()
    if count and faiss.omp_get_max_threads() > count:
        faiss.omp_set_num_threads(count)


def _use_one_thread() -> None:
    """Work without the parent's threads, which the child of a fork waits for in vain.

    Threads that the child starts have OpenMP threads of their own.
    """
    faiss.omp_set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)
