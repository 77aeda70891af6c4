"""A copy of a student's own workbook with the feedback in it.

Only the parts that change are touched, and in them only what is added: a library that reads a
whole workbook and writes it again would drop drawings, charts and images that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cellgrad.errors import WorkbookError
from cellgrad.xlsx.addresses import Place, a1, column_letters, parse_a1, parse_reference, quoted
from cellgrad.xlsx.book import Contents
from cellgrad.xlsx.editor import (
    MAIN,
    OFFICE,
    Parts,
    Patch,
    escaped,
    prefix_of,
    tags,
    whole_number,
)
from cellgrad.xlsx.package import WORKBOOK, Package
from cellgrad_coursework.model import CellVerdict, Grade, GradedCell, Manifest
from cellgrad_coursework.results.marks import Marked, mark_sheet, text_cell, unselect
from cellgrad_coursework.results.styles import EMPTY, Styles
from cellgrad_coursework.results.summary import (
    COLOURS,
    MEANINGS,
    MOST_CAUSES,
    WORDS,
    Cause,
    Summary,
    exact,
    plain_number,
    summary,
)

_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
_STYLES = "application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"
_NOTE = 600


def workbook_bytes(manifest: Manifest, grade: Grade, submitted: bytes | Contents) -> bytes:
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
    try:
        if isinstance(submitted, bytes):
            submitted = Contents(Package(submitted, grade.file))
        return _marked(submitted, manifest, grade)
    except WorkbookError as error:
        raise error.within(grade.file) from error


def _marked(contents: Contents, manifest: Manifest, grade: Grade) -> bytes:
    parts, at_styles = Parts(contents.package), contents.part_of_kind("styles")
    has_styles = parts.has(at_styles)
    styles = Styles(parts.read(at_styles) if has_styles else EMPTY)
    names = {name.name.casefold(): name.text for name in contents.names if not name.local}
    where = places((v.cell for v in grade.verdicts), manifest.names, names)
    marked = _by_sheet(grade, where)
    verdicts = [name for name in WORDS if any(v.verdict == name for v in grade.verdicts)]
    for name, part in contents.sheets.items():
        if name.casefold() in marked:
            mark_sheet(parts, part, styles, marked[name.casefold()], contents.texts, verdicts)
        else:
            unselect(parts, part)
    sheet = _FeedbackSheet(styles, where)
    sheet.write(manifest, summary(grade))
    part = parts.free("xl/worksheets/feedback{}.xml")
    parts.write(part, sheet.part())
    parts.declare(part, _SHEET)
    _put_first(parts, list(contents.sheets), parts.relate(WORKBOOK, "worksheet", part))
    if not has_styles:
        at_styles = parts.free("xl/feedbackStyles{}.xml")
        parts.declare(at_styles, _STYLES)
        parts.relate(WORKBOOK, "styles", at_styles)
    parts.write(at_styles, styles.done())
    return parts.packed()


def _by_sheet(
    grade: Grade, where: dict[tuple[str, str], Place]
) -> dict[str, dict[tuple[int, int], Marked]]:
    by_sheet: dict[str, dict[tuple[int, int], Marked]] = {}
    for verdict in grade.verdicts:
        sheet, row, column = where[verdict.cell.sheet, verdict.cell.address]
        by_sheet.setdefault(sheet.casefold(), {})[row, column] = Marked(
            verdict.verdict, _note(verdict)
        )
    return by_sheet


def _note(verdict: CellVerdict) -> str:
    points = f"{plain_number(verdict.points)} of {plain_number(verdict.cell.points)}"
    head = f"{WORDS[verdict.verdict]}: {points}"
    text = f"{head}\n{verdict.message}" if verdict.message else head
    return text if len(text) <= _NOTE else f"{text[:_NOTE]} …"


def _put_first(parts: Parts, sheets: list[str], relation: str) -> None:
    """Make a new relation the first sheet; what counts sheets counts one more."""
    data = parts.read(WORKBOOK)
    wanted = ("sheets", "sheet", "definedName", "workbookView")
    found = tags(data, lambda name, _: name in wanted)
    lists = [tag for tag in found if tag.name == "sheets"]
    if not lists or not sheets:
        raise WorkbookError("the workbook has no sheets")
    patch, taken = Patch(data), {name.casefold() for name in sheets}
    name, number = "Feedback", 2
    while name.casefold() in taken:
        name, number = f"Feedback {number}", number + 1
    ids = [whole_number(tag.attributes.get("sheetId")) for tag in found if tag.name == "sheet"]
    prefix = prefix_of(data, lists[0])
    patch.insert(
        lists[0].inner,
        f'<{prefix}sheet xmlns:r="{OFFICE}" name="{escaped(name)}" '
        f'sheetId="{max(ids, default=0) + 1}" r:id="{relation}"/>',
    )
    for tag in found:
        local = tag.attributes.get("localSheetId", "")
        if tag.name == "definedName" and local.isdigit():
            patch.set(tag, localSheetId=str(int(local) + 1))
        elif tag.name == "workbookView":
            patch.set(tag, activeTab="0", firstSheet="0")
    parts.write(WORKBOOK, patch.done())


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


# the sheet `Feedback`: the score, root causes first, then every cell

_LONG = 1_000
_WIDTHS = (11, 24, 17, 8, 7, 44, 64)
_COLUMNS = (
    ("cell", "head"),
    ("what", "head"),
    ("", "head"),
    ("points", "head right"),
    ("of", "head right"),
    ("your formula", "head inset"),
    ("what happened", "head"),
)
_FONTS: dict[str, dict[str, Any]] = {
    "plain": {"size": 10},
    "small": {"size": 9, "grey": True},
    "bold": {"size": 10, "bold": True},
    "title": {"size": 15, "bold": True},
    "score": {"size": 20, "bold": True},
}
_TOP, _WRAP = 'vertical="top"', 'vertical="top" wrapText="1"'
_RIGHT, _INSET = f'{_TOP} horizontal="right"', f'{_WRAP} horizontal="left" indent="1"'
_SOFT = "F6F8FA"
_LOOKS = {
    "title": ("title", "", False, ""),
    "grey": ("small", "", False, _WRAP),
    "score": ("score", "", False, ""),
    "bold": ("bold", "", False, _WRAP),
    "plain": ("plain", "", False, _WRAP),
    "head": ("bold", _SOFT, True, _WRAP),
    "cell": ("plain", "", True, _WRAP),
    "right": ("plain", "", True, _RIGHT),
    "head right": ("bold", _SOFT, True, _RIGHT),
    "head inset": ("bold", _SOFT, True, _INSET),
    "quoted": ("plain", "", True, _INSET),
    "yours": ("plain", "", False, _WRAP),
    "cause": ("bold", _SOFT, False, _WRAP),
    **{verdict: ("bold", colour, True, _TOP) for verdict, colour in COLOURS.items()},
}
"""Of each look: font, fill, whether a line stands below, alignment."""

_TYPED_AGAIN = ("quoted", "yours")
"""Looks of a student's texts: they stay texts when they are typed again."""


