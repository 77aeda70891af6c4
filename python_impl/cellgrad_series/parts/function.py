"""A table of an activation function: value, derivative, central difference, unit step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from cellgrad.case import facts as words
from cellgrad.case.facts import Facts
from cellgrad.case.quantities import Quantity
from cellgrad.described.parts import Shape
from cellgrad.errors import CaseError

ACTIVATIONS = ("logistic", "tanh")
MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class FunctionShape(Shape):
    """The shape of a table of a function.

    Attributes:
        activation: which function.
        rows: at how many places.
    """

    kind: ClassVar[str] = "function"

    activation: str
    rows: int

    def __post_init__(self) -> None:
        """Refuse what is not smooth."""
        if self.activation not in ACTIVATIONS:
            raise CaseError(
                f"{self.activation!r} has no table", remedy=f"use one of {', '.join(ACTIVATIONS)}"
            )
        if not 1 <= self.rows <= MOST_ROWS:
            raise CaseError(f"a table of {self.rows} rows", remedy=f"take 1 to {MOST_ROWS:,}")

    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""
        return {"activation": self.activation, "rows": str(self.rows)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe.

        Raises:
            CaseError: a word is missing or unknown.
        """
        return cls(words.word(facts, "activation"), words.whole(facts, "rows"))

    def quantities(self) -> list[Quantity]:
        """Return every quantity of the table, in the order in which they are computed."""
        number = "Eq. 2" if self.activation == "logistic" else ""
        columns = (
            ("x", "x", "x_values", "", True),
            ("value", "fA(x)", "fA_value", number, False),
            ("derivative", "fA′(x)", "fA_derivative", "Eq. 7" if number else "", False),
            ("value_above", "fA(x + ε)", "fA_above", number, False),
            ("value_below", "fA(x − ε)", "fA_below", number, False),
            ("quotient", "(fA(x+ε) − fA(x−ε)) / 2ε", "difference_quotient", "", False),
            ("gap", "gap", "gap", "", False),
            ("step", "unit step", "unit_step", "", False),
        )
        epsilon = Quantity("epsilon", None, "ε", "epsilon", "", (), given=True)
        return [
            epsilon,
            *(
                Quantity(
                    name, None, label, defined, equation, (self.rows,), given=given, per_row="row"
                )
                for name, label, defined, equation, given in columns
            ),
        ]
