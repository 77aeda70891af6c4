"""Handing out: from an assignment and a roster to a folder of workbooks, keys and manifest."""

from __future__ import annotations

import csv
import multiprocessing
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from cellgrad.case.model import Case
from cellgrad.engines import apart
from cellgrad.errors import InputError
from cellgrad.files import zip_entry
from cellgrad.workbook.layout import StepLayout
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.book import read_book
from cellgrad_coursework.manifest_file import (
    HANDOUTS,
    KEPT,
    NAME,
    assignment_in,
    manifest_bytes,
    version_of,
    version_of_questions,
)
from cellgrad_coursework.model import VALUE, GradedCell, Handout, Manifest, Student
from cellgrad_coursework.roster import last_name_first, participant, safe_name
from cellgrad_coursework.secret import (
    new_secret,
    read_secret,
    secret_beside,
    token_of,
    write_secret,
)
from cellgrad_coursework.setting.assignment import Assignment
from cellgrad_coursework.setting.folder import written_folder
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
    check_ids,
    shared_numbers,
    without_a_trace,
)
from cellgrad_coursework.setting.questions import (
    fixed_cells,
    given_cells,
    graded_cells,
    names_of,
)

KEYS = "keys"
WORKSHEET = "worksheet.pdf"
MOODLE = "moodle"
WORTH_SHARING = 8
"""From so many students on, further processes pay."""

_KEY_TABLE = ("id", "name", "cell", "quantity", "equation", "takes", "points", "formula", "value")
_RISKY = ("=", "+", "-", "@", "\t", "\r")
_FOLDER_NAME = 80


@dataclass(slots=True)
class Assigned:
    """What was written.

    Attributes:
        manifest: what grading needs.
        secret: where the secret lies.
        secret_is_new: whether it was made now.
        notes: what the lecturer should know, a line each.
    """

    manifest: Manifest
    secret: Path
    secret_is_new: bool
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made for a student: the case, the token, the key's formulas and values."""

    case: Case
    token: str
    formulas: list[str]
    values: list[float]


def assign(
    assignment: Assignment,
    students: Sequence[Student],
    output: Path,
    *,
    secret: Path | None = None,
    layout_for: str = "",
    worksheet: bool = True,
    advance: Callable[[], None] | None = None,
) -> Assigned:
    """Write the folder of an assignment: workbooks, keys, manifest; all of it or nothing.

    Args:
        assignment: what is handed out.
        students: to whom.
        output: the folder; it must not exist, or be empty.
        secret: where the secret lies or will lie; beside the output by default.
        layout_for: ``moodle`` for a zip as it takes feedback files, or nothing.
        worksheet: whether the printable worksheet is made, where that is possible.
        advance: called after each student.

    Raises:
        InputError: numbers that tell mistakes apart cannot be found, an id cannot be used, the
            secret is lost, or a place cannot be written.
    """
    place = secret or secret_beside(output, assignment.id)
    _check_place(place, output)
    _check_one_file(assignment, students, layout_for)
    is_new = not place.exists()
    if is_new:
        _check_not_lost(place, output, assignment.id)
    key = new_secret() if is_new else read_secret(place)
    packed = moodle_names(students) if layout_for == MOODLE else {}
    made_secret = False
    try:
        with written_folder(output) as folder:
            for inner in (HANDOUTS, KEPT, f"{KEPT}/{KEYS}"):
                (folder / inner).mkdir()
            maker = _Maker(assignment, key, folder)
            shared = maker.share(students) if assignment.one_file else None
            handouts = maker.hand_out(students, advance)
            manifest = maker.manifest(handouts, shared)
            (folder / KEPT / NAME).write_bytes(manifest_bytes(manifest))
            notes = maker.notes()
            if worksheet:
                notes += maker.print_worksheet()
            if packed:
                _pack(folder, {packed[s.id]: maker.file_name(s) for s in students})
            text = readme(assignment, place, layout_for, printed=(folder / WORKSHEET).exists())
            (folder / "README.txt").write_text(text, "utf-8", newline="\n")
            if is_new:
                write_secret(place, key)
                made_secret = True
    except BaseException as error:
        if made_secret:
            place.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(
                f"cannot be written ({error.strerror or error})",
                file=output,
                remedy="choose another place with -o, or make room",
            ) from error
        raise
    return Assigned(manifest, place, is_new, notes)


def _check_place(secret: Path, output: Path) -> None:
    absolute, folder = Path(os.path.abspath(secret)), Path(os.path.abspath(output))  # noqa: PTH100 - links stay
    if absolute.is_relative_to(folder):
        raise InputError(
            "the secret must not lie among the handouts",
            file=secret,
            remedy="name a place outside of the output with --secret",
        )


def _check_not_lost(secret: Path, output: Path, assignment_id: str) -> None:
    """Refuse to make a new secret where handouts of the assignment were made with another."""
    beside = Path(os.path.abspath(output)).parent  # noqa: PTH100 - links stay
    if not beside.is_dir():
        return
    for folder in sorted(beside.iterdir()):
        if assignment_in(folder) == assignment_id:
            raise InputError(
                f"is missing, and {folder.name} was made with it: another one would give "
                "everybody other numbers",
                file=secret,
                remedy="put your copy of it back, or name it with --secret; for new numbers give "
                f"the assignment another id, or move {folder.name} elsewhere",
            )


def _check_one_file(assignment: Assignment, students: Sequence[Student], layout_for: str) -> None:
    """Refuse what does not go with one file for all."""
    if not assignment.one_file:
        return
    if layout_for == MOODLE:
        raise InputError(
            "there is one file for all, nothing to hand out one by one",
            place="one_file",
            remedy="leave out --for moodle, or write one_file = false",
        )
    check_ids(students)


