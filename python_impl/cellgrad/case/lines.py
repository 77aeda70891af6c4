"""How each scalar result of a step is written out: its operands, in order.

A line is a quantity at one index and a template of texts and operands. The
workbook turns operands into references, a printed trace into numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from cellgrad.case.equations import FORMS, NUMBERS, Equations, Forms, Scalar, indices
from cellgrad.case.quantities import Index, Key, Quantity, quantities
from cellgrad.case.selection import MAX_LINES, evenly
from cellgrad.case.structure import Structure

MOST_TERMS, FIRST_TERMS = 24, 8
"""A longer sum is written as its first terms, dots, and the last."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A scalar that stands in a line."""

    key: Key
    index: Index


Template = tuple[str | Operand, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One scalar result.

    Attributes:
        quantity: what is computed.
        index: which of its values.
        working: the right-hand side.
        article: the right-hand side as the article prints Eq. 12, where that differs.
    """

    quantity: Quantity
    index: Index
    working: Template
    article: Template | None = None

    def written(self) -> Template:
        """Return all that is written on the right: the working, then the article's form."""
        return self.working if self.article is None else (*self.working, " = ", *self.article)


def all_lines(structure: Structure) -> list[Line]:
    """Return a line for every computed scalar, in the order of the derivation."""
    write = _WithNumbers(structure)
    return [
        Line(quantity, index, write.template(quantity, index), write.article(quantity, index))
        for quantity in quantities(structure)
        if not quantity.given
        for index in indices(quantity.shape)
    ]


def walkthrough_lines(structure: Structure) -> list[Line]:
    """Return the lines of the Walkthrough sheet, an even selection of a large network's."""
    return evenly(all_lines(structure), MAX_LINES)


class _WithNumbers(Equations):
    """Equations with room for numbers: operands are marks until the text is cut into pieces."""

    notation = NUMBERS
    forms: ClassVar[Forms] = {
        name: (sheet, re.sub(r"\{(?!n\})\w+\}", "\0\\g<0>\0", numbers), words)
        for name, (sheet, numbers, words) in FORMS.items()
    }

    def __init__(self, structure: Structure) -> None:
        super().__init__(structure)
        self._operands: list[Operand] = []

    def at(self, key: Key, index: Index) -> str:
        """Return a mark for the operand."""
        name, k = key
        if name == "incoming" and k is not None:
            key = ("post_activation", k - 1)
        self._operands.append(Operand(key, index))
        return f"\1{len(self._operands) - 1}"

    def template(self, quantity: Quantity, index: Index) -> Template:
        """Return the right-hand side of a scalar."""
        return self._cut(self.right_side(quantity.key, index))

    def _cut(self, text: str) -> Template:
        pieces = [
            self._operands[int(piece[1:])] if piece[0] == "\1" else piece
            for piece in text.split("\0")
            if piece
        ]
        self._operands.clear()
        return tuple(pieces)

    def article(self, quantity: Quantity, index: Index) -> Template | None:
        """Eq. 12 as printed: S_ERROR × weightHtoO × fA′(S_preA,H) × input, one sample."""
        k = quantity.layer
        if quantity.equation != "Eq. 12" or k is None or self.s.samples > 1:
            return None
        i, h = index
        back = self._backpropagated_error(k, (0, h))
        if self.s.nodes[k + 2] > 1:
            back = f"[\0{back}\0]"
        slope, incoming = self.at(("activation_derivative", k), (0, h)), self.incoming(k, 0, i)
        product = f"{back}\0{self.put('product', a=slope, b=self.at(*incoming))}"
        return self._cut(
            self.with_decay(product, ("weights", k), index) if self.s.decay else product
        )

    def added(self, terms: list[str], *, an_output: int = 0) -> str:
        """Return the sum, of a long one the first terms and the last."""
        if an_output > 1:
            terms = [
                "\0 + \0".join(terms[n : n + an_output]) for n in range(0, len(terms), an_output)
            ]
        if len(terms) > MOST_TERMS:
            terms = [*terms[:FIRST_TERMS], "…", terms[-1]]
        return "\0 + \0".join(terms)

    def total(self, terms: list[Scalar]) -> str:
        """Return the sum of scalars."""
        return self.added([self.at(*term) for term in terms])

    def products(self, pairs: list[tuple[Scalar, Scalar]], first: str = "") -> str:
        """Return the sum of products."""
        terms = [self.put("product", a=self.at(*a), b=self.at(*b)) for a, b in pairs]
        return self.added([first, *terms] if first else terms)

    def squares(self, scalars: list[Scalar]) -> str:
        """Return the sum of squares."""
        return self.products([(scalar, scalar) for scalar in scalars])
