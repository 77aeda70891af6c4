"""One submitted file, from its bytes to a grade; and the child process that judges file after file.

A file is read, told whose it is, graded. A child does this within limits.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import json
import math
import os
import pickle
import signal
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import IO, Any

from cellgrad.errors import InputError
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.book import Contents
from cellgrad_coursework.grading.book import StudentBook, Submission
from cellgrad_coursework.grading.grade import AssignmentKey, Graded, grade_workbook
from cellgrad_coursework.grading.key import Givens
from cellgrad_coursework.identity import OTHER_ASSIGNMENT, Claim, Identity, Owners, hint_of
from cellgrad_coursework.model import CellVerdict, Grade, GradedCell, Manifest, Student
from cellgrad_coursework.taking_in.precheck import Checked, check


class Grader:
    """Grades submissions of one assignment.

    Args:
        manifest: the assignment.
        draws: its draws, where they are known.

    Raises:
        InputError: the manifest cannot be used.
    """

    def __init__(self, manifest: Manifest, draws: Sequence[Givens] = ()) -> None:
        self.manifest = manifest
        self.assignment = AssignmentKey(manifest, draws)
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

    def grade_and_open(self, data: bytes, file: str, claim: Claim) -> tuple[Grade, Contents | None]:
        """Return the same, and the opened file if it was safe to open."""
        contents: Contents | None = None
        named = self._owners.named(claim)
        identity, graded = Identity(named.student if named else None), Graded()
        try:
            checked = self._checked(data, file)
            contents = checked.contents
            book, problem = self._opened(checked)
            identity = self._owners.identify(claim, contents.package, book)
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
        return grade, contents

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


GRADER = "cellgrad_coursework.running.judge:Grader"
"""Who gives the verdicts, as ``module:name``; tests put a misbehaving one in its place."""

ASK = struct.Struct("<III")
"""Lengths of what is asked: a file's name, whose it is by its name, the file."""

ANSWER = struct.Struct("<IIIB")
"""Lengths of what is answered, as in ``Judged``, and one of the following."""

READY, DONE, MEMORY, REFUSED = range(4)

_VERDICT = [entry.name for entry in fields(CellVerdict) if entry.name != "cell"]
_GRADE = [entry.name for entry in fields(Grade) if entry.name not in ("verdicts", "student")]
_DEFAULT = {entry.name: entry.default for entry in fields(CellVerdict)}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one submission may take.

    Attributes:
        memory: bytes beyond what the process has when it starts.
        cpu: seconds of a processor.
        seconds: seconds on the clock; generous, since the machine may be busy.
    """

    memory: int = 256 << 20
    cpu: int = 10
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of a file.

    Attributes:
        grade: the grade as JSON.
        workbook: the feedback workbook, or nothing.
        page: the feedback page, or nothing.
    """

    grade: bytes
    workbook: bytes = b""
    page: bytes = b""


class Codec:
    """Grades of one assignment as JSON, and back.

    Args:
        manifest: the assignment.
        students: the roster, where it is newer than the assignment's.
    """

    def __init__(self, manifest: Manifest, students: tuple[Student, ...] = ()) -> None:
        self._cells: tuple[GradedCell, ...] = manifest.cells
        self._places = {(cell.sheet, cell.address): n for n, cell in enumerate(manifest.cells)}
        self._students = {
            student.id: student
            for student in (*(one.student for one in manifest.handouts.values()), *students)
        }

    def encode(self, grade: Grade) -> bytes:
        """Return a grade as JSON: what is compared, a tab, and the rest."""
        verdicts = [
            [self._places[v.cell.sheet, v.cell.address],
             {name: value for name in _VERDICT if (value := getattr(v, name)) != _DEFAULT[name]}]
            for v in grade.verdicts
        ]  # fmt: skip
        document = {name: getattr(grade, name) for name in _GRADE}
        document["student"] = grade.student.id if grade.student else None
        document["verdicts"] = verdicts
        head = {"student": document["student"], "problem": bool(grade.problem)}
        head["evidence"] = document.pop("evidence")
        return b"\t".join(_json(part) for part in (head, document))

    def decode(self, data: bytes) -> Grade:
        """Return the grade of a line.

        Raises:
            ValueError: it is none of this assignment.
        """
        head, _, rest = data.partition(b"\t")
        try:
            document: dict[str, Any] = json.loads(rest)
            document["evidence"] = json.loads(head)["evidence"]
            verdicts = [
                CellVerdict(self._cells[place], **said) for place, said in document["verdicts"]
            ]
            student = document["student"]
            document["student"] = None if student is None else self._students[student]
            return Grade(**{**document, "verdicts": verdicts})
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError("no grade of this assignment") from error


