"""`python -m siamkit` is `siamkit`."""

from siamkit.cli import main

main()
