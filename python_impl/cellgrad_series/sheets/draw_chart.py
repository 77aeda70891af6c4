"""Native charts: drawn by the spreadsheet program from the cells, as they are now."""

from __future__ import annotations

from typing import Any

from openpyxl import Workbook
from openpyxl.chart import BarChart, LineChart, Reference, ScatterChart, Series
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

from cellgrad.workbook.description import Chart, Line
from cellgrad.xlsx.addresses import Range

_WIDTH, _HEIGHT = 17.5, 9.5
_SIZE = 900
_MOST_LABELS = 12
_KINDS: dict[str, type[ChartBase]] = {"line": LineChart, "bar": BarChart, "scatter": ScatterChart}


def draw(chart: Chart, book: Workbook) -> ChartBase:
    """Return a described chart as openpyxl has it."""
    drawn: Any = _KINDS[chart.kind]()
    drawn.style, drawn.width, drawn.height = 2, _WIDTH, _HEIGHT
    _title(drawn, chart.title, 1200, bold=True)
    _axis(drawn.x_axis, chart.x_title)
    _axis(drawn.y_axis, chart.y_title)
    drawn.x_axis.number_format = drawn.y_axis.number_format = "General"
    if chart.log_y:
        drawn.y_axis.number_format = "0E+00"
        drawn.y_axis.scaling.logBase = 10
        drawn.x_axis.crosses = "min"
    if chart.kind == "scatter":
        drawn.scatterStyle = "lineMarker"
    else:  # as many numbers below the axis as can be read
        longest = max(max(line.y.height, line.y.width) for line in chart.lines)
        drawn.x_axis.tickLblSkip = drawn.x_axis.tickMarkSkip = max(1, -(-longest // _MOST_LABELS))
    if chart.kind == "bar":
        drawn.gapWidth = 40
    for line in chart.lines:
        along = None if line.x is None else _cells(book, line.x)
        numbers = along if chart.kind == "scatter" else None
        series = Series(_cells(book, line.y), numbers, title=line.label or None)
        if along is not None and chart.kind != "scatter":
            series.cat = AxDataSource(numRef=NumRef(f=str(along)))
        _look(series, chart, line)
        drawn.series.append(series)
    named = len(chart.lines) > 1 and any(line.label for line in chart.lines)
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


def _look(series: Series, chart: Chart, line: Line) -> None:
    solid = GraphicalProperties(solidFill=line.color)
    if chart.kind == "bar":
        series.graphicalProperties = solid
        return
    series.smooth = False
    if line.points:
        stroke = LineProperties(noFill=True)
        series.marker.symbol, series.marker.size = "circle", 6
        series.marker.graphicalProperties = solid
        series.marker.graphicalProperties.line.solidFill = line.color
    else:
        stroke = LineProperties(solidFill=line.color, w=19_050)
        series.marker.symbol = "none"
    series.graphicalProperties = GraphicalProperties(ln=stroke)


def _cells(book: Workbook, area: Range) -> Reference:
    return Reference(
        book[area.sheet],
        min_col=area.left,
        min_row=area.top,
        max_col=area.right,
        max_row=area.bottom,
    )
