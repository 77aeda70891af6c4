"""Deciding whether a cell with another formula is still what the Map claims.

The verdict is that of ``prove``. A formula that differs from what is claimed at a random
point of its identity test cannot be proved exactly either, unless conditions are met and
decided case by case; then it cannot if it differs at a real point. Of these only every so
many are put to the exact proof too, to see that this is so. Whatever passes is worked out
once more at real points, in floating point.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from cellgrad.formula.tree import FormulaError
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.declared import Block
from cellgrad_proof.proof.identity import IdentityTest, Residues
from cellgrad_proof.proof.polynomials import Exact
from cellgrad_proof.proof.prover import _LARGEST, PROVED, REFUTED, TESTED, _Decision
from cellgrad_proof.proof.terms import Leaf, Role, Term, UndefinedError, evaluate, leaves

MISSED = "missed"
_EVERY = 500
_ROOM = 128
_POINTS = 12


class Judge:
    """Judges other formulas of the cells of one pattern.

    Args:
        block: the cells as they should be.

    Attributes:
        judged: how many different formulas were judged.
    """

    def __init__(self, block: Block) -> None:
        self.block = block
        self.decision = _Decision(block, exact=True)
        self.test = IdentityTest(block, self.decision.adjoints)
        self.point = Residues()
        self.judged = 0
        self._known: dict[tuple[Role, Term], str] = {}
        self._conditional: dict[Leaf, bool] = {}
        self._constant: dict[Role, bool] = {}
        self._firsts: dict[Leaf, Leaf] = {}
        self._meanings: dict[Term, Leaf] = {}
        self._reals: list[tuple[IdentityTest, _Reals]] = []

    def verdict(self, role: Role, term: Term) -> str:
        """Return PROVED, TESTED, REFUTED, or MISSED for what is proved and yet differs."""
        key = role, term
        if key not in self._known:
            self.judged += 1
            self._known[key] = self._judged(role, term)
        return self._known[key]

    def constant(self, role: Role) -> bool:
        """Tell whether the same number is claimed of a cell at every point, as far as is seen."""
        if role not in self._constant:
            self.judged += 1
            values = []
            for point in (self.point, Residues()):
                self.test._settle(role, point)
                values.append(point.known[role])
            self._constant[role] = values[0] == values[1]
        return self._constant[role]

    def value(self, term: Term) -> int | None:
        """Return a term's residue at a random point."""
        try:
            for read in leaves(term):
                self.test._settle(read, self.point)
            return evaluate(term, self.point)
        except (UndefinedError, FormulaError, RecursionError):
            return None

    def _judged(self, role: Role, term: Term) -> str:
        self.test._settle(role, self.point)
        differs = self.value(term) != self.point.known[role]
        conditional = self._meets_conditions(term) or self._leaf_meets(role)
        if differs and self.judged % _EVERY and not (conditional and self._holds(role, term)):
            return REFUTED
        if not differs and self._unified(role, term):
            return PROVED if self._holds(role, term) else MISSED
        grade = self._exact(role, term)
        if grade == PROVED and differs and not conditional:
            return MISSED
        if grade == REFUTED and not differs:
            grade = PROVED if self._opened(role, term) else self._tested(role, term)
        return grade if grade == REFUTED or self._holds(role, term) else MISSED

    def _exact(self, role: Role, term: Term) -> str:
        """As ``prove`` does it, with another formula in the cell."""
        decision, spec = self.decision, self.block.spec
        try:
            expected = decision.meaning(role)
            if term == expected:
                return PROVED
            if terms.size(term) + terms.size(expected) > _LARGEST:
                return REFUTED
            for assumed in ({}, spec.assumed) if spec.assumed else ({},):
                if decision._equal(term, expected, assumed):
                    return PROVED
        except (FormulaError, RecursionError):
            pass
        return REFUTED

    def _unified(self, role: Role, term: Term) -> bool:
        """Tell whether it is proved exactly once roles of the same meaning are named alike."""
        try:
            one, other = self._alike(term), self._alike(self.decision.meaning(role))
            return one == other or (
                terms.size(one) + terms.size(other) <= _LARGEST
                and any(self.decision._equal(one, other, a) for a in ({}, self.block.spec.assumed))
            )
        except (UndefinedError, FormulaError, RecursionError):
            return False

    def _opened(self, role: Role, term: Term) -> bool:
        """Tell whether it is proved exactly with all but the hidden layers' outputs replaced.

        Central differences by weights of the last layer are exact where E is quadratic.
        """
        last = max((r.layer for r in self.block.spec.claims if r.layer is not None), default=0)

        def meaning(leaf: Leaf) -> Term | None:
            if not isinstance(leaf, Role) or leaf not in self.block.spec.claims:
                return None
            if leaf.name.endswith("post_activation") and leaf.layer != last:
                first = self._first(leaf)
                return None if first == leaf else terms.leaf(first)
            return self.decision.meaning(leaf)

        try:
            algebra = Exact(_ROOM, meaning)
            expected = evaluate(self.decision.meaning(role), algebra)
            return algebra.same(evaluate(term, algebra), expected)
        except (UndefinedError, FormulaError, RecursionError):
            return False

    def _alike(self, term: Term) -> Term:
        """Return a term in which the first of all roles of the same meaning stands for each."""
        return _replaced(term, self._first)

    def _first(self, leaf: Leaf) -> Leaf:
        stack = [leaf]
        while stack:
            top = stack[-1]
            meaning = None if top in self._firsts else self.test._meaning(top)
            if meaning is None:
                self._firsts.setdefault(top, top)
                stack.pop()
                continue
            missing = [read for read in leaves(meaning) if read not in self._firsts]
            if missing:
                stack += missing
                continue
            known = _replaced(meaning, self._firsts.__getitem__)
            same = known[1] if known[0] == "leaf" else self._meanings.setdefault(known, top)
            self._firsts[top] = same
            stack.pop()
        return self._firsts[leaf]

    def _tested(self, role: Role, term: Term) -> str:
        changed = Block(self.block.spec, {**self.block.formulas, role: term})
        problem = IdentityTest(changed, self.decision.adjoints).problems([role])[role]
        return REFUTED if problem else TESTED

    # conditions

    def _meets_conditions(self, term: Term) -> bool:
        return _has_condition(term) or any(self._leaf_meets(read) for read in leaves(term))

    def _leaf_meets(self, leaf: Leaf) -> bool:
        """Tell whether a condition stands in what a role follows from."""
        known, stack = self._conditional, [leaf]
        while stack:
            top = stack[-1]
            meaning = None if top in known else self.test._meaning(top)
            if meaning is None or _has_condition(meaning):
                known.setdefault(top, meaning is not None)
                stack.pop()
                continue
            below = list(dict.fromkeys(leaves(meaning)))
            missing = [read for read in below if read not in known]
            if missing:
                stack += missing
            else:
                known[top] = any(known[read] for read in below)
                stack.pop()
        return known[leaf]

    # at real points

    def _holds(self, role: Role, term: Term) -> bool:
        """Tell whether a formula has the claimed value at real points, where both have one."""
        if not self._reals:
            self._reals = [(IdentityTest(self.block, self.decision.adjoints), _Reals(seed))
                           for seed in range(_POINTS)]  # fmt: skip
        met = 0
        for test, point in self._reals:
            try:
                for read in (role, *leaves(term)):
                    test._settle(read, point)
                one, other = evaluate(term, point), point.known[role]
            except (UndefinedError, ArithmeticError, ValueError):
                continue
            met += 1
            if abs(one - other) > 1e-7 * max(1.0, abs(one), abs(other)):
                return False
        return met > 0


