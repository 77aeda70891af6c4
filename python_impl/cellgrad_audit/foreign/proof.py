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
from typing import Any

from cellgrad.case.quantities import FORWARD, Index, Key, person_label
from cellgrad.case.structure import Structure, UpdateRule
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, a1
from cellgrad_audit.answer import Slot
from cellgrad_audit.foreign.map_file import WorkbookMap
from cellgrad_audit.foreign.placement import place_of
from cellgrad_audit.foreign.sheets import Foreign, term_at
from cellgrad_audit.foreign.target import slot_of
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.block import Block, Derivative, Equals, Spec, gradients
from cellgrad_proof.proof.declared import Network, Update
from cellgrad_proof.proof.derivatives import Adjoints
from cellgrad_proof.proof.identity import IdentityTest
from cellgrad_proof.proof.parts.part import CATEGORICAL, targets_sum_to_one
from cellgrad_proof.proof.prover import PROVED, REFUTED, TESTED, Prover, Verdict
from cellgrad_proof.proof.terms import ELSEWHERE, Adjoint, Leaf, Role, Term, adjoint_name, readable

NOT_COVERED = "not covered"

_CONSTANTS = ("learning_rate", "leaky_slope", "weight_decay")


@dataclass(frozen=True, slots=True)
class CellProof:
    """What was found of one mapped cell.

    Attributes:
        slot: what it holds.
        index: which of its numbers.
        place: its cell.
        label: its name for people.
        equation: its number.
        grade: ``proved``, ``identity-tested``, ``refuted`` or ``not covered``.
        problem: what is wrong, or why it is not covered.
        formula: what stands there.
        expected: what must stand there, as a formula of names and cells.
    """

    slot: Slot
    index: Index
    place: str
    label: str
    equation: str
    grade: str
    problem: str = ""
    formula: str = ""
    expected: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "cell": self.place,
            "label": self.label,
            "equation": self.equation,
            "grade": self.grade,
            "problem": self.problem,
            "formula": self.formula,
            "expected": self.expected,
        }


@dataclass(slots=True)
class ForeignProof:
    """What was proved of a workbook.

    Attributes:
        cells: every mapped computed cell.
        notes: what a reader must know.
        error_bound: the probability of an identity test to pass what is wrong.
    """

    cells: list[CellProof] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error_bound: float = 0.0

    def count(self, grade: str) -> int:
        """Return how many cells have a grade."""
        return sum(cell.grade == grade for cell in self.cells)

    @property
    def refuted(self) -> list[CellProof]:
        """The cells that are something else."""
        return [cell for cell in self.cells if cell.grade == REFUTED]

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "proved": self.count(PROVED),
            "identity_tested": self.count(TESTED),
            "refuted": self.count(REFUTED),
            "not_covered": self.count(NOT_COVERED),
            "error_bound": self.error_bound,
            "notes": list(self.notes),
            "cells": [cell.as_json() for cell in self.cells if cell.grade != PROVED],
        }


def prove_foreign(
    foreign: Foreign, where: WorkbookMap, wrong: Collection[tuple[Slot, Index]] = ()
) -> ForeignProof:
    """Prove or refute every mapped computed cell.

    Args:
        foreign: the workbook, without circular references.
        where: its map.
        wrong: cells that were seen to give wrong numbers. An exact proof of them would be long
            in failing: it is tried only if they pass the identity test.
    """
    return _Proof(foreign, where, wrong).result()


_GRADIENTS = ("weight_gradient", "bias_gradient")
_TIERS = (
    ("error_derivative", "activation_derivative", "backpropagated_error", "error_signal"),
    _GRADIENTS,
    ("new_weights", "new_biases"),
)
"""What is decided together; of the first tier a layer at a time, from the outputs down."""


