"""Handing out: from an assignment and a roster to a folder of individual workbooks."""

from __future__ import annotations

import contextlib
import csv
import multiprocessing
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path

from cellgrad.case.model import Case
from cellgrad.engines import apart
from cellgrad.errors import InputError
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
    Stream,
    derived,
    new_secret,
    read_secret,
    secret_beside,
    token_of,
    write_secret,
)
from cellgrad_coursework.setting.assignment import Assignment
from cellgrad_coursework.setting.discriminate import Discrimination, judge_of
from cellgrad_coursework.setting.givens import drawn, unfit
from cellgrad_coursework.setting.handout.cells import (
    fixed_cells,
    given_cells,
    graded_cells,
    names_of,
)
from cellgrad_coursework.setting.handout.one_file import OneFile, one_file
from cellgrad_coursework.setting.handout.workbook import box_of, handout_bytes, key_bytes
from cellgrad_coursework.setting.shifts import Chosen, check_ids, chosen
from cellgrad_coursework.setting.worksheet import worksheet_pdf
from cellgrad_coursework.setting.written_folder import written_folder

KEYS = "keys"
WORKSHEET = "worksheet.pdf"
ATTEMPTS = 2_000
MOODLE = "moodle"
WORTH_SHARING = 8
"""From so many students on, further processes pay."""

_ZIP_DATE = (2026, 1, 1, 0, 0, 0)
_RISKY = ("=", "+", "-", "@", "\t", "\r")
_FOLDER_NAME = 80

Advance = Callable[[], None]
Row = tuple[str, str]
"""The formula of a graded cell and its value, as texts."""


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


