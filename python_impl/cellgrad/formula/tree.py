"""A formula as a tree."""


class FormulaError(Exception):
    """A formula that is not read or not worked out; a person has to look at it."""
