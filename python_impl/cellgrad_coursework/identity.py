"""Whose a submission is: decided here and nowhere else, by its name, its token and its numbers.

Who handed a file in says the platform, in the file's name; what was handed in, the workbook's
own token, or the id typed into a file that serves all; where both are missing, its numbers.
Names that students chose themselves, and numbers, never weigh more than a platform's word or a
token. Grading learns from here whose numbers to grade with, and nothing of anybody.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from cellgrad.errors import InputError
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.package import Package
from cellgrad_coursework.derivation import canonical
from cellgrad_coursework.grading.book import Entry, StudentBook
from cellgrad_coursework.grading.key import Key, Values
from cellgrad_coursework.grading.relocation import changed_givens, shown_givens
from cellgrad_coursework.model import VALUE, Grade, Handout, Remarks, Student
from cellgrad_coursework.roster import moodle_number
from cellgrad_coursework.secret import TOKEN

OTHER_ASSIGNMENT = "made out for another assignment (or with another secret)"
"""Why a workbook is not graded whose token, and whose numbers, are none of this assignment's."""

_LETTERS = re.compile(r"[^\W_]+")
_AGAIN = re.compile(r"(?:[-_ ]*(?:\(\d+\)|copy|kopie|copie|v?\d{1,2}|final|new))+$", re.IGNORECASE)
_CANVAS_IDS = ("id", "canvas id", "canvas user id")

_MOODLE = re.compile(r"(?P<name>.+?)_(?P<user>\d+)_assignsubmission_file_?(?P<rest>.*)", re.DOTALL)
_CANVAS = re.compile(
    r"(?P<name>[^_]+)(?P<late>_LATE)?_(?P<user>\d+)_(?P<order>\d+)_(?P<rest>.+)", re.DOTALL
)
_DIGITS = re.compile(r"(\d+)")

_TOKEN = re.compile(TOKEN.pattern.encode())
_PLACES = ("xl/workbook.xml", "docprops/custom.xml", "xl/sharedstrings.xml", "xl/worksheets/")
"""The parts that a handout's token stands in. In another (a comment, the file's properties) it
may have been quoted: that is said, and decides nothing."""
_UNTOLD = len(_PLACES)
"""Parts in which a token tells most, the first most of all."""

_TRIED = 3
"""So many tokens of a file are tried for whose numbers it has."""

_SHOWN = 40
_WHOLE = 1e15
"""Below this a number typed as an id is exact."""


# by its name


@dataclass(frozen=True, slots=True)
class Hint:
    """What a platform's naming says of a submission.

    Attributes:
        platform: ``moodle``, ``canvas`` or empty.
        name: the student's name, as the platform writes it.
        user: the platform's number of the student.
        order: the platform's number of the submission; later ones are larger.
        late: whether the platform calls it late.
        file: the name that the student gave the file.
    """

    platform: str = ""
    name: str = ""
    user: str = ""
    order: int = 0
    late: bool = False
    file: str = ""


def hint_of(name: str) -> Hint:
    """Return what a downloaded file's name says: Moodle's or Canvas's naming, or neither.

    The outermost part that is named as Moodle names it counts: what lies within it the
    student named, in whatever form.
    """
    parts = PurePosixPath(name).parts
    for part in parts:
        moodle = _MOODLE.fullmatch(part)
        if moodle:
            return Hint("moodle", moodle["name"].strip(), moodle["user"],
                        file=moodle["rest"] or parts[-1])  # fmt: skip
    for place, part in enumerate(parts, 1):
        canvas = _CANVAS.fullmatch(part)
        is_zip = place < len(parts) and part.lower().endswith(
            ".zip"
        )  # what is in it, the student named
        if canvas and (is_zip or place == len(parts)):
            rest = parts[-1] if is_zip else canvas["rest"]
            return Hint("canvas", canvas["name"], canvas["user"], int(canvas["order"][:18]),
                        bool(canvas["late"]), rest)  # fmt: skip
    return Hint(file=parts[-1] if parts else name)


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a key that puts ``file-2`` before ``file-10`` and ``file`` before both."""
    stem, _, ending = text.rpartition(".")
    parts = [*_DIGITS.split(stem), f".{ending}"]
    return tuple((int(part[:18]), "") if part.isdecimal() else (-1, part) for part in parts)


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose a file is by its name.

    Attributes:
        student: the id; empty for nobody's.
        certain: whether the name says so outright: then no guess is needed.
    """

    student: str = ""
    certain: bool = False

    def __str__(self) -> str:
        """Return it in a word, as results are kept under."""
        return f"{'=' if self.certain else '?'}{self.student}" if self.student else ""

    @classmethod
    def parse(cls, word: str) -> Claim:
        """Return what ``str`` made a word of."""
        return cls(word[1:], word.startswith("="))


