"""What the shapes of all parts have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

from cellgrad.case.facts import Facts
from cellgrad.case.quantities import Index, Quantity


class Shape(ABC):
    """What a part computes, without its numbers."""

    kind: ClassVar[str]

    @abstractmethod
    def quantities(self) -> list[Quantity]:
        """Return every quantity of the part, in the order in which they are computed."""

    @abstractmethod
    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""

    @classmethod
    @abstractmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe.

        Raises:
            CaseError: a word is missing or unknown.
        """

    def exists(self, quantity: Quantity, index: Index) -> bool:  # noqa: ARG002 - some shapes look
        """Tell whether a quantity has a value at an index inside its shape."""
        return True
