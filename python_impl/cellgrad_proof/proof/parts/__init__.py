"""The kinds of parts: how each is cut into blocks, and what its cells are claimed to be."""
