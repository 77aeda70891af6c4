"""Mistakes in a training step, each a named variant of the reference step."""