class Names:
    """Finds a student by what a file is called.

    Args:
        students: the roster.
    """

    def __init__(self, students: Iterable[Student]) -> None:
        self._ids: dict[Hashable, Student | None] = {}
        self._names: dict[Hashable, Student | None] = {}
        self._numbers: dict[Hashable, Student | None] = {}
        for student in students:
            _add(self._ids, student.id.casefold(), student)
            for name in _spellings(student):
                _add(self._names, name, student)
            number = moodle_number(student)
            if number:
                _add(self._numbers, ("moodle", number), student)
            for header, value in student.other:
                if " ".join(header.casefold().split()) in _CANVAS_IDS and value.strip():
                    _add(self._numbers, ("canvas", value.strip()), student)

    def claim(self, name: str) -> Claim:
        """Return whose a file is by its name; two who may be meant are nobody.

        In a platform's naming only its number of the student and its name for them are
        certain: the rest was named by who handed it in, after whomever they liked. In any
        other naming the student's id as the file's or a folder's name is.
        """
        hint = hint_of(name)
        if hint.platform:
            number = self._numbers.get((hint.platform, hint.user))
            certain = number or self._names.get(_plain(hint.name))
            guess = certain or self._by_id(name, hint) or self._by_word(hint.file)
        else:
            certain = self._by_id(name, hint)
            guess = certain or self._by_word(name)
        return Claim() if guess is None else Claim(guess.id, certain is not None)

    def _by_id(self, name: str, hint: Hint) -> Student | None:
        *folders, last = PurePosixPath(name).parts or (name,)
        unzipped = (re.sub(r"\.zip$", "", part, flags=re.IGNORECASE) for part in folders[::-1])
        for stem in filter(None, [_stem(hint.file), _stem(last), *unzipped]):
            for text in (stem, _AGAIN.sub("", stem)):
                student = self._ids.get(text.casefold())
                if student is not None:
                    return student
        return None

    def _by_word(self, name: str) -> Student | None:
        words = {*re.split(r"[^\w.@-]+|_", name), *_LETTERS.findall(name)}
        students = {self._ids.get(word.casefold()) for word in words} - {None}
        return students.pop() if len(students) == 1 else None


def _stem(name: str) -> str:
    stem, dot, _ = name.rpartition(".")
    return stem if dot else name


def _add(table: dict[Hashable, Student | None], key: Hashable, student: Student) -> None:
    """Add a way to name a student; what names two names nobody."""
    if key:
        table[key] = student if table.get(key, student) is student else None


def _plain(name: str) -> str:
    """Return a name without accents, signs and blanks: Canvas writes it so."""
    text = unicodedata.normalize("NFKD", name)
    plain = "".join(sign for sign in text if not unicodedata.combining(sign))
    return "".join(_LETTERS.findall(plain)).casefold()


def _spellings(student: Student) -> set[str]:
    """Return a name as given, and with each rotation of its words."""
    words = student.name.replace(",", " ").split()
    turned = (" ".join(words[n:] + words[:n]) for n in range(len(words)))
    return {_plain(name) for name in turned}


# by its token, or by the id typed in it


