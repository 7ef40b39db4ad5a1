"""Silence other libraries while they work."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings, progress bars and log lines of the code inside the `with` block.

    File descriptor 1 is redirected as well: torch prints a graph that it cannot export from C++.
    All of this holds for the whole process, every thread included, so use it when building an
    encoder, not when serving one.
    """
    disabled, handlers = logging.root.manager.disable, logging.root.handlers[:]
    logging.disable(logging.CRITICAL)
    sys.stdout.flush()
    stdout, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
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
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(nowhere)
        logging.disable(disabled)
        logging.root.handlers[:] = handlers  # onnxruntime's quantiser installs one


_descriptor = threading.Lock()


@contextmanager
def hide_lines(pattern: re.Pattern[bytes]) -> Iterator[None]:
    """Leave out lines that a library below Python writes to standard error in the `with` block.

    Lines that do not match, those of other threads too, follow at its end: keep it short.
    """
    with _descriptor, tempfile.TemporaryFile() as log:
        try:
            stderr = os.dup(2)
        except OSError:  # it is closed
            yield
            return
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            log.seek(0)
            for line in log:
                if not pattern.search(line):
                    os.write(2, line)