def _replaced(term: Term, name: Callable[[Leaf], Leaf]) -> Term:
    kind = term[0]
    if kind == "leaf":
        return terms.leaf(name(term[1]))
    if kind in ("sum", "product", "all"):
        return kind, tuple(_replaced(part, name) for part in term[1])
    if kind in ("quotient", "if"):
        return kind, *(_replaced(part, name) for part in term[1:])
    if kind == "call":
        return kind, term[1], tuple(_replaced(part, name) for part in term[2])
    if kind == "compare":
        return kind, term[1], *(_replaced(part, name) for part in term[2:])
    return term


def _has_condition(term: Term) -> bool:
    stack = [term]
    while stack:
        top = stack.pop()
        if top[0] in ("if", "compare", "all") or top[:2] in (("call", "MAX"), ("call", "ABS")):
            return True
        stack += terms.operands(top)
    return False


class _Reals:
    """A random point of real numbers; every second one of few halves, zeros among them."""

    def __init__(self, seed: int) -> None:
        self.known: dict[Leaf, float] = {}
        self.random = random.Random(seed)
        self.plain = seed % 2 == 1

    def free(self, leaf: Leaf) -> float:
        del leaf
        if self.plain:
            return self.random.choice((-1.0, -0.5, 0.0, 0.0, 0.5, 1.0))
        return self.random.uniform(-2, 2)

    def number(self, value: Any) -> float:
        return float(value)

    def leaf(self, role: Leaf) -> float:
        return self.known[role]

    def add(self, parts: list[float]) -> float:
        return sum(parts)

    def multiply(self, parts: list[float]) -> float:
        return math.prod(parts)

    def divide(self, over: float, under: float) -> float:
        return over / under

    def call(self, name: str, args: list[float]) -> float:
        if name == "MAX":
            return max(args)
        function = {"EXP": math.exp, "TANH": math.tanh, "LN": math.log, "SQRT": math.sqrt}
        return function[name](args[0])

    def positive(self, value: float) -> float:
        return float(value > 0)


__all__ = ["MISSED", "PROVED", "REFUTED", "TESTED", "Judge"]
