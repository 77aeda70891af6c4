"""The sheet `Feedback`: the score, root causes first, then every cell."""

from __future__ import annotations

from collections.abc import Mapping

from cellgrad.xlsx.addresses import a1, column_letters, quoted
from cellgrad.xlsx.editor import MAIN, cell_text, escaped
from cellgrad_coursework.model import CellVerdict, Manifest
from cellgrad_coursework.results.feedback.places import Place
from cellgrad_coursework.results.feedback.styles import Styles
from cellgrad_coursework.results.summary import (
    COLOURS,
    MEANINGS,
    MOST_CAUSES,
    ORDER,
    WORDS,
    Cause,
    Summary,
    exact,
    plain_number,
)

_LONG = 1_000
_WIDTHS = (11, 24, 17, 8, 7, 44, 64)


class FeedbackSheet:
    """Writes the sheet, row by row; every text is an inline string, none a formula."""

    def __init__(self, styles: Styles, places: Mapping[tuple[str, str], Place]) -> None:
        self._places = places
        self._rows: list[str] = []
        self._merged: list[str] = []
        self._links: list[tuple[str, str]] = []
        plain, small = styles.font(size=10), styles.font(size=9, grey=True)
        bold, title = styles.font(size=10, bold=True), styles.font(size=15, bold=True)
        score = styles.font(size=20, bold=True)
        line = styles.line()
        top, wrap = 'vertical="top"', 'vertical="top" wrapText="1"'
        soft = styles.fill("F6F8FA")
        self._title = styles.format(title)
        self._grey = styles.format(small, align=wrap)
        self._score = styles.format(score)
        self._bold = styles.format(bold, align=wrap)
        self._plain = styles.format(plain, align=wrap)
        self._head = styles.format(bold, fill=soft, border=line, align=wrap)
        self._cell = styles.format(plain, border=line, align=wrap)
        self._right = styles.format(plain, border=line, align=f'{top} horizontal="right"')
        self._head_right = styles.format(
            bold, fill=soft, border=line, align=f'{top} horizontal="right"'
        )
        inset = f'{wrap} horizontal="left" indent="1"'
        self._head_inset = styles.format(bold, fill=soft, border=line, align=inset)
        self._quoted = styles.format(plain, border=line, align=inset, quoted=True)
        self._yours = styles.format(plain, align=wrap, quoted=True)
        self._cause = styles.format(bold, fill=soft, align=wrap)
        self._words = {
            verdict: styles.format(bold, fill=styles.fill(colour), border=line, align=top)
            for verdict, colour in COLOURS.items()
        }

    def xml(self, manifest: Manifest, told: Summary) -> bytes:
        """Return the sheet's part."""
        self._header(manifest, told)
        self._causes(told)
        self._legend(told)
        self._cells(told)
        return self._whole()

    # rows

    def _header(self, manifest: Manifest, told: Summary) -> None:
        grade = told.grade
        who = "" if grade.student is None else f"{grade.student.name} · {grade.student.id}"
        self._line([(1, manifest.title, self._title)], height=24)
        self._line([(1, who.strip(" ·") or grade.file, self._grey)], merge=(1, 7))
        score = f"{plain_number(grade.score)} of {plain_number(grade.of)} points"
        self._line([(1, score, self._score)], height=32)
        self._line([(1, told.sentence, self._bold)], merge=(1, 7))
        if told.late_words:
            self._line([(1, told.late_words, self._grey)], merge=(1, 7))
        if told.open_words:
            what = f"{told.open_words}: a person will look at it, and the score may rise"
            self._line([(1, what, self._grey)], merge=(1, 7))
        self._line([])

    def _causes(self, told: Summary) -> None:
        for number, cause in told.numbered[:MOST_CAUSES]:
            self._one_cause(number, cause)
        more = len(told.causes) - MOST_CAUSES
        if more > 0:
            self._line([(1, f"… and {more} more below", self._grey)], merge=(1, 7))

    def _one_cause(self, number: int, cause: Cause) -> None:
        cell = cause.first.cell
        lost = f"−{plain_number(cause.lost)}" if cause.lost else cause.open_words
        head = f"{cell.label}: {cause.title}"
        if number:
            head = f"{number}.  {head}"
        blanks = [(column, "", self._cause) for column in range(3, 8)]
        self._line(
            [(1, self._address(cause.first), self._cause), (2, head, self._cause), *blanks],
            merge=(2, 7),
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
                style = self._plain if name != "yours" else self._yours
                height = 14.5 * max(1, -(-len(_cut(text)) // 150))
                self._line([(1, name, self._grey), (2, text, style)], merge=(2, 7), height=height)
        self._line([])

    def _legend(self, told: Summary) -> None:
        self._line([(1, "The colours", self._bold)])
        for verdict in filter(told.count, ORDER):
            self._line(
                [(1, WORDS[verdict], self._words[verdict]), (2, "", self._words[verdict]),
                 (3, MEANINGS[verdict], self._grey)],
                merge=(1, 2),
                also=(3, 7),
            )  # fmt: skip
        self._line([])

    def _cells(self, told: Summary) -> None:
        titles = ("cell", "what", "", "points", "of", "your formula", "what happened")
        looks = [self._head, self._head, self._head, self._head_right, self._head_right,
                 self._head_inset, self._head]  # fmt: skip
        self._line([(c, *item) for c, item in enumerate(zip(titles, looks, strict=True), 1)])
        for verdict in told.grade.verdicts:
            cell = verdict.cell
            self._line(
                [
                    (1, self._address(verdict), self._cell),
                    (2, f"{cell.label}  {cell.equation}".strip(), self._cell),
                    (3, WORDS[verdict.verdict], self._words[verdict.verdict]),
                    (4, verdict.points, self._right),
                    (5, cell.points, self._right),
                    (6, verdict.formula or _typed(verdict), self._quoted),
                    (7, verdict.message, self._cell),
                ],
                link=self._target(verdict),
            )

    def _address(self, verdict: CellVerdict) -> str:
        _, row, column = self._places[verdict.cell.sheet, verdict.cell.address]
        return a1(row, column)

    def _target(self, verdict: CellVerdict) -> str:
        sheet, row, column = self._places[verdict.cell.sheet, verdict.cell.address]
        return f"{quoted(sheet)}!{a1(row, column)}"

    def _line(
        self,
        cells: list[tuple[int, str | float, int]],
        *,
        merge: tuple[int, int] | None = None,
        also: tuple[int, int] | None = None,
        link: str = "",
        height: float = 0.0,
    ) -> None:
        row = len(self._rows) + 1
        xml = "".join(_cell(row, column, value, style) for column, value, style in cells)
        tall = f' ht="{height:g}" customHeight="1"' if height else ""
        self._rows.append(f'<row r="{row}"{tall}>{xml}</row>')
        for area in (merge, also):
            if area is not None:
                self._merged.append(f"{a1(row, area[0])}:{a1(row, area[1])}")
        if link:
            self._links.append((a1(row, 1), link))

    def _whole(self) -> bytes:
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
        if not value:
            return f'<c r="{at}" s="{style}"/>'
        text = f'<t xml:space="preserve">{cell_text(_cut(value))}</t>'
        return f'<c r="{at}" s="{style}" t="inlineStr"><is>{text}</is></c>'
    return f'<c r="{at}" s="{style}"><v>{round(value, 6) + 0.0!r}</v></c>'
