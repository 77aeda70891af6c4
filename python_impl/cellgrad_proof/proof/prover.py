"""Deciding the claims of a block, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product

from cellgrad.formula.tree import FormulaError
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.declared import Block, Equals
from cellgrad_proof.proof.derivatives import Adjoints
from cellgrad_proof.proof.identity import IdentityTest
from cellgrad_proof.proof.polynomials import Exact
from cellgrad_proof.proof.terms import Leaf, Role, Term, UndefinedError, evaluate, unordered

PROVED, TESTED, REFUTED = "proved", "identity-tested", "refuted"

_SUMS = frozenset(("exponential_sum",))
_SIGNALS = frozenset(("error_signal", "backpropagated_error"))
_KEPT = frozenset(("pre_activation", "sample_error", "error", "penalty"))
_LARGEST = 3_000
"""Terms with more nodes are left to the identity test."""

_MOST_SIGNS = 3
"""For so many leaves every sign is tried where a condition decides."""

_STAGES: tuple[Callable[[Role], bool], ...] = (
    lambda _: False,
    lambda role: role.name not in _KEPT | _SIGNALS | _SUMS,
    lambda role: role.name not in _KEPT | _SIGNALS,
    lambda role: role.name not in _KEPT,
)
"""Which leaves are replaced by what they must be, from none but copies to most."""

_PREFIXES = ("pass_", "validation_")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one cell.

    Attributes:
        grade: PROVED, TESTED or REFUTED.
        expected: what the cell must be, where it is not.
        problem: what is wrong, in words.
        assumed: whether it holds only for targets that sum to 1.
    """

    grade: str
    expected: Term | None = None
    problem: str = ""
    assumed: bool = False


@dataclass(slots=True)
class BlockResult:
    """What was found of a block.

    Attributes:
        verdicts: by role.
        error_bound: the probability of an identity test to pass what is wrong; 0 if none
            was needed.
    """

    verdicts: dict[Role, Verdict] = field(default_factory=dict)
    error_bound: float = 0.0


def decide(block: Block, *, exact: bool = True) -> BlockResult:
    """Return what was found of every cell of a block.

    Args:
        block: the cells.
        exact: whether exact proofs are tried; otherwise all is left to the identity test.
    """
    return _Decision(block, exact=exact).result()


