"""Proving somebody else's cells from their own formulas, or refuting them.

Forward cells must be what the map declares. Every other mapped cell must be a derivative of
E, taken along the sheet's own forward formulas; where the sheet does not show E, or shows
another one, E is that of the declared loss, of the sheet's own outputs. A cell counts as
proved only as a function of the givens: what it reads on the way is put in its place, right
or wrong. Cells without a meaning in the map stand for their formulas, typed numbers for
themselves. What cannot be read (a function that is not known, a range where one number is
expected) is not covered, and said to be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from cellgrad.case.quantities import FORWARD, Index, Key, Structure, UpdateRule, person_label
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, a1, place_text
from cellgrad_audit.foreign import Foreign, term_at
from cellgrad_audit.foreign.map_file import CONSTANTS, NEW, WorkbookMap
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.declared import (
    GRADIENTS,
    Block,
    Claim,
    Derivative,
    Equals,
    Network,
    Spec,
    gradients,
    update_claims,
)
from cellgrad_proof.proof.derivatives import Adjoints
from cellgrad_proof.proof.identity import IdentityTest
from cellgrad_proof.proof.parts.part import assumptions
from cellgrad_proof.proof.prover import PROVED, REFUTED, TESTED, Verdict, decide
from cellgrad_proof.proof.terms import ELSEWHERE, Adjoint, Leaf, Role, Term, adjoint_name, readable

NOT_COVERED = "not covered"


@dataclass(frozen=True, slots=True)
class CellProof:
    """What was found of one mapped cell.

    Attributes:
        place: the cell.
        label: its name for people.
        grade: ``proved``, ``identity-tested``, ``refuted`` or ``not covered``.
        problem: what is wrong, or why it is not covered.
        formula: what stands there.
        expected: what must stand there, as a formula of names and cells.
    """

    place: str
    label: str
    grade: str
    problem: str = ""
    formula: str = ""
    expected: str = ""

    def lines(self) -> list[str]:
        """Return it for people, with both sides where it is refuted."""
        line = f"  {self.place}  {self.label}: {self.grade}: {self.problem}"
        if not self.expected:
            return [line]
        return [line, f"    it holds {self.formula}, it must be {self.expected}"]


@dataclass(slots=True)
class ForeignProof:
    """What was proved of a workbook.

    Attributes:
        cells: every mapped computed cell.
        notes: what a reader must know.
    """

    cells: list[CellProof] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def count(self, grade: str) -> int:
        """Return how many cells have a grade."""
        return sum(cell.grade == grade for cell in self.cells)

    @property
    def refuted(self) -> list[CellProof]:
        """The cells that are something else."""
        return [cell for cell in self.cells if cell.grade == REFUTED]


def prove_foreign(
    foreign: Foreign, where: WorkbookMap, wrong: Collection[tuple[Key, Index]] = ()
) -> ForeignProof:
    """Prove or refute every mapped computed cell.

    Args:
        foreign: the workbook, without circular references.
        where: its map.
        wrong: cells that were seen to give wrong numbers. An exact proof of them would be long
            in failing: it is tried only if they pass the identity test.
    """
    return _Proof(foreign, where, wrong).result()


_SIGNALS = ("error_derivative", "activation_derivative", "backpropagated_error", "error_signal")


class _Proof:
    def __init__(
        self, foreign: Foreign, where: WorkbookMap, wrong: Collection[tuple[Key, Index]]
    ) -> None:
        self.foreign, self.map, self.s = foreign, where, where.structure
        self.wrong = {Role(*key, index) for key, index in wrong}
        self.roles: dict[Place, Role] = {}
        for key, placed in where.given.items():
            for index, place in placed.cells():
                self.roles.setdefault(place, Role(*key, index))
        self.given = frozenset(self.roles)
        self.computed = {
            Role(*key, index): place
            for key, placed in where.computed.items()
            for index, place in placed.cells()
        }
        self.roles |= {place: role for role, place in self.computed.items() if role.name in FORWARD}
        self.unread: dict[Place, str] = {}
        self.terms: dict[Place, Term] = {}
        for place in self.computed.values():
            self._read(place)
        self.notes: dict[str, None] = {}
        self.verdicts: dict[Role, Verdict] = {}

    def result(self) -> ForeignProof:
        self._forward()
        self._backward()
        cells = [self._cell(role, place) for role, place in self.computed.items()]
        return ForeignProof(cells, list(self.notes))

    def _cell(self, role: Role, place: Place) -> CellProof:
        verdict, formula = self.verdicts[role], self.foreign.formula(place)
        expected = ""
        if verdict.grade == REFUTED and verdict.expected is not None:
            expected = f"={readable(verdict.expected, self._label)}"
        held = str(self.foreign.value(place)) if formula is None else f"={formula}"
        label = self._label(role)
        return CellProof(place_text(place), label, verdict.grade, verdict.problem, held, expected)

    def _label(self, leaf: Leaf) -> str:
        if isinstance(leaf, Adjoint):
            return adjoint_name(leaf, self._label)
        if leaf.name == ELSEWHERE:
            return a1(*leaf.at[1:])
        quantity = self.map.quantities.get((leaf.name, leaf.layer))
        return leaf.name if quantity is None else person_label(self.s, quantity, leaf.at)

    def _is_wrong(self, role: Role) -> bool:
        verdict = self.verdicts.get(role)
        return verdict is not None and verdict.grade not in (PROVED, TESTED)

    # the sheet's formulas as terms

    def _read(self, start: Place) -> None:
        """Read a cell's formula and all that it depends on; without recursion."""
        stack = [start]
        while stack:
            place = stack.pop()
            if place in self.terms or place in self.unread:
                continue
            if place in self.given or self.foreign.formula(place) is None:
                continue
            reached: list[Place] = []

            def resolve(at: Place, reached: list[Place] = reached) -> Term:
                reached.append(at)
                return self._stands_for(at)

            try:
                self.terms[place] = term_at(self.foreign, place, resolve)
            except FormulaError as error:
                self.unread[place] = str(error)
            stack += reached

    def _stands_for(self, place: Place) -> Term:
        if place in self.roles and (place in self.given or self.foreign.formula(place) is not None):
            return terms.leaf(self.roles[place])
        if self.foreign.formula(place) is not None:
            return terms.leaf(terms.elsewhere(place))
        value = self.foreign.value(place)
        if value is None:
            return terms.ZERO
        if isinstance(value, float | bool):
            return terms.number(Fraction(value))
        raise FormulaError(f"reads {place_text(place)}, which holds no number")

    # blocks

    def _declared(self) -> Iterator[tuple[Role, Term]]:
        """Yield the declared forward pass and error."""
        network = Network(self.s)
        yield from network.forward()
        yield from network.error()

    def _base(self) -> tuple[dict[Role, Claim], Block]:
        """Return a block in which every cell on the way is its own formula, and its claims."""
        claims: dict[Role, Claim] = {}
        block = Block(Spec(claims, assumptions(self.s, "target")))
        for name in CONSTANTS:
            if name in self.map.constants:
                claims[Role(name)] = Equals(terms.number(Fraction(self.map.constants[name])))
        for key, placed in self.map.given.items():
            for index, first in placed.shared().items():
                claims[Role(*key, index)] = Equals(terms.leaf(Role(*key, first)), "the same cell")
        for place, term in self.terms.items():
            role = self.roles.get(place, terms.elsewhere(place))
            block.formulas[role], block.places[role] = term, place
            claims[role] = Equals(term)
        if self.s.activations[-1] == "softmax":
            _name_sums(block, claims, self.s)
        return claims, block

    def _forward(self) -> None:
        """Decide whether forward cells are what is declared, each by what it reads."""
        claims, block = self._base()
        for role, term in self._declared():
            claims[role] = Equals(term, "what is declared")
            if role not in self.computed:
                block.formulas[role] = term
            elif self.computed[role] not in self.terms:
                block.unread[role] = self._unread(role)
        self._decide(block, [role for role in self.computed if role.name in FORWARD])

    def _backward(self) -> None:
        """Decide whether the other cells are derivatives, and updates, as functions of givens."""
        claims, block = self._base()
        self._define(block, claims)
        derivatives = dict(gradients(self.s))
        # a derivative that no cell holds has no name, and is written out
        claims.update(
            (role, claim)
            for role, claim in derivatives.items()
            if role in self.computed or role.name in GRADIENTS
        )
        claims.update(update_claims(self.s, UpdateRule()))
        for role, place in self.computed.items():
            if role.name in FORWARD:
                continue
            if place in self.terms:
                block.formulas[role], block.places[role] = self.terms[place], place
            else:
                block.unread[role] = self._unread(role)
        for asked in self._tiers():
            self._decide(block, asked)
            for role in asked:
                self._settle(block, claims, role)
        self._expect(Adjoints(block.formulas, derivatives), derivatives)

    def _unread(self, role: Role) -> str:
        """Return why there is no formula of a mapped cell."""
        return self.unread.get(self.computed[role], "holds a number where a formula is claimed")

    def _define(self, block: Block, claims: dict[Role, Claim]) -> None:
        """Enter what is declared where the sheet shows nothing of it, or something else."""
        known = self.computed
        shown = {role[:2] for role in known}
        # where one cell holds both sum and activation, and is right, the sum is what is declared
        fused = {k for k in range(self.s.layers) if ("pre_activation", k) not in shown}
        fused -= {r.layer for r in known if r.name == "post_activation" and self._is_wrong(r)}
        for role, term in self._declared():
            wrong = role.name in ("error", "sample_error") and self._is_wrong(role)
            if wrong:
                self._note("E is not the declared error: gradients are held to the declared one")
            if (
                wrong
                or role not in known
                or (role.name == "post_activation" and role.layer in fused)
                or self.foreign.formula(known[role]) is None
            ):
                block.formulas[role], claims[role] = term, Equals(term)

    def _settle(self, block: Block, claims: dict[Role, Claim], role: Role) -> None:
        """Let who reads a cell read what it was proved to be; its formula if it was not."""
        copy = terms.elsewhere(self.computed[role])
        if self._is_wrong(role):
            if role.name not in GRADIENTS:
                claims.pop(role, None)
        elif copy in claims:
            claims[copy] = Equals(terms.leaf(role), "a proved cell")
            block.formulas.pop(copy, None)

    def _expect(self, adjoints: Adjoints, derivatives: dict[Role, Claim]) -> None:
        """Write what refuted cells must be by the names of all derivatives, shown or not."""
        for role, verdict in self.verdicts.items():
            claim = derivatives.get(role)
            if verdict.grade == REFUTED and isinstance(claim, Derivative):
                with contextlib.suppress(FormulaError, RecursionError):
                    slope = adjoints.in_cells(claim.of, claim.by)
                    expected = terms.product(terms.number(claim.sign), slope)
                    self.verdicts[role] = replace(verdict, expected=expected)

    def _tiers(self) -> Iterator[list[Role]]:
        """Yield what is decided together, in the order of the flow.

        Of the backward pass a quantity of a layer at a time, from the outputs down; then the
        gradients, and the update.
        """
        last = self.s.layers - 1
        tiers = [
            [
                r
                for r in self.computed
                if (r.name, last if r.layer is None else r.layer) == (name, k)
            ]
            for k in reversed(range(self.s.layers))
            for name in _SIGNALS
        ]
        tiers += [
            [role for role in self.computed if role.name in names]
            for names in (GRADIENTS, tuple(NEW.values()))
        ]
        yield from filter(None, tiers)

    def _note(self, text: str) -> None:
        self.notes[text] = None

    def _decide(self, block: Block, asked: list[Role]) -> None:
        claims = block.spec.claims
        adjoints = Adjoints(block.formulas, claims)
        left = []
        for role in asked:
            reason = self._uncovered(role, block, adjoints)
            if reason:
                self.verdicts[role] = Verdict(NOT_COVERED, problem=reason)
                if role.name not in FORWARD:
                    block.formulas.pop(role, None)
            elif self.foreign.formula(self.computed[role]) is None:
                self.verdicts[role] = Verdict(REFUTED, problem=block.unread[role])
            else:
                left.append(role)
        suspects = [role for role in left if role in self.wrong]
        if suspects:
            problems = IdentityTest(block, adjoints).problems(suspects)
            block.unread.update({role: text for role, text in problems.items() if text})
        now = set(asked)

        def open_now(role: Role) -> bool:
            return role in now or role not in self.computed or role.name in FORWARD

        # what is not asked now keeps its claim, but has no formula to be decided
        formulas = {r: t for r, t in block.formulas.items() if r in claims and open_now(r)}
        unread = {role: text for role, text in block.unread.items() if role in now}
        result = decide(Block(block.spec, formulas, block.places, unread))
        for role in left:
            self.verdicts[role] = result.verdicts[role]
            if result.verdicts[role].assumed:
                self._note("holds modulo Σ target = 1 (softmax with cross-entropy)")

    def _uncovered(self, role: Role, block: Block, adjoints: Adjoints) -> str:
        """Return why a cell cannot be decided, or nothing."""
        place, claim = self.computed[role], block.spec.claims.get(role)
        if place in self.unread:
            return self.unread[place]
        if claim is None:
            return "nothing is claimed of it"
        if isinstance(claim, Derivative):
            reason = self._no_derivative(claim, block, adjoints)
            return reason or self._beyond((role, claim.of), block, adjoints)
        updated = role.name in NEW.values()
        return self._beyond((role, Role("error")) if updated else (role,), block, adjoints)

    def _no_derivative(self, claim: Derivative, block: Block, adjoints: Adjoints) -> str:
        if isinstance(block.spec.claims.get(claim.by), Equals) and claim.by.name == "biases":
            return "its bias shares a cell with another"
        dead = claim.by not in adjoints.cone(claim.of)
        if dead and claim.by.name not in ("weights", "biases"):
            return f"E does not read the cell of {self._label(claim.by)}: map that one too"
        return ""

    def _beyond(self, sources: tuple[Role, ...], block: Block, adjoints: Adjoints) -> str:
        """Return on which cell that cannot be read some others depend, or nothing."""
        for read in (read for source in sources for read in adjoints.cone(source)):
            at = read.at if read.name == ELSEWHERE else self.computed.get(read)
            if at in self.unread and read not in block.formulas:
                return f"depends on {place_text(at)}: {self.unread[at]}"
        return ""


def _name_sums(block: Block, claims: dict[Role, Claim], structure: Structure) -> None:
    """Give the sum under the outputs of a softmax a name, where the sheet has no cell for it.

    The same sum under every output of a sample is then one symbol, and proofs are short.
    """
    k = structure.layers - 1
    for n in range(structure.samples):
        outputs = [Role("post_activation", k, (n, o)) for o in range(structure.outputs)]
        found = [block.formulas.get(role, terms.ZERO) for role in outputs]
        under = {term[2] for term in found if term[0] == "quotient"}
        shared = len(under) == 1 and all(term[0] == "quotient" for term in found)
        name = Role("exponential_sum", k, (n,))
        if not shared or name in block.formulas:
            continue
        total = under.pop()
        if total[0] != "sum":
            continue
        block.formulas[name], claims[name] = total, Equals(total)
        for role, term in zip(outputs, found, strict=True):
            named = ("quotient", term[1], terms.leaf(name))
            block.formulas[role], claims[role] = named, Equals(named)
