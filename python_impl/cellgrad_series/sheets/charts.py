"""Charts described: which cells each line of them shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Chart as Drawing
from cellgrad.workbook.description import Line
from cellgrad.xlsx.addresses import Range, a1
from cellgrad_series.plan import Chart, Reference

SHEET = "Charts"
COLOURS = ("1C4E80", "C0392B", "2E8B57", "8E5BB5", "D98E04", "5C6770", "17A2B8", "A0522D")
_ROWS_A_CHART, _COLUMNS_A_CHART = 20, 8
_COLUMN = 12.0

Locate = Callable[[Reference], Range]
"""Gives the cells of what a chart refers to: one column or row."""


def write_charts(canvas: Canvas, charts: Sequence[Chart], locate: Locate, title: str) -> None:
    """Put the charts on their sheet, two side by side."""
    canvas.text(1, 1, title, "title")
    canvas.text(
        2, 1, "Drawn from the cells of the other sheets: they follow every change.", "subtitle"
    )
    canvas.heights({1: 24, 2: 17})
    for n, chart in enumerate(charts):
        surface = chart.kind == "surface"
        drawing = Drawing(
            "line" if surface else chart.kind,
            a1(4 + n // 2 * _ROWS_A_CHART, 1 + n % 2 * _COLUMNS_A_CHART),
            chart.title,
            chart.x_title,
            chart.y_title,
            chart.log_y,
            tuple(_slices(chart, locate) if surface else _lines(chart, locate)),
        )
        canvas.sheet.charts.append(drawing)
    canvas.widths(dict.fromkeys(range(1, 2 * _COLUMNS_A_CHART + 1), _COLUMN))
    canvas.print_on("landscape")


def _lines(chart: Chart, locate: Locate) -> list[Line]:
    """Return what is drawn: each series, its numbers, and those along the horizontal axis."""
    lines = []
    for n, one in enumerate(chart.series):
        x = one.x or chart.x
        along = None if x is None else locate(x)
        points = chart.points if one.points is None else one.points
        lines.append(Line(one.label, locate(one.y), along, COLOURS[n % len(COLOURS)], points))
    return lines


def _slices(chart: Chart, locate: Locate) -> list[Line]:
    """A surface as lines, one for each value of the first parameter; the second is above them."""
    area = locate(chart.series[0].y)
    values = Range(area.sheet, area.top - 1, area.left, area.top - 1, area.right)
    return [
        Line(
            "",
            Range(area.sheet, area.top + n, area.left, area.top + n, area.right),
            values,
            _between(n, area.height),
            chart.points,
        )
        for n in range(area.height)
    ]


def _between(n: int, count: int) -> str:
    """Return a colour from blue to red."""
    share = n / max(count - 1, 1)
    low, high = (0x1C, 0x4E, 0x80), (0xC0, 0x39, 0x2B)
    return "".join(f"{round(a + share * (b - a)):02X}" for a, b in zip(low, high, strict=True))
