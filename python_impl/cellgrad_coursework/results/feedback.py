"""A copy of a student's own workbook with the feedback in it.

Only the parts that change are touched, and in them only what is added: a library that reads a
whole workbook and writes it again would drop drawings, charts and images that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cellgrad.errors import WorkbookError
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.book import parse_reference
from cellgrad.xlsx.editor import OFFICE, Parts, Patch, escaped, prefix_of, tags, unescaped
from cellgrad.xlsx.package import Package
from cellgrad_coursework.model import CellVerdict, Grade, GradedCell, Manifest
from cellgrad_coursework.results.feedback_sheet import Place, feedback_sheet
from cellgrad_coursework.results.marks import Marked, SharedTexts, mark_sheet, unselect
from cellgrad_coursework.results.styles import EMPTY, Styles
from cellgrad_coursework.results.summary import ORDER, WORDS, plain_number, summary

_BOOK = "xl/workbook.xml"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
_STYLES = "application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"
_NOTE = 600


def workbook_bytes(manifest: Manifest, grade: Grade, submitted: bytes | Package) -> bytes:
    """Return a copy of a submitted workbook with a colour, the points and a word on each cell.

    A sheet ``Feedback`` comes first: the score, the root causes, then every cell. The student's
    texts and formulas stand there as texts.

    Args:
        manifest: the assignment.
        grade: of this submission.
        submitted: the file, or what was read of it.

    Raises:
        WorkbookError: the file cannot be read.
    """
    if isinstance(submitted, bytes):
        submitted = Package(submitted, grade.file)
    parts = Parts(submitted)
    try:
        return _marked(parts, manifest, grade)
    except WorkbookError as error:
        raise error.within(grade.file) from error


def _marked(parts: Parts, manifest: Manifest, grade: Grade) -> bytes:
    book = _Book(parts)
    where = places((v.cell for v in grade.verdicts), manifest.names, book.names)
    at_styles = book.part_of_kind("styles")
    styles = Styles(parts.read(at_styles) if at_styles else EMPTY)
    marked = _by_sheet(grade, where)
    texts = SharedTexts(parts, book.part_of_kind("sharedStrings"))
    verdicts = [name for name in ORDER if any(v.verdict == name for v in grade.verdicts)]
    for name, part in book.sheets.items():
        if name.casefold() in marked:
            mark_sheet(parts, part, styles, marked[name.casefold()], texts, verdicts)
        else:
            unselect(parts, part)
    sheet = feedback_sheet(styles, where, manifest, summary(grade))
    part = parts.free("xl/worksheets/feedback{}.xml")
    parts.write(part, sheet)
    parts.declare(part, _SHEET)
    book.put_first(parts.relate(_BOOK, "worksheet", part))
    if not at_styles:
        at_styles = parts.free("xl/feedbackStyles{}.xml")
        parts.declare(at_styles, _STYLES)
        parts.relate(_BOOK, "styles", at_styles)
    parts.write(at_styles, styles.done())
    return parts.packed()


def _by_sheet(
    grade: Grade, where: dict[tuple[str, str], Place]
) -> dict[str, dict[tuple[int, int], Marked]]:
    found: dict[str, dict[tuple[int, int], Marked]] = {}
    for verdict in grade.verdicts:
        sheet, row, column = where[verdict.cell.sheet, verdict.cell.address]
        found.setdefault(sheet.casefold(), {})[row, column] = Marked(
            verdict.verdict, _note(verdict)
        )
    return found


def _note(verdict: CellVerdict) -> str:
    points = f"{plain_number(verdict.points)} of {plain_number(verdict.cell.points)}"
    head = f"{WORDS[verdict.verdict]}: {points}"
    text = f"{head}\n{verdict.message}" if verdict.message else head
    return text if len(text) <= _NOTE else f"{text[:_NOTE]} …"


class _Book:
    """The workbook's own part: its sheets and its names.

    Attributes:
        sheets: the parts of the sheets, by name.
        names: defined names of the whole workbook, in lower case.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts, self._data = parts, parts.read(_BOOK)
        self._tags = tags(
            self._data,
            lambda name, _: name in ("workbook", "sheets", "sheet", "definedName", "workbookView"),
        )
        targets = {r.id: r for r in parts.relations(_BOOK)}
        self._relations = targets
        self.sheets: dict[str, str] = {}
        self.names: dict[str, str] = {}
        for tag in self._tags:
            if tag.name == "sheet" and (relation := targets.get(tag.attributes.get("id", ""))):
                if relation.kind == "worksheet":
                    self.sheets[tag.attributes.get("name", "")] = relation.target
            elif tag.name == "definedName" and "localSheetId" not in tag.attributes:
                self.names[tag.attributes.get("name", "").casefold()] = unescaped(
                    self._data[tag.inner : tag.close]
                )

    def part_of_kind(self, kind: str) -> str:
        """Return the part of the workbook of some kind; empty where it has none."""
        found = (r.target for r in self._relations.values() if r.kind == kind)
        return next((part for part in found if self._parts.has(part)), "")

    def put_first(self, relation: str) -> None:
        """Make a new relation the first sheet; what counts sheets counts one more."""
        lists = [t for t in self._tags if t.name == "sheets"]
        if not lists or not self.sheets:
            raise WorkbookError("the workbook has no sheets")
        patch, taken = Patch(self._data), {name.casefold() for name in self.sheets}
        name, number = "Feedback", 2
        while name.casefold() in taken:
            name, number = f"Feedback {number}", number + 1
        ids = [
            int(t.attributes["sheetId"])
            for t in self._tags
            if t.name == "sheet" and t.attributes.get("sheetId", "").isdigit()
        ]
        prefix = prefix_of(self._data, lists[0])
        patch.insert(
            lists[0].inner,
            f'<{prefix}sheet xmlns:r="{OFFICE}" name="{escaped(name)}" '
            f'sheetId="{max(ids, default=0) + 1}" r:id="{relation}"/>',
        )
        for tag in self._tags:
            local = tag.attributes.get("localSheetId", "")
            if tag.name == "definedName" and local.isdigit():
                patch.set(tag, localSheetId=str(int(local) + 1))
            elif tag.name == "workbookView":
                patch.set(tag, activeTab="0", firstSheet="0")
        self._parts.write(_BOOK, patch.done())


def places(
    cells: Iterable[GradedCell], before: Mapping[str, str], now: Mapping[str, str]
) -> dict[tuple[str, str], Place]:
    """Return where each graded cell lies now, by its sheet and address in the handout.

    Args:
        cells: the graded cells.
        before: the handout's defined names and what they refer to.
        now: those of the submitted workbook, in lower case.
    """
    lies = {}
    for cell in cells:
        row, column = parse_a1(cell.address)
        here = parse_reference(before.get(cell.name, ""))
        there = parse_reference(now.get(cell.name.casefold(), ""))
        place = (cell.sheet, row, column)
        if (
            here is not None
            and there is not None
            and here.contains(row, column)
            and (here.height, here.width) == (there.height, there.width)
        ):
            place = (there.sheet, row - here.top + there.top, column - here.left + there.left)
        lies[cell.sheet, cell.address] = place
    return lies
