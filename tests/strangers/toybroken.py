"""A package that cannot be imported."""

raise RuntimeError("this package is broken on purpose")
