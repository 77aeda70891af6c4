"""What a filled-in handout comes to, on many givens at once: how simulated students know.

A table has a row for every slot of the key (givens, graded cells, cells of the handout). What
was written otherwise is calculated anew, with all that follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import numpy as np

from cellgrad.formula.references import places_in, range_of
from cellgrad.formula.tree import Area, Cell, FormulaError
from cellgrad.xlsx.addresses import Place
from cellgrad_coursework.formulas.evaluate import Formula, Formulas, World, evaluate, settled
from cellgrad_coursework.formulas.functions import Value
from cellgrad_coursework.grading.key import Key, Values

Content = str | float | None
"""What stands in a cell: a formula without its equals sign, a number, or nothing."""

Contents = Mapping[int, Content]
"""What stands in cells, by slot."""


class Sheet:
    """The cells of a handout, and what their formulas read.

    Args:
        key: the right formulas.
        formulas: where formulas are kept.
    """

    def __init__(self, key: Key, formulas: Formulas) -> None:
        self.key, self._formulas = key, formulas

    def formula(self, slot: int, text: str) -> Formula:
        """Return a formula as it is written in a slot."""
        _, row, column = self.key.places[slot]
        return self._formulas.read(text, row, column)

    def reads(self, slot: int, content: Content) -> set[int]:
        """Return the slots that what stands in a slot reads."""
        if not isinstance(content, str):
            return set()
        at, found = self.key.places[slot], set[int]()
        for node in self.formula(slot, content).reads:
            if isinstance(node, Cell | Area):
                slots = (self.key.slot_at.get(place) for place in places_in(range_of(node, at)))
                found |= {slot for slot in slots if slot is not None}
        return found

    def reached(self, written: Contents, held: AbstractSet[int] = frozenset()) -> list[int]:
        """Return, for each slot, the slots that it depends on, as bits.

        Args:
            written: what stands otherwise than in the key; no cell may depend on itself.
            held: slots that depend on nothing.
        """
        key, found = self.key, [0] * self.key.slots
        own = {slot: self.reads(slot, content) for slot, content in written.items()}
        own |= {slot: set() for slot in held}
        grown = True
        while grown:  # once, unless something reads what comes later in the flow
            grown = False
            for slot in key.order:
                bits = 0
                for other in own.get(slot, key.reads[slot]):
                    bits |= found[other] | 1 << other
                grown = grown or bits != found[slot]
                found[slot] = bits
        return found

    def comes_to(self, slot: int, text: str, table: Values) -> Values | None:
        """Return what a formula makes of the numbers of a table; None where it makes none."""
        return _Reader(self, {slot: text}, table, {slot}).numbers_in(slot)

    def table(
        self, written: Contents, right: Values, held: AbstractSet[int] = frozenset()
    ) -> Values:
        """Return a table with what stands otherwise, and what follows from it.

        Args:
            written: what stands otherwise than in the key.
            right: the key's table.
            held: slots that stay as they are in it.
        """
        written = {slot: content for slot, content in written.items() if slot not in held}
        changed = sum(1 << slot for slot in written)
        anew = {n for n, bits in enumerate(self.reached(written, held)) if bits & changed}
        reader = _Reader(self, written, right, anew | set(written))
        found = right.copy()
        for slot in self.key.order:
            if slot in reader.anew:
                value = reader.numbers_in(slot)
                found[slot] = np.nan if value is None else value
        return found


class _Reader(World):
    """The world that formulas are evaluated in."""

    def __init__(
        self, sheet: Sheet, written: Contents, table: Values, anew: AbstractSet[int]
    ) -> None:
        super().__init__()
        self.sheet, self.written, self.table, self.anew = sheet, written, table, anew
        self._known: dict[int, Value] = {}

    def numbers_in(self, slot: int) -> Values | None:
        """Return the numbers in a slot; None where there are none."""
        try:
            with np.errstate(all="ignore"):
                found = settled(self._at(slot), self.table.shape[1])
        except FormulaError:
            return None
        return found if isinstance(found, np.ndarray) else None

    def _at(self, slot: int) -> Value:
        if slot not in self.anew:
            row: Values = self.table[slot]
            return row
        if slot not in self._known:
            key = self.sheet.key
            formula, content = key.formulas[slot], self.written.get(slot)
            if isinstance(content, str):
                formula = self.sheet.formula(slot, content)
            found: Value = content if isinstance(content, float) else None
            if isinstance(content, str) or slot not in self.written:
                if formula is None or formula.tree is None:
                    raise FormulaError("no formula")
                found = evaluate(formula.tree, key.places[slot], self)
            self._known[slot] = settled(found, self.table.shape[1])
        return self._known[slot]

    def cell(self, place: Place) -> Value:
        """Return what a cell holds."""
        slot = self.sheet.key.slot_at.get(place)
        return None if slot is None else self._at(slot)
