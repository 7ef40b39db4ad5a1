"""Limits on the graphs of model folders, which may be anybody's: no file, no loop, less memory.

A graph is refused if it refers to a file that its fingerprint does not cover, loops, or states a
sparse tensor, which a few bytes make as large as they like. What it computes may take
memory_limit() bytes in all sessions together; what it computes from constants when it is opened, a
multiple of its own size per operator. Its time is not limited.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.protobuf import read_fields

if TYPE_CHECKING:
    import onnxruntime

LEAST_MEMORY = 768 << 20  # bytes; 32 pictures of 224 px in the EfficientNet-Lite0 take 580 MB
MEMORY_PER_THREAD = 384 << 20  # bytes; threads of a model work on several runs at once
FOLDED = 4  # times a graph's size that one constant may have: int8 weights become float32
LOOPS = (b"Loop", b"Scan")
MAX_DEPTH = 64  # messages within each other; protobuf itself reads 100
# Of onnx.proto: the fields that lead to what is refused, and the kind of message they hold.
_FIELDS = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {4: "operator", 5: "attribute"},
    "attribute": {
        **dict.fromkeys((5, 10), "tensor"),
        **dict.fromkeys((6, 11), "graph"),
        **dict.fromkeys((22, 23), "sparse tensor"),
    },
    "tensor": {13: "entry"},
    "entry": {1: "key", 2: "value"},
}


def memory_limit() -> int:
    """Return SIAMKIT_MODEL_MEMORY (MB) in bytes, or the default, which grows with the cores.

    Raises BadInput unless it is a whole number above 0.
    """
    value = os.environ.get("SIAMKIT_MODEL_MEMORY", "")
    if not value:
        return max(LEAST_MEMORY, MEMORY_PER_THREAD * (os.cpu_count() or 1))
    if not (value.isascii() and value.isdigit() and len(value) < 9 and int(value) > 0):
        raise BadInput(
            f"SIAMKIT_MODEL_MEMORY is {value!r}", hint="set a number of MB, such as 4000"
        )
    return int(value) << 20


def restrict(options: onnxruntime.SessionOptions, graph: bytes, tensors: Path | None) -> None:
    """Set the limits of a session on a model's graph.

    tensors: the one file that may hold tensors of it. Raises MissingWeights for a graph that is
    not ONNX, or that is refused.
    """
    require_plain(graph, tensors.name if tensors else None)
    size = len(graph) + (tensors.stat().st_size if tensors else 0)
    # Otherwise onnxruntime would look in the working directory, which threads may change.
    folder = os.path.abspath(tensors.parent) if tensors else os.devnull
    _register_arena(memory_limit())
    for key, value in {
        "session.load_model_format": "ONNX",
        "session.model_external_initializers_file_folder_path": folder,
        "session.use_env_allocators": "1",
        "session.use_device_allocator_for_initializers": "1",
        "optimization.constant_folding_max_output_size_in_bytes": str(FOLDED * size + (1 << 20)),
    }.items():
        options.add_session_config_entry(key, value)


def run_options() -> onnxruntime.RunOptions:
    """Return the options of a run that gives its memory back when it ends."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def is_out_of_memory(error: Exception) -> bool:
    """Return True if a run failed because memory_limit() did not suffice."""
    return "Available memory of" in str(error)


@cache
def _register_arena(limit: int) -> None:
    """Give onnxruntime one arena, for the sessions that ask for it. Later calls do nothing."""
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    where = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    try:
        onnxruntime.create_and_register_allocator(where, onnxruntime.OrtArenaCfg(limit, -1, -1, -1))
    except Exception:  # the process, or an earlier limit, has registered one already
        return


def require_plain(graph: bytes, tensors: str | None = None) -> None:
    """Raise MissingWeights for a graph that is not ONNX, or holds what a model does not need.

    tensors: the name of the one file that may hold tensors of it.
    """
    key, own_file = b"", tensors.encode() if tensors else None
    skipped = () if b"location" in graph else ("tensor",)  # no tensor names a file then
    try:
        for kind, value in _parts(memoryview(graph), "model", skipped):
            if kind == "sparse tensor":
                raise MissingWeights("the graph has a sparse tensor: a model may not")
            if kind == "operator" and value in LOOPS:
                raise MissingWeights("the graph has a loop: a model may not")
            if kind == "value" and key == b"location" and bytes(value) != own_file:
                raise MissingWeights(
                    f"the graph keeps tensors in another file, {bytes(value[:80])!r}, which its"
                    " fingerprint does not cover",
                    hint="save it again with all tensors inside",
                )
            key = bytes(value) if kind == "key" else key
    except (IndexError, ValueError, RecursionError) as error:
        raise MissingWeights("the graph is not an ONNX model, or is damaged") from error


def _parts(
    message: memoryview, kind: str, skipped: tuple[str, ...], depth: int = 0
) -> Iterator[tuple[str, memoryview]]:
    """Yield the kind and the bytes of all fields that _FIELDS lead to, each before what is in it.

    skipped: kinds of messages whose fields do not matter.

    Raises IndexError or ValueError if the message is damaged.
    """
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    fields = _FIELDS[kind]
    for number, value in read_fields(message):
        if (inner := fields.get(number)) and isinstance(value, memoryview):
            yield inner, value
            if inner in _FIELDS and inner not in skipped:
                yield from _parts(value, inner, skipped, depth + 1)
