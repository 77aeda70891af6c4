"""A step as a person would write it: each equation with its numbers substituted."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.text import Text

from cellgrad.case.equations import general_equation
from cellgrad.case.lines import Line, Template, all_lines
from cellgrad.case.model import Case
from cellgrad.case.quantities import Key, person_label, quantities
from cellgrad.mlp import Step
from cellgrad.mlp.step import Results

_LARGE = 1e15
"""From here on a number is written with a power of ten."""


def print_working(case: Case, step: Step, decimals: int, number: str = "") -> None:
    """Print the step, quantity by quantity, in the order of the derivation.

    Args:
        case: whose step.
        step: its numbers.
        decimals: how many digits after the point.
        number: which of several updates it is, in words.
    """
    console = Console(highlight=False)
    console.print(Text(case.title, style="bold"))
    if number:
        console.print(number)
    numbers = step.givens() | step.results()
    structure = step.structure
    _print_givens(console, step, numbers, decimals)
    for quantity, lines in groupby(all_lines(structure), key=lambda line: line.quantity):
        console.print()
        heading = Text(f"{quantity.equation:<7}", style="cyan")
        console.print(heading + Text(f"{quantity.label}:  {general_equation(structure, quantity)}"))
        for line in lines:
            _print_line(console, step, line, numbers, decimals)
    console.print()
    console.print(
        f"E before the step {_number(float(step.forward.error), decimals)}, "
        f"after it {_number(float(step.after().error), decimals)}"
    )


def _print_givens(console: Console, step: Step, numbers: Results, decimals: int) -> None:
    for quantity in quantities(step.structure):
        if not quantity.given:
            continue
        values = numbers[quantity.key]
        rows = [values] if values.ndim < 2 else list(values)
        shown = "; ".join(
            " ".join(_number(float(v), decimals) for v in row.ravel()) for row in rows
        )
        _print(console, f"given  {quantity.label} = ", shown)


def _print_line(console: Console, step: Step, line: Line, numbers: Results, decimals: int) -> None:
    label = person_label(step.structure, line.quantity, line.index)
    result = _number(_scalar(numbers, line.quantity.key, line.index), decimals)
    working = _substituted(line.written(), numbers, decimals)
    _print(console, f"  {label} = ", working if working == result else f"{working} = {result}")


def _print(console: Console, head: str, body: str) -> None:
    """Print head and body on one line, or the body below, indented, where that is too long."""
    if len(head) + len(body) <= console.width:
        console.print(head + body, soft_wrap=True, markup=False)
        return
    console.print(head.rstrip(), markup=False)
    for line in Text(body).wrap(console, max(console.width - 6, 30)):
        console.print(f"      {line.plain.rstrip()}", soft_wrap=True, markup=False)


def _substituted(template: Template, numbers: Results, decimals: int) -> str:
    return "".join(
        piece
        if isinstance(piece, str)
        else _number(_scalar(numbers, piece.key, piece.index), decimals)
        for piece in template
    )


def _scalar(numbers: Results, key: Key, index: tuple[int, ...]) -> float:
    return float(numbers[key][index])


def _number(value: float, decimals: int) -> str:
    """Return at most so many decimals; a small number keeps its first digits."""
    if abs(value) >= _LARGE:
        return f"{value:.{decimals}e}"
    text = f"{value:.{decimals}f}"
    if value and abs(value) < 10.0 ** (1 - decimals) and decimals:
        return f"{value:.{max(decimals - 3, 1)}e}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
