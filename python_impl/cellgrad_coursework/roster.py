"""Reading a roster: who takes part. CSV or .xlsx, one's own or an LMS's export.

A roster comes from outside: names may hold formulas, ids may hold paths. Moodle's grading
worksheet is in the language of its site; its importer looks up its own site's headings, and takes
a participant's number for what stands behind its own word for them. So what it wrote is given back
as it wrote it.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cellgrad.errors import InputError
from cellgrad.files import read_limited
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.book import read_book
from cellgrad.xlsx.sheet import CellError
from cellgrad_coursework.model import Student

MAX_BYTES = 32 << 20
MAX_STUDENTS = 50_000
MAX_COLUMNS = 2_000
MAX_ID, MAX_TEXT = 100, 300
_FILE_NAME = 80

_ID = ("id", "student id", "studentid", "student number", "student no", "matriculation number",
       "matrikelnummer", "user id", "userid", "username", "user name", "login",
       "anmeldename")  # fmt: skip
_FIRST = ("first name", "firstname", "given name", "vorname", "prénom")
_LAST = ("last name", "lastname", "surname", "family name", "nachname", "nom")
_COLUMNS = {
    "name": ("name", "full name", "student name", "student", "vollständiger name", "nom complet"),
    "first": _FIRST,
    "last": _LAST,
    "email": ("email", "e-mail", "email address", "e-mail address", "e-mail-adresse", "mail"),
    "section": ("section", "group", "groups", "class", "gruppe", "gruppen"),
    "late": ("late", "late penalty", "late deduction", "deduction"),
    "excused": ("excused",),
}
"""What is read beside ids, and the headings of its column."""

_CANVAS_IDS = ("sis user id", "sis login id", "id")
IDENTIFIERS = ("identifier", "identifiant", "identificador", "identificativo", "identifikatzailea")
"""What Moodle calls the column of its participants, from its language packs (``assign.php``:
``recordid``), in lower case. In German it is ``ID``, as many other columns are."""

_MOODLE_IDS = ("id number", "username", *IDENTIFIERS, "email address")

_RESERVED = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[1-9])(?:\..*)?", re.IGNORECASE)
_PERCENT = re.compile(r"(\d{1,3}(?:[.,]\d{1,6})?)\s*%")
_SHARE = re.compile(r"\d(?:[.,]\d{1,9})?")

YES = {"ex", "yes", "y", "true", "1", "x", "excused"}
_NO = {"", "no", "n", "false", "0", "-"}
_ZEROS = re.compile(r"0{2,}")
_EXACT = 1e15
"""Below it a number cell holds every whole number, as a spreadsheet program shows it."""

Row = tuple[str, list[str]]
"""Where a row stands, in words, and its cells."""


class _NoId(str):
    """The text of a number that cannot be an id: not whole, or of more digits than are kept."""

    __slots__ = ()


@dataclass(slots=True)
class Roster:
    """A roster as it was read.

    Attributes:
        students: who takes part.
        notes: what the lecturer should know of how it was read, a line each.
    """

    students: list[Student] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_roster(path: Path) -> list[Student]:
    """Return the students of a roster; see ``roster_of``.

    Raises:
        InputError: it cannot be used.
    """
    return roster_of(path).students


def roster_of(path: Path) -> Roster:
    """Read a roster.

    Its first row names the columns. Read are: a column ``id`` (or the ids of a Canvas or a
    Moodle export), and where they exist ``name`` (or first and last name), ``email``,
    ``section``, ``late``, the share of the grade taken off (0.1 or 10%), and ``excused``, yes or
    no. All columns are kept for the gradebooks.

    Raises:
        InputError: the file cannot be read, a column is missing, an id is missing, stands
            twice or cannot become a file's name of its own.
    """
    try:
        rows = _sheet_rows(path) if path.suffix.lower() == ".xlsx" else csv_rows(path)
        roster = Roster()
        roster.students = list(_students(rows, roster.notes))
        check_file_names(roster.students)
    except InputError as error:
        raise error.within(path) from error
    if not roster.students:
        raise InputError("names no students", file=path, remedy="write one student a row")
    return roster


def safe_name(student_id: str) -> str:
    """Return a student's id as the name of a file, without an ending.

    Letters, digits, dot, dash and underscore stay; whatever else becomes a dash.
    """
    text = unicodedata.normalize("NFKC", student_id)
    text = "".join(c if c.isalnum() or c in "._-" else "-" for c in text).lstrip(".~-")
    text = text[:_FILE_NAME].rstrip(".")
    if not text:
        return "student"
    return f"student-{text}" if _RESERVED.fullmatch(text) else text


def check_file_names(students: Iterable[Student]) -> None:
    """Refuse ids that would share a file's name.

    Raises:
        InputError: two would.
    """
    seen: dict[str, str] = {}
    for student in students:
        name = safe_name(student.id).casefold()
        if name in seen:
            raise InputError(
                f"the ids {seen[name]!r} and {student.id!r} would give files of the same name",
                remedy="change one of them",
            )
        seen[name] = student.id


def participant(student: Student) -> str:
    """Return a student's number in Moodle's ``Identifier`` (``Participant 123``), or nothing."""
    for header, value in student.other:
        if _plain(header) in IDENTIFIERS:
            number = re.search(r"(\d{1,18})\s*$", value)
            return number[1] if number else ""
    return ""


def last_name_first(student: Student) -> str:
    """Return a name as ``Lastname Firstname``, as well as the roster tells."""
    table = {_plain(header): value for header, value in student.other}
    first = next((table[name] for name in _FIRST if table.get(name)), "")
    last = next((table[name] for name in _LAST if table.get(name)), "")
    if first and last:
        return f"{last} {first}"
    before, comma, after = student.name.partition(",")
    return f"{before.strip()} {after.strip()}".strip() if comma else student.name


# rows


def csv_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV file that hold anything.

    Raises:
        InputError: the file cannot be read.
    """
    text = _decoded(read_limited(path, MAX_BYTES))
    if "\x00" in text:
        raise InputError(
            "is no CSV file (it holds NUL characters)", remedy="save the roster as CSV UTF-8"
        )
    first, _, rest = text.partition("\n")
    told = re.fullmatch(r"sep=(.)\r?", first)
    if told:
        text = rest
    delimiter = told[1] if told else _delimiter(text)
    rows: list[Row] = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((f"line {reader.line_num + bool(told)}", cells))
            if len(rows) > MAX_STUDENTS + 2:
                break
    except csv.Error as error:
        raise InputError(f"cannot be read as CSV ({error})", remedy="save it again") from error
    return rows


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise InputError("is damaged UTF-16", remedy="save it as CSV UTF-8") from error
    if data.startswith(b"PK\x03\x04"):
        raise InputError(
            "is a zipped file, no CSV", remedy="give it the ending .xlsx, if it is one"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")  # what Excel calls CSV, in the West


def _delimiter(text: str) -> str:
    """Return the separator that stands most often in the first row with anything in it."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    plain = re.sub(r'"[^"]*"', "", head)
    return max((",", ";", "\t"), key=plain.count)


def _sheet_rows(path: Path) -> list[Row]:
    book = read_book(path)
    name, cells = next(iter(book.sheets.items()), ("", None))
    if cells is None:
        raise InputError("holds no sheet", remedy="put the roster on the first sheet")
    table: dict[int, dict[int, str]] = {}
    formats = _formats(path) if any(isinstance(v, float) for v in cells.values.values()) else {}
    for (row, column), value in cells.values.items():
        if isinstance(value, CellError):
            raise InputError(
                f"holds the error {value}", place=f"{name}!{a1(row, column)}", remedy="correct it"
            )
        if value is not None and column <= MAX_COLUMNS:
            shown = _cell_text(value, formats.get((row, column), ""))
            table.setdefault(row, {})[column] = shown
    width = max((max(row) for row in table.values()), default=0)
    return [
        (f"{name}, row {row}", [table[row].get(column, "") for column in range(1, width + 1)])
        for row in sorted(table)
        if any(text.strip() for text in table[row].values())
    ][: MAX_STUDENTS + 3]


def _formats(path: Path) -> dict[tuple[int, int], str]:
    """Return the number formats of the first sheet's cells that are made of zeros."""
    from openpyxl import load_workbook  # noqa: PLC0415 - start-up time

    try:
        sheet = load_workbook(path, data_only=True).worksheets[0]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}  # what it holds was read all the same
    return {
        (cell.row, cell.column): cell.number_format
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "n" and _ZEROS.fullmatch(cell.number_format or "")
    }