class _FeedbackSheet:
    """Writes the sheet, row by row; every text is an inline string, none a formula.

    Args:
        styles: the workbook's, to which some are added.
        places: where each graded cell lies now.
    """

    def __init__(self, styles: Styles, places: Mapping[tuple[str, str], Place]) -> None:
        self._places = places
        fonts = {name: styles.font(**font) for name, font in _FONTS.items()}
        line = styles.line()
        self._looks = {
            look: styles.format(
                fonts[font],
                fill=styles.fill(fill) if fill else 0,
                border=line if lined else 0,
                align=align,
                quoted=look in _TYPED_AGAIN,
            )
            for look, (font, fill, lined, align) in _LOOKS.items()
        }
        self._rows: list[str] = []
        self._merged: list[str] = []
        self._links: list[tuple[str, str]] = []

    def write(self, manifest: Manifest, told: Summary) -> None:
        """Write whose it is and the score, root causes, colours, then every cell."""
        grade = told.grade
        who = "" if grade.student is None else f"{grade.student.name} · {grade.student.id}"
        self._line([(1, manifest.title, "title")], height=24)
        self._wide(who.strip(" ·") or grade.file, "grey")
        score = f"{plain_number(grade.score)} of {plain_number(grade.of)} points"
        self._line([(1, score, "score")], height=32)
        self._wide(told.sentence, "bold")
        if told.late_words:
            self._wide(told.late_words, "grey")
        if told.open_words:
            what = f"{told.open_words}: a person will look at it, and the score may rise"
            self._wide(what, "grey")
        self._line([])
        for number, cause in told.numbered[:MOST_CAUSES]:
            self._write_cause(number, cause)
        more = len(told.causes) - MOST_CAUSES
        if more > 0:
            self._wide(f"… and {more} more below", "grey")
        self._write_legend(told)
        self._write_cells(told)

    def _write_cause(self, number: int, cause: Cause) -> None:
        cell = cause.first.cell
        lost = f"−{plain_number(cause.lost)}" if cause.lost else cause.open_words
        head = f"{cell.label}: {cause.title}"
        if number:
            head = f"{number}.  {head}"
        blanks = [(column, "", "cause") for column in range(3, 8)]
        self._line(
            [(1, self._address(cause.first), "cause"), (2, head, "cause"), *blanks],
            (2, 7),
            link=self._target(cause.first),
            height=18,
        )
        for name, text in (
            ("why", cause.why),
            ("what to do", cause.fix),
            ("yours", cause.first.formula),
            ("how far", cause.reach),
            ("points", lost),
        ):
            if text:
                look = "plain" if name != "yours" else "yours"
                height = 14.5 * max(1, -(-len(_cut(text)) // 150))
                self._line([(1, name, "grey"), (2, text, look)], (2, 7), height=height)
        self._line([])

    def _write_legend(self, told: Summary) -> None:
        """Write what the colours mean."""
        self._line([(1, "The colours", "bold")])
        for verdict in filter(told.count, WORDS):
            chip = [(1, WORDS[verdict], verdict), (2, "", verdict)]
            self._line([*chip, (3, MEANINGS[verdict], "grey")], (1, 2), (3, 7))
        self._line([])

    def _write_cells(self, told: Summary) -> None:
        """Write every cell."""
        self._line([(n, text, look) for n, (text, look) in enumerate(_COLUMNS, start=1)])
        for verdict in told.grade.verdicts:
            cell = verdict.cell
            self._line(
                [
                    (1, self._address(verdict), "cell"),
                    (2, f"{cell.label}  {cell.equation}".strip(), "cell"),
                    (3, WORDS[verdict.verdict], verdict.verdict),
                    (4, verdict.points, "right"),
                    (5, cell.points, "right"),
                    (6, verdict.formula or _typed(verdict), "quoted"),
                    (7, verdict.message, "cell"),
                ],
                link=self._target(verdict),
            )

    def _address(self, verdict: CellVerdict) -> str:
        _, row, column = self._places[verdict.cell.sheet, verdict.cell.address]
        return a1(row, column)

    def _target(self, verdict: CellVerdict) -> str:
        sheet, row, column = self._places[verdict.cell.sheet, verdict.cell.address]
        return f"{quoted(sheet)}!{a1(row, column)}"

    def _wide(self, text: str, look: str) -> None:
        """Write a text over all columns."""
        self._line([(1, text, look)], (1, len(_WIDTHS)))

    def _line(
        self,
        cells: Sequence[tuple[int, str | float, str]],
        *merged: tuple[int, int],
        link: str = "",
        height: float = 0.0,
    ) -> None:
        row = len(self._rows) + 1
        xml = "".join(_cell(row, column, value, self._looks[look]) for column, value, look in cells)
        tall = f' ht="{height:g}" customHeight="1"' if height else ""
        self._rows.append(f'<row r="{row}"{tall}>{xml}</row>')
        self._merged += [f"{a1(row, first)}:{a1(row, last)}" for first, last in merged]
        if link:
            self._links.append((a1(row, 1), link))

    def part(self) -> bytes:
        """Return the sheet's part."""
        columns = "".join(
            f'<col min="{i}" max="{i}" width="{width}" customWidth="1"/>'
            for i, width in enumerate(_WIDTHS, 1)
        )
        merged = "".join(f'<mergeCell ref="{area}"/>' for area in self._merged)
        links = "".join(
            f'<hyperlink ref="{at}" location="{escaped(target)}" display="{at}"/>'
            for at, target in self._links
        )
        last = f"{column_letters(len(_WIDTHS))}{len(self._rows)}"
        return (
            f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<worksheet xmlns="{MAIN}">'
            '<sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>'
            f'<dimension ref="A1:{last}"/>'
            '<sheetViews><sheetView showGridLines="0" tabSelected="1" workbookViewId="0"/>'
            f'</sheetViews><sheetFormatPr defaultRowHeight="15"/><cols>{columns}</cols>'
            f"<sheetData>{''.join(self._rows)}</sheetData>"
            + (f'<mergeCells count="{len(self._merged)}">{merged}</mergeCells>' if merged else "")
            + (f"<hyperlinks>{links}</hyperlinks>" if links else "")
            + '<pageMargins left="0.4" right="0.4" top="0.5" bottom="0.6" header="0.3" '
            'footer="0.3"/><pageSetup paperSize="9" orientation="landscape" fitToWidth="1" '
            'fitToHeight="0"/>'
            "<headerFooter><oddFooter>&amp;L&amp;A&amp;R&amp;P / &amp;N</oddFooter></headerFooter>"
            '<ignoredErrors><ignoredError sqref="A1:XFD1048576" numberStoredAsText="1"/>'
            "</ignoredErrors></worksheet>"
        ).encode()


def _typed(verdict: CellVerdict) -> str:
    return "" if verdict.value is None else exact(verdict.value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]} …"


def _cell(row: int, column: int, value: str | float, style: int) -> str:
    at = a1(row, column)
    if isinstance(value, str):
        return text_cell("", at, style, _cut(value))
    return f'<c r="{at}" s="{style}"><v>{round(value, 6) + 0.0!r}</v></c>'
