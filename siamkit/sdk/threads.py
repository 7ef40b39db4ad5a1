"""Bound the threads of this process: SIAMKIT_THREADS holds for every pool, its own or a library's.

The environment variable is the number of threads of each pool; 0 or unset means one per core that
the process may use. Set it to 1 in a process that serves many requests at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from siamkit.errors import BadInput
from siamkit.sdk import forks

# Read once, when a library is loaded: OpenMP (FAISS, torch), OpenBLAS and MKL (numpy), OpenCV,
# and Rayon (tokenizers).
_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("OPENCV_FOR_THREADS_NUM", "RAYON_NUM_THREADS"),
)


def threads() -> int:
    """Return SIAMKIT_THREADS, the threads a pool may have; 0, the default, means all cores.

    Raises BadInput unless it is a whole number.
    """
    value = os.environ.get("SIAMKIT_THREADS") or "0"
    if not (value.isascii() and value.isdigit()):
        raise BadInput(
            f"SIAMKIT_THREADS is {value!r}", hint="set a whole number; 0 means all cores"
        )
    return int(value)


def workers() -> int:
    """Return the number of threads for a pool: SIAMKIT_THREADS, or the cores there are to use."""
    return threads() or cores()


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # a container or `taskset` may allow fewer than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bound_libraries() -> None:
    """Hold the thread pools of libraries to SIAMKIT_THREADS, if it is set.

    Libraries that are loaded later take it from their own variables, which are set here unless
    they ask for fewer threads. OpenMP counts per thread: see `siamkit_faiss` for FAISS. Raises
    BadInput unless SIAMKIT_THREADS is a whole number.
    """
    if not (count := threads()):
        return
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        if not (value.isdigit() and 0 < int(value) <= count):
            os.environ[name] = str(count)
    if "numpy" in sys.modules:
        # threadpoolctl obeys the thread that set a limit first, until that ends.
        limiting = Thread(target=_limit_blas, args=[count])
        limiting.start()
        limiting.join()
    for name, set_threads in (("cv2", "setNumThreads"), ("torch", "set_num_threads")):
        if module := sys.modules.get(name):
            getattr(module, set_threads)(count)


def _limit_blas(count: int) -> None:
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        if library.num_threads and library.num_threads > count:
            library.set_num_threads(count)


_turn = forks.Lock()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Keep numpy from starting threads of its own, for a pool whose threads each multiply.

    That holds for the whole process, so other threads wait here: if two limited it at once, the
    second would restore the limit of the first. The pool has work for every core anyway.
    """
    from threadpoolctl import threadpool_limits

    with _turn.held, threadpool_limits(1):
        yield
