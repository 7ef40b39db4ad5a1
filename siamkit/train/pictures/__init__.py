"""Pictures by gradient descent through an encoder: styles, reconstructions, activations."""