def head_of(data: bytes) -> dict[str, Any]:
    """Return ``student`` (an id or None), ``problem`` and ``evidence`` of an encoded grade."""
    head: dict[str, Any] = json.loads(data.partition(b"\t")[0])
    return head


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


class Judge:
    """Grades the files of one assignment, and writes feedback on them.

    Args:
        manifest: the assignment.
        feedback: whether to write feedback too.
        grader: who gives the verdicts.
        draws: the assignment's, where they are known.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        feedback: bool,
        grader: str = GRADER,
        draws: Sequence[Givens] = (),
    ) -> None:
        module, _, name = grader.partition(":")
        self._grader: Any = getattr(importlib.import_module(module), name)(manifest, draws)
        self._manifest, self._codec = manifest, Codec(manifest)
        self._write: Any = None
        if feedback:  # what is imported now is not imported within a file's limits
            self._write = importlib.import_module("cellgrad_coursework.results.feedback")
            self._pages = importlib.import_module("cellgrad_coursework.results.pages")

    def judge(self, name: str, named: str, data: bytes) -> Judged:
        """Judge a file.

        Args:
            name: what it is called.
            named: whose it is by its name, as a claim in a word.
            data: the file.
        """
        grade, contents = self._grader.grade_and_open(data, name, Claim.parse(named))
        workbook = page = b""
        if self._write is not None and not grade.problem:
            try:
                workbook = self._write.workbook_bytes(self._manifest, grade, contents)
                page = self._pages.student_page(self._manifest, grade).encode("utf-8", "replace")
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - the grade stands all the same
                grade.review.append(f"no feedback could be written ({type(error).__name__})")
        return Judged(self._codec.encode(grade), workbook, page)


def serve() -> None:
    """Judge what comes in over the standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks is interrupted, and ends this
    given, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1):  # what anything prints must not reach the answers
        os.dup2(nowhere, handle)
    try:
        length, *_ = ASK.unpack(exactly(given, ASK.size))
        manifest, draws, feedback, grader, limits = pickle.loads(exactly(given, length))  # noqa: S301 - from our own parent
        try:
            judge = Judge(manifest, feedback=feedback, grader=grader, draws=draws)
        except InputError as error:
            _reply(answers, REFUSED, Judged(error.line().encode("utf-8", "replace")))
            return
        _limit_memory(limits)
        gc.collect()
        gc.freeze()
        _reply(answers, READY, Judged(b""))
        while True:
            _judge_next(given, answers, judge, limits)
    except (EOFError, OSError):
        os._exit(0)
    except MemoryError:
        os._exit(1)


def _judge_next(given: IO[bytes], answers: IO[bytes], judge: Judge, limits: Limits) -> None:
    lengths = ASK.unpack(exactly(given, ASK.size))
    name, named = (exactly(given, n).decode("utf-8", "surrogatepass") for n in lengths[:2])
    data = exactly(given, lengths[2])
    _limit_time(limits)
    try:
        judged = judge.judge(name, named, data)
    except MemoryError:
        data = b""
        _reply(answers, MEMORY, Judged(b""))
        raise
    _reply(answers, DONE, judged)


def exactly(pipe: IO[bytes], length: int) -> bytes:
    """Read so many bytes.

    Raises:
        EOFError: there are fewer.
    """
    data = pipe.read(length)
    if len(data) != length:
        raise EOFError
    return data


def _reply(answers: IO[bytes], status: int, judged: Judged) -> None:
    pieces = (judged.grade, judged.workbook, judged.page)
    answers.write(ANSWER.pack(*map(len, pieces), status))
    for piece in pieces:
        answers.write(piece)
    answers.flush()


def _resource() -> Any:
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    return resource


def _limit_memory(limits: Limits) -> None:
    resource = _resource()
    if resource is None:
        return
    now = 1 << 30
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", "rb") as file:  # noqa: PTH123
        now = int(file.read().split()[0]) * resource.getpagesize()
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (now + limits.memory, resource.RLIM_INFINITY))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(limits: Limits) -> None:
    resource = _resource()
    if resource is None:
        return
    used = math.ceil(time.process_time())
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (used + limits.cpu, resource.RLIM_INFINITY))
