"""What the parts of coursework hand to each other: an assignment, its cells, verdicts, grades."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cellgrad.case.model import Case
from cellgrad_coursework.derivation import Derivation

BLANK = "blank"
HARDCODED = "hardcoded"
OK = "ok"
OK_ECF = "ok-ecf"
EMBEDDED_CONSTANT = "embedded-constant"
WRONG = "wrong"
REVIEW = "review"

VERDICTS = (BLANK, HARDCODED, OK, OK_ECF, EMBEDDED_CONSTANT, WRONG, REVIEW)
"""In words: nothing there; no formula of the givens; right; right with what it was given (an
error carried forward); right with these numbers only; wrong; to be looked at by a person."""

FORMULA, VALUE = "formula", "value"
"""What a cell is to be filled with: a formula, or a typed number."""

GIVEN_MEANING = "your own numbers: leave them as they are"
BLANK_MEANING = {
    "blank": "to be filled in with a formula",
    "blank typed": "to be filled in with a number",
}
"""What the colours of a handout's cells mean, by their looks."""

_LATE = "late: "


@dataclass(frozen=True, slots=True)
class GradedCell:
    """One cell that a student fills.

    Attributes:
        sheet: its sheet in the handout.
        address: where it lies there, such as ``E21``.
        name: the defined name of its quantity's cells, by which moved cells are found again.
        quantity: the code name.
        layer: the weight layer, or None.
        index: 0-based place in the quantity.
        label: for people, such as ``S_ERROR_H[2]``.
        equation: its number.
        takes: ``formula`` or ``value``.
        decimals: of a typed value.
        points: what it is worth.
        formula: the right formula, in the handout's own addresses, without ``=``.
    """

    sheet: str
    address: str
    name: str
    quantity: str
    layer: int | None
    index: tuple[int, ...]
    label: str
    equation: str
    takes: str
    decimals: int
    points: float
    formula: str


