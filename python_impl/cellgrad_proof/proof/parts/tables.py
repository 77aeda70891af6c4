"""Parts without a network: tables of a function, of numbers from elsewhere, of runs' errors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.atlas import Entry
from cellgrad_proof.proof.block import Block, Claim, Derivative, Equals, Spec
from cellgrad_proof.proof.declared import activation
from cellgrad_proof.proof.parts.part import Part
from cellgrad_proof.proof.terms import ONE, ZERO, Role, Term
from cellgrad_series.parts.tables import ComparisonShape, FunctionShape, TableShape


class RowsPart(Part):
    """A part whose rows are all alike and read nothing of each other."""

    @abstractmethod
    def claims(self) -> dict[Role, Claim]:
        """Return what each row claims."""

    def blocks(self) -> Iterator[Block]:
        """Yield a block a row."""
        rows, _ = self.cells_by_row()
        spec = Spec(self.claims())
        for row in range(self.shape.rows):
            yield self._row(row, rows.get(row, []), spec)

    def _row(self, row: int, cells: list[Place], spec: Spec) -> Block:
        def role_of(place: Place, entry: Entry) -> Role | None:
            del place
            if entry.part != self.name or (entry.at and entry.at[0] != row):
                return None
            return Role(entry.name, entry.layer, entry.at[1:])

        return self.block(spec, cells, role_of)


class ComparisonPart(Part):
    """E of several runs side by side: copies."""

    shape: ComparisonShape

    def blocks(self) -> Iterator[Block]:
        """Yield one block of all copies."""
        wanted: dict[Place, tuple[Place | None, str]] = {}
        for place, entry in self.atlas.of_part(self.name):
            if entry.name == "error" and len(entry.at) == 2:
                update, run = entry.at
                source = None
                if run < len(self.shape.runs):
                    source = self.atlas.places.get((self.shape.runs[run], "error", None, (update,)))
                wanted[place] = (source, "E of the run in this update")
        yield from self.copies(wanted)


class FunctionPart(RowsPart):
    """A table of an activation function."""

    shape: FunctionShape

    def claims(self) -> dict[Role, Claim]:
        """Return what a row of a table of a function claims."""
        x, epsilon = terms.leaf(Role("x")), terms.leaf(Role("epsilon"))

        def value(at: Term) -> Equals:
            return Equals(activation(self.shape.activation, at, ZERO), "the function")

        above, below = (terms.leaf(Role(f"value_{side}")) for side in ("above", "below"))
        slope, quotient = terms.leaf(Role("derivative")), terms.leaf(Role("quotient"))
        central = terms.quotient(
            terms.difference(above, below), terms.product(terms.number(2), epsilon)
        )
        return {
            Role("value"): value(x),
            Role("derivative"): Derivative(Role("value"), Role("x")),
            Role("value_above"): value(terms.total((x, epsilon))),
            Role("value_below"): value(terms.difference(x, epsilon)),
            Role("quotient"): Equals(central, "the central difference"),
            Role("gap"): Equals(terms.difference(slope, quotient), "its definition"),
            Role("step"): Equals(
                terms.choice(terms.compare(">=", x, ZERO), ONE, ZERO), "the unit step"
            ),
        }


class TablePart(RowsPart):
    """A table of numbers from elsewhere."""

    shape: TableShape

    def claims(self) -> dict[Role, Claim]:
        """Return what a row of a table of numbers claims."""
        numbers = [terms.leaf(Role("measured", None, (c,))) for c in range(self.shape.columns)]
        mean = terms.leaf(Role("mean"))
        away = [terms.difference(measured, mean) for measured in numbers]
        squares = terms.total(terms.product(gap, gap) for gap in away)
        spread = terms.quotient(squares, terms.number(self.shape.columns - 1))
        smallest = terms.call("MAX", *(terms.negative(measured) for measured in numbers))
        found = {
            "mean": terms.quotient(terms.total(numbers), terms.number(self.shape.columns)),
            "spread": terms.call("SQRT", spread),
            "best": terms.call("MAX", *numbers),
            "worst": terms.negative(smallest),
        }
        return {Role(name): Equals(term, "its definition") for name, term in found.items()}
