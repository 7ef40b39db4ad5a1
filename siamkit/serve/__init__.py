"""The HTTP API and the page of one store: what `siamkit serve` runs, on the extra `serve`."""