def _cell_text(value: float | str | bool, shown_as: str) -> str:  # noqa: FBT001 - what a cell may hold
    if isinstance(value, float):
        if value.is_integer() and abs(value) < _EXACT:
            return f"{int(value):0{len(shown_as)}d}" if shown_as else str(int(value))
        return _NoId(repr(value))
    return str(value)


# columns


def _plain(header: str) -> str:
    return " ".join(header.replace("_", " ").casefold().split())


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column holds what, counted from 0.

    Attributes:
        headers: of all columns.
        ids: the columns that may hold ids, the best first.
        places: of what is read beside ids, by its name in ``_COLUMNS``.
        canvas: whether it is an export of Canvas.
    """

    headers: list[str]
    ids: list[int]
    places: dict[str, int]
    canvas: bool

    def text(self, name: str, cells: Sequence[str]) -> str:
        """Return what a row has of something; empty for nothing."""
        return _at(cells, self.places.get(name))


def _columns(head: Row) -> _Columns:
    where, cells = head
    headers = [_clean(cell) for cell in cells[:MAX_COLUMNS]]
    plain = [_plain(header) for header in headers]
    places = {
        name: next(plain.index(heading) for heading in headings if heading in plain)
        for name, headings in _COLUMNS.items()
        if not set(plain).isdisjoint(headings)
    }
    canvas = "student" in plain and ("sis user id" in plain or "sis login id" in plain)
    moodle = not canvas and any(name in plain for name in ("id number", *IDENTIFIERS))
    wanted = _CANVAS_IDS if canvas else (*_MOODLE_IDS, *_ID) if moodle else _ID
    if not canvas and "id" in plain:
        wanted = ("id", *wanted)
    ids = [plain.index(name) for name in dict.fromkeys(wanted) if name in plain]
    if not ids and {"first", "email"} <= places.keys():
        ids = [places["email"]]  # Moodle's list of participants
    if not ids:
        shown = ", ".join(repr(header) for header in headers[:6] if header)
        raise InputError(
            f"names no column id (it has {shown or 'no names at all'})",
            place=where,
            remedy="let the first row name the columns: id, name, email, section, late",
        )
    return _Columns(headers, ids, places, canvas)


def _students(rows: Sequence[Row], notes: list[str]) -> Iterable[Student]:
    if not rows:
        raise InputError("is empty", remedy="let its first row name the columns: id, name")
    columns = _columns(rows[0])
    people = []
    for row in rows[1:]:
        why = _no_student(columns, row) if columns.canvas else ""
        if why:
            notes.append(f"{row[0]} was left out: {why}")
        else:
            people.append(row)
    if len(people) > MAX_STUDENTS:
        raise InputError(f"names more than {MAX_STUDENTS:,} students", remedy="split it")
    id_column = _id_column(columns, people, notes)
    seen: dict[str, str] = {}
    for where, cells in people:
        student = _student(columns, id_column, where, cells)
        if student.id in seen:
            raise InputError(
                f"the id {student.id!r} stands twice, in {seen[student.id]} and here",
                place=where,
                remedy="keep one of the rows",
            )
        seen[student.id] = where
        yield student


def _no_student(columns: _Columns, row: Row) -> str:
    """Tell why a row of a Canvas export is no student's; empty where it is one's."""
    if "points possible" in _at(row[1], 0).casefold():
        return "it says Points Possible"
    is_test = columns.text("name", row[1]).casefold() == "student, test"
    return "it is the test student" if is_test else ""


def _id_column(columns: _Columns, people: Sequence[Row], notes: list[str]) -> int:
    """Return the first column of ids that is filled in for everybody; say if one almost is."""
    passed = list[str]()
    for column in columns.ids:
        empty = [where for where, cells in people if not _at(cells, column)]
        if not empty:
            notes += [f"{why}: {columns.headers[column]!r} is everybody's id" for why in passed]
            return column
        if len(empty) < len(people):
            more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
            passed.append(f"{columns.headers[column]!r} is empty in {empty[0]}{more}")
    return columns.ids[0]


def _student(columns: _Columns, id_column: int, where: str, cells: Sequence[str]) -> Student:
    student_id = _at(cells, id_column)
    header = columns.headers[id_column]
    if not student_id:
        raise InputError(f"the column {header!r} is empty", place=where, remedy="give an id")
    if _plain(header) in IDENTIFIERS:
        number = re.search(r"(\d+)\s*$", student_id)
        student_id = number[1] if number else student_id
    if isinstance(cells[id_column], _NoId):
        raise InputError(
            f"the id {student_id} is a number that is not whole, or too long for a number cell",
            place=where,
            remedy="format the column as text and write the ids again",
        )
    if len(student_id) > MAX_ID:
        raise InputError(
            f"an id of {len(student_id)} characters", place=where, remedy=f"at most {MAX_ID}"
        )
    first_last = f"{columns.text('first', cells)} {columns.text('last', cells)}".strip()
    _check_excused(columns.text("excused", cells), where)
    return Student(
        id=student_id,
        name=columns.text("name", cells) or first_last,
        email=columns.text("email", cells),
        section=columns.text("section", cells),
        late=_late(columns.text("late", cells), where),
        other=tuple((header, _at(cells, n)) for n, header in enumerate(columns.headers) if header),
    )


def _at(cells: Sequence[str], column: int | None) -> str:
    return _clean(cells[column]) if column is not None and column < len(cells) else ""


def _clean(text: str) -> str:
    """Return a text on one line, without characters that no cell or terminal should get."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * MAX_TEXT]).split())[
        :MAX_TEXT
    ]