@dataclass(frozen=True, slots=True)
class GivenCell:
    """One cell that holds a given.

    Attributes:
        sheet: its sheet.
        address: where it lies.
        quantity: the code name, such as ``weights``.
        layer: the weight layer, or None.
        index: 0-based place in the quantity.
        name: the defined name of its quantity's cells; empty for none.
    """

    sheet: str
    address: str
    quantity: str
    layer: int | None
    index: tuple[int, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class FixedCell:
    """One cell that the handout itself computes: a copy, or a quantity that is not asked for.

    Attributes:
        sheet: its sheet.
        address: where it lies.
        formula: without ``=``.
    """

    sheet: str
    address: str
    formula: str


@dataclass(frozen=True, slots=True)
class Policy:
    """How verdicts become points.

    Attributes:
        ecf_penalty: share of a cell's points taken off where it only follows from an error.
        hardcoded_credit: share given for a right number without a formula.
        embedded_credit: share given for a formula that is right with these numbers only.
        charge_repeats: whether a repeated identical mistake is charged every time.
        repeats_forgiven: of so many different mistakes the repeats are not charged.
        conventions: ids of catalogue conventions that are accepted.
        feedback: ``none``, ``filled`` (is something there) or ``number`` (is it a number):
            what the handout itself may say; it never holds an answer.
    """

    ecf_penalty: float = 0.0
    hardcoded_credit: float = 0.0
    embedded_credit: float = 0.0
    charge_repeats: bool = False
    conventions: tuple[str, ...] = ()
    feedback: str = "none"
    repeats_forgiven: int = 3

    @property
    def forgiven(self) -> int:
        """Of how many different mistakes the repeats are forgiven."""
        return 0 if self.charge_repeats else self.repeats_forgiven


@dataclass(frozen=True, slots=True)
class Student:
    """A student, as the roster has them.

    Attributes:
        id: what the course knows them by; files are named after it.
        name: for people; may be empty.
        email: may be empty.
        section: may be empty.
        late: late handling as the roster has it (share of the grade taken off, 0 to 1).
        other: further columns of the roster, for the gradebooks of an LMS.
    """

    id: str
    name: str = ""
    email: str = ""
    section: str = ""
    late: float = 0.0
    other: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Handout:
    """A student's own workbook.

    Attributes:
        student: whose it is.
        token: what the workbook is recognised by; it says nothing about the student.
        case: their own givens.
        file: the name under which it was handed out, such as ``s1234.xlsx``.
        checked: whether the numbers are known to tell mistakes apart; not so for students who
            came late to a one-file assignment.
    """

    student: Student
    token: str
    case: Case
    file: str = ""
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Manifest:
    """What grading needs to know of an assignment.

    Attributes:
        id: the assignment's name.
        title: for people.
        version: a hash of everything that decides a grade (cells, key formulas, policy).
        cells: what is graded, in the order of the flow.
        givens: where the givens lie.
        policy: how verdicts become points.
        handouts: by token.
        box: per sheet, the last row and column that a submission may use.
        fixed: what the handout computes itself; the right formulas may read it.
        names: defined names of the handout and what they refer to, such as
            ``Step!$C$10:$F$10``: by them moved cells are found again.
        one_file: how the one file for all derives the givens; None where each student has a
            file of their own.
    """

    id: str
    title: str
    version: str
    cells: tuple[GradedCell, ...]
    givens: tuple[GivenCell, ...]
    policy: Policy
    handouts: dict[str, Handout]
    box: dict[str, tuple[int, int]]
    fixed: tuple[FixedCell, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    one_file: Derivation | None = None

    @property
    def points(self) -> float:
        """What the whole assignment is worth."""
        return sum(cell.points for cell in self.cells)


@dataclass(frozen=True, slots=True)
class CellVerdict:
    """What is said of one cell.

    Attributes:
        cell: which.
        verdict: one of the words above.
        points: what it earns.
        formula: what the student wrote, as text; empty for none.
        value: the number that their workbook comes to with its own givens; None for none.
        right: the number of the key.
        bug: id of the catalogue entry that makes this mistake; empty where none does.
        cause: the address of the cell whose mistake it follows from; empty for a root.
        repeats: the address of the cell with the same mistake that was charged; empty.
        message: one sentence for the student.
    """

    cell: GradedCell
    verdict: str
    points: float
    formula: str = ""
    value: float | None = None
    right: float | None = None
    bug: str = ""
    cause: str = ""
    repeats: str = ""
    message: str = ""


@dataclass(slots=True)
class Remarks:
    """What is seen in a submission beside its verdicts, one line each.

    Attributes:
        review: why a person should look at it.
        notes: what else the lecturer should know (tampered givens, forged stored values, …).
        copying: potential copying, with its evidence.
    """

    review: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    copying: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Grade:
    """What is said of one submission.

    Attributes:
        file: the submitted file's name, as it was taken in.
        sha256: of the file.
        student: whose it is; None where it could not be told.
        token: the workbook's own, or empty.
        verdicts: every graded cell, in the order of the flow; empty where it was unreadable.
        score: points earned, late handling included.
        of: points possible.
        problem: why it could not be read; empty where it could.
        review: why a person should look at it, one reason a line.
        notes: what else was seen (tampered givens, forged stored values, …), for the lecturer.
        copying: potential copying, with its evidence, one line each.
        evidence: what is compared between submissions (see coursework.taking_in.copying).
        superseded: the file of the same student that counts instead of this one; empty where
            this one counts.
    """

    file: str
    sha256: str
    student: Student | None
    token: str
    verdicts: list[CellVerdict] = field(default_factory=list)
    score: float = 0.0
    of: float = 0.0
    problem: str = ""
    review: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    copying: list[str] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)
    superseded: str = ""

    def take_off_lateness(self) -> None:
        """Take off what the roster takes off for lateness, and say so; done again, it is new."""
        late = min(max(self.student.late, 0.0), 1.0) if self.student else 0.0
        self.score = sum(verdict.points for verdict in self.verdicts) * (1.0 - late)
        self.notes = [line for line in self.notes if not line.startswith(_LATE)]
        if late and not self.problem:
            self.notes.append(f"{_LATE}{late:.0%} taken off")

    @property
    def roots(self) -> list[CellVerdict]:
        """The mistakes that nothing else explains, in the order of the flow."""
        return [
            v
            for v in self.verdicts
            if v.verdict not in (OK, OK_ECF) and not v.cause and not v.repeats
        ]
