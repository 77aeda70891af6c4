"""Makes the files of an assignment: which cells are asked for, everybody's workbook and key."""

from __future__ import annotations

import csv
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from cellgrad.case.model import Case
from cellgrad.case.quantities import Quantity, person_label, quantities
from cellgrad.engines import apart
from cellgrad.errors import InputError
from cellgrad.workbook.formulas import Formulas, StepLayout
from cellgrad.xlsx.addresses import a1, parse_a1, quoted
from cellgrad.xlsx.book import read_book
from cellgrad_coursework.manifest_file import HANDOUTS, KEPT, version_of, version_of_questions
from cellgrad_coursework.model import (
    VALUE,
    FixedCell,
    GivenCell,
    GradedCell,
    Handout,
    Manifest,
    Student,
)
from cellgrad_coursework.results.gradebooks import disarmed
from cellgrad_coursework.roster import safe_name
from cellgrad_coursework.secret import token_of
from cellgrad_coursework.setting.assignment import Assignment
from cellgrad_coursework.setting.handouts import (
    OneFile,
    box_of,
    handout_bytes,
    key_bytes,
    one_file,
    worksheet_pdf,
)
from cellgrad_coursework.setting.numbers import (
    OwnNumbers,
    SharedNumbers,
    shared_numbers,
    without_a_trace,
)

KEYS = "keys"
WORKSHEET = "worksheet.pdf"
WORTH_SHARING = 8
"""From so many students on, further processes pay."""

_KEY_TABLE = ("id", "name", "cell", "quantity", "equation", "takes", "points", "formula", "value")


