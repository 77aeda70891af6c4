"""Training a network over many updates, and how well it does afterwards."""
