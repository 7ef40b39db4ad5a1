"""Other people's libraries, kept from talking while they work for this one."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def quiet() -> Iterator[None]:
    """No warning, no progress bar, no log line: stdout and stderr belong to the program.

    torch prints a graph that it cannot write below Python, so that standard output itself must be
    another file for a while. For the whole process while it lasts, as warnings and logging are: for
    building, not serving.
    """
    before, handlers = logging.root.manager.disable, logging.root.handlers[:]
    logging.disable(logging.CRITICAL)
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
        logging.disable(before)
        logging.root.handlers[:] = handlers  # onnxruntime's quantiser installs one
