"""Formulas: read once into a typed tree, worked out over any algebra."""
