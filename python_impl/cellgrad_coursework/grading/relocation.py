"""What became of the handout's own cells: where they lie now, and which were changed.

Rows may have been inserted, sheets renamed. Defined names move with their cells in every
spreadsheet program. From where they point now follows which rows and columns moved, and so where
cells without a name of their own went. A name that grew had rows or columns inserted within it:
they are those that hold nothing there. What cannot be told is not guessed: a person has to look.

Where one file serves all, the givens follow from the id typed in it by formulas of the handout.
The values that a file stores are not read for them: such a given is as it was handed out if its
formula is, and the cells that it follows from are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cellgrad.formula.references import rename_sheets
from cellgrad.xlsx.addresses import Place, Range, parse_a1, parse_reference
from cellgrad_coursework.grading.book import Entry, StudentBook, Submission
from cellgrad_coursework.grading.key import Values
from cellgrad_coursework.model import Manifest, Remarks

_Line = tuple[str, int]


@dataclass(slots=True)
class _Lines:
    """Where rows, or columns, went.

    Attributes:
        known: each line's new number; None where two names do not agree.
        doubtful: lines of a name that grew or shrank in a way that cannot be told.
    """

    known: dict[_Line, int | None] = field(default_factory=dict)
    doubtful: set[_Line] = field(default_factory=set)


class Template:
    """Where the handout's cells lie, and the names by which they are found again.

    Args:
        manifest: the assignment.
    """

    def __init__(self, manifest: Manifest) -> None:
        cells = [(cell.sheet, cell.address, cell.name) for cell in manifest.givens]
        cells += [(cell.sheet, cell.address, cell.name) for cell in manifest.cells]
        cells += [(cell.sheet, cell.address, "") for cell in manifest.fixed]
        self.places: list[Place] = [(s.casefold(), *parse_a1(at)) for s, at, _ in cells]
        self._names = [name for _, _, name in cells]
        self._rectangles: dict[str, tuple[str, Range]] = {}
        """Of each name, without case: what it refers to, as text and as a rectangle."""
        for name, text in manifest.names.items():
            area = parse_reference(text)
            if area is not None:
                self._rectangles[name.casefold()] = text, area

    def places_in(self, submission: Submission) -> list[Place | None]:
        """Return where every cell lies in a submission; None where that cannot be told."""
        moves = _Moves(self._rectangles, submission)
        if moves.none:
            return list(self.places)
        places: list[Place | None] = []
        taken: set[Place] = set()
        for place, name in zip(self.places, self._names, strict=True):
            now = moves.to(place, name)
            if now in taken:  # one cell never stands for two
                now = None
            if now is not None:
                taken.add(now)
            places.append(now)
        return places


class _Moves:
    """How cells moved.

    Args:
        names: what the handout's names refer to, as text and as a rectangle.
        submission: the submitted workbook.

    Attributes:
        none: nothing moved.
    """

    def __init__(self, names: Mapping[str, tuple[str, Range]], submission: Submission) -> None:
        self._submission = submission
        self._sheets: dict[str, str] = {}
        self._rows, self._columns = _Lines(), _Lines()
        self._named: dict[str, tuple[Range, Range]] = {}
        self._present = set(submission.titles)
        self.none = all(area.sheet.casefold() in self._present for _, area in names.values())
        if self.none and all(submission.names.get(n) == text for n, (text, _) in names.items()):
            return  # word for word as handed out
        for name, (_, before) in names.items():
            now = submission.name_range(name)
            if now is None:
                continue
            if now != before and now._replace(sheet=now.sheet.casefold()) != before._replace(
                sheet=before.sheet.casefold()
            ):
                self.none = False
            self._learn(name, before, now)

    def _learn(self, name: str, before: Range, now: Range) -> None:
        sheet = before.sheet.casefold()
        self._sheets.setdefault(sheet, now.sheet.casefold())
        if before.height == now.height and before.width == now.width:
            self._named[name] = (before, now)
        filled: list[tuple[int, int]] = []
        if before.height < now.height or before.width < now.width:
            cells = self._submission.cells(now.sheet.casefold())
            filled = [at for at in cells if now.contains(*at)]
        rows, columns = range(now.top, now.bottom + 1), range(now.left, now.right + 1)
        self._learn_lines(
            self._rows, (sheet, before.top), before.height, rows, {row for row, _ in filled}
        )
        self._learn_lines(
            self._columns, (sheet, before.left), before.width, columns, {c for _, c in filled}
        )

    def _learn_lines(
        self, lines: _Lines, first: _Line, size: int, now: range, filled: set[int]
    ) -> None:
        """Learn where the rows or columns of a name went.

        Args:
            lines: what is known of rows, or of columns.
            first: the first one, in the handout.
            size: how many there were.
            now: those of the name now.
            filled: which of them hold anything, where they are more.
        """
        kept = [line for line in now if line in filled] if len(now) > size else list(now)
        sheet, start = first
        for n in range(size):
            if len(kept) == size:
                _agree(lines, (sheet, start + n), kept[n])
            else:
                lines.doubtful.add((sheet, start + n))

    def _title_of(self, sheet: str) -> str:
        """Return what a sheet is called now that no name points to any more.

        Numbers makes a sheet of each of its tables: ``Step - Table 1``.
        """
        if sheet in self._present:
            return sheet
        tables = [title for title in self._present if title.startswith(f"{sheet} - ")]
        return tables[0] if len(tables) == 1 else sheet

    def to(self, place: Place, name: str = "") -> Place | None:
        """Return where a cell of the handout lies now; None if that cannot be told.

        Args:
            place: its place in the handout.
            name: the defined name of its quantity's cells.
        """
        sheet, row, column = place
        before, now = self._named.get(name.casefold(), (None, None))
        if before is not None and now is not None and before.contains(row, column):
            return (
                now.sheet.casefold(),
                now.top + row - before.top,
                now.left + column - before.left,
            )
        there = self._sheets.get(sheet) or self._title_of(sheet)
        if there not in self._present:
            return None
        new_row = _moved(self._rows, sheet, row)
        new_column = _moved(self._columns, sheet, column)
        return None if new_row is None or new_column is None else (there, new_row, new_column)


def _agree(lines: _Lines, line: _Line, now: int) -> None:
    """Note where a row or column went; None where two names do not agree."""
    lines.known[line] = now if lines.known.get(line, now) == now else None


def _moved(lines: _Lines, sheet: str, line: int) -> int | None:
    """Return where a row or column went; one that no name covers goes with its neighbours."""
    if (sheet, line) in lines.known:
        return lines.known[sheet, line]
    if (sheet, line) in lines.doubtful:
        return None
    known = [(n, now) for (s, n), now in lines.known.items() if s == sheet and now is not None]
    above = max((item for item in known if item[0] < line), default=None)
    below = min((item for item in known if item[0] > line), default=None)
    shifts = {now - n for n, now in (item for item in (above, below) if item is not None)}
    if len(shifts) > 1:
        return None
    return line + (shifts.pop() if shifts else 0)


_SAME_GIVEN = 1e-9
_SHOWN = 8


def note_changes(book: StudentBook, own: Values, remarks: Remarks) -> bool:
    """Note which of the handout's cells were moved away or changed; tell whether none were.

    Args:
        book: the submission.
        own: the student's givens.
        remarks: where to note it.
    """
    key, notes = book.key, remarks.notes
    lost = [key.manifest.givens[n].address for n in range(key.givens) if book.where[n] is None]
    if lost:
        notes.append(f"given numbers were moved and cannot be found: {some_of(lost)}")
    changed = changed_givens(book, shown_givens(book, own), own)
    givens = [key.manifest.givens[n].address for n in changed] + _changed_derivation(book)
    if givens:
        notes.append(f"givens were changed in {some_of(givens)}; graded with the handout's own")
    fixed = _changed_formulas(book)
    if fixed:
        notes.append(f"formulas of the handout were changed in {some_of(fixed)}; restored")
    return not (lost or givens or fixed)


def some_of(addresses: list[str]) -> str:
    """Return the first of many addresses, and how many more there are."""
    more = len(addresses) - _SHOWN
    return ", ".join(addresses[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def shown_givens(book: StudentBook, own: Values | None = None) -> Values:
    """Return the numbers in the givens' cells, NaN for what is none.

    Args:
        book: the submission.
        own: the numbers of the student whose id is taken for typed: where one file serves all
            and a given's formula is as it was handed out, its number is the one here.
    """
    told = book.key.manifest.one_file
    formulas = {} if told is None else dict(zip(told.derived, told.givens, strict=True))
    renamed = _renamed(book) if formulas else {}
    shown = np.full(book.key.givens, np.nan)
    for n in range(book.key.givens):
        place = book.where[n]
        entry = None if place is None else book.entry(place)
        if n in formulas and _is_handed_out(book, formulas[n], entry, (1, 1), renamed):
            shown[n] = np.nan if own is None else own[n]
        elif entry is not None and isinstance(entry.value, float):
            # what a formula of the student's comes to in place of the handout's is not trusted
            shown[n] = np.nan if n in formulas and entry.formula else entry.value
    return shown


def changed_givens(book: StudentBook, shown: Values, own: Values) -> list[int]:
    """Return the givens, by number, that do not hold the student's own numbers."""
    return [
        n for n in range(len(own))
        if book.where[n] is not None
        and not abs(shown[n] - own[n]) <= _SAME_GIVEN * max(1.0, abs(own[n]))
    ]  # fmt: skip


