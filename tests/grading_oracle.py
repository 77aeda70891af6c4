"""What a formula in a graded cell should come to: the MLP's numbers, Python's own arithmetic."""

import math
import re

import numpy as np

from cellgrad.mlp.step import step_of
from cellgrad.verify.redraw import calm_redraw
from plain_submission import REFERENCE, TOKEN

_MLP = {}


def mlp_cells(manifest, draw):
    """Return what every cell of the Step sheet holds in a redraw, by address, by the MLP."""
    structure = manifest.handouts[TOKEN].case.structure()
    if (structure, draw) in _MLP:
        return _MLP[structure, draw]
    drawn = calm_redraw(structure, draw)
    numbers = {**step_of(structure, drawn.givens).results(), **drawn.givens}
    cells = {}
    for cell in (*manifest.givens, *manifest.cells):
        cells[cell.address] = float(np.asarray(numbers[cell.quantity, cell.layer])[cell.index])
    for cell in manifest.fixed:
        cells[cell.address] = computed(cell.formula, cells)
    _MLP[structure, draw] = cells
    return cells


def computed(formula, cells):
    """Return what a formula comes to where cells hold these numbers, by Python's arithmetic."""
    text = REFERENCE.sub(lambda m: f"c['{m[1]}{m[2]}']", formula)
    text = text.replace("IF(", "IF_(").replace("^", "**")
    text = re.sub(r"(?<![<>=])=(?!=)", "==", text)
    words = {
        "c": cells, "EXP": math.exp, "LN": lambda x: math.log(x) if x > 0 else math.nan,
        "TANH": math.tanh, "SQRT": math.sqrt, "ABS": abs, "MAX": max, "SUM": lambda *x: sum(x),
        "IF_": lambda c, a, b: a if c else b,
    }  # fmt: skip
    try:
        return float(eval(text, {"__builtins__": {}}, words))  # noqa: S307 - our own text
    except (ZeroDivisionError, OverflowError):
        return math.nan


def differs(manifest, cell, formula, draws=40):
    """Tell whether a formula computes something else than a cell should hold."""
    for draw in range(1, draws + 1):  # where a node is asleep, many mistakes do not show
        cells = mlp_cells(manifest, draw)
        found, right = computed(formula, cells), cells[cell.address]
        if not abs(found - right) <= 1e-8 * max(1e-3, abs(right)):
            return True
    return False
