"""Train a localiser: is one of some things in a picture, which, and where."""
