"""Read files that the plugin did not write: regular files alone, within limits."""

from siamkit.io.foreign import open_file, parse_json, read_bytes, read_json, read_text

__all__ = ["open_file", "parse_json", "read_bytes", "read_json", "read_text"]