def assign(
    assignment: Assignment,
    students: Sequence[Student],
    output: Path,
    *,
    secret: Path | None = None,
    layout_for: str = "",
    worksheet: bool = True,
    advance: Advance | None = None,
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
    names = {
        student.id: f"{assignment.id if assignment.one_file else safe_name(student.id)}.xlsx"
        for student in students
    }
    packed = moodle_names(students) if layout_for == MOODLE else {}
    cells = graded_cells(assignment, StepLayout(assignment.structure))
    made_secret = False
    try:
        with written_folder(output) as folder:
            for inner in (HANDOUTS, KEPT, f"{KEPT}/{KEYS}"):
                (folder / inner).mkdir()
            maker = _Maker(assignment, key, folder)
            shared = maker.share(students) if assignment.one_file else None
            handouts: dict[str, Handout] = {}
            with _table(folder / KEPT / "key.csv") as write:
                work = [(student, names[student.id]) for student in students]
                for student, (case, token, rows) in zip(students, _made(maker, work), strict=True):
                    handouts[token] = Handout(student, token, case, names[student.id])
                    write(student, cells, rows)
                    if advance is not None:
                        advance()
            manifest = _manifest(assignment, cells, handouts, shared)
            (folder / KEPT / NAME).write_bytes(manifest_bytes(manifest))
            notes = _further(maker, assignment, folder, worksheet=worksheet)
            if packed:
                _pack(folder, names, packed)
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
    """Refuse to make a new secret where handouts of the assignment were made with another.

    Raises:
        InputError: there are such handouts beside the output.
    """
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
    """Refuse what does not go with one file for all.

    Raises:
        InputError: something does not.
    """
    if not assignment.one_file:
        return
    if layout_for == MOODLE:
        raise InputError(
            "there is one file for all, nothing to hand out one by one",
            place="one_file",
            remedy="leave out --for moodle, or write one_file = false",
        )
    check_ids(students)


def moodle_names(students: Sequence[Student]) -> dict[str, str]:
    """Return where each workbook lies in a zip of Moodle's feedback files, by student.

    Moodle splits a folder's name at underscores: name, participant's number, and the plugin
    of the submissions, ``Lovelace Ada_4711_assignsubmission_file_/s1.xlsx``.

    Raises:
        InputError: the roster lacks Moodle's numbers.
    """
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    for student in students:
        number = participant(student)
        if not number:
            raise InputError(
                f"{student.id!r} has no number in a column Identifier",
                file="the roster",
                remedy="take Moodle's grading worksheet as the roster (Identifier: Participant "
                "123), or leave out --for moodle",
            )
        if number in seen:
            raise InputError(
                f"{seen[number]!r} and {student.id!r} are both participant {number}",
                file="the roster",
                remedy="correct the column Identifier",
            )
        seen[number] = student.id
        name = moodle_name(last_name_first(student))
        found[student.id] = f"{name}_{number}_assignsubmission_file_/{safe_name(student.id)}.xlsx"
    return found


def moodle_name(name: str) -> str:
    """Return a name as Moodle's folders have it: without its separator, safe as a folder."""
    kept = "".join(c if c.isalnum() or c in " .'-" else " " for c in name)
    return " ".join(kept.split()).lstrip(".~ ")[:_FOLDER_NAME].strip() or "Student"


# numbers


class Numbers:
    """Finds every student's own numbers.

    Args:
        assignment: what is handed out.
        secret: what they are made from.
    """

    def __init__(self, assignment: Assignment, secret: bytes) -> None:
        self.assignment, self.secret = assignment, secret
        self.judge = judge_of(assignment)

    def of(self, student_id: str, attempts: int = ATTEMPTS) -> Case:
        """Return a student's case: fit, and telling every mistake from what is right.

        Raises:
            InputError: there are no such numbers among so many draws.
        """
        reasons: Counter[str] = Counter()
        for attempt in range(attempts):
            case = self.draw(student_id, attempt)
            reason = unfit(case)
            if not reason:
                unseen = self.judge.unseen(case)
                if unseen is None:
                    return case
                reason = unseen.words()
            reasons[reason] += 1
        (reason, _), *_ = reasons.most_common(1)
        raise InputError(
            f"no numbers were found that tell every mistake apart: mostly, {reason}",
            place=_blamed(self.assignment, reason),
            remedy=self._remedy(student_id),
        )

    def draw(self, student_id: str, attempt: int) -> Case:
        """Return a student's numbers at an attempt, fit or not."""
        key = derived(self.secret, "givens", self.assignment.id, student_id, attempt)
        return drawn(self.assignment, Stream(key))

    def _remedy(self, student_id: str) -> str:
        """Return what would help: more decimals, if some number of them does."""
        for decimals in range(5, 13):
            blanks = tuple(
                replace(blank, decimals=max(decimals, blank.decimals))
                for blank in self.assignment.blanks
            )
            if blanks == self.assignment.blanks:
                continue
            judge = judge_of(replace(self.assignment, blanks=blanks))
            cases = (self.draw(student_id, attempt) for attempt in range(100))
            if any(not unfit(case) and judge.unseen(case) is None for case in cases):
                return f"ask for {decimals} decimals, or for formulas"
        return "let samples be drawn, take a smaller network, or blank fewer quantities"


def _blamed(assignment: Assignment, reason: str) -> str:
    if "would pass" in reason and any(blank.takes == VALUE for blank in assignment.blanks):
        return "blanks.decimals"
    return "training.samples" if assignment.samples is not None else "network"


def without_a_trace(assignment: Assignment, judge: Discrimination) -> list[str]:
    """Return the mistakes that the assignment's own fixed numbers hide in every workbook."""
    open_one = replace(assignment, learning_rate=0.37, samples=None)
    return [name for name in judge_of(open_one).mistakes if name not in judge.mistakes]


# workbooks


class _Maker:
    """Makes one student's files."""

    def __init__(self, assignment: Assignment, secret: bytes, folder: Path) -> None:
        self.assignment, self.secret, self.folder = assignment, secret, folder
        self.place = StepLayout(assignment.structure)
        self.numbers = Numbers(assignment, secret)
        self.cells = graded_cells(assignment, self.place)
        self.version = version_of_questions(
            self.cells,
            given_cells(assignment, self.place),
            fixed_cells(assignment, self.place),
            names_of(assignment, self.place),
            self.numbers.draw("", 0),
        )
        self._chosen: Chosen | None = None

    def share(self, students: Sequence[Student]) -> OneFile:
        """Find what makes numbers of everybody's id, and write the one file for all.

        Raises:
            InputError: there is nothing that gives everybody numbers of their own that tell
                mistakes apart.
        """
        self._chosen = chosen(self.assignment, self.secret, students)
        if self._chosen is None:
            self.numbers.of(students[0].id)  # where even this fails, it says why
            raise InputError(
                "no numbers were found that tell every mistake apart for all students in one file",
                place="one_file",
                remedy="let samples be drawn, ask for more decimals or for formulas, or write "
                "one_file = false",
            )
        made = one_file(self.assignment, self._chosen.plan, self._chosen.constants, self.place)
        (self.folder / HANDOUTS / f"{self.assignment.id}.xlsx").write_bytes(made.data)
        return made

    def make(self, student: Student, name: str) -> tuple[Case, str, list[Row]]:
        """Write a student's workbook and key; return the case, the token, the key's rows."""
        token = token_of(self.secret, self.assignment.id, self.version, student.id)
        if self._chosen is not None:  # the workbook is everybody's, and written
            case = self._chosen.case(student.id)
        else:
            case = self.numbers.of(student.id)
            path = self.folder / HANDOUTS / name
            path.write_bytes(handout_bytes(self.assignment, student, token, case, self.place))
        key = self.folder / KEPT / KEYS / f"{safe_name(student.id)}.xlsx"
        key.write_bytes(key_bytes(self.assignment, student, case, self.place))
        return case, token, self._rows(key)

    def _rows(self, key: Path) -> list[Row]:
        """Return formulas and values as the key has them: the values are an engine's."""
        book = read_book(key)
        found = []
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
            found.append((sheet.formulas[at], repr(value)))
        return found


_maker: list[_Maker] = []
"""The maker of a further process, which is forked with it."""


def _make(work: tuple[Student, str]) -> tuple[Case, str, list[Row]]:
    return _maker[0].make(*work)


def _made(
    maker: _Maker, work: Sequence[tuple[Student, str]]
) -> Iterator[tuple[Case, str, list[Row]]]:
    """Make all files, in the roster's order, on all cores where that is possible."""
    if len(work) < WORTH_SHARING or not apart.possible():
        for student, name in work:
            yield maker.make(student, name)
        return
    _maker[:] = [maker]
    context = multiprocessing.get_context("fork")
    workers = min(len(os.sched_getaffinity(0)), len(work))
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(_make, work, chunksize=4)
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


def _manifest(
    assignment: Assignment,
    cells: tuple[GradedCell, ...],
    handouts: dict[str, Handout],
    shared: OneFile | None,
) -> Manifest:
    place = StepLayout(assignment.structure)
    givens, fixed = given_cells(assignment, place), fixed_cells(assignment, place)
    names = names_of(assignment, place)
    case = next(iter(handouts.values())).case
    derivation = shared.derivation if shared else None
    return Manifest(
        id=assignment.id,
        title=assignment.title,
        version=version_of(cells, givens, fixed, names, assignment.policy, case, derivation),
        cells=cells,
        givens=givens,
        policy=assignment.policy,
        handouts=handouts,
        box=box_of(place) | (shared.box if shared else {}),
        fixed=fixed,
        names=names,
        one_file=derivation,
    )


@contextlib.contextmanager
def _table(path: Path) -> Iterator[Callable[[Student, Sequence[GradedCell], list[Row]], None]]:
    """Write the key table: one row a cell of each student."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["id", "name", "cell", "quantity", "equation", "takes", "points", "formula", "value"]
        )

        def write(student: Student, cells: Sequence[GradedCell], rows: list[Row]) -> None:
            for cell, (formula, value) in zip(cells, rows, strict=True):
                shown = value if cell.takes != VALUE else f"{float(value):.{cell.decimals}f}"
                writer.writerow(
                    [student.id, plain_cell(student.name), f"{cell.sheet}!{cell.address}",
                     cell.label, cell.equation, cell.takes, f"{cell.points:g}",
                     plain_cell(formula), shown]
                )  # fmt: skip

        yield write


def plain_cell(text: str) -> str:
    """Return a text that no spreadsheet program takes for a formula."""
    return f"'{text}" if text.startswith(_RISKY) else text


def _further(
    maker: _Maker,
    assignment: Assignment,
    folder: Path,
    *,
    worksheet: bool,
) -> list[str]:
    """Write the worksheet; return what the lecturer should know."""
    notes = []
    hidden = without_a_trace(assignment, maker.numbers.judge)
    if hidden:
        cause = f"learning_rate = {assignment.learning_rate:g}"
        if assignment.samples is not None:
            cause += " or with these samples"
        notes.append(f"with {cause} these mistakes leave no trace: {', '.join(hidden)}")
    if worksheet:
        case = maker.numbers.draw("worksheet", 0)
        pdf = worksheet_pdf(assignment, case, maker.place)
        if isinstance(pdf, bytes):
            (folder / WORKSHEET).write_bytes(pdf)
        else:
            notes.append(pdf)
    return notes


def _pack(folder: Path, names: dict[str, str], packed_as: dict[str, str]) -> None:
    """Pack the handouts as Moodle takes feedback files."""
    with zipfile.ZipFile(folder / "moodle-handouts.zip", "w", zipfile.ZIP_STORED) as packed:
        for student, name in names.items():
            info = zipfile.ZipInfo(packed_as[student], _ZIP_DATE)
            info.external_attr = 0o644 << 16
            info.create_system = 3  # the same on every system
            packed.writestr(info, (folder / HANDOUTS / name).read_bytes())


_AGAIN = """\
With
it, the same command with a longer roster makes the same handouts again, and those of students
who come late. Without it nobody's numbers can be made again; grading goes on without it.
Whoever has it can work out anybody's numbers beforehand."""
_LATE_COMERS = """\
With
it and the same roster, the same command makes the same file again. With another roster it
would make other numbers: hand out no second file. Students who come late take the same one;
name the newer roster with --roster when you grade."""


def readme(assignment: Assignment, secret: Path, layout_for: str, *, printed: bool) -> str:
    """Return what stands in the folder: what is what, and what to keep from whom.

    Args:
        assignment: what is handed out.
        secret: where the secret lies.
        layout_for: ``moodle`` where there is a zip for it.
        printed: whether there is a worksheet.
    """
    worksheet = (
        f"{WORKSHEET}         to print: the empty frames, for work on paper\n" if printed else ""
    )
    moodle = (
        "\nmoodle-handouts.zip   the same for Moodle: make an assignment with the feedback type\n"
        "                      'Feedback files', open its submissions, and choose 'Upload\n"
        "                      multiple feedback files in a zip'\n"
        if layout_for == MOODLE
        else ""
    )
    handed_out = (
        "the workbook for everybody: students type their id into it"
        if assignment.one_file
        else "a workbook for each student, with numbers of their own"
    )
    again = _LATE_COMERS if assignment.one_file else _AGAIN
    return f"""\
{assignment.title}
{"=" * len(assignment.title)}

{HANDOUTS}/             to hand out: {handed_out}
{worksheet}{moodle}
{KEPT}/             FOR YOU ALONE
  manifest.json       what grading needs: keep it, with a copy
  key.csv             the answers, one row a cell of each student
  keys/               each student's workbook with the right formulas in it

Beside this folder lies {secret.name}, the secret that the numbers were made from.
Keep it where only those who set the course can read it, with a copy in a safe place. {again}

Now:  cellgrad rehearse FOLDER                        does it grade as you intend?
Then: cellgrad grade SUBMISSIONS --assignment FOLDER -o OUT

FOLDER is this folder, SUBMISSIONS what your students handed in: a folder, a zip, or your
LMS's download.
"""
