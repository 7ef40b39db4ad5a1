"""Time a cold `siamkit detect` of one photo; peers: torchvision and transformers.

    python benchmarks/detect_cold.py

All are whole processes: Python starts, imports, builds or loads its network, decodes a 512 x 600
photo and finds objects. The peers have random weights, so that they read none: torchvision's
ssdlite320 with MobileNetV3, and transformers' YOLOS in the size of yolos-tiny.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from timing import in_turn, peak_mb, table

RUNS = 5
PEERS = {
    "torchvision": """
import sys, torch, torchvision
from torchvision.io import decode_image
from torchvision.models.detection import ssdlite320_mobilenet_v3_large as build
model = build(weights=None, weights_backbone=None).eval()
with torch.inference_mode():
    print(len(model([decode_image(sys.argv[1]) / 255])[0]["boxes"]))
""",
    "transformers": """
import sys, torch
from PIL import Image
from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor
config = YolosConfig(
    hidden_size=192, num_attention_heads=3, intermediate_size=768, image_size=[800, 1333],
    use_mid_position_embeddings=False,
)
model, prepare = YolosForObjectDetection(config).eval(), YolosImageProcessor()
picture = Image.open(sys.argv[1])
with torch.inference_mode():
    outputs = model(**prepare(images=picture, return_tensors="pt"))
print(len(prepare.post_process_object_detection(outputs, 0.5)[0]["boxes"]))
""",
}

photo = Path(find_spec("matplotlib").origin).parent / "mpl-data/sample_data/grace_hopper.jpg"
detect = [sys.executable, "-m", "siamkit", "detect", photo]
commands = {"siamkit": detect}
for name, program in PEERS.items():
    if find_spec(name):
        commands[name] = [sys.executable, "-c", program, photo]
took = in_turn(commands, runs=RUNS)
rows = [
    ("figure", f"median of {RUNS}", "goal"),
    ("cold siamkit detect", f"{took['siamkit'] * 1000:.0f} ms", "<= 600 ms"),
    ("peak memory of it", f"{peak_mb(detect):.0f} MB", "reported"),
]
for name in PEERS:
    if name in took:
        ratio = took[name] / took["siamkit"]
        rows.append((f"the same, {name}", f"{took[name]:.2f} s, {ratio:.1f} x", ">= 10 x"))
    else:
        rows.append((f"the same, {name}", "not installed", ""))
table(rows)
