"""One verb, one file: each returns dataclasses or yields them, and prints nothing."""
