"""A step as a person would write it: each equation with its numbers substituted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import groupby
from shutil import get_terminal_size
from textwrap import wrap

from cellgrad.case.equations import Template, all_lines, general_equation
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
    width = get_terminal_size().columns
    _say(case.title, width, bold=True)
    if number:
        _say(number, width)
    numbers = step.givens() | step.results()
    structure = step.structure
    for head, body in _givens(step, numbers, decimals):
        _say_both(head, body, width)
    for quantity, lines in groupby(all_lines(structure), key=lambda line: line.quantity):
        sys.stdout.write("\n")
        equation = f"{quantity.label}:  {general_equation(structure, quantity)}"
        _say(f"{quantity.equation:<7}{equation}", width, cyan=7)
        for line in lines:
            label = person_label(structure, quantity, line.index)
            result = _number(_scalar(numbers, quantity.key, line.index), decimals)
            working = _substituted(line.written(), numbers, decimals)
            body = working if working == result else f"{working} = {result}"
            _say_both(f"  {label} = ", body, width)
    sys.stdout.write("\n")
    before, after = (float(each.error) for each in (step.forward, step.after()))
    _say(
        f"E before the step {_number(before, decimals)}, after it {_number(after, decimals)}",
        width,
    )


def _givens(step: Step, numbers: Results, decimals: int) -> Iterator[tuple[str, str]]:
    for quantity in quantities(step.structure):
        if not quantity.given:
            continue
        values = numbers[quantity.key]
        rows = [values] if values.ndim < 2 else list(values)
        shown = "; ".join(
            " ".join(_number(float(v), decimals) for v in row.ravel()) for row in rows
        )
        yield f"given  {quantity.label} = ", shown


def _say(text: str, width: int, *, bold: bool = False, cyan: int = 0) -> None:
    """Print a text, broken where it is too long; so many characters of it in cyan."""
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    for number, line in enumerate(_wrapped(text, width) or [""]):
        cut = 0 if number or plain else cyan
        head = f"\x1b[36m{line[:cut]}\x1b[0m" if cut else ""
        body = f"\x1b[1m{line}\x1b[0m" if bold and not plain else line[cut:]
        sys.stdout.write(f"{head}{body}\n")


def _say_both(head: str, body: str, width: int) -> None:
    """Print head and body on one line, or the body below, indented, where that is too long."""
    if len(head) + len(body) <= width:
        sys.stdout.write(f"{head}{body}\n")
        return
    _say(head.rstrip(), width)
    for line in _wrapped(body, max(width - 6, 30)):
        sys.stdout.write(f"      {line}\n")


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, width, drop_whitespace=True, break_on_hyphens=False)


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
