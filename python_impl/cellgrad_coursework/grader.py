"""One submitted file, from its bytes to a grade: read, told whose it is, graded."""

from __future__ import annotations

import hashlib

from cellgrad.errors import InputError
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.package import Package
from cellgrad_coursework.grading.grade import AssignmentKey, Graded, grade_workbook
from cellgrad_coursework.grading.submission import Submission
from cellgrad_coursework.grading.world import StudentBook
from cellgrad_coursework.identity import OTHER_ASSIGNMENT, Claim, Identity, Owners, hint_of
from cellgrad_coursework.model import Grade, Manifest, Student
from cellgrad_coursework.taking_in.precheck import Checked, check


class Grader:
    """Grades submissions of one assignment.

    Args:
        manifest: the assignment.

    Raises:
        InputError: the manifest cannot be used.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.assignment = AssignmentKey(manifest)
        self._owners = Owners(self.assignment.key)

    def grade(self, data: bytes, file: str, claim: Claim | None = None) -> Grade:
        """Return what is to be said of a submission; whatever it is, nothing is raised.

        Args:
            data: the file.
            file: its name.
            claim: whose it is by its name; by default nobody's.

        Raises:
            MemoryError: whoever gave the limit decides.
        """
        return self.grade_and_open(data, file, claim or Claim())[0]

    def grade_and_open(self, data: bytes, file: str, claim: Claim) -> tuple[Grade, Package | None]:
        """Return the same, and the opened file if it was safe to open."""
        package: Package | None = None
        named = self._owners.named(claim)
        identity, graded = Identity(named.student if named else None), Graded()
        try:
            checked = self._checked(data, file)
            package = checked.contents.package
            book, problem = self._opened(checked)
            identity = self._owners.identify(claim, package, book)
            problem = identity.problem or problem
            if problem != OTHER_ASSIGNMENT:
                identity.last.review += checked.reasons
                if hint_of(file).late:
                    identity.last.notes.append("its name says that it was handed in late")
            if not problem and book is not None:
                graded = self._graded(identity, book, file)
        except MemoryError:
            raise
        except InputError as error:
            problem = _words(error)
        except FormulaError as error:
            problem = f"it cannot be evaluated: {error}"
        except Exception as error:  # noqa: BLE001 - nobody else's grade may hang on this file
            problem = f"it could not be graded ({type(error).__name__}); look at it by hand"
        grade = failed(self.manifest, file, identity.student, data, problem)
        grade.token, grade.verdicts = identity.token, graded.verdicts
        for remarks in (identity.first, graded.remarks, identity.last):
            grade.review += remarks.review
            grade.notes += remarks.notes
            grade.copying += remarks.copying
        grade.evidence = identity.evidence | graded.evidence
        grade.take_off_lateness()
        return grade, package

    def _checked(self, data: bytes, file: str) -> Checked:
        """Return a file that is safe to read."""
        return check(data, self.manifest.box, file)

    def _opened(self, checked: Checked) -> tuple[StudentBook | None, str]:
        """Return the cells of a workbook; where they cannot be read, why."""
        try:
            return self.assignment.book(Submission(checked.contents, checked.sheets)), ""
        except InputError as error:
            return None, _words(error)

    def _graded(self, identity: Identity, book: StudentBook, file: str) -> Graded:
        """Return what is said of a workbook; ``file`` is its name."""
        del file
        if identity.handout is None:
            return Graded()
        graded = grade_workbook(
            self.assignment, identity.handout, book, shows_own=identity.shows_own
        )
        if not identity.handout.checked:
            graded.remarks.notes.append(
                "came late to the course: whether these numbers tell every mistake apart was "
                "not looked at"
            )
        return graded


def _words(error: InputError) -> str:
    """Return an error on one line; the file is known."""
    return InputError(error.problem, place=error.place, remedy=error.remedy).line()


def failed(
    manifest: Manifest, file: str, student: Student | None, data: bytes, problem: str
) -> Grade:
    """Return the grade of a file that cannot be graded: a row, with the reason."""
    sha256 = hashlib.sha256(data).hexdigest() if data else ""
    return Grade(file, sha256, student, "", of=manifest.points, problem=problem)