def tokens_in(package: Package) -> list[tuple[str, str]]:
    """Return all that has the form of a token in a workbook, each beside the part it stands in.

    A token is a text of a form of its own, so that it is found wherever a spreadsheet program
    put it: among the shared texts, in a cell, in a defined name. Nothing is parsed.
    """
    return [
        (name, match[0].decode())
        for name in package.names
        if name.lower().endswith((".xml", ".rels"))
        for match in _TOKEN.finditer(package.read(name))
    ]


def _rank(held: tuple[str, str]) -> tuple[int, int, str]:
    """Return how much a token tells by the part that it stands in: the smaller, the more."""
    name = held[0].lower()
    telling = [n for n, start in enumerate(_PLACES) if name.startswith(start)]
    rank = min(telling, default=_UNTOLD) if name.endswith(".xml") else _UNTOLD
    return rank, len(name), held[0]


@dataclass(frozen=True, slots=True)
class TypedId:
    """What stands in the cell for the id, where one file serves all.

    Attributes:
        text: as it was typed; empty for nothing.
        formula: whether a formula stands there: then nothing counts as typed.
    """

    text: str = ""
    formula: bool = False

    @property
    def canonical(self) -> str:
        """The id as it counts; empty where none is typed."""
        try:
            return canonical(self.text)
        except ValueError:
            return ""

    def words(self) -> str:
        """Return in words why it names nobody."""
        if self.formula:
            return "the cell for the student id holds a formula, so no id counts as typed"
        if not self.text:
            return "no student id is typed in it"
        shown = self.text[:_SHOWN] + ("…" if len(self.text) > _SHOWN else "")
        return f"the student id typed in it, {shown!r}, is nobody's"


def _typed_text(entry: Entry) -> str:
    """Return what was typed; a program may have taken an id for a number."""
    value = entry.value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _WHOLE else repr(value)
    return "" if value is None else " ".join(str(value).split())


# all of it together


@dataclass(slots=True)
class Identity:
    """Whose a submission is, and whose numbers it is graded with.

    Attributes:
        student: whose it is; None where it cannot be told.
        handout: whose numbers it is graded with; None where it is not graded.
        token: the workbook's own, or that of the id typed in it; empty for none.
        problem: why it is not graded; empty where it is.
        shows_own: whether what is stored in it was worked out from this handout's numbers.
        first: what is to be said before what grading has to say.
        last: what is to be said after it.
        evidence: what is compared with other submissions; see ``taking_in.copying``.
    """

    student: Student | None = None
    handout: Handout | None = None
    token: str = ""
    problem: str = ""
    shows_own: bool = True
    first: Remarks = field(default_factory=Remarks)
    last: Remarks = field(default_factory=Remarks)
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Clues:
    """What a file says of whose it is, its numbers aside.

    Attributes:
        claim: whose it is by its name.
        named: the same as a handout.
        held: what has the form of a token where a handout has its own, beside the part.
        typed: the id typed in it; None where everybody has a file of their own.
        own: the handouts whose tokens, or whose typed id, it holds; the most telling first.
        by_numbers: whether nothing but its numbers says whose they are.
        remarks: what is to be said of them.
    """

    claim: Claim
    named: Handout | None
    held: list[tuple[str, str]]
    typed: TypedId | None = None
    own: list[Handout] = field(default_factory=list)
    by_numbers: bool = False
    remarks: Remarks = field(default_factory=Remarks)

    @property
    def missing(self) -> str:
        """Why nothing in it says whose it is."""
        if self.typed is not None:
            return self.typed.words()
        if self.held:
            return "its token is none of this assignment's, but its numbers are"
        return "its token is missing"

    @property
    def nobodys(self) -> str:
        """Why it cannot be told whose it is."""
        return "its token and its numbers are no one's" if self.typed is None else self.missing