def _check_excused(text: str, where: str) -> None:
    if text.casefold() not in YES | _NO:
        raise InputError(
            f"excused: {text[:40]!r} is neither yes nor no",
            place=where,
            remedy="write yes, or no, or nothing",
        )


def _late(text: str, where: str) -> float:
    if not text:
        return 0.0
    percent = _PERCENT.fullmatch(text)
    if percent:
        share = float(percent[1].replace(",", ".")) / 100
    elif _SHARE.fullmatch(text):
        share = float(text.replace(",", "."))
    else:
        share = -1.0
    if not 0 <= share <= 1:
        raise InputError(
            f"late: {text[:40]!r} is no share of the grade",
            place=where,
            remedy="write 0.1 or 10%, and nothing where nothing is taken off",
        )
    return share


GRADE = (
    "grade", "bewertung", "note", "calificación", "nota", "valutazione", "beoordeling", "cijfer",
    "qualificació", "cualificación", "avaliação", "betyg", "not", "оценка", "kalifikazioa",
)  # fmt: skip
MAXIMUM = (
    "maximum grade", "bestwertung", "note maximale", "calificación máxima", "nota máxima",
    "valutazione massima", "maximaal cijfer", "cualificación máxima", "maximalt betyg",
)  # fmt: skip
"""Headings of the grading worksheet, from the language packs of Moodle (``assign.php``:
``maxgrade``; ``moodle.php``: ``gradenoun``), in lower case."""

