"""Where the handout's cells lie in a submission: rows may have been inserted, sheets renamed.

Defined names move with their cells in every spreadsheet program. From where they point now
follows which rows and columns moved, and so where cells without a name of their own went.
"""

from __future__ import annotations

from collections.abc import Mapping

from cellgrad.coursework.formulas.tree import Place
from cellgrad.coursework.submission import Submission
from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.book import parse_reference

_Line = tuple[str, int]


def template_names(names: Mapping[str, str]) -> dict[str, tuple[str, Range]]:
    """Return a handout's defined names, by names without case: their texts and rectangles."""
    found = {}
    for name, text in names.items():
        area = parse_reference(text)
        if area is not None:
            found[name.casefold()] = text, area
    return found


class Moves:
    """How cells moved.

    Args:
        names: rectangles of the handout's names; see ``template_names``.
        submission: the submitted workbook.

    Attributes:
        none: nothing moved.
    """

    def __init__(self, names: Mapping[str, tuple[str, Range]], submission: Submission) -> None:
        self._sheets: dict[str, str] = {}
        self._rows: dict[_Line, int | None] = {}
        self._columns: dict[_Line, int | None] = {}
        self._named: dict[str, tuple[Range, Range]] = {}
        self._present = set(submission.sheets())
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
        same = before.height == now.height and before.width == now.width
        if same:
            self._named[name] = (before, now)
        if before.height == now.height:
            for n in range(before.height):
                _agree(self._rows, (sheet, before.top + n), now.top + n)
        if before.width == now.width:
            for n in range(before.width):
                _agree(self._columns, (sheet, before.left + n), now.left + n)

    def to(self, place: Place, name: str = "") -> Place | None:
        """Return where a cell of the handout lies now; None if that cannot be told.

        Args:
            place: its place in the handout.
            name: the defined name of its quantity's cells.
        """
        if self.none:
            return place
        sheet, row, column = place
        found = self._named.get(name.casefold())
        if found is not None and found[0].contains(row, column):
            before, now = found
            return (
                now.sheet.casefold(),
                now.top + row - before.top,
                now.left + column - before.left,
            )
        there = self._sheets.get(sheet, sheet)
        if there not in self._present:
            return None
        new_row = _moved(self._rows, sheet, row)
        new_column = _moved(self._columns, sheet, column)
        return None if new_row is None or new_column is None else (there, new_row, new_column)


def _agree(lines: dict[_Line, int | None], line: _Line, now: int) -> None:
    """Note where a row or column went; None where two names do not agree."""
    lines[line] = now if lines.get(line, now) == now else None


def _moved(lines: Mapping[_Line, int | None], sheet: str, line: int) -> int | None:
    """Return where a row or column went; one that no name covers goes with its neighbours."""
    if (sheet, line) in lines:
        return lines[sheet, line]
    known = [(n, now) for (s, n), now in lines.items() if s == sheet and now is not None]
    above = max((item for item in known if item[0] < line), default=None)
    below = min((item for item in known if item[0] > line), default=None)
    shifts = {now - n for n, now in (item for item in (above, below) if item is not None)}
    if len(shifts) > 1:
        return None
    return line + (shifts.pop() if shifts else 0)