class Owners:
    """All whose a submission of an assignment can be.

    Args:
        key: the assignment's.
    """

    def __init__(self, key: Key) -> None:
        self._key, self._manifest = key, key.manifest
        self._by_student = {one.student.id: one for one in self._manifest.handouts.values()}
        self._takes_values = any(cell.takes == VALUE for cell in self._manifest.cells)

    @cached_property
    def _by_givens(self) -> dict[str, Handout]:
        """Handouts by the hash of their givens."""
        table: dict[str, Handout] = {}
        for handout in self._manifest.handouts.values():
            table.setdefault(_hash(self._key.given_values(handout.case)), handout)
        return table

    @cached_property
    def _by_typed_id(self) -> dict[str, Handout]:
        return {canonical(one.student.id): one for one in self._manifest.handouts.values()}

    def named(self, claim: Claim) -> Handout | None:
        """Return the handout of whom a file is named after."""
        return self._by_student.get(claim.student)

    def identify(self, claim: Claim, package: Package, book: StudentBook | None) -> Identity:
        """Return whose a submission is.

        Who handed it in is who its name says, where it says so outright: a workbook of
        somebody else does not become theirs, and neither does it count for them.

        Args:
            claim: whose it is by its name.
            package: the file.
            book: its cells; None where they cannot be read.
        """
        clues = self._clues(claim, package, book)
        handout, named = self._whose_numbers(clues, book), clues.named
        if clues.held and not clues.own and not self._fits(handout, book):
            return Identity(named.student if named else None, problem=OTHER_ASSIGNMENT)
        if handout is None:
            problem = f"it cannot be told whose it is: {clues.nobodys}" if book is not None else ""
            return Identity(first=clues.remarks, problem=problem)
        if not claim.certain and (clues.own or clues.by_numbers):
            named = None  # the name was only a guess
        identity = Identity((named or handout).student, handout, first=clues.remarks)
        if clues.own:
            identity.token = handout.token
        elif clues.by_numbers:
            identity.first.notes.append(f"{clues.missing}; it was known by its numbers")
        else:
            identity.last.notes.append(f"{clues.missing}; it was matched by its name")
            if clues.typed is not None and clues.typed.text and self._takes_values:
                identity.last.review.append(
                    "its typed numbers may belong to the id that is typed in it"
                )
        identity.shows_own = clues.typed is None or handout in clues.own
        self._compare(identity, clues, book)
        return identity

    def _clues(self, claim: Claim, package: Package, book: StudentBook | None) -> _Clues:
        """Return what a file says of whose it is, its numbers aside."""
        everywhere = tokens_in(package)
        telling = [one for one in everywhere if _rank(one)[0] < _UNTOLD]
        clues = _Clues(claim, self.named(claim), telling)
        if self._manifest.one_file is not None:
            clues.typed = self._typed_in(book)
            handout = self._by_typed_id.get(clues.typed.canonical)
            clues.own = [handout] if handout is not None else []
            return clues
        handouts = self._manifest.handouts
        listed = list(dict.fromkeys(token for _, token in everywhere if token in handouts))
        held = [one for one in telling if one[1] in handouts]
        if listed and not held and clues.named and clues.named.token not in listed:
            clues.remarks.review.append("its token is another student's than its file name says")
        if len(listed) > 1:
            clues.remarks.review.append(
                f"it holds the tokens of several handouts: {', '.join(listed)}"
            )
        ordered = dict.fromkeys(token for _, token in sorted(held, key=_rank))
        clues.own = [handouts[token] for token in ordered]
        if claim.certain and clues.named in clues.own:
            clues.own.sort(key=lambda one: one is not clues.named)
        return clues

    def _whose_numbers(self, clues: _Clues, book: StudentBook | None) -> Handout | None:
        """Return the handout with whose numbers a file is graded; None for nobody's.

        Of several tokens that one counts whose numbers the file has. Without a token, numbers
        that are somebody's tell more than a name that only may be theirs.
        """
        if clues.own:
            tried = clues.own[:_TRIED]
            fitting = (one for one in tried if self._whose_givens(one, book) is None)
            return next(fitting, tried[0])
        if clues.named is not None and clues.claim.certain:
            return clues.named
        known = self._by_givens.get(_hash(_shown(book)))
        clues.by_numbers = known is not None
        return known or clues.named

    def _typed_in(self, book: StudentBook | None) -> TypedId:
        """Return what stands in the cell for the student id."""
        told = self._manifest.one_file
        if told is None or book is None:
            return TypedId()
        area = book.submission.name_range(told.name)
        sheet, at = told.sheet.casefold(), parse_a1(told.address)
        if area is not None and (area.height, area.width) == (1, 1):
            sheet, at = area.sheet.casefold(), (area.top, area.left)
        entry = book.entry((sheet, *at))
        if entry is None:
            return TypedId()
        if entry.formula or entry.problem:
            return TypedId(formula=True)
        return TypedId(_typed_text(entry))

    # by its numbers

    def _fits(self, handout: Handout | None, book: StudentBook | None) -> bool:
        """Tell whether a file has all the numbers of a handout."""
        if handout is None or book is None:
            return False
        own = self._key.given_values(handout.case)
        return _hash(_shown(book, own)) == _hash(own)

    def _whose_givens(self, handout: Handout, book: StudentBook | None) -> str | None:
        """Return whose the numbers in a file are, as an id; empty for nobody's.

        None where they are those of a handout, but for less than half of them.
        """
        own = self._key.given_values(handout.case)
        shown = _shown(book, own)
        if book is None or shown is None:
            return None
        changed = changed_givens(book, shown, own)
        if not changed:
            return None
        other = self._by_givens.get(_hash(shown))
        if other is not None and other is not handout:
            return other.student.id
        return "" if 2 * len(changed) > len(own) else None

    def _compare(self, identity: Identity, clues: _Clues, book: StudentBook | None) -> None:
        """Note what in a workbook is somebody else's than whose it is."""
        if identity.student is None or identity.handout is None:
            return
        student, evidence = identity.student.id, identity.evidence
        if identity.handout.student.id != student:
            evidence["workbook_of"] = identity.handout.student.id
            if clues.typed is not None:
                evidence["typed_id"] = True
        others = {one.student.id for one in clues.own} - {student}
        if others:
            evidence["tokens_of"] = sorted(others)
        whose = self._whose_givens(identity.handout, book)
        if whose is not None:
            evidence["givens_of"] = whose
        if whose:
            identity.first.copying.append(f"the givens in the file are those of {whose}")