class _Decision:
    def __init__(self, block: Block, *, exact: bool) -> None:
        self.block, self.exact = block, exact
        self.adjoints = Adjoints(block.formulas, block.spec.claims)
        self._meanings: dict[Role, Term] = {}

    def result(self) -> BlockResult:
        result = BlockResult()
        left: list[Role] = []
        for role in self.block.spec.claims:
            if role in self.block.unread:
                result.verdicts[role] = self._refuted(role, self.block.unread[role])
            elif role in self.block.formulas:
                verdict = self._proved(role)
                if verdict is None:
                    left.append(role)
                else:
                    result.verdicts[role] = verdict
        if left:
            self._test(left, result)
        return result

    def meaning(self, role: Role) -> Term:
        """Return what a role must be, by the roles it follows from directly.

        Raises:
            FormulaError: a formula on the way to E has no derivative.
        """
        if role not in self._meanings:
            claim = self.block.spec.claims[role]
            if isinstance(claim, Equals):
                self._meanings[role] = claim.term
            else:
                slope = self.adjoints.in_cells(claim.of, claim.by)
                self._meanings[role] = terms.product(terms.number(claim.sign), slope)
        return self._meanings[role]

    def _refuted(self, role: Role, problem: str) -> Verdict:
        try:
            expected = self.meaning(role)
        except (FormulaError, RecursionError):
            expected = None
        return Verdict(REFUTED, expected, problem)

    # exactly

    def _proved(self, role: Role) -> Verdict | None:
        """Return the verdict of an exact proof, or None if it does not reach."""
        if not self.exact:
            return None
        try:
            formula, expected = self.block.formulas[role], self.meaning(role)
            if unordered(formula, self._source) == unordered(expected, self._source):
                return Verdict(PROVED)
            if terms.size(formula) + terms.size(expected) > _LARGEST:
                return None
            if self._equal(formula, expected, {}):
                return Verdict(PROVED)
            assumed = self.block.spec.assumed
            if assumed and self._equal(formula, expected, assumed):
                return Verdict(PROVED, assumed=True)
        except (FormulaError, RecursionError):
            pass
        return None

    def _source(self, leaf: Leaf) -> Leaf:
        """Return what a leaf is a copy of, through any number of copies."""
        seen = {leaf}
        while isinstance(leaf, Role):
            claim = self.block.spec.claims.get(leaf)
            if not isinstance(claim, Equals) or claim.term[0] != "leaf":
                break
            leaf = claim.term[1]
            if leaf in seen:
                break
            seen.add(leaf)
        return leaf

    def _equal(self, formula: Term, expected: Term, assumed: Mapping[Role, Term]) -> bool:
        for opened in _STAGES:
            try:
                if self._equal_with(formula, expected, assumed, opened):
                    return True
            except UndefinedError:
                continue
        return False

    def _equal_with(
        self,
        formula: Term,
        expected: Term,
        assumed: Mapping[Role, Term],
        opened: Callable[[Role], bool],
    ) -> bool:
        def meaning(leaf: Leaf) -> Term | None:
            if not isinstance(leaf, Role):
                return None
            if leaf in assumed:
                return assumed[leaf]
            return self.meaning(leaf) if self._opens(leaf, opened) else None

        def same(signs: Mapping[Leaf, int]) -> tuple[bool, list[Leaf]]:
            algebra = Exact(self._room(formula, expected, opened), meaning, signs)
            one, other = evaluate(formula, algebra), evaluate(expected, algebra)
            return algebra.same(one, other), list(algebra.compared)

        equal, compared = same({})
        if equal or not 0 < len(compared) <= _MOST_SIGNS:
            return equal
        return all(
            same(dict(zip(compared, signs, strict=True)))[0]
            for signs in product((1, 0, -1), repeat=len(compared))
        )

    def _opens(self, leaf: Leaf, opened: Callable[[Role], bool]) -> bool:
        """Tell whether a leaf is replaced by what it must be; a copy always is."""
        claim = self.block.spec.claims.get(leaf) if isinstance(leaf, Role) else None
        if claim is None or not isinstance(leaf, Role):
            return False
        copied = isinstance(claim, Equals) and claim.term[0] == "leaf"
        return copied or opened(_plain(leaf))

    def _room(self, formula: Term, expected: Term, opened: Callable[[Role], bool]) -> int:
        """Return how many indeterminates may be needed, at most."""
        seen, stack, count = set(), [formula, expected], 0
        while stack:
            top = stack.pop()
            count += top[0] in ("leaf", "call", "compare")
            stack += terms.operands(top)
            if top[0] == "leaf" and top[1] not in seen:
                role = top[1]
                seen.add(role)
                if role in self.block.spec.assumed:
                    stack.append(self.block.spec.assumed[role])
                elif self._opens(role, opened):
                    stack.append(self.meaning(role))
        return count

    # at random points

    def _test(self, roles: list[Role], result: BlockResult) -> None:
        test = IdentityTest(self.block, self.adjoints)
        for role, problem in test.problems(roles).items():
            tested = Verdict(TESTED, assumed=test.assumed)
            result.verdicts[role] = self._refuted(role, problem) if problem else tested
        if any(result.verdicts[role].grade == TESTED for role in roles):
            result.error_bound = test.error_bound


def _plain(role: Role) -> Role:
    """Return the role of the step that a role of a repeated forward pass corresponds to."""
    for prefix in _PREFIXES:
        if role.name.startswith(prefix):
            return role._replace(name=role.name.removeprefix(prefix))
    return role