def manifest_of(assignment: Assignment, layout: StepLayout) -> Manifest:
    """Return what grading needs to know, as far as no student and no numbers decide it.

    Args:
        assignment: what is handed out.
        layout: where everything stands on Step.
    """
    structure, blanks, sheet = assignment.structure, assignment.blank_of(), layout.sheet
    formulas = Formulas(structure, layout.at, layout.area)
    every = quantities(structure)

    def cells_of(quantity: Quantity) -> Iterator[tuple[tuple[int, ...], str]]:
        """Yield index and address of each cell of a quantity."""
        for index in np.ndindex(quantity.shape):
            yield index, a1(*layout.places[quantity.key].cell(index))

    def formula_of(quantity: Quantity, index: tuple[int, ...]) -> str:
        return formulas.of(quantity.key, index).removeprefix("=")

    graded = (
        GradedCell(
            sheet=sheet,
            address=address,
            name=blank.quantity.defined_name,
            quantity=blank.quantity.name,
            layer=blank.quantity.layer,
            index=index,
            label=person_label(structure, blank.quantity, index),
            equation=blank.quantity.equation,
            takes=blank.takes,
            decimals=blank.decimals,
            points=blank.points,
            formula=formula_of(blank.quantity, index),
        )
        for blank in assignment.blanks
        for index, address in cells_of(blank.quantity)
    )
    givens = (
        GivenCell(sheet, address, q.name, q.layer, index, q.defined_name)
        for q in every
        if q.given
        for index, address in cells_of(q)
    )
    copies = (  # beside the weights
        FixedCell(
            sheet,
            a1(*layout.places["incoming", k].cell((sample, i))),
            layout.at(("post_activation", k - 1), (sample, i)),
        )
        for k in range(1, structure.layers)
        for sample, i in product(range(structure.samples), range(structure.nodes[k]))
    )
    shown = (
        FixedCell(sheet, address, formula_of(q, index))
        for q in every
        if not q.given and q.key not in blanks
        for index, address in cells_of(q)
    )
    areas = {q.defined_name: layout.places[q.key].cells.absolute for q in every}
    return Manifest(
        id=assignment.id,
        title=assignment.title,
        version="",
        cells=tuple(graded),
        givens=tuple(givens),
        policy=assignment.policy,
        handouts={},
        box=box_of(layout),
        fixed=(*copies, *shown),
        names={name: f"{quoted(sheet)}!{area}" for name, area in areas.items()},
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made for a student: the case, the token, the key's values."""

    case: Case
    token: str
    values: list[float]


class Maker:
    """Makes the files of an assignment, student by student.

    Args:
        assignment: what is handed out.
        secret: what numbers are made from.
        folder: where the files go.
    """

    def __init__(self, assignment: Assignment, secret: bytes, folder: Path) -> None:
        self.assignment, self.secret, self.folder = assignment, secret, folder
        self.layout = StepLayout(assignment.structure)
        self.numbers = OwnNumbers(assignment, secret)
        self.asked = manifest_of(assignment, self.layout)
        self._version = version_of_questions(self.asked, self.numbers.draw("", 0))
        self._shared: SharedNumbers | None = None

    def file_name(self, student: Student) -> str:
        """Return the name of a student's workbook, which may be everybody's."""
        one = self.assignment.one_file
        return f"{self.assignment.id if one else safe_name(student.id)}.xlsx"

    def share(self, students: Sequence[Student]) -> OneFile:
        """Find what makes numbers of everybody's id, and write the one file for all.

        Raises:
            InputError: there is nothing that gives everybody numbers of their own that tell
                mistakes apart.
        """
        self._shared = shared_numbers(self.assignment, self.secret, students)
        if self._shared is None:
            self.numbers.case(students[0].id)  # where even this fails, it says why
            raise InputError(
                "no numbers were found that tell every mistake apart for all students in one file",
                place="one_file",
                remedy="let samples be drawn, ask for more decimals or for formulas, or write "
                "one_file = false",
            )
        made = one_file(self.assignment, self._shared.plan, self._shared.constants, self.layout)
        (self.folder / HANDOUTS / self.file_name(students[0])).write_bytes(made.data)
        return made

    def hand_out(
        self, students: Sequence[Student], advance: Callable[[], None] | None
    ) -> dict[str, Handout]:
        """Write everybody's files and the key table; return the handouts by token."""
        handouts: dict[str, Handout] = {}
        with (self.folder / KEPT / "key.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(_KEY_TABLE)
            for student, made in zip(students, _made(self, students), strict=True):
                name = self.file_name(student)
                handouts[made.token] = Handout(student, made.token, made.case, name)
                table.writerows(self._key_rows(student, made))
                if advance is not None:
                    advance()
        return handouts

    def _key_rows(self, student: Student, made: _Made) -> Iterator[tuple[str, ...]]:
        """Yield the rows of the key table: one a cell."""
        for cell, value in zip(self.asked.cells, made.values, strict=True):
            yield (
                student.id,
                disarmed(student.name),
                f"{cell.sheet}!{cell.address}",
                cell.label,
                cell.equation,
                cell.takes,
                f"{cell.points:g}",
                disarmed(cell.formula),
                f"{value:.{cell.decimals}f}" if cell.takes == VALUE else repr(value),
            )

    def make(self, student: Student) -> _Made:
        """Write a student's workbook and key."""
        token = token_of(self.secret, self.assignment.id, self._version, student.id)
        if self._shared is not None:  # the workbook is everybody's, and written
            case = self._shared.case(student.id)
        else:
            case = self.numbers.case(student.id)
            data = handout_bytes(self.assignment, student, token, case, self.layout)
            (self.folder / HANDOUTS / self.file_name(student)).write_bytes(data)
        key = self.folder / KEPT / KEYS / f"{safe_name(student.id)}.xlsx"
        key.write_bytes(key_bytes(self.assignment, student, case, self.layout))
        book = read_book(key)
        values = []
        for cell in self.asked.cells:
            value = book.sheets[cell.sheet].values.get(parse_a1(cell.address))
            if not isinstance(value, float):
                raise InputError(
                    f"{cell.label} comes to {value} for these numbers",
                    file=key.name,
                    place=cell.address,
                    remedy="take smaller inputs or another activation",
                )
            values.append(value)
        return _Made(case, token, values)

    def manifest(self, handouts: dict[str, Handout], shared: OneFile | None) -> Manifest:
        """Return what grading needs to know."""
        manifest = replace(self.asked, handouts=handouts)
        if shared is not None:
            box = manifest.box | shared.box
            manifest = replace(manifest, box=box, one_file=shared.derivation)
        case = next(iter(handouts.values())).case
        return replace(manifest, version=version_of(manifest, case))

    def notes(self) -> list[str]:
        """Return what the lecturer should know of the numbers."""
        hidden = without_a_trace(self.assignment, self.numbers.judge)
        if not hidden:
            return []
        cause = f"learning_rate = {self.assignment.learning_rate:g}"
        if self.assignment.samples is not None:
            cause += " or with these samples"
        return [f"with {cause} these mistakes leave no trace: {', '.join(hidden)}"]

    def print_worksheet(self) -> list[str]:
        """Write the worksheet; return why there is none, if so."""
        case = self.numbers.draw("worksheet", 0)
        pdf = worksheet_pdf(self.assignment, case, self.layout)
        if isinstance(pdf, str):
            return [pdf]
        (self.folder / WORKSHEET).write_bytes(pdf)
        return []


_maker: list[Maker] = []
"""The maker of a further process, which is forked with it."""


def _make(student: Student) -> _Made:
    return _maker[0].make(student)


def _made(maker: Maker, students: Sequence[Student]) -> Iterator[_Made]:
    """Make all files, in the roster's order, on all cores where that is possible."""
    if len(students) < WORTH_SHARING or not apart.possible():
        yield from map(maker.make, students)
        return
    _maker[:] = [maker]
    context = multiprocessing.get_context("fork")
    workers = min(len(os.sched_getaffinity(0)), len(students))
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(_make, students, chunksize=4)
        except BrokenProcessPool as error:
            raise InputError(
                "a process that writes workbooks was ended from outside",
                remedy="close other programs and try again",
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            _maker.clear()
