"""Native charts: drawn by the spreadsheet program from the cells, as they are now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openpyxl.chart import BarChart, LineChart, Reference, ScatterChart
from openpyxl.chart import Series as XlsxSeries
from openpyxl.chart.layout import Layout, ManualLayout
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.chart.text import RichText
from openpyxl.drawing.line import LineProperties
from openpyxl.drawing.text import (
    CharacterProperties,
    Paragraph,
    ParagraphProperties,
)

from cellgrad.case.plan import Chart, Series
from cellgrad.case.plan import Reference as Numbers
from cellgrad.workbook.canvas import Canvas
from cellgrad.xlsx.addresses import Range, a1

SHEET = "Charts"
COLOURS = ("1C4E80", "C0392B", "2E8B57", "8E5BB5", "D98E04", "5C6770", "17A2B8", "A0522D")
_WIDTH, _HEIGHT = 17.5, 9.5
_ROWS_A_CHART, _COLUMNS_A_CHART = 21, 10
_SIZE = 900

Locate = Callable[[Numbers], Range]
"""Gives the cells of what a chart refers to: one column or row."""


def write_charts(canvas: Canvas, charts: Sequence[Chart], locate: Locate, title: str) -> None:
    """Put the charts on their sheet, two side by side."""
    canvas.text(1, 1, title, "title")
    canvas.text(
        2, 1, "Drawn from the cells of the other sheets: they follow every change.", "subtitle"
    )
    canvas.heights({1: 24, 2: 17})
    for n, chart in enumerate(charts):
        row = 4 + n // 2 * _ROWS_A_CHART
        column = 1 + n % 2 * _COLUMNS_A_CHART
        drawn = _drawn(canvas, chart, locate)
        canvas.sheet.add_chart(drawn, a1(row, column))
    canvas.print_on("landscape")


def _drawn(canvas: Canvas, chart: Chart, locate: Locate):  # type: ignore[no-untyped-def]  # noqa: ANN202
    kinds = {"line": LineChart, "bar": BarChart, "scatter": ScatterChart, "surface": LineChart}
    drawn = kinds[chart.kind]()
    drawn.title, drawn.style = chart.title, 2
    drawn.title.tx.rich.p[0].pPr = ParagraphProperties(defRPr=CharacterProperties(sz=1200, b=True))
    for run in drawn.title.tx.rich.p[0].r:
        run.rPr = CharacterProperties(sz=1200, b=True)
    drawn.title.overlay = False
    drawn.width, drawn.height = _WIDTH, _HEIGHT
    _axis(drawn.x_axis, chart.x_title)
    _axis(drawn.y_axis, chart.y_title)
    drawn.x_axis.tickLblPos = "low"  # at the edge, also where the other axis crosses 0 inside
    drawn.y_axis.tickLblPos = "low"
    if chart.log_y:
        drawn.y_axis.scaling.logBase = 10
    if chart.kind == "scatter":
        drawn.scatterStyle = "lineMarker"
        drawn.x_axis.number_format = drawn.y_axis.number_format = "General"
    else:
        drawn.x_axis.number_format = "General"
    if chart.kind == "bar":
        drawn.gapWidth = 40
    slices = chart.kind == "surface"
    shown = _slices(chart, locate) if slices else [
        (one, locate(one.y), locate(one.x or chart.x) if one.x or chart.x else None)  # type: ignore[arg-type]
        for one in chart.series
    ]  # fmt: skip
    for n, (one, y, x) in enumerate(shown):
        series = XlsxSeries(
            _cells(canvas, y), _cells(canvas, x) if x is not None else None, title=one.label or None
        )
        _look(series, chart, one, COLOURS[n % len(COLOURS)])
        drawn.series.append(series)
    if (
        chart.kind in ("line", "surface")
        and shown
        and shown[0][2] is None
        and len(shown[0][1]) == 0
    ):
        drawn.x_axis.delete = False
    names = [one.label for one, _, _ in shown if one.label]
    if len(shown) < 2 or not names:  # noqa: PLR2004 - one line needs no legend
        drawn.legend = None
    else:
        drawn.legend.position = "b"
    drawn.layout = Layout(manualLayout=ManualLayout(layoutTarget="inner", xMode="edge",
                          yMode="edge", x=0.1, y=0.13, w=0.86,
                          h=0.6 if drawn.legend else 0.68))  # fmt: skip
    return drawn


def _slices(chart: Chart, locate: Locate) -> list[tuple[Series, Range, Range | None]]:
    """A surface as lines, one for each value of the first parameter."""
    area = locate(chart.series[0].y)
    found: list[tuple[Series, Range, Range | None]] = []
    for row in range(area.top, area.bottom + 1):
        line = Range(area.sheet, row, area.left, row, area.right)
        found.append((Series(chart.series[0].y, ""), line, None))
    return found


def _axis(axis: object, title: str) -> None:
    axis.delete = False  # type: ignore[attr-defined] - openpyxl hides axes by default
    axis.majorGridlines = None  # type: ignore[attr-defined]
    axis.title = title or None  # type: ignore[attr-defined]
    size = CharacterProperties(sz=_SIZE)
    if title:
        axis.title.overlay = False  # type: ignore[attr-defined]
        for paragraph in axis.title.tx.rich.p:  # type: ignore[attr-defined]
            paragraph.pPr = ParagraphProperties(defRPr=CharacterProperties(sz=_SIZE, b=False))
            for run in paragraph.r:
                run.rPr = CharacterProperties(sz=_SIZE, b=False)
    text = Paragraph(pPr=ParagraphProperties(defRPr=size), endParaRPr=size)
    axis.txPr = RichText(p=[text])  # type: ignore[attr-defined]
    axis.graphicalProperties = GraphicalProperties(ln=LineProperties(solidFill="8A96A3"))  # type: ignore[attr-defined]


def _look(series: XlsxSeries, chart: Chart, one: Series, colour: str) -> None:
    points = chart.points if one.points is None else one.points
    if chart.kind == "bar":
        series.graphicalProperties = GraphicalProperties(solidFill=colour)
        return
    if chart.kind != "bar":
        series.smooth = False
    line = LineProperties(solidFill=colour, w=19_050)
    if points:
        line = LineProperties(noFill=True)
        series.marker.symbol, series.marker.size = "circle", 6
        series.marker.graphicalProperties = GraphicalProperties(solidFill=colour)
        series.marker.graphicalProperties.line.solidFill = colour
    else:
        series.marker.symbol = "none"
    series.graphicalProperties = GraphicalProperties(ln=line)


def _cells(canvas: Canvas, area: Range) -> Reference:
    return Reference(
        canvas.book[area.sheet],
        min_col=area.left,
        min_row=area.top,
        max_col=area.right,
        max_row=area.bottom,
    )