def _changed_formulas(book: StudentBook) -> list[str]:
    """Return the cells that the handout computes and whose formulas were changed."""
    key, changed = book.key, []
    moved = book.where != key.places  # then a formula's own references move too
    for slot, cell in enumerate(key.manifest.fixed, key.givens + key.graded):
        place, right = book.where[slot], key.formulas[slot]
        if place is None or right is None:
            continue
        formula = book.formula(place)
        if formula is None or (not moved and formula.text != right.text):
            changed.append(cell.address)
    return changed


# where one file serves all


def _changed_derivation(book: StudentBook) -> list[str]:
    """Return the cells from which the givens follow and that were changed."""
    told = book.key.manifest.one_file
    if told is None:
        return []
    renamed = _renamed(book)
    sheet = told.numbers.casefold()
    cells = book.submission.cells(renamed.get(sheet, sheet))
    return [
        f"{told.numbers}!{address}"
        for address, content in told.cells
        if not _holds(book, content, cells.get(parse_a1(address)), parse_a1(address), renamed)
    ]


def _renamed(book: StudentBook) -> dict[str, str]:
    """Return the new names of the sheets with the id and the numbers, by the old ones."""
    told = book.key.manifest.one_file
    renamed: dict[str, str] = {}
    for sheet, name in () if told is None else (
        (told.sheet, told.name), (told.numbers, told.anchor),
    ):  # fmt: skip
        area = book.submission.name_range(name)
        if area is not None and area.sheet.casefold() != sheet.casefold():
            renamed[sheet.casefold()] = area.sheet.casefold()
    return renamed


def _holds(
    book: StudentBook,
    content: str,
    entry: Entry | None,
    at: tuple[int, int],
    renamed: dict[str, str],
) -> bool:
    """Tell whether a cell holds what the handout has in it."""
    if content.startswith("="):
        return _is_handed_out(book, content[1:], entry, at, renamed)
    if entry is None or entry.formula or entry.problem:
        return False
    if content.startswith("'"):
        return entry.value == content[1:]
    return isinstance(entry.value, float) and entry.value == float(content)


def _is_handed_out(
    book: StudentBook,
    formula: str,
    entry: Entry | None,
    at: tuple[int, int],
    renamed: dict[str, str],
) -> bool:
    """Tell whether a cell holds a formula of the handout."""
    if entry is None or entry.problem or not entry.formula or entry.anchor is not None:
        return False
    if entry.formula == formula and not renamed:
        return True
    right = book.formulas.read(formula, *at).tree
    written = book.formulas.read(entry.formula, *entry.base).tree
    return right is not None and written == rename_sheets(right, renamed)