class _Proof:
    def __init__(
        self, foreign: Foreign, where: WorkbookMap, wrong: Collection[tuple[Slot, Index]]
    ) -> None:
        self.foreign, self.map, self.s = foreign, where, where.structure
        self.wrong = wrong
        self.roles: dict[Place, Role] = {}
        self.given: set[Place] = set()
        for key, placed in where.given.items():
            for index, place in placed.cells():
                self.roles.setdefault(place, Role(*key, index))
                self.given.add(place)
        self.computed: dict[Role, Place] = {}
        for key, placed in where.computed.items():
            for index, place in placed.cells():
                role = Role(*key, index)
                self.computed[role] = place
                if key[0] in FORWARD:
                    self.roles[place] = role
        self.unread: dict[Place, str] = {}
        self.terms: dict[Place, Term] = {}
        for place in self.computed.values():
            self._read(place)
        self.answer = ForeignProof()
        self._verdicts: dict[Role, Verdict] = {}

    def result(self) -> ForeignProof:
        self._forward()
        self._backward()
        known = self.map.quantities
        for role, place in self.computed.items():
            key: Key = (role.name, role.layer)
            self.answer.cells.append(
                self._cell(
                    role, place, known[key].equation, person_label(self.s, known[key], role.at)
                )
            )
        return self.answer  # fmt: skip

    def _cell(self, role: Role, place: Place, equation: str, label: str) -> CellProof:
        verdict = self._verdicts[role]
        formula = self.foreign.formula(place)
        expected = ""
        if verdict.grade == REFUTED and verdict.expected is not None:
            expected = f"={readable(verdict.expected, self._label)}"
        return CellProof(
            slot_of((role.name, role.layer)), role.at, place_of(place), label, equation,
            verdict.grade, verdict.problem,
            str(self.foreign.value(place)) if formula is None else f"={formula}", expected,
        )  # fmt: skip

    def _label(self, leaf: Leaf) -> str:
        if isinstance(leaf, Adjoint):
            return adjoint_name(leaf, self._label)
        if leaf.name == ELSEWHERE:
            return a1(*leaf.at[1:])
        quantity = self.map.quantities.get((leaf.name, leaf.layer))
        return leaf.name if quantity is None else person_label(self.s, quantity, leaf.at)

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
        raise FormulaError(f"reads {place_of(place)}, which holds no number")

    # blocks

    def _definitions(self) -> Iterator[tuple[Role, Term]]:
        """Yield the declared forward pass and error, the constants of the map among them."""
        network = Network(self.s)
        yield from network.forward()
        yield from network.error()

    def _base(self) -> Block:
        """Return a block in which every cell on the way is its own formula."""
        claims: dict[Role, Any] = {}
        block = Block(Spec(claims, self._assumed()))
        for name in _CONSTANTS:
            if name in self.map.constants:
                role, value = Role(name), Fraction(self.map.constants[name])
                claims[role] = Equals(terms.number(value))
        for key, placed in self.map.given.items():
            for index, first in placed.shared().items():
                claims[Role(*key, index)] = Equals(terms.leaf(Role(*key, first)), "the same cell")
        for place, term in self.terms.items():
            role = self.roles.get(place, terms.elsewhere(place))
            block.formulas[role], block.places[role] = term, place
            claims[role] = Equals(term)
        if self.s.activations[-1] == "softmax":
            _name_sums(block, claims, self.s)
        return block

    def _assumed(self) -> dict[Role, Term]:
        if self.s.loss != CATEGORICAL:
            return {}
        return targets_sum_to_one(self.s.samples, self.s.outputs, "target")

    def _forward(self) -> None:
        """Decide whether forward cells are what is declared, each by what it reads."""
        block = self._base()
        claims: dict[Role, Any] = block.spec.claims  # type: ignore[assignment]
        for role, term in self._definitions():
            claims[role] = Equals(term, "what is declared")
            place = self.computed.get(role)
            if place is None:
                block.formulas[role] = term
            elif self.foreign.formula(place) is None:
                block.unread[role] = "holds a number where a formula is claimed"
            elif role not in block.formulas:
                block.unread[role] = self.unread[place]
        self._decide(block, [role for role in self.computed if role.name in FORWARD])

    def _backward(self) -> None:
        """Decide whether the other cells are derivatives, and updates, as functions of givens."""
        block = self._base()
        claims: dict[Role, Any] = block.spec.claims  # type: ignore[assignment]
        self._define(block, claims)
        everything = dict(gradients(self.s))
        # a derivative that no cell holds has no name, and is written out
        claims.update(
            (role, claim) for role, claim in everything.items()
            if role in self.computed or role.name in _GRADIENTS
        )  # fmt: skip
        for role, term in Update(self.s, UpdateRule()).definitions():
            claims[role] = Equals(term, "the declared update")
        for role in self.computed:
            if role.name not in FORWARD:
                self._enter(block, role)
        for asked in self._tiers():
            self._decide(block, asked)
            for role in asked:
                self._settle(block, claims, role)
        self._expect(block, everything)

    def _define(self, block: Block, claims: dict[Role, Any]) -> None:
        """Enter what is declared where the sheet shows nothing of it, or something else."""
        known = self.computed
        # where one cell holds both sum and activation, and is right, the sum is what is declared
        fused = {
            k for k in range(self.s.layers)
            if not any(role[:2] == ("pre_activation", k) for role in known)
            and not any(
                self._is_wrong(role) for role in known if role[:2] == ("post_activation", k)
            )
        }  # fmt: skip
        for role, term in self._definitions():
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

    def _settle(self, block: Block, claims: dict[Role, Any], role: Role) -> None:
        """Let who reads a cell read what it was proved to be; its formula if it was not."""
        copy = terms.elsewhere(self.computed[role])
        if self._is_wrong(role):
            if role.name not in _GRADIENTS:
                claims.pop(role, None)
        elif copy in claims:
            claims[copy] = Equals(terms.leaf(role), "a proved cell")
            block.formulas.pop(copy, None)

    def _expect(self, block: Block, everything: dict[Role, Any]) -> None:
        """Write what refuted cells must be by the names of all derivatives, shown or not."""
        adjoints = Adjoints(block.formulas, everything)
        for role, verdict in self._verdicts.items():
            claim = everything.get(role)
            if verdict.grade == REFUTED and claim is not None:
                with contextlib.suppress(FormulaError, RecursionError):
                    slope = adjoints.in_cells(claim.of, claim.by)
                    expected = terms.product(terms.number(claim.sign), slope)
                    self._verdicts[role] = replace(verdict, expected=expected)

    def _enter(self, block: Block, role: Role) -> None:
        place = self.computed[role]
        if self.foreign.formula(place) is None:
            block.unread[role] = "holds a number where a formula is claimed"
        elif place in self.unread:
            block.unread[role] = self.unread[place]
        else:
            block.formulas[role] = self.terms[place]
            block.places[role] = place

    def _tiers(self) -> Iterator[list[Role]]:
        """Yield the cells of the backward pass and the update, in the order of the flow."""
        signals, *others = _TIERS
        last = self.s.layers - 1
        for k in reversed(range(self.s.layers)):
            for name in signals:
                found = [
                    role for role in self.computed
                    if role.name == name and (last if role.layer is None else role.layer) == k
                ]  # fmt: skip
                if found:
                    yield found
        for names in others:
            found = [role for role in self.computed if role.name in names]
            if found:
                yield found

    def _is_wrong(self, role: Role) -> bool:
        verdict = self._verdicts.get(role)
        return verdict is not None and verdict.grade not in (PROVED, TESTED)

    def _note(self, text: str) -> None:
        if text not in self.answer.notes:
            self.answer.notes.append(text)

    def _decide(self, block: Block, asked: list[Role]) -> None:
        claims = block.spec.claims
        derivatives = {
            role: claim for role, claim in claims.items() if isinstance(claim, Derivative)
        }
        adjoints = Adjoints(block.formulas, derivatives)
        open_roles = []
        for role in asked:
            place = self.computed[role]
            reason = self._uncovered(role, block, adjoints)
            if reason:
                self._verdicts[role] = Verdict(NOT_COVERED, problem=reason)
                if role.name not in FORWARD:
                    block.formulas.pop(role, None)
            elif self.foreign.formula(place) is None:
                self._verdicts[role] = Verdict(REFUTED, problem=block.unread[role])
            else:
                open_roles.append(role)
        suspects = [role for role in open_roles if (slot_of(role[:2]), role.at) in self.wrong]
        if suspects:
            problems = IdentityTest(block, adjoints).problems(suspects)
            block.unread.update({role: text for role, text in problems.items() if text})
        asked_now = set(asked)
        claims_now = {
            role: claim for role, claim in claims.items()
            if role in asked_now or role not in self.computed or role.name in FORWARD
        }  # fmt: skip
        known = block.formulas
        # what is not asked now keeps its claim, but has no formula to be decided
        decided = Block(
            block.spec,
            {role: term for role, term in known.items() if role in claims_now},
            block.places,
            {role: text for role, text in block.unread.items() if role in asked_now},
        )
        result = Prover().decide(decided)
        self.answer.error_bound = min(1.0, self.answer.error_bound + result.error_bound)
        for role in open_roles:
            self._verdicts[role] = result.verdicts[role]
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
        updated = role.name in ("new_weights", "new_biases")
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
                return f"depends on {place_of(at)}: {self.unread[at]}"
        return ""


def _name_sums(block: Block, claims: dict[Role, Any], structure: Structure) -> None:
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
