"""Proving a workbook: its parts, block by block, each pattern of formulas once; the report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from cellgrad.described import describe
from cellgrad.errors import CaseError
from cellgrad.formula.references import find_cycle, places_in, ranges_read_by
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, a1, place_text
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import SHEET
from cellgrad_proof.proof.declared import GRADIENTS, Block, Derivative
from cellgrad_proof.proof.parts import create_part
from cellgrad_proof.proof.parts.part import Atlas, Part
from cellgrad_proof.proof.prover import PROVED, REFUTED, TESTED, BlockResult, Verdict, decide
from cellgrad_proof.proof.terms import (
    ELSEWHERE,
    Adjoint,
    Leaf,
    Role,
    adjoint_name,
    leaves,
    readable,
)

MOST_FAILURES = 2_000
"""Of a workbook with more wrong cells the rest is only counted."""

_MOST_READ = 10_000
_SHORT = 160


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that is not what it must be.

    Attributes:
        sheet: the sheet.
        cell: its A1 address; empty where it concerns the whole.
        quantity: the sheet's name for it, with its index.
        index: layer (if any), then the 0-based index.
        equation: such as ``Eq. 11``.
        formula: what stands there.
        expected: what must stand there, as a formula of the quantities that it follows from.
        problem: what is wrong, in words.
    """

    sheet: str
    cell: str
    quantity: str = ""
    index: tuple[int, ...] = ()
    equation: str = ""
    formula: str = ""
    expected: str = ""
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {**asdict(self), "index": list(self.index)}

    def line(self) -> str:
        """Return it for people, on one line."""
        where = f"{self.sheet}!{self.cell}" if self.cell else self.sheet
        named = " ".join(part for part in (self.quantity, f"({self.equation})") if part != "()")
        return f"{where}  {named}: {self.problem}" if named else f"{where}: {self.problem}"


