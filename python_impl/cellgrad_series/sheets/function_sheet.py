"""The sheet of a function: its value, its derivative, the central difference, the unit step."""

from __future__ import annotations

from cellgrad.workbook.canvas import Canvas
from cellgrad.xlsx.addresses import a1
from cellgrad_series.parts.function import FunctionShape
from cellgrad_series.plan import Part
from cellgrad_series.sheets.rows import Rows

_FIRST = 9


def write_function(canvas: Canvas, part: Part, title: str) -> Rows:
    """Write the sheet; return where its columns stand."""
    shape = part.shape
    assert isinstance(shape, FunctionShape)  # noqa: S101 - for the type checker
    canvas.text(1, 1, title, "title")
    canvas.text(2, 1, part.caption, "subtitle")
    canvas.heights({1: 24, 2: 17, _FIRST - 2: 36})
    epsilon, *columns = shape.quantities()
    canvas.text(4, 1, epsilon.label, "block")
    canvas.number(4, 3, part.constants["epsilon"], number_format="General")
    canvas.claim(
        "given", epsilon.key, epsilon.label, canvas.area(4, 3, 1, 1), "", "", epsilon.defined_name
    )
    moved = a1(4, 3, absolute=True)
    rows = Rows(canvas, shape, None, _FIRST - 3, _FIRST, shape.rows)
    rows.numbers("row")
    for quantity in columns:
        rows.place(quantity, look="given" if quantity.given else "")
    for n, x in enumerate(part.values[0]):
        cell = {quantity.name: rows.at(n, quantity.key, ()) for quantity in columns}
        texts = {
            "value": _function(shape.activation, cell["x"]),
            "derivative": _derivative(shape.activation, cell["value"]),
            "value_above": _function(shape.activation, f"({cell['x']}+{moved})"),
            "value_below": _function(shape.activation, f"({cell['x']}-{moved})"),
            "quotient": f"({cell['value_above']}-{cell['value_below']})/(2*{moved})",
            "gap": f"{cell['derivative']}-{cell['quotient']}",
            "step": f"IF({cell['x']}>=0,1,0)",
        }
        canvas.number(_FIRST + n, rows.column(("x", None), ()), x)
        for name, text in texts.items():
            kind = "forward" if name.startswith(("value", "step")) else "gradient"
            kind = "check" if name in ("quotient", "gap") else kind
            canvas.formula(_FIRST + n, rows.column((name, None), ()), f"={text}", kind)
    for quantity in columns:
        rows.claim(quantity.key, "given" if quantity.given else "step")
    canvas.sheet.freeze_panes = f"B{_FIRST}"
    canvas.print_on("portrait", rows=f"{_FIRST - 3}:{_FIRST - 1}")
    return rows


def _function(activation: str, x: str) -> str:
    return f"TANH({x})" if activation == "tanh" else f"1/(1+EXP(-{x}))"


def _derivative(activation: str, value: str) -> str:
    return f"1-{value}*{value}" if activation == "tanh" else f"{value}*(1-{value})"
