"""A workbook as plain data: everything that is written into the file, before it is a file.

Sheets write it (``Canvas``), ``serialise`` makes a file of it, and a reader can compare a file
with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.map_sheet import Claim

INK = "1F2933"


@dataclass(frozen=True, slots=True)
class Style:
    """How a cell looks; colours are RRGGBB, empty for none.

    Attributes:
        line: kind and colour of the frame, such as ``("thin", "B8C2CC")``.
        locked: whether it cannot be changed on a protected sheet.
    """

    size: float = 10
    bold: bool = False
    italic: bool = False
    color: str = INK
    fill: str = ""
    line: tuple[str, str] | None = None
    number_format: str = "General"
    horizontal: str | None = None
    vertical: str | None = "center"
    indent: int = 0
    wrap: bool = False
    locked: bool = True


@dataclass(slots=True)
class Cell:
    """What a cell holds.

    Attributes:
        kind: what the content is: a number is written digit by digit as it stands here.
        content: text, formula with its equals sign, or number.
        style: the name of its style.
        own: what the cell has otherwise than its style, by the names of ``Style``.
    """

    kind: Literal["text", "number", "formula", "blank"]
    content: str
    style: str
    own: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Highlight:
    """A conditional format: how cells look while a condition holds.

    Attributes:
        cells: the area's address.
        condition: a formula as for the area's first cell; empty for a colour scale.
        number_format: what numbers look like then; empty: as otherwise.
        color: of the text then.
        bold: whether the text is bold then.
        fill: behind it then.
        scale: three colours, from the least number to the largest, instead of a condition.
        stop: whether later ones do not count while this one holds.
    """

    cells: str
    condition: str = ""
    number_format: str = ""
    color: str = ""
    bold: bool = False
    fill: str = ""
    scale: tuple[str, str, str] | None = None
    stop: bool = False


@dataclass(slots=True)
class Page:
    """How a sheet is printed; ``tall`` 0 is as many pages as it takes."""

    orientation: str
    area: str = ""
    title_rows: str = ""
    title_columns: str = ""
    wide: int = 1
    tall: int = 0
    scale: int | None = None
    """In percent, instead of fitting it to so many pages."""
    order: str | None = None
    row_breaks: list[int] = field(default_factory=list)
    column_breaks: list[int] = field(default_factory=list)
    header: tuple[str, str] | None = None
    """Left and right."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a chart shows as one line, or one set of points or bars; empty for no label."""

    label: str
    y: Range
    x: Range | None
    color: str
    points: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that a spreadsheet program draws from cells: a ``line``, ``bar`` or ``scatter``."""

    kind: str
    cell: str
    title: str
    x_title: str
    y_title: str
    log_y: bool
    lines: tuple[Line, ...]


@dataclass(slots=True)
class Sheet:
    """One sheet. Cells are known by row and column, rows and columns from 1."""

    title: str
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    merged: list[Range] = field(default_factory=list)
    widths: dict[int, float] = field(default_factory=dict)
    heights: dict[int, float] = field(default_factory=dict)
    highlights: list[Highlight] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    freeze_panes: str | None = None
    grid_lines: bool = False
    protected: bool = False
    page: Page | None = None


@dataclass(slots=True)
class Book:
    """A workbook. It is calculated anew whenever a program opens it.

    Attributes:
        title: in the file's properties.
        styles: every named style.
        sheets: in their order.
        names: defined names, and what they refer to.
        claims: what every cell is, for the Map.
        drawing: the picture on the first sheet, as a DrawingML part.
    """

    title: str
    styles: dict[str, Style]
    sheets: list[Sheet] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    drawing: str | None = None