@dataclass(slots=True)
class ProofReport:
    """What was proved of a workbook.

    Attributes:
        path: the workbook.
        gradients: how many cells hold a gradient of a weight or a bias.
        proved: how many cells were proved, gradients among them.
        identity_tested: how many passed the identity test, since the proof does not reach them.
        not_covered: how many formula cells are displays, of which nothing is proved.
        certified: how many numbers are certified to 50 digits, from the same formulas.
        uncertified: how many have no value that could be certified.
        error_bound: the probability of an identity test to pass what is wrong; 0 if none was
            needed.
        notes: what a reader must know.
        failures: what is wrong.
    """

    path: Path
    gradients: int = 0
    proved: int = 0
    identity_tested: int = 0
    not_covered: int = 0
    certified: int = 0
    uncertified: int = 0
    error_bound: float = 0.0
    notes: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every claim holds."""
        return not self.failures

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        failures = [failure.as_json() for failure in self.failures]
        return {**asdict(self), "path": str(self.path), "failures": failures}


def prove_workbook(path: Path, *, exact: bool = True) -> ProofReport:
    """Prove a workbook from its own formulas.

    Args:
        path: the workbook.
        exact: whether exact proofs are tried; otherwise all is left to the identity test.

    Raises:
        WorkbookError: it cannot be read, or does not say what its cells are.
    """
    return prove_book(read_book(path), exact=exact)


def prove_book(book: Book, *, exact: bool = True) -> ProofReport:
    """Prove a workbook that was read before; see ``prove_workbook``.

    Raises:
        WorkbookError: it does not say what its cells are.
    """
    return _Proof(Atlas(describe(book, "prove")), exact=exact).report()


class _Proof:
    def __init__(self, atlas: Atlas, *, exact: bool) -> None:
        self.atlas, self.exact = atlas, exact
        self.answer = ProofReport(atlas.book.path)
        self._decided: dict[int, list[tuple[Block, BlockResult]]] = defaultdict(list)
        self._notes: dict[str, None] = {}
        self._tests = 0.0

    def report(self) -> ProofReport:
        answer = self.answer
        for fault in self.atlas.faults:
            self._fail(Failure(fault.sheet, fault.cell, problem=fault.problem))
        cycle = self._cycle()
        if cycle:
            return answer  # with a circle no induction
        self._givens()
        parts = self._parts()
        if parts is None:
            return answer
        claimed: set[Place] = set()
        for part in parts:
            for block in part.blocks():
                self._block(part, block)
                claimed.update(block.places.values())
        self._rest(claimed)
        answer.error_bound = min(1.0, self._tests)
        for part in parts:
            self._notes.update(dict.fromkeys(_remarks(part)))
        answer.notes = list(self._notes)
        return answer

    def _parts(self) -> list[Part] | None:
        """Return the parts of the workbook; None if one of them cannot be used."""
        described, parts = self.atlas.described, list[Part]()
        unusable = described.unusable
        for own in described.parts.values() if unusable is None else ():
            try:
                parts.append(create_part(own, self.atlas))
            except CaseError as error:
                unusable = own.name, error.problem
                break
        if unusable is not None:
            name, problem = unusable
            what = f"the part {name!r}" if name else "the description of the step"
            self._fail(Failure(SHEET, "", problem=f"{what} cannot be used: {problem}"))
            return None
        if not parts:
            self._fail(Failure(SHEET, "", problem="no part is described"))
        return parts

    def _fail(self, failure: Failure) -> None:
        if len(self.answer.failures) < MOST_FAILURES:
            self.answer.failures.append(failure)

    def _fail_at(self, place: Place, problem: str, **facts: Any) -> None:
        """Note what is wrong with a cell, and what else is known of it."""
        self._fail(Failure(place[0], a1(*place[1:]), problem=problem, **facts))

    def _cycle(self) -> bool:
        try:
            cycle = find_cycle(self.atlas.book)
        except RecursionError:
            self._fail(Failure(SHEET, "", problem="a formula is nested too deeply"))
            return True
        if cycle is not None:
            chain = " → ".join(map(place_text, cycle[:6]))
            self._fail_at(cycle[0], f"a circular reference: {chain}")
        return cycle is not None

    def _givens(self) -> None:
        """A given may be typed as =1/3, but must not follow from what is computed."""
        for place, entry in self.atlas.cells.items():
            formula = self.atlas.formula(place)
            if formula is None or entry.kind not in ("given", "answer"):
                continue
            problem = ""
            try:
                if self._reads_claimed(place, set()):
                    problem = "is claimed as given, but its formula reads other cells of the Map"
            except FormulaError as error:
                problem = str(error)
            except RecursionError:
                problem = "is nested too deeply"
            if problem:
                self._fail_at(
                    place,
                    problem,
                    quantity=self.atlas.claims[entry.claim].label,
                    index=entry.role.at,
                    formula=f"={_short(formula)}",
                    expected="a number",
                )

    def _reads_claimed(self, place: Place, seen: set[Place]) -> bool:
        formula = self.atlas.formula(place)
        if formula is None or place in seen:
            return False
        seen.add(place)
        for area in ranges_read_by(self.atlas.book, place):
            if area.height * area.width > _MOST_READ:
                return True
            for read in places_in(area):
                if read in self.atlas.cells or self._reads_claimed(read, seen):
                    return True
        return False

    # blocks

    def _block(self, part: Part, block: Block) -> None:
        answer = self.answer
        result = self._result(block)
        for role in block.spec.claims:
            if role not in block.places:
                self._missing(part, role)
                continue
            verdict = result.verdicts[role]
            answer.gradients += role.name in GRADIENTS
            if verdict.grade == PROVED:
                answer.proved += 1
            elif verdict.grade == TESTED:
                answer.identity_tested += 1
            else:
                self._refuted(part, block, role, verdict)
            if verdict.assumed:
                self._notes["holds modulo Σ target = 1 (softmax with cross-entropy)"] = None

    def _result(self, block: Block) -> BlockResult:
        """Return what was found of a block; blocks of the same formulas are decided once."""
        key = hash((id(block.spec), tuple(block.formulas.items()), tuple(block.unread.items())))
        for known, result in self._decided[key]:
            if (
                known.spec is block.spec
                and known.formulas == block.formulas
                and known.unread == block.unread
            ):
                return result
        result = decide(block, exact=self.exact)
        self._decided[key].append((block, result))
        self._tests += result.error_bound
        return result

    def _missing(self, part: Part, role: Role) -> None:
        if role.name == ELSEWHERE:
            return
        text = f"no cell is claimed to hold {_bare(role)}"
        where = f"of the part {part.name!r}" if part.name else ""
        self._fail(Failure(SHEET, "", _bare(role), role.at, problem=f"{text} {where}".strip()))

    def _refuted(self, part: Part, block: Block, role: Role, verdict: Verdict) -> None:
        place = block.places[role]
        entry = self.atlas.cells[place]
        claim = self.atlas.claims[entry.claim]
        formula = self.atlas.formula(place)
        held = f"={_short(formula)}" if formula is not None else _short(str(self._value(place)))
        expected = ""
        if verdict.expected is not None:
            expected = readable(verdict.expected, lambda leaf: self._label(part, block, leaf))
        rule = block.spec.claims[role]
        if isinstance(rule, Derivative):
            what = self._label(part, block, Adjoint(rule.of, rule.by))
            minus = "−" if rule.sign < 0 else ""
            problem = verdict.problem.replace("this derivative", f"{minus}{what}")
        else:
            problem = verdict.problem.replace("what is declared", rule.says)
        if verdict.grade == REFUTED and not _reads_anything(block, role):
            problem = f"is a constant: it {problem}"
        layer, at = entry.role.layer, entry.role.at
        self._fail_at(
            place,
            problem,
            quantity=_named(claim.label or role.name, at),
            index=at if layer is None else (layer, *at),
            equation=claim.equation,
            formula=held,
            expected=expected,
        )

    def _value(self, place: Place) -> object:
        sheet = self.atlas.book.sheets.get(place[0])
        held = None if sheet is None else sheet.values.get(place[1:])
        return "nothing" if held is None else held

    def _label(self, part: Part, block: Block, leaf: Leaf) -> str:
        """Return the sheet's name of a role: its label and index, from 1."""
        if isinstance(leaf, Adjoint):
            return adjoint_name(leaf, lambda role: self._label(part, block, role))
        if leaf.name == ELSEWHERE:
            return place_text(leaf.at) if leaf.at[1] else "a cell that the Map does not claim"
        place = block.places.get(leaf) or part.place(leaf)
        if place is None:
            quantity = part.known.get((leaf.name, leaf.layer))
            return _named(quantity.label if quantity else leaf.name, leaf.at)
        claim = self.atlas.claims[self.atlas.cells[place].claim]
        return _named(claim.label or leaf.name, leaf.at)

    # what is left

    def _rest(self, claimed: set[Place]) -> None:
        """Say of every other claimed formula why nothing is proved of it."""
        displays: dict[str, int] = defaultdict(int)
        for place, entry in self.atlas.cells.items():
            at = entry.role.at
            if place in claimed or entry.kind in ("given", "answer"):
                continue
            label = self.atlas.claims[entry.claim].label or entry.role.name
            if entry.kind == "display":
                displays[label] += 1
                continue
            problem = "is claimed as something that this part does not compute"
            self._fail_at(place, problem, quantity=_named(label, at), index=at)
        self.answer.not_covered = sum(displays.values())
        if displays:
            names = ", ".join(sorted(displays))
            self._notes[
                f"{self.answer.not_covered:,} display cells ({names}) are counted, "
                "not differentiated: verify checks them"
            ] = None
        for place in islice(self.atlas.unclaimed(), MOST_FAILURES):
            formula = f"={_short(str(self.atlas.formula(place)))}"
            self._fail_at(place, "a formula that the Map does not claim", formula=formula)


def _remarks(part: Part) -> Iterable[str]:
    kind = part.facts.get("kind", "")
    if kind in ("validation", "rule"):
        yield (
            "classifications and rules: forward pass, E and counts are proved as defined; "
            "they hold no gradient"
        )
    if kind in ("validation", "rule", "function", "table", "comparison"):
        return
    if part.facts.get("loss", "") == "perceptron":
        yield (
            "perceptron rule: a unit step has nothing to differentiate; "
            "its update is proved to be the declared one"
        )
    if "relu" in part.facts.get("activations", ""):
        yield "at a kink of ReLU, where there is no derivative, fA′ is the declared value"


def _reads_anything(block: Block, role: Role) -> bool:
    return role in block.formulas and next(leaves(block.formulas[role]), None) is not None


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _bare(role: Role) -> str:
    layer = "" if role.layer is None else f" of layer {role.layer}"
    return f"{role.name}{list(role.at) if role.at else ''}{layer}"


def _named(label: str, index: Sequence[object]) -> str:
    numbers = [str(i + 1) for i in index if isinstance(i, int)]
    return f"{label}[{','.join(numbers)}]" if numbers else label