def _shown(book: StudentBook | None, own: Values | None = None) -> Values | None:
    """Return the givens that a file shows; None where they cannot be read."""
    try:
        return None if book is None else shown_givens(book, own)
    except (InputError, FormulaError):
        return None  # found again, and told, when it is graded


def _hash(givens: Values | None) -> str:
    """Return a short hash of givens, the same after a program has rounded them to 15 digits."""
    text = ",".join(f"{value:.10g}" for value in givens.tolist()) if givens is not None else ""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


# of several files


def standing_of(hint: Hint, claim: Claim, evidence: dict[str, Any]) -> int:
    """Return how well a file's name and its contents agree on whose it is.

    Where they do not, it never takes the place of a file of this student where they do:
    with a name or a token anybody could replace another's work.
    """
    others = "givens_of" in evidence and (not claim.certain or evidence["givens_of"])
    if "workbook_of" in evidence or others:
        return 0
    return 2 if claim.certain or not hint.platform else 1


def say_who_handed_in(grade: Grade, claim: Claim, *, by_several: bool) -> None:
    """Say who handed a file in, where that may not be whose it seems to be.

    Args:
        grade: of the file.
        claim: whose it is by its name.
        by_several: whether files of this student were handed in by several people.
    """
    hint, student = hint_of(grade.file), grade.student
    if student is None:
        return
    hand = f"handed in by {hint.name} ({hint.platform} {hint.user})" if hint.platform else ""
    if hand and by_several:
        grade.review.append(f"{hand}, and other files of {student.id} by somebody else")
    if "givens_of" in grade.evidence and not claim.certain:
        lines = grade.copying if grade.evidence["givens_of"] else grade.review
        by = hand or "its name does not say who handed it in"
        lines.append(f"its numbers are not those of {student.id}; {by}")