# workbooks


class _Maker:
    """Makes the files of an assignment, student by student."""

    def __init__(self, assignment: Assignment, secret: bytes, folder: Path) -> None:
        self.assignment, self.secret, self.folder = assignment, secret, folder
        self.layout = StepLayout(assignment.structure)
        self.numbers = OwnNumbers(assignment, secret)
        self.cells = graded_cells(assignment, self.layout)
        self.givens = given_cells(assignment, self.layout)
        self.fixed = fixed_cells(assignment, self.layout)
        self.names = names_of(assignment, self.layout)
        self._version = version_of_questions(
            self.cells, self.givens, self.fixed, self.names, self.numbers.draw("", 0)
        )
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
                table.writerows(_key_rows(student, self.cells, made))
                if advance is not None:
                    advance()
        return handouts

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
        formulas, values = [], []
        for cell in self.cells:
            sheet, at = book.sheets[cell.sheet], parse_a1(cell.address)
            value = sheet.values.get(at)
            if not isinstance(value, float):
                raise InputError(
                    f"{cell.label} comes to {value} for these numbers",
                    file=key.name,
                    place=cell.address,
                    remedy="take smaller inputs or another activation",
                )
            formulas.append(sheet.formulas[at])
            values.append(value)
        return _Made(case, token, formulas, values)

    def manifest(self, handouts: dict[str, Handout], shared: OneFile | None) -> Manifest:
        """Return what grading needs to know."""
        assignment, derivation = self.assignment, shared.derivation if shared else None
        questions = self.cells, self.givens, self.fixed, self.names
        case = next(iter(handouts.values())).case
        return Manifest(
            id=assignment.id,
            title=assignment.title,
            version=version_of(*questions, assignment.policy, case, derivation),
            cells=self.cells,
            givens=self.givens,
            policy=assignment.policy,
            handouts=handouts,
            box=box_of(self.layout) | (shared.box if shared else {}),
            fixed=self.fixed,
            names=self.names,
            one_file=derivation,
        )

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


_maker: list[_Maker] = []
"""The maker of a further process, which is forked with it."""


def _make(student: Student) -> _Made:
    return _maker[0].make(student)


def _made(maker: _Maker, students: Sequence[Student]) -> Iterator[_Made]:
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


# what stands beside the workbooks


def _key_rows(
    student: Student, cells: Sequence[GradedCell], made: _Made
) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the key table: one a cell."""
    for cell, formula, value in zip(cells, made.formulas, made.values, strict=True):
        yield (
            student.id,
            _plain_cell(student.name),
            f"{cell.sheet}!{cell.address}",
            cell.label,
            cell.equation,
            cell.takes,
            f"{cell.points:g}",
            _plain_cell(formula),
            f"{value:.{cell.decimals}f}" if cell.takes == VALUE else repr(value),
        )


def _plain_cell(text: str) -> str:
    """Return a text that no spreadsheet program takes for a formula."""
    return f"'{text}" if text.startswith(_RISKY) else text


def moodle_names(students: Sequence[Student]) -> dict[str, str]:
    """Return where each workbook lies in a zip of Moodle's feedback files, by student.

    Moodle splits a folder's name at underscores: name, participant's number, and the plugin
    of the submissions, ``Lovelace Ada_4711_assignsubmission_file_/s1.xlsx``.

    Raises:
        InputError: the roster lacks Moodle's numbers.
    """
    names: dict[str, str] = {}
    whose: dict[str, str] = {}
    for student in students:
        number = participant(student)
        if not number:
            raise InputError(
                f"{student.id!r} has no number in a column Identifier",
                file="the roster",
                remedy="take Moodle's grading worksheet as the roster (Identifier: Participant "
                "123), or leave out --for moodle",
            )
        if number in whose:
            raise InputError(
                f"{whose[number]!r} and {student.id!r} are both participant {number}",
                file="the roster",
                remedy="correct the column Identifier",
            )
        whose[number] = student.id
        name = moodle_name(last_name_first(student))
        names[student.id] = f"{name}_{number}_assignsubmission_file_/{safe_name(student.id)}.xlsx"
    return names


def moodle_name(name: str) -> str:
    """Return a name as Moodle's folders have it: without its separator, safe as a folder."""
    kept = "".join(c if c.isalnum() or c in " .'-" else " " for c in name)
    return " ".join(kept.split()).lstrip(".~ ")[:_FOLDER_NAME].strip() or "Student"


def _pack(folder: Path, handouts: dict[str, str]) -> None:
    """Pack the handouts as Moodle takes feedback files: place in the zip, file."""
    with zipfile.ZipFile(folder / "moodle-handouts.zip", "w") as packed:
        for place, name in handouts.items():
            data = (folder / HANDOUTS / name).read_bytes()
            packed.writestr(zip_entry(place, packed=False), data)


def readme(assignment: Assignment, secret: Path, layout_for: str, *, printed: bool) -> str:
    """Return what stands in the folder: what is what, and what to keep from whom.

    Args:
        assignment: what is handed out.
        secret: where the secret lies.
        layout_for: ``moodle`` where there is a zip for it.
        printed: whether there is a worksheet.
    """
    source = files("cellgrad_coursework.setting") / "templates" / "README.txt.jinja"
    environment = Environment(  # noqa: S701 - a text, no HTML
        trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    return environment.from_string(source.read_text("utf-8")).render(
        title=assignment.title,
        secret=secret.name,
        one_file=assignment.one_file,
        moodle=layout_for == MOODLE,
        printed=printed,
    )
