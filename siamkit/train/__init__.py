"""Train an encoder from labelled examples, in torch, which no command that serves imports."""
