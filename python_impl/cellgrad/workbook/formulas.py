"""The formulas of a step as texts, given where each operand stands.

The order of evaluation is part of the definition (bias first, then products by index from
left to right). Source: reference/equations.md.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from cellgrad.case.equations import SHEET, Equations, Scalar
from cellgrad.case.quantities import Index, Key
from cellgrad.case.structure import Structure

WRITTEN_OUT = 16
"""Sums of up to this many terms are written out: traceable and reproducible bit by bit."""

Reference = Callable[[Key, Index], str]
"""Gives the address of a scalar."""

Area = Callable[[Key, Index, Index], str | None]
"""Gives the address of the line of cells between two indices; None where they are no line."""


def join_sum(terms: list[str], most: int = WRITTEN_OUT) -> str:
    """Join terms to a sum; a long one in groups, since engines limit how deep formulas nest."""
    if len(terms) <= most:
        return "+".join(terms)
    groups = [terms[n : n + WRITTEN_OUT] for n in range(0, len(terms), WRITTEN_OUT)]
    return "+".join(f"({'+'.join(group)})" for group in groups)


class Formulas(Equations):
    """Writes the formula of any scalar of the step.

    Args:
        structure: the step.
        at: where each scalar stands.
        area: where a row or column of scalars stands, for long sums; None spells
            every sum out.
    """

    notation = SHEET
    signs = ("+", "-")
    most = WRITTEN_OUT
    """A sum of more terms is written in groups, or as a function of an area."""

    def __init__(self, structure: Structure, at: Reference, area: Area | None = None) -> None:
        super().__init__(structure)
        self._at, self.area = at, area

    def of(self, key: Key, index: Index) -> str:
        """Return the formula of one scalar, with its equals sign."""
        return "=" + self.right_side(key, index)

    def operand(self, key: Key, index: Index) -> str:
        """Return the address of a scalar."""
        return self._at(key, index)

    def sum_of(self, terms: list[str], *, an_output: int = 0) -> str:  # noqa: ARG002
        """Return the sum, a long one in groups."""
        return join_sum(terms, self.most)

    def _line(self, terms: list[Scalar]) -> str | None:
        """Return the area of a long line of cells; None where they are few, or no line."""
        if len(terms) <= WRITTEN_OUT or self.area is None:
            return None
        return self.area(terms[0][0], terms[0][1], terms[-1][1])

    def total(self, terms: list[Scalar]) -> str:
        """Σ of cells, written out or as SUM of a line of them."""
        area = self._line(terms)
        return (
            self.sum_of([self.operand(*term) for term in terms]) if area is None else f"SUM({area})"
        )

    def products(self, pairs: list[tuple[Scalar, Scalar]], first: str = "") -> str:
        """Σ of products, written out or as SUMPRODUCT of two lines of cells."""
        one, two = self._line([a for a, _ in pairs]), self._line([b for _, b in pairs])
        if one is not None and two is not None:
            text = f"SUMPRODUCT({one},{two})"
        else:
            text = self.sum_of([f"{self.operand(*a)}*{self.operand(*b)}" for a, b in pairs])
        return f"{first}+{text}" if first else text

    def squares(self, scalars: list[Scalar]) -> str:
        """Σ of squares, written out or as a SUMPRODUCT a layer."""
        if len(scalars) <= WRITTEN_OUT or self.area is None:
            return self.sum_of(
                [f"{self.operand(*scalar)}*{self.operand(*scalar)}" for scalar in scalars]
            )
        parts = []
        for key, layer in groupby(scalars, key=lambda scalar: scalar[0]):
            corners = [index for _, index in layer]
            area = self.area(key, corners[0], corners[-1])
            parts.append(f"SUMPRODUCT({area},{area})")
        return "+".join(parts)
