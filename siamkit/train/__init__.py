"""Train an encoder from labelled examples. The only part of the core that imports torch."""
