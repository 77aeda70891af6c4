"""Parts whose rows stand alone: classifications, sweeps, tables of a function or of numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

from cellgrad.described import Part as DescribedPart
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.declared import (
    Block,
    Claim,
    Derivative,
    Equals,
    Network,
    Spec,
    activation,
    step_claims,
)
from cellgrad_proof.proof.parts.part import Atlas, Entry, Part, assumptions
from cellgrad_proof.proof.terms import ONE, ZERO, Role, Term
from cellgrad_series.parts.classification import ClassificationShape, RuleShape
from cellgrad_series.parts.sweep import SweepShape
from cellgrad_series.parts.tables import ComparisonShape, FunctionShape, TableShape


class RowsPart(Part):
    """A part whose rows are all alike and read nothing of each other."""

    def blocks(self) -> Iterator[Block]:
        """Yield a block a row."""
        spec = self.row_spec()
        yield from self.row_blocks(self.rows, lambda _: spec)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        count: int = self.shape.rows
        return count

    @abstractmethod
    def row_spec(self) -> Spec:
        """Return what must hold in each row."""


class ClassificationPart(RowsPart):
    """A classification or a rule: a block a sample, and one for the counts."""

    shape: ClassificationShape | RuleShape

    def __init__(self, own: DescribedPart, atlas: Atlas) -> None:
        super().__init__(own, atlas)
        self.s = replace(self.shape.network, samples=1, update="online")

    @property
    def rows(self) -> int:
        """How many samples there are."""
        return self.shape.samples

    def blocks(self) -> Iterator[Block]:
        """Yield the links, a block a sample, and the counts."""
        yield from self.links()
        yield from super().blocks()
        counts = (entry for entry in self.computed() if not self.in_rows(entry))
        yield self.block(Spec(self._counts()), counts, self.own_role)

    def row_spec(self) -> Spec:
        """Return what each sample's row claims, the axis of the samples left out."""

        def flat(role: Role) -> Role:
            sampled = role.name not in ("weights", "biases", "leaky_slope")
            return role._replace(at=role.at[1:]) if sampled else role

        network = Network(self.s, lambda role: terms.leaf(flat(role)), flat)
        claims: dict[Role, Claim] = {}
        for role, term in (*network.forward(), *network.sample_errors()):
            if (role.name, role.layer) in self.known:
                claims[role] = Equals(term, "the declared forward pass")
        for role, term in self._classes():
            claims[role] = Equals(term, "its definition")
        return Spec(claims)

    def _classes(self) -> Iterator[tuple[Role, Term]]:
        last = self.s.layers - 1
        outputs, targets = (
            [terms.leaf(Role(name, layer, (o,))) for o in range(self.s.outputs)]
            for name, layer in (("post_activation", last), ("target", None))
        )
        if isinstance(self.shape, RuleShape):
            yield Role("correct"), _is(targets[0], outputs[0])
            return
        target, called = terms.leaf(Role("target_class")), terms.leaf(Role("class"))
        yield Role("target_class"), _class_of(targets)
        yield Role("class"), _class_of(outputs)
        yield Role("correct"), _is(target, called)
        first = 0 if self.s.outputs == 1 else 1
        for n in range(self.shape.classes):
            yield Role("is_target", None, (n,)), _is(target, terms.number(n + first))
            yield Role("is_called", None, (n,)), _is(called, terms.number(n + first))

    def _counts(self) -> dict[Role, Claim]:
        n = self.shape.samples

        def read(name: str, *index: int) -> Term:
            return terms.leaf(Role(name, None, index))

        right = terms.total(read("correct", row) for row in range(n))
        counted: dict[Role, Term] = {Role("right"): right}
        if isinstance(self.shape, ClassificationShape):
            counted[Role("accuracy")] = terms.quotient(right, terms.number(n))
            errors = terms.total(read("sample_error", row) for row in range(n))
            counted[Role("error")] = terms.quotient(errors, terms.number(n))
            for t in range(self.shape.classes):
                for c in range(self.shape.classes):
                    counted[Role("confusion", None, (t, c))] = terms.total(
                        terms.product(read("is_target", row, t), read("is_called", row, c))
                        for row in range(n)
                    )
            if self.shape.boundary:
                counted.update(self._boundary())
        return _definitions(counted)

    def _boundary(self) -> Iterator[tuple[Role, Term]]:
        """Yield where S_preA = 0: x2 = −(bias + w1 · x1) / w2."""
        one, two = (terms.leaf(Role("weights", 0, (i, 0))) for i in (0, 1))
        bias = terms.leaf(Role("biases", 0, (0,))) if self.s.biases else ZERO
        for n in range(2):
            place = terms.leaf(Role("boundary_x", None, (n,)))
            over = terms.negative(terms.total((bias, terms.product(one, place))))
            yield Role("boundary_y", None, (n,)), terms.quotient(over, two)


def _definitions(expected: dict[Role, Term]) -> dict[Role, Claim]:
    return {role: Equals(term, "its definition") for role, term in expected.items()}


def _is(one: Term, other: Term) -> Term:
    return terms.choice(terms.compare("=", one, other), ONE, ZERO)


