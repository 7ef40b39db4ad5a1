"""Faults of any plugin: its name, its import, and what it leaves alone."""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

from planted.good import Dots, Spots, plant


def needs_a_size(self, size):
    self.size = size


def imports_matplotlib(self):
    import matplotlib

    self.library = matplotlib


def starts_a_thread(self):
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def calls_home(self):
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", 9), timeout=1).close()


def load_with_a_print(self, source):
    print("here I am")
    return Dots.load(self, source)


def load_with_logging(self, source):
    logging.basicConfig(level=logging.DEBUG)
    return Dots.load(self, source)


def find_with_a_print(self, medium):
    regions = Spots.find(self, medium)
    if regions:
        print("found")
    return regions


FAULTS = [
    ("members_fit", {"name": "Two Words"}),
    ("members_fit", {"protocol": 99}),
    ("import_is_light", {"__init__": imports_matplotlib}),
    ("prints_nothing", {"__init__": lambda self: print("hello")}),
    ("prints_nothing", {"load": load_with_a_print}),
    ("import_starts_no_threads", {"__init__": starts_a_thread}),
    ("process_is_left_alone", {"__init__": lambda self: os.chdir(Path.cwd().parent)}),
    ("process_is_left_alone", {"load": load_with_logging}),
    ("no_network", {"__init__": calls_home}),
]
PLANTED = [
    *plant(__name__, Dots, FAULTS),
    *plant(__name__, Dots, [("import_works", {"__init__": needs_a_size})], 1),
    *plant(__name__, Spots, [("prints_nothing", {"find": find_with_a_print})]),
]