_MODIFIED = re.compile(r"[^()]+ \((?P<what>[^()]+)\)")
_NUMBERED = re.compile(r"(?P<word>.*\D)(?P<number>\d{1,18})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Worksheet:
    """The columns of a worksheet, up to the date of the grade; places count from 0.

    What stands behind that date are comments. Without their column they stay as they are.

    Attributes:
        headings: as the site has them.
        word: what stands before a participant's number there, such as ``Teilnehmer/in``.
        identifier: the column of the participants.
        grade: the column of the grades.
        maximum: the column of the maximum, or None.
    """

    headings: tuple[str, ...]
    word: str
    identifier: int
    grade: int
    maximum: int | None

    def row(self, student: Student) -> list[str] | None:
        """Return a student's row as the roster has it; None for one of another roster."""
        if tuple(name for name, _ in student.other[: len(self.headings)]) != self.headings:
            return None
        return [value for _, value in student.other[: len(self.headings)]]

    def most(self, row: list[str]) -> float | None:
        """Return the maximum that a row names, or None."""
        return None if self.maximum is None else maximum(row[self.maximum])


def worksheet_of(student: Student) -> Worksheet | None:
    """Return the columns of the worksheet that a student was read from.

    None if the roster is none, or if it is not certain which column is which. Known headings
    tell, and what the date of the grade is called: it names the grade in brackets.
    """
    plain = [" ".join(name.casefold().split()) for name, _ in student.other]
    dates = [(place, match["what"]) for place, name in enumerate(plain)
             if (match := _MODIFIED.fullmatch(name))]  # fmt: skip
    for modified, what in reversed(dates):
        before = plain[:modified]
        grade = _first(before, GRADE)
        if grade is None and what in before:  # a language that is not in the table
            grade = before.index(what)
        if grade is None or not (what in GRADE or what == plain[grade]):
            continue
        known = _first(before, (*IDENTIFIERS, "id"))
        identifier = 0 if known is None else known
        numbered = _NUMBERED.fullmatch(student.other[identifier][1])
        if numbered is None or identifier >= grade:
            continue
        most = _first(before, MAXIMUM)
        if most is None and maximum(student.other[grade + 1][1]) and grade + 1 < modified:
            most = grade + 1  # there Moodle has it
        headings = tuple(name for name, _ in student.other[: modified + 1])
        return Worksheet(headings, numbered["word"], identifier, grade, most)
    return None


def moodle_number(student: Student) -> str:
    """Return a student's number in Moodle, as the roster has it; empty where it has none."""
    number = participant(student)
    if number:
        return number
    sheet = worksheet_of(student)
    if sheet is None:
        return ""
    numbered = _NUMBERED.fullmatch(student.other[sheet.identifier][1])
    return numbered["number"] if numbered else ""


def maximum(text: str) -> float | None:
    """Return a maximum, with a decimal point or comma; None where it is none."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value < 1e9 else None


def _first(plain: list[str], known: tuple[str, ...]) -> int | None:
    return next((place for place, name in enumerate(plain) if name in known), None)