def _class_of(outputs: list[Term]) -> Term:
    """One output: 1 above the limit; several: the first of the largest."""
    if len(outputs) == 1:
        return terms.choice(terms.compare(">", outputs[0], terms.leaf(Role("limit"))), ONE, ZERO)
    largest = terms.call("MAX", *outputs)
    result = terms.number(len(outputs))
    for n in reversed(range(len(outputs) - 1)):
        here = terms.compare("=", outputs[n], largest)
        result = terms.choice(here, terms.number(n + 1), result)
    return result


class SweepPart(RowsPart):
    """A sweep: a block a row, with the moved parameters in place of the given ones."""

    shape: SweepShape

    def __init__(self, own: DescribedPart, atlas: Atlas) -> None:
        super().__init__(own, atlas)
        self.two = len(self.shape.counts) > 1

    def blocks(self) -> Iterator[Block]:
        """Yield a block a row, and the surface."""
        yield from super().blocks()
        wanted: dict[Place, tuple[Place | None, str]] = {}
        for entry in self.atlas.of_part(self.name) if self.two else ():
            name, _, at = entry.role
            if name == "surface" and len(at) == 2:
                row = at[0] * self.shape.counts[1] + at[1]
                source = self.place(Role("error", None, (row,)))
                wanted[entry.place] = source, "E of its combination"
        yield from self.copies(wanted)

    def role_in_row(self, row: int, entry: Entry) -> Role | None:
        """Return what a cell is, seen from a row: of an axis it reads the value that it takes."""
        name, layer, index = role = entry.role
        quantity = self.known.get((name, layer)) if entry.part == self.name else None
        if quantity is None or len(index) != len(quantity.shape) or name == "surface":
            return None
        if name == "axis" and layer is not None:
            moved = divmod(row, self.shape.counts[-1]) if self.two else (row,)
            return Role("axis", layer) if index == (moved[layer],) else None
        return super().role_in_row(row, entry) if quantity.per_row == "row" else role

    def row_spec(self) -> Spec:
        """Return what each row claims of a step with the moved parameters."""
        s, swept = self.shape.step, self.shape.swept
        moved = {
            Role(*parameter): Role("swept", None, (n,)) if self.two else Role("axis", n)
            for n, parameter in enumerate(swept)
        }

        def read(role: Role) -> Term:
            return terms.leaf(moved.get(role, role))

        claims: dict[Role, Claim] = {
            role: claim
            for role, claim in step_claims(s, read).items()
            if (role.name, role.layer) in self.known
        }
        for n in range(len(swept)) if self.two else ():
            axis = terms.leaf(Role("axis", n))
            claims[Role("swept", None, (n,))] = Equals(axis, "the value of this row")
        return Spec(claims, assumptions(s, "target"))


class ComparisonPart(Part):
    """E of several runs side by side: copies."""

    shape: ComparisonShape

    def blocks(self) -> Iterator[Block]:
        """Yield one block of all copies."""
        wanted: dict[Place, tuple[Place | None, str]] = {}
        for entry in self.atlas.of_part(self.name):
            if entry.role.name == "error" and len(entry.role.at) == 2:
                update, run = entry.role.at
                source = None
                if run < len(self.shape.runs):
                    key = self.shape.runs[run], Role("error", None, (update,))
                    source = self.atlas.places.get(key)
                wanted[entry.place] = source, "E of the run in this update"
        yield from self.copies(wanted)


class FunctionPart(RowsPart):
    """A table of an activation function."""

    shape: FunctionShape

    def row_spec(self) -> Spec:
        """Return what a row of a table of a function claims."""
        x, epsilon = terms.leaf(Role("x")), terms.leaf(Role("epsilon"))

        def value(at: Term) -> Equals:
            return Equals(activation(self.shape.activation, at, ZERO), "the function")

        above, below = (terms.leaf(Role(f"value_{side}")) for side in ("above", "below"))
        slope, quotient = terms.leaf(Role("derivative")), terms.leaf(Role("quotient"))
        central = terms.quotient(
            terms.difference(above, below), terms.product(terms.number(2), epsilon)
        )
        step = terms.choice(terms.compare(">=", x, ZERO), ONE, ZERO)
        return Spec(
            {
                Role("value"): value(x),
                Role("derivative"): Derivative(Role("value"), Role("x")),
                Role("value_above"): value(terms.total((x, epsilon))),
                Role("value_below"): value(terms.difference(x, epsilon)),
                Role("quotient"): Equals(central, "the central difference"),
                Role("gap"): Equals(terms.difference(slope, quotient), "its definition"),
                Role("step"): Equals(step, "the unit step"),
            }
        )


class TablePart(RowsPart):
    """A table of numbers from elsewhere."""

    shape: TableShape

    def row_spec(self) -> Spec:
        """Return what a row of a table of numbers claims."""
        numbers = [terms.leaf(Role("measured", None, (c,))) for c in range(self.shape.columns)]
        mean = terms.leaf(Role("mean"))
        away = [terms.difference(measured, mean) for measured in numbers]
        squares = terms.total(terms.product(gap, gap) for gap in away)
        spread = terms.quotient(squares, terms.number(self.shape.columns - 1))
        smallest = terms.call("MAX", *(terms.negative(measured) for measured in numbers))
        expected = {
            "mean": terms.quotient(terms.total(numbers), terms.number(self.shape.columns)),
            "spread": terms.call("SQRT", spread),
            "best": terms.call("MAX", *numbers),
            "worst": terms.negative(smallest),
        }
        return Spec(_definitions({Role(name): term for name, term in expected.items()}))
