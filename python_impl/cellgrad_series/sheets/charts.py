"""Native charts: drawn by the spreadsheet program from the cells, as they are now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from openpyxl.chart import BarChart, LineChart, Reference, ScatterChart
from openpyxl.chart import Series as XlsxSeries
from openpyxl.chart._chart import ChartBase
from openpyxl.chart.data_source import AxDataSource, NumRef
from openpyxl.chart.layout import Layout, ManualLayout
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.chart.text import RichText
from openpyxl.drawing.line import LineProperties
from openpyxl.drawing.text import (
    CharacterProperties,
    Paragraph,
    ParagraphProperties,
)

from cellgrad.workbook.canvas import Canvas
from cellgrad.xlsx.addresses import Range, a1
from cellgrad_series.plan import Chart, Series
from cellgrad_series.plan import Reference as Numbers

SHEET = "Charts"
COLOURS = ("1C4E80", "C0392B", "2E8B57", "8E5BB5", "D98E04", "5C6770", "17A2B8", "A0522D")
_WIDTH, _HEIGHT = 17.5, 9.5
_ROWS_A_CHART, _COLUMNS_A_CHART = 20, 8
_COLUMN = 12.0
_SIZE = 900
_MOST_LABELS = 12

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
    canvas.widths(dict.fromkeys(range(1, 2 * _COLUMNS_A_CHART + 1), _COLUMN))
    canvas.print_on("landscape")


def _drawn(canvas: Canvas, chart: Chart, locate: Locate) -> ChartBase:
    kinds = {"line": LineChart, "bar": BarChart, "scatter": ScatterChart, "surface": LineChart}
    drawn = kinds[chart.kind]()
    drawn.style, drawn.width, drawn.height = 2, _WIDTH, _HEIGHT
    _title(drawn, chart.title, 1200, bold=True)
    _axis(drawn.x_axis, chart.x_title)
    _axis(drawn.y_axis, chart.y_title)
    drawn.x_axis.number_format = drawn.y_axis.number_format = "General"
    if chart.log_y:
        drawn.y_axis.number_format = "0E+00"
        drawn.y_axis.scaling.logBase = 10
        drawn.x_axis.crosses = "min"
    shown = _shown(chart, locate)
    if chart.kind == "scatter":
        drawn.scatterStyle = "lineMarker"
    else:  # as many numbers below the axis as can be read
        longest = max(max(y.height, y.width) for _, y, _ in shown)
        drawn.x_axis.tickLblSkip = drawn.x_axis.tickMarkSkip = max(1, -(-longest // _MOST_LABELS))
    if chart.kind == "bar":
        drawn.gapWidth = 40
    for n, (one, y, x) in enumerate(shown):
        along = None if x is None else _cells(canvas, x)
        numbers = along if chart.kind == "scatter" else None
        series = XlsxSeries(_cells(canvas, y), numbers, title=one.label or None)
        if along is not None and chart.kind != "scatter":
            series.cat = AxDataSource(numRef=NumRef(f=str(along)))
        colour = _between(n, len(shown)) if chart.kind == "surface" else COLOURS[n % len(COLOURS)]
        _look(series, chart, one, colour)
        drawn.series.append(series)
    named = len(shown) > 1 and any(one.label for one, _, _ in shown)
    if named:
        drawn.legend.position = "b"
    else:  # one line needs no legend
        drawn.legend = None
    drawn.layout = Layout(
        manualLayout=ManualLayout(
            layoutTarget="inner",
            xMode="edge",
            yMode="edge",
            x=0.13,
            y=0.13,
            w=0.83,
            h=0.58 if named else 0.66,
        )
    )
    return drawn


def _shown(chart: Chart, locate: Locate) -> list[tuple[Series, Range, Range | None]]:
    """Return what is drawn: each series, its numbers, and those along the horizontal axis."""
    if chart.kind == "surface":
        return _slices(chart, locate)
    found = []
    for one in chart.series:
        x = one.x or chart.x
        found.append((one, locate(one.y), None if x is None else locate(x)))
    return found


def _slices(chart: Chart, locate: Locate) -> list[tuple[Series, Range, Range | None]]:
    """A surface as lines, one for each value of the first parameter; the second is above them."""
    area = locate(chart.series[0].y)
    values = Range(area.sheet, area.top - 1, area.left, area.top - 1, area.right)
    return [
        (Series(chart.series[0].y, ""), Range(area.sheet, row, area.left, row, area.right), values)
        for row in range(area.top, area.bottom + 1)
    ]


def _between(n: int, count: int) -> str:
    """Return a colour from blue to red."""
    share = n / max(count - 1, 1)
    low, high = (0x1C, 0x4E, 0x80), (0xC0, 0x39, 0x2B)
    return "".join(f"{round(a + share * (b - a)):02X}" for a, b in zip(low, high, strict=True))


def _title(owner: Any, text: str, size: int, *, bold: bool) -> None:
    """Give a chart or an axis a title that does not lie over anything."""
    look = CharacterProperties(sz=size, b=bold)
    owner.title = text
    owner.title.overlay = False
    for paragraph in owner.title.tx.rich.p:
        paragraph.pPr = ParagraphProperties(defRPr=look)
        for run in paragraph.r:
            run.rPr = look


def _axis(axis: Any, title: str) -> None:
    axis.delete = False  # by default they are hidden
    axis.majorGridlines = None
    axis.tickLblPos = "low"  # at the edge, also where the other axis crosses inside
    if title:
        _title(axis, title, _SIZE, bold=False)
    size = CharacterProperties(sz=_SIZE)
    text = Paragraph(pPr=ParagraphProperties(defRPr=size), endParaRPr=size)
    axis.txPr = RichText(p=[text])
    axis.graphicalProperties = GraphicalProperties(ln=LineProperties(solidFill="8A96A3"))


def _look(series: XlsxSeries, chart: Chart, one: Series, colour: str) -> None:
    points = chart.points if one.points is None else one.points
    if chart.kind == "bar":
        series.graphicalProperties = GraphicalProperties(solidFill=colour)
        return
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
