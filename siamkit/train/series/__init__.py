"""Several runs on the same examples, one after the other: sweeps and cross-validation."""
